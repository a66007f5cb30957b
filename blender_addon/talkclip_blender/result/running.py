# SPDX-License-Identifier: GPL-3.0-or-later
"""A request on its way, carried by the client in small steps."""

from __future__ import annotations

from talkclip.client import Client, Job, JobState, SpeakReply
from talkclip.errors import Cancelled, TalkClipError

from .request import Plan


class Run:
    """A planned request on its way. Call `pump` until it says True, then `result`."""

    def __init__(self, planned: Plan, client: Client) -> None:
        self.plan = planned
        self.client = client
        self.job: Job | None = None
        self.error: TalkClipError | None = None
        client.start()

    @property
    def progress(self) -> tuple[float, str]:
        """(0..1, words for people)."""
        if self.job is None:
            return 0.0, "Connecting"
        # Sending is a sliver of the whole; a bar that fills and starts again would look like a fault.
        waiting = self.job.state in (JobState.UPLOADING, JobState.WAITING)
        return 0.0 if waiting else self.job.fraction, self.job.text

    def pump(self, budget_ms: float = 4.0) -> bool:
        """Move on for about `budget_ms` -> whether the run has ended, well or badly. Never waits."""
        try:
            self.client.pump(budget_ms)
            if self.job is None and self.client.welcome is not None:
                self.job = self._submit()
        except TalkClipError as error:
            self.error = error
        self.error = self.error or self.client.error
        return self.error is not None or (self.job is not None and self.job.finished)

    def result(self) -> SpeakReply:
        """The answer of an ended run.

        Raises:
            TalkClipError: why there is none.
        """
        if self.error is not None or self.job is None:
            raise self.error or Cancelled()
        return self.job.result()

    def close(self) -> None:
        """Stop, if it is still going on, and close the connection."""
        self.client.close()

    def _submit(self) -> Job:
        self._require_space()
        return self.client.submit(self.plan.request)

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
