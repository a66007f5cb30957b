"""Measure the model: `python3 dev.py bench model [--json FILE]`.

On a 10 s clip made of the bundled sample, on one core:

    edit_ms_median      another prompt for a line whose speech is analysed: text, style code, decoder, layers
    rtf_fast            audio -> coefficients with the fast speech back end, nothing cached
    rtf_best            the same with the best back end installed here (named in `best_backend`)
    decoder_ms_per_s    the decoder with its audio encoder alone, CPU time
    params_m            learned numbers that run for a request without the text encoder, millions
    rtf_allphone        pocketsphinx's free phone recognition of the same clip
    rtf_rhubarb         rhubarb-lip-sync-wasm 0.1.8 in node, one thread; null where node or npm is missing

Medians of several calls; real-time factors are CPU seconds per second of audio.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from talkclip.exits import explained
from talkclip_training.benchmarks.common import CLIP_S, another_prompt, best_backend, run, ten_seconds

_RHUBARB = "rhubarb-lip-sync-wasm@0.1.8"
_NODE = """
const fs = require("fs"); const { Rhubarb } = require("rhubarb-lip-sync-wasm");
(async () => { const pcm = fs.readFileSync(process.argv[2]); const a = process.cpuUsage();
await Rhubarb.getLipSync(pcm, {}); const b = process.cpuUsage(a);
console.log((b.user + b.system) / 1e6); process.exit(0) })();
"""


@dataclasses.dataclass(frozen=True)
class Figures:
    """What was measured; see the module."""

    edit_ms_median: float
    rtf_fast: float
    rtf_best: float
    best_backend: str
    decoder_ms_per_s: float
    params_m: float
    rtf_allphone: float
    rtf_rhubarb: float | None
    device: str
    one_core: bool


def main() -> None:
    run(__doc__, measure)


def measure(folder: Path, pinned: bool) -> Figures:
    """All figures; writes only into `folder`."""
    from talkclip.engine.models.face import FaceModel
    from talkclip.engine.models.inputs import padding_frame
    from talkclip.engine.models.style_space import StyleSpace
    from talkclip.engine.pipeline import Pipeline
    from talkclip.engine.request import AnimateRequest
    from talkclip.engine.speech.media import load_audio
    from talkclip.timeline import PromptTimeline

    clip = load_audio(ten_seconds(folder))
    edit = another_prompt(Pipeline.load("fast"), clip)
    numbers, best = itertools.count(), best_backend()

    def whole(backend: str) -> Callable[[], None]:
        spoken = Pipeline.load(backend)

        def listen() -> None:
            os.environ["TALKCLIP_CACHE"] = tempfile.mkdtemp(dir=folder)
            noisy = dataclasses.replace(clip, samples=clip.samples + np.float32(1e-7 * next(numbers)))  # another sound
            spoken.animate(AnimateRequest(noisy, PromptTimeline.single("delighted", clip.duration_s)))

        return listen

    face, space = FaceModel.load("cpu"), StyleSpace.load()
    n_frames = round(CLIP_S * face.config.fps)
    audio = np.tile(padding_frame(face.config), (n_frames + 2 * face.config.context, 1)).astype(np.float32)
    codes = np.tile(space.neutral, (n_frames, 1))
    decoder_s = _cpu_s(lambda: face.decode(audio, codes), 15)
    fast = _cpu_s(whole("fast"), 5) / CLIP_S
    return Figures(
        1000 * _wall_s(edit, 15),
        fast,
        fast if best == "fast" else _cpu_s(whole(best), 3) / CLIP_S,
        best,
        1000 * decoder_s / CLIP_S,
        _parameters() / 1e6,
        _allphone(clip.samples) / CLIP_S,
        _rhubarb(clip.samples, folder),
        face.device,
        pinned,
    )


def _parameters() -> int:
    """Learned numbers in the shipped decoder and style space."""
    from talkclip.engine.models.nets.weights import load_model
    from talkclip.engine.weights.registry import find_weight

    model = load_model(find_weight("default-model"))
    return sum(parameter.numel() for parameter in model.parameters())


def _allphone(samples: np.ndarray) -> float:
    from pocketsphinx import Decoder, get_model_path

    decoder = Decoder(
        hmm=get_model_path("en-us/en-us"), allphone=get_model_path("en-us/en-us-phone.lm.bin"), lm=None,
        loglevel="FATAL", beam=1e-20, pbeam=1e-20, lw=2.0,
    )  # fmt: skip
    sound = (np.clip(samples, -1, 1) * 32767).astype(np.int16).tobytes()

    def run() -> None:
        decoder.start_utt()
        decoder.process_raw(sound, full_utt=True)
        decoder.end_utt()

    return _cpu_s(run, 3)


def _rhubarb(samples: np.ndarray, folder: Path) -> float | None:
    """CPU seconds per second of audio of the wasm port, or None where it cannot run."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return None
    place = folder / "rhubarb"
    place.mkdir()
    if subprocess.run(["npm", "install", "--silent", _RHUBARB], cwd=place, capture_output=True).returncode:
        return None
    (place / "run.js").write_text(_NODE, encoding="utf-8")
    (place / "sound.pcm").write_bytes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    times = []
    for _ in range(3):
        done = subprocess.run(["node", "run.js", "sound.pcm"], cwd=place, capture_output=True, text=True, timeout=300)
        if done.returncode:
            return None
        times.append(float(done.stdout.split()[-1]))
    return statistics.median(times) / CLIP_S


def _cpu_s(work: Callable[[], object], times: int) -> float:
    """Median CPU seconds of a call, after one that does not count."""
    return _median(work, times, time.process_time)


def _wall_s(work: Callable[[], object], times: int) -> float:
    return _median(work, times, time.perf_counter)


def _median(work: Callable[[], object], times: int, clock: Callable[[], float]) -> float:
    work()
    taken = []
    for _ in range(times):
        began = clock()
        work()
        taken.append(clock() - began)
    return statistics.median(taken)


if __name__ == "__main__":
    explained(main)
