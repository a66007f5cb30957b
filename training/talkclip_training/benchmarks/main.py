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

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
CLIP_S = 10.0
CORE = ("audio", "client", "coefficients", "phones", "protocol", "script", "style", "timeline", "track_io")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
PROMPT = "a furious man speaks with brows lowered"


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    target = parser.parse_args().json
    os.environ.update(ONE_THREAD)
    pinned = pin_to_one_core()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder), pinned)
    report_figures(dataclasses.asdict(figures), target)


def report_figures(figures: dict[str, object], target: Path | None) -> None:
    """Print what was measured; also write it as JSON if a file is named."""
    for name, value in figures.items():
        print(f"{name:18s} {value:.4f}" if isinstance(value, float) else f"{name:18s} {value}")
    if target:
        target.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def measure(folder: Path, pinned: bool) -> Figures:
    """All figures; writes only into `folder`."""
    os.environ["TALKCLIP_CACHE"] = str(folder / "cache")
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
    from talkclip.engine.request import AnimateRequest
    from talkclip.engine.speech.frontend import SpeechFrontEnd, available_backends
    from talkclip.engine.speech.media import load_audio
    from talkclip.timeline import PromptTimeline

    clip = load_audio(wav)
    ready = {backend.name for backend in available_backends() if backend.ready}
    best = "whisper" if "whisper" in ready else "fast"
    fast_s = _calls(lambda: SpeechFrontEnd("fast", cache=None).analyse(clip))
    best_s = fast_s if best == "fast" else _calls(lambda: SpeechFrontEnd(best, cache=None).analyse(clip))
    pipeline = Pipeline.load("fast")
    phones = pipeline.animate(AnimateRequest(clip, PromptTimeline.single("", clip.duration_s))).phones
    numbers = iter(range(1000))

    def speak() -> None:
        prompt = f"{PROMPT}, take {next(numbers)}"  # a prompt never seen, so that nothing of it is cached
        pipeline.animate(AnimateRequest(clip, PromptTimeline.single(prompt, clip.duration_s), phones=phones))

    return fast_s / CLIP_S, best_s / CLIP_S, best, _calls(speak) / CLIP_S


def ten_seconds(folder: Path) -> Path:
    """The bundled sample, repeated and cut to ten seconds."""
    import soundfile

    samples, rate = soundfile.read(SAMPLES / "line.flac", dtype="float32")
    wanted = int(CLIP_S * rate)
    path = folder / "ten seconds.wav"
    soundfile.write(path, np.tile(samples, -(-wanted // len(samples)))[:wanted], rate)
    return path


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


def pin_to_one_core() -> bool:
    if not hasattr(os, "sched_setaffinity"):
        return False
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return True


if __name__ == "__main__":
    main()
