"""Questions: what clients ask beside their jobs. A worker answers at once, whatever job it is busy with.

Numbers of questions are below 0, those of jobs above, so that what a worker says tells which it is about.
"""

from __future__ import annotations

from collections.abc import Callable

from talkclip.errors import TalkClipError
from talkclip.protocol import Read
from talkclip_server.jobs import Session
from talkclip_server.worker import Output, Worker

MAX_PER_CLIENT = 16


class Questions:
    """Those that were asked and not answered yet."""

    def __init__(self, choose_worker: Callable[[], Worker]) -> None:
        """`choose_worker` tells who has least to do."""
        self._choose_worker = choose_worker
        self._asked: dict[int, Session] = {}
        self._count = 0

    def ask(self, session: Session, question: Read) -> None:
        """Hand a question to a worker.

        Raises:
            TalkClipError: the client has too many open (code `busy`).
        """
        if sum(asker is session for asker in self._asked.values()) >= MAX_PER_CLIENT:
            text = f"This client has {MAX_PER_CLIENT} questions open already."
            raise TalkClipError(text, "Wait for the answers.", "busy")
        self._count -= 1
        self._asked[self._count] = session
        self._choose_worker().ask(self._count, question)

    def answered(self, output: Output) -> Session | None:
        """-> who asked; None where it is no answer to a question, or nobody is there any more."""
        return self._asked.pop(output.key, None)

    def drop(self, session: Session) -> None:
        """A client left."""
        self._asked = {key: asker for key, asker in self._asked.items() if asker is not session}
