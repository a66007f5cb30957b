# SPDX-License-Identifier: GPL-3.0-or-later
"""A request on its way, carried by the client in small steps."""

from __future__ import annotations

from talkclip.client import Client, EditJob, EditReply, Job, JobState, SpeakReply
from talkclip.errors import Cancelled, TalkClipError

from ..service.connection import waiting_text
from ..service.state import service
from .asked import engine_of
from .edits import Base
from .request import Plan


class Run:
    """A planned request on its way. Call `pump` until it says True, then `result`."""

    def __init__(self, planned: Plan, client: Client, keep_open: bool = False) -> None:
        """Begin.

        Args:
            planned: what to ask for.
            client: how; it may be connected already.
            keep_open: leave the connection open at the end, for the next request.
        """
        self.plan = planned
        self.client = client
        self.job: Job | None = None
        self.error: TalkClipError | None = None
        self.engine = ""
        self._keep_open = keep_open
        # A connection from before may have been lost without anybody noticing.
        self._may_reconnect = client.connected
        client.start()

    @property
    def progress(self) -> tuple[float, str]:
        """(0..1, words for people)."""
        if self.job is None:
            return 0.0, waiting_text()
        # Sending is a sliver of the whole; a bar that fills and starts again would look like a fault.
        waiting = self.job.state in (JobState.UPLOADING, JobState.WAITING)
        return 0.0 if waiting else self.job.fraction, self.job.text

    def pump(self, budget_ms: float = 4.0) -> bool:
        """Move on for about `budget_ms` -> whether the run has ended, well or badly. Never waits."""
        try:
            self.client.pump(budget_ms)
            if self.client.error is not None and self._may_reconnect:
                self._reconnect()
            if self.job is None and self.client.welcome is not None:
                service.met(self.client)
                self._submit()
                self.client.pump(budget_ms)
        except TalkClipError as error:
            self.error = error
        self.error = self.error or self.client.error
        return self.error is not None or (self.job is not None and self.job.finished)

    def result(self) -> SpeakReply | EditReply:
        """The answer of an ended run.

        Raises:
            TalkClipError: why there is none.
        """
        if self.error is not None or self.job is None:
            raise self.error or Cancelled()
        return self.job.edit_result() if isinstance(self.job, EditJob) else self.job.result()

    def close(self) -> None:
        """Stop, if it is still going on, and let the connection go."""
        if not self._keep_open:
            self.client.close()
        elif self.job is not None:
            self.client.cancel(self.job)

    def _reconnect(self) -> None:
        self._may_reconnect = False
        self.job = None
        self.client.close()
        self.client.start()

    def _submit(self) -> None:
        self._require_space()
        self.engine = engine_of(self.client.welcome)
        base = self.plan.base
        if isinstance(base, Base) and base.engine == self.engine:
            self.job = self.client.submit_edit(self.plan.request, base.timeline, base.restyled)
        else:
            self.job = self.client.submit(self.plan.request)

    def _require_space(self) -> None:
        spaces, space = self.client.welcome.engine.spaces, self.plan.request.space
        if space in spaces:
            return
        where = f"The server at {self.client.address}"
        if space == "flame":
            remedy = "Start it with your own copy of the model: talkclip serve --flame MODEL.pkl"
            raise TalkClipError(
                f"{where} has no FLAME model, and '{self.plan.mesh}' is a FLAME head.", remedy, "no_space"
            )
        raise TalkClipError(f"{where} does not speak '{space}'.", "Use a server of the same version.", "no_space")
