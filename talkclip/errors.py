"""The errors a user meets: what is wrong, where, and what to do.

TalkClipError            anything we can explain
├── InputError           the user's file or argument; the command line exits with 2
└── Cancelled            the user asked to stop
"""

from __future__ import annotations

EXIT_INPUT = 2


class TalkClipError(Exception):
    """An error with a remedy.

    Args:
        message: one line that names the thing and the problem.
        hint: one line that says what to do, or "".
        code: stable machine-readable word, carried over the wire protocol.
    """

    code = "error"

    def __init__(self, message: str, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()


class InputError(TalkClipError):
    """A file or an argument of the user's cannot be used as it is."""

    code = "bad_input"


class Cancelled(TalkClipError):  # noqa: N818 - a state the user asked for, not a fault
    """The user stopped the work."""

    code = "cancelled"

    def __init__(self, message: str = "Cancelled.", hint: str = "") -> None:
        super().__init__(message, hint)
