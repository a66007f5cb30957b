# SPDX-License-Identifier: GPL-3.0-or-later
"""A plate on its way into files."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from talkclip.client import Client, SequenceJob, VideoJob, picture_path
from talkclip.errors import Cancelled, TalkClipError

from ..result.running import Run
from . import request
from .request import PlatePlan


@dataclass(frozen=True)
class Arrived:
    """A plate that is whole."""

    path: Path
    """The video, or the first picture."""
    first_number: int
    n_frames: int
    size: tuple[int, int]
    """Width and height, pixels."""
    alpha: bool
    drawn: int
    """Pictures that came now; the others were there from an earlier time."""
    notes: tuple[str, ...]


class PlateRun(Run):
    """A planned plate on its way. Call `pump` until it says True, then `plate`; in any case `close`."""

    plan: PlatePlan

    def __init__(self, planned: PlatePlan, client: Client) -> None:
        try:
            super().__init__(planned, client)
        except BaseException:
            shutil.rmtree(planned.temporary, ignore_errors=True)
            raise

    @property
    def latest(self) -> Path | None:
        """The picture that came last."""
        pictures = self.job.pictures if isinstance(self.job, SequenceJob) else []
        return pictures[-1] if pictures else None

    def plate(self) -> Arrived:
        """What an ended run has made.

        Raises:
            TalkClipError: why there is none.
        """
        if self.error is not None or self.job is None:
            raise self.error or Cancelled()
        if isinstance(self.job, VideoJob):
            video = self.job.video_result()
            return Arrived(video.path, 1, video.n_frames, video.size, False, video.n_frames, video.notes)
        assert isinstance(self.job, SequenceJob)
        made = self.job.sequence_result()
        first = picture_path(made.folder, made.first_number)
        size = (made.width, made.height)
        return Arrived(first, made.first_number, made.n_frames, size, made.alpha, made.drawn, made.notes)

    def close(self) -> None:
        """Stop, if it is still going on. Pictures that are whole stay, for the next attempt."""
        super().close()
        shutil.rmtree(self.plan.temporary, ignore_errors=True)

    def _submit(self) -> None:
        engine, drawing = self.client.welcome.engine, self.plan.drawing
        if drawing.renderer not in engine.renderers:
            where = f"The server at {self.client.address}"
            raise TalkClipError(
                f"{where} does not draw '{drawing.renderer}'.", "Use a server of the same version.", "no_renderer"
            )
        asked, place = self.plan.request, self.plan.place
        if self.plan.kind == "PNG":
            self.job = self.client.submit_sequence(asked, drawing, place)
        else:
            self.job = self.client.submit_video(asked, drawing, request.new_video_path(place))
