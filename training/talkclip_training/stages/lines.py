"""Spoken lines ready for training: what the model hears of them, and how a neutral face says them.

    talkclip train lines --lj DIR --kokoro DIR --out lines.npz

Takes about a minute per ten minutes of speech. LJSpeech excerpts, Kokoro voices (`talkclip train speech`), festival and
espeak-ng have exact phone times.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from talkclip.engine.models.inputs import MODEL_FPS, stacked, window_features
from talkclip.engine.speech import hama
from talkclip.engine.speech.features import FPS, extract_features
from talkclip.engine.speech.recognise import recognise
from talkclip.errors import InputError
from talkclip.files import atomic_write, unreadable
from talkclip.phones import Phone, PhoneTrack
from talkclip.progress import ProgressCallback, report
from talkclip.timebase import frame_count
from talkclip_training.mouth.corpus import (
    Utterance,
    content_hash,
    folder_utterances,
    in_a_room,
    jittered,
    lj_utterances,
    synthetic_utterances,
)
from talkclip_training.performance.play import Spoken, speak

# How the phones of the input were found: a recogniser errs, an aligner moves borders.
KINDS = ("recognised", "aligned")
# These speak only in the evaluation.
HELD_OUT_VOICES = frozenset(("voice_ked_diphone", "en-gb+f3", "en-us+m3", "af_nova", "am_liam", "bf_alice", "bm_lewis"))
HELD_OUT_LJ = 6
_MAKE_LINES = "Make them: talkclip train lines."


@dataclasses.dataclass(frozen=True, eq=False)
class Line:
    """One spoken sentence.

    Attributes:
        voice: who speaks.
        heard: kind of phones -> float32 (T, 244), what the model hears at 25 fps.
        spoken: how a neutral face says it.
    """

    voice: str
    heard: dict[str, np.ndarray]
    spoken: Spoken


def prepare(utterance: Utterance, rng: np.random.Generator) -> Line:
    """Listen to a line as the pipeline does, and let a neutral face say it."""
    log_probs, tokens = hama.posteriors(utterance.clip)
    features = extract_features(utterance.clip, log_probs=log_probs)
    phones = {
        "recognised": recognise(utterance.clip, log_probs, tokens),
        "aligned": jittered(utterance.phones, rng),
    }
    n_frames = frame_count(utterance.clip.duration_s, MODEL_FPS)
    heard = {kind: stacked(window_features(features, track, 0), n_frames) for kind, track in phones.items()}
    return Line(utterance.voice, heard, speak(utterance.phones, features.loudness, FPS, MODEL_FPS))


def save_lines(lines: Sequence[Line], about: dict[str, object], path: Path) -> None:
    """One npz: arrays joined over all lines, with the borders between them."""
    arrays: dict[str, np.ndarray] = {
        f"heard_{kind}": np.concatenate([line.heard[kind] for line in lines]).astype(np.float16) for kind in KINDS
    }
    for name in ("mouth", "loud", "accents"):
        arrays[name] = np.concatenate([getattr(line.spoken, name) for line in lines]).astype(np.float16)
    phones = [[(p.symbol, p.start_s, p.end_s) for p in line.spoken.phones.phones] for line in lines]
    index = {
        "about": about,
        "voices": [line.voice for line in lines],
        "frames": [len(line.spoken.mouth) for line in lines],
        "durations_s": [line.spoken.phones.duration_s for line in lines],
        "phones": phones,
    }
    with atomic_write(path) as temporary, temporary.open("wb") as handle:
        np.savez(handle, index=np.array(json.dumps(index)), **arrays)


def load_lines(path: Path) -> tuple[list[Line], dict[str, object]]:
    """-> the lines, and what they were made of.

    Raises:
        InputError: unreadable, or not of `save_lines`.
    """
    try:
        with np.load(path, allow_pickle=False) as data:
            index = json.loads(str(data["index"]))
            arrays = {name: data[name].astype(np.float32) for name in data.files if name != "index"}
    except OSError as error:
        raise unreadable(path, error, _MAKE_LINES) from None
    except (KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile):
        raise InputError(f"{path}: holds no spoken lines.", _MAKE_LINES) from None
    borders = np.concatenate([[0], np.cumsum(index["frames"])])
    lines = []
    for k, voice in enumerate(index["voices"]):
        part = slice(borders[k], borders[k + 1])
        phones = tuple(Phone(symbol, start_s, end_s) for symbol, start_s, end_s in index["phones"][k])
        track = PhoneTrack(phones, (), index["durations_s"][k], "file")
        spoken = Spoken(track, MODEL_FPS, arrays["mouth"][part], arrays["loud"][part], arrays["accents"][part])
        lines.append(Line(voice, {kind: arrays[f"heard_{kind}"][part] for kind in KINDS}, spoken))
    return lines, index["about"]


def split(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """-> (train, held out by voice and, for LJ, by sentence)."""
    last_lj = [line for line in lines if line.voice == "lj"][-HELD_OUT_LJ:]
    held = [line for line in lines if line.voice in HELD_OUT_VOICES or any(line is other for other in last_lj)]
    return [line for line in lines if not any(line is other for other in held)], held


def make_lines(
    lj: Path, kokoro: Path, prompts: Path, seed: int, out: Path, progress: ProgressCallback | None = None
) -> dict[str, object]:
    """Prepare all speech there is and write it -> what it was made of.

    Args:
        lj: folder with LJSpeech clips and TextGrids.
        kokoro: folder made by `talkclip_training.speech.kokoro`.
        prompts: lines for festival and espeak-ng to say.
        seed: of voices, rooms and borders.
        out: the npz.
        progress: told the stage "lines".

    Raises:
        InputError: a folder holds no speech.
    """
    rng = np.random.default_rng(seed)
    recorded, voiced = lj_utterances(lj), folder_utterances(kokoro)
    report(progress, "lines", 0.0, "Synthetic voices")
    made = [*synthetic_utterances(prompts, 30, 10, seed), *voiced]
    utterances = [in_a_room(utterance, rng) for utterance in made] + recorded
    about = {
        "data_sha256": content_hash(utterances),
        "seed": seed,
        "seconds": round(sum(u.clip.duration_s for u in utterances), 1),
        "lines": len(utterances),
    }
    lines = []
    for utterance in utterances:
        lines.append(prepare(utterance, rng))
        report(progress, "lines", len(lines) / len(utterances), f"{len(lines)} of {len(utterances)} lines")
    save_lines(lines, about, out)
    return about
