"""A pipeline of the real one's shape without models, and a server process around it.

python -m tests.support.small_pipeline ADDRESS [--hold] [--exit-when-idle SECONDS]
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import time

import numpy as np

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.engine.request import AnimateRequest, AnimateResult
from talkclip.engine.text.understand import PromptReading
from talkclip.errors import InputError
from talkclip.phones import Phone, PhoneTrack
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if
from talkclip.timebase import frame_count


@dataclasses.dataclass(frozen=True)
class SmallInfo:
    """As `talkclip.engine.pipeline.PipelineInfo`."""

    version: str = "0"
    encoder: str = "small-text"
    motion: str = "loudness"
    speech: str = "none"
    spaces: tuple[str, ...] = ("arkit52",)
    device: str = "cpu"
    style_clips: bool = False


class SmallPipeline:
    """The jaw follows the loudness. With `hold`, a job never ends by itself."""

    def __init__(self, hold: bool = False) -> None:
        self._hold = hold
        self.requests: list[AnimateRequest] = []

    def describe(self) -> SmallInfo:
        """What is active."""
        return SmallInfo()

    def animate(
        self, request: AnimateRequest, progress: ProgressCallback | None = None, cancel: CancelCheck | None = None
    ) -> AnimateResult:
        """Speak one line."""
        self.requests.append(request)
        report(progress, "phones", 0.5, "Listening")
        while self._hold:
            stop_if(cancel)
            time.sleep(0.01)
        if request.text == "impossible":
            raise InputError(f"{request.clip.name}: does not contain these words.", "Give what is said.")
        n_frames = frame_count(request.clip.duration_s, request.fps)
        values = np.zeros((n_frames, len(ARKIT52)), np.float32)
        for k in range(n_frames):
            start_s = k / request.fps
            part = request.clip.samples[int(start_s * 16000) : int(start_s * 16000) + 640]
            values[k, ARKIT52.index("jawOpen")] = np.abs(part).max(initial=0.0) * request.gains.mouth
        report(progress, "motion", 1.0, "Done")
        phones = request.phones or PhoneTrack((Phone("AA", 0.0, 0.1),), (), request.clip.duration_s, "none")
        prompts = dict.fromkeys(segment.prompt for segment in request.timeline.segments)
        readings = tuple(_reading(prompt) for prompt in prompts)
        track = CoefficientTrack("arkit52", ARKIT52, request.fps, values)
        return AnimateResult(track, phones, request.timeline, readings)


def _reading(prompt: str) -> PromptReading:
    """A reading that understood nothing."""
    return PromptReading(prompt, (), {"neutral": 1.0}, 0.0, (), (), (), (), {}, (f"'{prompt}' was not understood.",))


def main() -> None:
    """Serve until stopped."""
    from talkclip_server import log_to_stderr, serve

    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--hold", action="store_true")
    parser.add_argument("--exit-when-idle", type=float)
    given = parser.parse_args()
    log_to_stderr()
    serve(given.address, functools.partial(SmallPipeline, given.hold), exit_when_idle_s=given.exit_when_idle)


if __name__ == "__main__":
    main()
