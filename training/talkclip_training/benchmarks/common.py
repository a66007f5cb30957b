"""What benchmarks share: one core, a cache of their own, ten seconds of speech, prompts never seen, the report."""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from talkclip.files import check_writable

if TYPE_CHECKING:
    from talkclip.audio import AudioClip
    from talkclip.engine.pipeline import Pipeline

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
CLIP_S = 10.0
PROMPT = "a furious man speaks with brows lowered"
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def run(description: str | None, measure: Callable[[Path, bool], Any]) -> None:
    """A benchmark as a command: measure on one core, print, write as JSON where asked.

    Args:
        description: of the command, for its help.
        measure: (folder it may write into, whether there is only one core) -> a dataclass of figures.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=check_writable, help="also write the figures to this file")
    target = parser.parse_args().json
    os.environ.update(_ONE_THREAD)
    pinned = _pin_to_one_core()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TALKCLIP_CACHE"] = str(Path(folder, "cache"))
        figures = dataclasses.asdict(measure(Path(folder), pinned))
    _report(figures, target)


def ten_seconds(folder: Path) -> Path:
    """The bundled sample, repeated and cut to ten seconds."""
    import soundfile

    samples, rate = soundfile.read(SAMPLES / "line.flac", dtype="float32")
    wanted = int(CLIP_S * rate)
    path = folder / "ten seconds.wav"
    soundfile.write(path, np.tile(samples, -(-wanted // len(samples)))[:wanted], rate)
    return path


def best_backend() -> str:
    """The best speech back end for a sound without transcript that is installed here."""
    from talkclip.engine.speech.frontend import available_backends

    return "whisper" if "whisper" in {backend.name for backend in available_backends() if backend.ready} else "fast"


def another_prompt(pipeline: Pipeline, clip: AudioClip) -> Callable[[], None]:
    """A call that animates a prompt never seen on a line whose speech is known, so that nothing of it is cached."""
    from talkclip.engine.request import AnimateRequest
    from talkclip.timeline import PromptTimeline

    phones = pipeline.animate(AnimateRequest(clip, PromptTimeline.single("", clip.duration_s))).phones
    takes = itertools.count()

    def speak() -> None:
        timeline = PromptTimeline.single(f"{PROMPT}, take {next(takes)}", clip.duration_s)
        pipeline.animate(AnimateRequest(clip, timeline, phones=phones))

    return speak


def _report(figures: Mapping[str, object], target: Path | None) -> None:
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:{width}s} {value:.4f}" if isinstance(value, float) else f"{name:{width}s} {value}")
    if target:
        target.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def _pin_to_one_core() -> bool:
    if not hasattr(os, "sched_setaffinity"):
        return False
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return True
