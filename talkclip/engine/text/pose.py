"""Reading -> sustained expression: 52 ARKit weights that speech is laid over.

Published action-unit patterns give each emotion its face; the amounts are ours, chosen on rendered faces for someone
who speaks: the jaw belongs to speech, the mouth keeps some freedom, opposing shapes never add up.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np

from talkclip.coefficients import ARKIT52, arkit_index
from talkclip.engine.text.edits import ADD, MORE, Change, read_changes
from talkclip.engine.text.emotion_model import EmotionModel
from talkclip.engine.text.encoder import MiniLMEncoder, TextEncoder
from talkclip.engine.text.lexicon import units_of_region
from talkclip.engine.text.understand import PromptReading, understand
from talkclip.timeline import PromptEdit
from talkclip_rigs.facs import AuMove, action_units, pose_of

_SIDES = ("Left", "Right")
# amplitude = intensity ** this: "slightly sad" must still be seen.
_INTENSITY_CURVE = 0.75
# Above this intensity the peak's movements join in: teeth show, the jaw loosens.
_PEAK_FROM = 0.62
# Shares of a mixed feeling, so that half fear and half joy do not both vanish.
_MIXTURE_CURVE = 0.6
# Implied movements follow the statistics of many texts, which flatten every single one.
_IMPLIED_GAIN = 1.1
_OVERDRIVE = 1.15
# What "less brow" leaves of the brow that the rest of a prompt asks for.
_LESSENED = 0.4
_READINGS_KEPT = 512


def expression_pose(reading: PromptReading, felt: np.ndarray | None = None) -> np.ndarray:
    """-> float32 (52,), 0..1: the expression held while speaking.

    Args:
        reading: what was understood.
        felt: (52,), 0..1, what somebody else takes the feeling for; it replaces the reading's emotions and what they
            imply, while stated movements, denials and regions act on it as ever.
    """
    if felt is None:
        pose = _emotion_pose(reading.emotions, reading.intensity)
        pose = np.maximum(pose, _IMPLIED_GAIN * _speaking(pose_of(reading.implied_units)))
    else:
        pose = np.asarray(felt, np.float32)
        for emotion in reading.denied_emotions:
            pose = _less_of(pose, emotion, 1.0)
    for part, feeling in sorted(reading.regions.items()):  # brows, eyes, mouth: eyes leave named brows alone
        mask = _part_mask(part, tuple(reading.regions))
        shown = np.maximum(_emotion_pose(feeling.emotion, feeling.intensity), pose_of(feeling.moves))
        pose = np.where(mask, shown, pose)
    lessened = np.zeros(len(ARKIT52), bool)
    for au in reading.lessened_units:
        lessened |= _shapes_of(au)
    pose = np.where(lessened, _LESSENED * pose, pose)
    stated = pose_of(reading.action_units)
    pose = np.maximum(_make_way(pose, stated), stated)
    for au in reading.denied_units:
        pose[_shapes_of(au) & (stated == 0)] = 0.0
    return np.asarray(np.minimum(_untangle(pose), _limits(reading)), np.float32)


class PromptStyler:
    """Prompts -> style codes in the space `arkit52-pose`. Loads the default emotion model for the given encoder.

    Attributes:
        encoder: the text encoder in use.
        dim: length of a code (52).
    """

    dim = len(ARKIT52)

    def __init__(self, encoder: TextEncoder, model: EmotionModel | None = None) -> None:
        self.encoder = encoder
        known = model or EmotionModel.load(encoder)
        # A curve of intensity asks for one prompt many times.
        self._read = functools.lru_cache(_READINGS_KEPT)(lambda prompt: understand(prompt, known))
        self._pose = functools.lru_cache(_READINGS_KEPT)(lambda prompt: expression_pose(self._read(prompt)))

    def read(self, prompt: str) -> PromptReading:
        """What a prompt is understood to say."""
        return self._read(prompt)

    def pose(self, prompt: str) -> np.ndarray:
        """-> float32 (52,) sustained expression of a prompt, 0..1."""
        return self._pose(prompt).copy()

    def code(
        self,
        prompt: str,
        edits: Sequence[PromptEdit] = (),
        intensity: float = 1.0,
        felt: np.ndarray | None = None,
    ) -> np.ndarray:
        """Style code of a prompt with its edits.

        Args:
            prompt: how the line is spoken; "" is neutral.
            edits: each adds its weight times its own pose and takes as much away where the weight is negative; a
                "neutral" edit fades the base by its weight, one that is not understood changes nothing, "no smile"
                takes what it denies, and commands such as "less smile" or "soften the eyes" change what is there
                (`edits.py`).
            intensity: 0 (neutral) .. 2, scale of the prompt's own pose.
            felt: see `expression_pose`; of the prompt, not of the edits.

        Returns:
            float32 (52,); -1..1, below 0 only where a negative edit takes away.
        """
        code = intensity * expression_pose(self.read(prompt), felt)
        limits = _limits(self.read(prompt))
        for edit in edits:
            for change in read_changes(edit.text):
                reading = self.read(change.text) if change.text else None
                code = _edited(code, change, reading, edit.weight)
                limits = limits if reading is None else np.maximum(limits, _limits(reading))
        return np.asarray(np.clip(_untangle(code), -1.0, np.minimum(1.0, _OVERDRIVE * limits)), np.float32)


def _edited(code: np.ndarray, change: Change, reading: PromptReading | None, weight: float) -> np.ndarray:
    """A pose after one command of an edit; `reading` is what the command speaks of, None for the whole face."""
    if change.kind == ADD or (change.kind == MORE and weight < 0):
        return _added(code, reading, weight * change.share)
    by = change.share * weight * (1 if change.kind == MORE else -1)
    region = np.ones(len(code), bool) if reading is None else _idle_regions(reading)
    pose = np.zeros(len(code)) if reading is None else expression_pose(reading)
    if pose.any() and by < 0:  # "less smile" takes nothing where no smile is
        return np.where(code > 0, np.clip(_taken_away(code, pose, -by), 0.0, None), code)
    if pose.any():
        return _added(code, reading, by)
    return np.asarray(np.where(region, max(0.0, 1 + by) * code, code))


def _added(code: np.ndarray, reading: PromptReading | None, weight: float) -> np.ndarray:
    """Adds a reading's pose; a negative weight takes away as much of what is there, "no smile" what it denies."""
    pose = np.zeros(len(code)) if reading is None else expression_pose(reading)
    fade = max(0.0, 1.0 - max(0.0, weight))
    if reading is not None and (reading.denied_units or reading.denied_emotions):
        for au in reading.denied_units:
            code = np.where(_shapes_of(au) & (code > 0) & (pose == 0), fade * code, code)
        for emotion in reading.denied_emotions:
            code = _less_of(code, emotion, 1 - fade)
    elif not pose.any():
        return fade * code if reading is None or reading.understood else code
    if weight < 0:
        return _taken_away(code, pose, -weight)
    if reading is not None:
        code = np.where(code > 0, _make_way(code, weight * pose_of(reading.action_units)), code)
    return code + weight * pose


def _less_of(code: np.ndarray, emotion: str, share: float) -> np.ndarray:
    """Takes a share of an emotion's face out of what shows."""
    face = _emotion_face(emotion, 1.0)
    return np.where(code > 0, code * (1 - share * face / max(float(face.max()), 1e-6)), code)


def _taken_away(code: np.ndarray, pose: np.ndarray, weight: float) -> np.ndarray:
    """Takes a share of the pose away, and at least the same share of what is there: minus one smile leaves none."""
    there = np.clip(code, 0.0, None) * pose / max(float(pose.max(initial=0.0)), 1e-6)
    return np.asarray(code - weight * np.maximum(pose, there))


def _idle_regions(reading: PromptReading) -> np.ndarray:
    """(52,) bool: the shapes of the regions that a reading names without saying what they do."""
    mask = np.zeros(len(ARKIT52), bool)
    for name in (region for clause in reading.clauses for region in clause.regions):
        for au in units_of_region(name):
            mask |= _shapes_of(au)
    return mask


def style_code(prompt: str, edits: Iterable[tuple[str, float]] = (), intensity: float = 1.0) -> np.ndarray:
    """`PromptStyler.code` with the default encoder; edits as (text, weight) pairs.

    Raises:
        TalkClipError: the text encoder's weights are missing or wrong.
        InputError: an edit's weight is out of -2..2.
    """
    return _default_styler().code(prompt, [PromptEdit(text, weight) for text, weight in edits], intensity)


@functools.cache
def _default_styler() -> PromptStyler:
    return PromptStyler(MiniLMEncoder.load())


def _emotion_pose(emotions: Mapping[str, float], intensity: float) -> np.ndarray:
    pose = np.zeros(len(ARKIT52), np.float32)
    feeling = sum(weight for emotion, weight in emotions.items() if emotion != "neutral")
    for emotion, weight in emotions.items():
        if emotion == "neutral" or weight <= 0.03:
            continue
        # The model spreads a little weight over everything; only what stands out moves the face.
        share = weight**_MIXTURE_CURVE * min(1.0, weight / max(0.5 * feeling, 1e-6)) ** 1.5
        pose += share * _emotion_face(emotion, intensity)
    return _untangle(np.minimum(pose, 1.0))


def _emotion_face(emotion: str, intensity: float) -> np.ndarray:
    """(52,) one emotion's face at an intensity of 0..1."""
    face, peak = _emotion_faces()[emotion]
    peaking = np.clip((intensity - _PEAK_FROM) / (1 - _PEAK_FROM), 0.0, 1.0)
    face = face + peaking * np.clip(peak - face, 0.0, None)
    return np.asarray(intensity**_INTENSITY_CURVE * face, np.float32)


@functools.cache
def _emotion_faces() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Emotion -> (52,) at full intensity, and (52,) of what joins in at the peak."""

    def pose(units: Sequence[tuple[int, float, str]]) -> np.ndarray:
        return pose_of(AuMove(au, level, side) for au, level, side in units)

    return {emotion: (pose(row["au"]), pose(row["peak"])) for emotion, row in _table()["emotions"].items()}


def _speaking(pose: np.ndarray) -> np.ndarray:
    """Take out of an implied pose what only speech should do."""
    pose = pose.copy()
    for name, factor in _table()["implied_gain"].items():
        for index in _indices(name):
            pose[index] *= factor
    return pose


def _make_way(pose: np.ndarray, stated: np.ndarray) -> np.ndarray:
    """Stated movements push their antagonists out of the emotion's face."""
    pose = pose.copy()
    for a, b in _opposites():
        pose[b] *= 1 - min(1.0, 1.6 * float(stated[a]))
        pose[a] *= 1 - min(1.0, 1.6 * float(stated[b]))
    return pose


def _untangle(pose: np.ndarray) -> np.ndarray:
    """Opposing shapes: the stronger one wins in proportion."""
    pose = pose.copy()
    for a, b in _opposites():
        high, low = max(float(pose[a]), 0.0), max(float(pose[b]), 0.0)
        if high > 0 and low > 0:
            pose[a] *= high / (high + low) if high < low else 1 - 0.3 * low / high
            pose[b] *= low / (high + low) if low < high else 1 - 0.3 * high / low
    return pose


def _shapes_of(au: int) -> np.ndarray:
    """(52,) bool: the shapes that an action unit mainly is."""
    mask = np.zeros(len(ARKIT52), bool)
    for shape, weight in action_units()[au].shapes["both"].items():
        mask[arkit_index(shape)] = weight >= 0.4
    return mask


def _part_mask(part: str, named: tuple[str, ...]) -> np.ndarray:
    """(52,) bool: channels of a part of the face; eyes take the brows along unless these have their own feeling."""
    prefixes = tuple(_table()["parts"][part])
    if part == "eyes" and "brows" not in named:
        prefixes += tuple(_table()["parts"]["brows"])
    return np.array([name.startswith(prefixes) for name in ARKIT52])


@functools.cache
def _opposites() -> tuple[tuple[int, int], ...]:
    pairs: list[tuple[int, int]] = []
    for a, b in _table()["opposites"]:
        first, second = _indices(a), _indices(b)
        if len(first) == len(second):
            pairs += zip(first, second, strict=True)
        else:
            pairs += [(i, j) for i in first for j in second]
    return tuple(pairs)


def _limits(reading: PromptReading) -> np.ndarray:
    """(52,) how far shapes may go: a feeling leaves the mouth to speech, a stated movement takes more of it."""
    stated = np.minimum(pose_of(reading.action_units), _caps("stated_caps"))
    return np.asarray(np.maximum(_caps("caps"), stated), np.float32)


@functools.cache
def _caps(key: str) -> np.ndarray:
    caps = np.ones(len(ARKIT52), np.float32)
    for name, cap in _table()[key].items():
        caps[_indices(name)] = cap
    return caps


def _indices(name: str) -> list[int]:
    """An ARKit name, or a root for both sides, left first."""
    return [arkit_index(name)] if name in ARKIT52 else [arkit_index(name + side) for side in _SIDES]


@functools.cache
def _table() -> Any:
    return json.loads((resources.files("talkclip.engine.text") / "data" / "faces.json").read_text(encoding="utf-8"))
