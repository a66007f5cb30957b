"""Lines and directions made up for tests of training: phones in turn, features that show them, loud vowels."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from talkclip.coefficients import ARKIT52
from talkclip.engine.models.config import N_MELS, ModelConfig
from talkclip.engine.models.inputs import MODEL_FPS, stacked
from talkclip.engine.speech.features import FPS
from talkclip.engine.text.lexicon import EMOTIONS
from talkclip.phones import PHONES41, VOWELS, Phone, PhoneTrack
from talkclip.timebase import frame_count
from talkclip_rigs.facs import AuMove
from talkclip_training.performance.play import Spoken, speak
from talkclip_training.stages.config import RunConfig, StageConfig
from talkclip_training.stages.lines import KINDS, Line, save_lines
from talkclip_training.text.corpus import Direction

_SYLLABLES = (("M", "AA"), ("S", "IY"), ("P", "UW"), ("L", "EH"), ("B", "OW"), ("F", "AE"), ("N", "IH"), ("K", "AO"))
MODEL = ModelConfig(
    width=32, heads=4, style_inner_width=16, style_width=64, adapter_width=8, text_width=24, style_frames=40
)


def made_phones(seed: int = 0, syllables: int = 10) -> PhoneTrack:
    """Consonants of 80 ms and vowels of 160 ms between silences; every one in the middle of speech."""
    rng = np.random.default_rng(seed)
    phones, at_s = [Phone("SIL", 0.0, 0.2)], 0.2
    for k in rng.integers(len(_SYLLABLES), size=syllables):
        for symbol in _SYLLABLES[int(k)]:
            length_s = 0.16 if symbol in VOWELS else 0.08
            phones.append(Phone(symbol, at_s, at_s + length_s))
            at_s += length_s
    phones.append(Phone("SIL", at_s, at_s + 0.2))
    return PhoneTrack(tuple(phones), (), at_s + 0.2, "file")


def made_spoken(seed: int = 0, syllables: int = 10) -> Spoken:
    """The line as a neutral face says it: vowels are loud."""
    track = made_phones(seed, syllables)
    return speak(track, _loudness(track), FPS, 25.0)


def made_line(seed: int = 0, voice: str = "someone", syllables: int = 10) -> Line:
    """A line whose features are its phones, one-hot, and its loudness as a spectrum."""
    track = made_phones(seed, syllables)
    loudness = _loudness(track)
    features = np.zeros((len(loudness), N_MELS + 2 * len(PHONES41)), np.float32)
    features[:, :N_MELS] = loudness[:, None]
    for frame, time_s in enumerate(np.arange(len(loudness)) / FPS):
        symbol = _at(track, float(time_s)).symbol
        for first in (N_MELS, N_MELS + len(PHONES41)):
            features[frame, first + PHONES41.index(symbol)] = 1.0
    heard = stacked(features, frame_count(track.duration_s, MODEL_FPS))
    return Line(voice, dict.fromkeys(KINDS, heard), speak(track, loudness, FPS, 25.0))


def made_lines(path: Path, n: int = 8) -> Path:
    """A lines file: the last two voices are of those that are held out."""
    voices = ["someone"] * (n - 2) + ["af_nova", "am_liam"]
    save_lines([made_line(k, voice) for k, voice in enumerate(voices)], {"made": True}, path)
    return path


def direction(text: str, family: str, moves: tuple[AuMove, ...] = (), **changes: object) -> Direction:
    """A written direction, happy by default."""
    weights = np.zeros(len(EMOTIONS))
    weights[EMOTIONS.index(str(changes.pop("emotion", "happy")))] = 1.0
    made = Direction(text, "en", family, "corpus", "adjective", weights, 0.8, 0.6, moves)
    return dataclasses.replace(made, **changes)


def made_directions() -> list[Direction]:
    """Forty families of each of four feelings, two lines a family."""
    words = {"happy": "beaming glad", "sad": "weeping lost", "angry": "furious boiling", "surprised": "stunned gasping"}
    rows = []
    for emotion, (first, second) in ((e, w.split()) for e, w in words.items()):
        for k in range(10):
            family = f"{emotion}-{k}"
            rows.append(direction(f"{first} number {k}", family, emotion=emotion))
            rows.append(direction(f"a {second} one, number {k}", family, emotion=emotion))
    return rows


def stage_config(**run: object) -> StageConfig:
    """A run of a few steps."""
    settings = {"steps": 12, "batch": 4, "frames": 16, "rate": 3e-3, "warmup": 2, "every": 4, **run}
    return StageConfig(RunConfig(**settings), MODEL)


def pose(**channels: float) -> np.ndarray:
    """(52,) with some ARKit channels set; a name without side sets both."""
    out = np.zeros(len(ARKIT52), np.float32)
    for name, value in channels.items():
        for full in (name, f"{name}Left", f"{name}Right"):
            if full in ARKIT52:
                out[ARKIT52.index(full)] = value
    return out


def _loudness(track: PhoneTrack) -> np.ndarray:
    times_s = np.arange(round(track.duration_s * FPS)) / FPS
    return np.array([0.9 if _at(track, float(t)).symbol in VOWELS else 0.25 for t in times_s], np.float32)


def _at(track: PhoneTrack, time_s: float) -> Phone:
    return next((p for p in track.phones if p.start_s <= time_s < p.end_s), track.phones[-1])
