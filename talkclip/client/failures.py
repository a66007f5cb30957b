"""What can go wrong between client and server, as exceptions."""

from __future__ import annotations

from talkclip.errors import Cancelled, InputError, TalkClipError
from talkclip.protocol import Failure


class ConnectionFailed(TalkClipError):  # noqa: N818 - reads as what happened
    """No server answers, or it stopped answering."""

    code = "no_server"


def error_of(message: Failure) -> TalkClipError:
    """The server's error as the exception the same mistake raises here."""
    if message.code == Cancelled.code:
        return Cancelled(message.message, message.hint)
    if message.code == InputError.code:
        return InputError(message.message, message.hint)
    return TalkClipError(message.message, message.hint, message.code)


def nobody_at(address: str, refused: bool) -> ConnectionFailed:
    """Why there is no connection: nobody answers, or (`refused`) somebody does who wants a key."""
    if refused:
        text = (
            f"The TalkCLIP server at {address} refuses this connection: the key is missing, wrong or not allowed there."
        )
        return ConnectionFailed(
            text, "Ask who runs it for a key (`talkclip keys new`), and check its file.", "key_refused"
        )
    return ConnectionFailed(f"No TalkCLIP server answers at {address}.", "Start one with `talkclip serve`.")
