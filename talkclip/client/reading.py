"""Asking what a prompt is understood as, while somebody types it."""

from __future__ import annotations

from talkclip.errors import TalkClipError
from talkclip.protocol import Read, UnderstoodPrompt


class ReadingJob:
    """One question on its way. Read it between calls of `Client.pump`; only the client changes it.

    Attributes:
        id: the question's id on the wire.
        prompt: what was asked about.
        sent: whether the server was asked.
        reading: the answer, once it is here.
        error: why there is none.
    """

    def __init__(self, question_id: str, prompt: str) -> None:
        self.id = question_id
        self.prompt = prompt
        self.sent = False
        self.reading: UnderstoodPrompt | None = None
        self.error: TalkClipError | None = None

    @property
    def finished(self) -> bool:
        """True once there is an answer or an error."""
        return self.reading is not None or self.error is not None

    def question(self) -> Read:
        """What the server is told."""
        self.sent = True
        return Read(self.id, self.prompt)

    def result(self) -> UnderstoodPrompt:
        """-> the answer.

        Raises:
            TalkClipError: why there is none, or that it is not here yet.
        """
        if self.reading is not None:
            return self.reading
        raise self.error or TalkClipError("The answer is not here yet.", "Pump the client until it is.", "not_finished")
