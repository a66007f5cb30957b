"""Measure the main job: `python3 dev.py bench main [--json FILE]`.

On a 10 s clip made of the bundled sample, on one core:

    core_import_s      a fresh interpreter imports the core (numpy, pyzmq and msgpack included)
    animate_cold_s     `talkclip animate` as a whole process: start, load, analyse, animate, write
    rtf_speech_fast    seconds of work per second of audio: phones and features, fast back end, nothing cached
    rtf_speech_best    the same for the best back end installed here (named in `best_backend`)
    rtf_text_motion    prompt -> style -> coefficients, speech analysis given

Whole-process figures are the median of five runs after one warm-up; the others of seven calls.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from talkclip.exits import explained
from talkclip_training.benchmarks.common import CLIP_S, PROMPT, another_prompt, best_backend, run, ten_seconds

CORE = ("audio", "client", "coefficients", "phones", "protocol", "script", "style", "timeline", "track_io")


@dataclasses.dataclass(frozen=True)
class Figures:
    """What was measured; seconds, or seconds per second of audio."""

    core_import_s: float
    animate_cold_s: float
    rtf_speech_fast: float
    rtf_speech_best: float
    best_backend: str
    rtf_text_motion: float
    one_core: bool


def main() -> None:
    run(__doc__, measure)


def measure(folder: Path, pinned: bool) -> Figures:
    """All figures; writes only into `folder`."""
    wav = ten_seconds(folder)
    imports = "; ".join(f"import talkclip.{name}" for name in CORE)
    core_import_s = _process([sys.executable, "-c", imports])
    animate = [sys.executable, "-m", "talkclip.cli.main", "animate", str(wav), "--prompt", PROMPT, "--quiet", "-o"]

    def fresh_cache() -> dict[str, str]:
        return {"TALKCLIP_CACHE": tempfile.mkdtemp(dir=folder)}

    animate_cold_s = _process([*animate, str(folder / "line.csv")], fresh_cache)
    speech_fast, speech_best, best, text_motion = _in_process(wav)
    return Figures(core_import_s, animate_cold_s, speech_fast, speech_best, best, text_motion, pinned)


def _in_process(wav: Path) -> tuple[float, float, str, float]:
    from talkclip.engine.pipeline import Pipeline
    from talkclip.engine.speech.frontend import SpeechFrontEnd
    from talkclip.engine.speech.media import load_audio

    clip, best = load_audio(wav), best_backend()
    fast_s = _calls(lambda: SpeechFrontEnd("fast", cache=None).analyse(clip))
    best_s = fast_s if best == "fast" else _calls(lambda: SpeechFrontEnd(best, cache=None).analyse(clip))
    speak = another_prompt(Pipeline.load("fast"), clip)
    return fast_s / CLIP_S, best_s / CLIP_S, best, _calls(speak) / CLIP_S


def _process(command: list[str], environment: Callable[[], dict[str, str]] = dict) -> float:
    """Median wall seconds of a whole process."""
    times = []
    for _ in range(6):
        extra = environment()
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, **extra})
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def _calls(work: Callable[[], object]) -> float:
    """Median wall seconds of a call after a warm-up."""
    times = []
    for _ in range(8):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


if __name__ == "__main__":
    explained(main)
