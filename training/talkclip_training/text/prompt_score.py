"""Scores poses against expected directions of frozen prompts, for the shipped reader and for what it is made of.

    python -m talkclip_training.text.prompt_score tests/engine/text/heldout_open.jsonl [--failures]

Rows: the shipped reader; without any lexicon of feeling; with TF-IDF over characters in place of the text encoder; the
emotion model alone, without rules; T2SS alone, as in the paper; the plain baseline (nearest label).
"""

from __future__ import annotations

import argparse
import collections
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from talkclip.coefficients import ARKIT52
from talkclip.engine.models.style_space import StyleSpace
from talkclip.engine.text import lexicon, reader, split
from talkclip.engine.text.emotion_model import EmotionModel, Guess
from talkclip.engine.text.encoder import MiniLMEncoder
from talkclip.engine.text.lexicon import EMOTIONS, PhraseTable
from talkclip.engine.text.pose import PromptStyler, expression_pose
from talkclip.engine.text.understand import PromptReading, understand
from talkclip.errors import InputError
from talkclip.exits import explained
from talkclip.timeline import PromptEdit
from talkclip_rigs.facs import AuMove
from talkclip_training.benchmarks.plain import PlainBaseline
from talkclip_training.corpora.clips import json_lines

SEEN, STRONG, ABSENT = 0.12, 0.5, 0.08
_FIELDS = ("id", "group", "prompt")

Pose = Mapping[str, float]
EditedPose = Callable[[str, Sequence[PromptEdit]], np.ndarray]


def load_prompts(path: Path) -> list[dict[str, Any]]:
    """The frozen items.

    Raises:
        InputError: unreadable, no items, or a line that is none.
    """
    items = [dict(item) for _, item in json_lines(path, _FIELDS)]
    if not items:
        raise InputError(f"{path}: holds no prompts.", "Give a file with one JSON object a line.")
    return items


def score(
    items: list[dict[str, Any]], pose_of: Callable[[str], np.ndarray], edited: EditedPose | None = None
) -> tuple[dict[str, float], list[str]]:
    """-> share of right items per group (and "all"), and what went wrong.

    Args:
        items: the frozen items.
        pose_of: prompt -> pose.
        edited: prompt and weighted edits -> pose; items with edits are left out without it.
    """
    right: dict[str, list[bool]] = collections.defaultdict(list)
    wrong: list[str] = []
    for item in items:
        if "edits" in item:
            if edited is None:
                continue
            pose = _named(edited(item["prompt"], [PromptEdit(text, weight) for text, weight in item["edits"]]))
        else:
            pose = _named(pose_of(item["prompt"]))
        faults = _pair_faults(pose, _named(pose_of(item["weaker"]))) if "weaker" in item else _faults(item, pose)
        right[item["group"]].append(not faults)
        if faults:
            shown = {k: round(v, 2) for k, v in pose.items() if v >= 0.1}
            wrong.append(f"{item['id']} '{item['prompt']}': {'; '.join(faults)} in {shown}")
    shares = {group: round(float(np.mean(hits)), 3) for group, hits in right.items()}
    shares["all"] = round(float(np.mean([hit for hits in right.values() for hit in hits])), 3)
    return shares, wrong


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("prompts", type=Path)
    parser.add_argument("--failures", action="store_true", help="list what the shipped reader gets wrong")
    options = parser.parse_args()
    items = load_prompts(options.prompts)
    encoder = MiniLMEncoder.load()
    shipped = EmotionModel.load(encoder)
    styler, space = PromptStyler(encoder, shipped), StyleSpace.load()
    characters = TfidfModel()
    table = {}
    table["shipped"], wrong = score(items, styler.pose, styler.code)
    with (
        mock.patch.object(lexicon, "feeling_words", lambda: PhraseTable([])),
        mock.patch.object(reader, "find_idioms", lambda _: ()),
        mock.patch.object(split, "find_idioms", lambda _: ()),
    ):
        table["no lexicon of feeling"], _ = score(items, PromptStyler(encoder, shipped).pose)
        table["no lexicon, TF-IDF for the encoder"], _ = score(
            items, lambda text: expression_pose(understand(text, characters))
        )
    table["TF-IDF for the encoder"], _ = score(items, lambda text: expression_pose(understand(text, characters)))
    table["emotion model alone"], _ = score(items, lambda text: expression_pose(_reading(text, shipped.guess(text))))
    table["T2SS alone (the paper's way)"], _ = score(
        items, lambda text: np.clip(space.of_text(encoder.encode([text])[0])[: space.anchor], 0, 1)
    )
    table["plain baseline (nearest label)"], _ = score(items, PlainBaseline().pose)
    print(json.dumps(table, indent=1))
    if options.failures:
        print("\n".join(wrong))


class TfidfModel:
    """The baseline: the same directions over character n-grams, in the place of encoder and emotion model."""

    def __init__(self) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import Ridge, SGDClassifier

        from talkclip_training.text.corpus import read_all

        rows = read_all()
        self._vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=3)
        features = self._vectorizer.fit_transform([row.text for row in rows])
        soft = np.array([row.emotion for row in rows])
        index, label = np.nonzero(soft > 0)
        weights = soft[index, label] * np.array([row.weight for row in rows])[index]
        self._emotion = SGDClassifier(loss="log_loss", alpha=3e-6, max_iter=30, random_state=0)
        self._emotion.fit(features[index], label, sample_weight=weights / weights.mean())
        self._intensity = Ridge(2.0, solver="sparse_cg").fit(features, [row.intensity for row in rows])

    def guess(self, text: str) -> Guess:
        """See `EmotionModel.guess`."""
        features = self._vectorizer.transform([text])
        intensity = float(np.clip(self._intensity.predict(features)[0], 0, 1))
        return Guess(self._emotion.predict_proba(features)[0], intensity, {})

    def can_read(self, words: list[str]) -> bool:
        """It reads anything."""
        return bool(words)


def _reading(text: str, guess: Guess) -> PromptReading:
    emotions = dict(zip(EMOTIONS, guess.emotions.tolist(), strict=True))
    implied = tuple(AuMove(au, level) for au, level in guess.levels.items() if level >= SEEN)
    return PromptReading(text, (), emotions, guess.intensity, (), implied, (), (), {}, ())


def _named(values: np.ndarray) -> dict[str, float]:
    return dict(zip(ARKIT52, values.tolist(), strict=True))


def _mean(pose: Pose, root: str) -> float:
    if root in pose:
        return pose[root]
    return (pose[root + "Left"] + pose[root + "Right"]) / 2


def _spread(pose: Pose, root: str) -> float:
    return abs(pose[root + "Left"] - pose[root + "Right"])


def _pair_faults(strong: Pose, weak: Pose) -> list[str]:
    a, b = (float(np.linalg.norm(list(p.values()))) for p in (strong, weak))
    return [] if b < 0.9 * a and b > 0.05 else [f"{b:.2f} is not clearly weaker than {a:.2f}"]


def _faults(item: dict[str, Any], pose: Pose) -> list[str]:
    looks = item.get("look", [])
    looks = [looks] if isinstance(looks, str) else looks
    faults = [] if not looks or any(LOOKS[look](pose) for look in looks) else [f"does not look {' or '.join(looks)}"]
    for key, wanted in item.get("expect", {}).items():
        if key == "any":
            ok = any(_mean(pose, root) >= SEEN for root in wanted)
        elif key == "asym":
            ok = any(_spread(pose, root) >= SEEN for root in wanted)
        elif isinstance(wanted, list):
            ok = wanted[0] <= _mean(pose, key) <= wanted[1]
        elif wanted == "<half":
            other = key.replace("Left", "Right") if "Left" in key else key.replace("Right", "Left")
            ok = pose[key] <= 0.5 * pose[other]
        else:
            value = _mean(pose, key)
            ok = {"+": value >= SEEN, "++": value >= STRONG, "0": value <= ABSENT}[wanted]
        if not ok:
            faults.append(f"{key} not {wanted}")
    return faults


LOOKS: dict[str, Callable[[Pose], bool]] = {
    "angry": lambda p: (
        _mean(p, "browDown") >= SEEN
        and _mean(p, "mouthSmile") <= SEEN
        and max(_mean(p, k) for k in ("eyeSquint", "mouthPress", "noseSneer")) >= SEEN
    ),
    "happy": lambda p: (
        _mean(p, "mouthSmile") >= 0.2 and _mean(p, "mouthFrown") <= ABSENT and _mean(p, "browDown") <= 0.15
    ),
    "sad": lambda p: (
        max(p["browInnerUp"], _mean(p, "mouthFrown")) >= 0.15
        and _mean(p, "mouthSmile") <= SEEN
        and _mean(p, "noseSneer") <= 0.3
        and _mean(p, "eyeWide") <= 0.3
    ),
    "fear": lambda p: (
        max(_mean(p, "eyeWide"), _mean(p, "mouthStretch")) >= SEEN
        and p["browInnerUp"] >= SEEN
        and _mean(p, "mouthSmile") <= 0.25
    ),
    "surprised": lambda p: (
        max(_mean(p, "browOuterUp"), _mean(p, "eyeWide")) >= 0.2
        and _mean(p, "browDown") <= 0.15
        and _mean(p, "mouthFrown") <= 0.15
    ),
    "disgusted": lambda p: (
        max(_mean(p, "noseSneer"), _mean(p, "mouthUpperUp")) >= 0.2 and _mean(p, "mouthSmile") <= SEEN
    ),
    "contempt": lambda p: max(_spread(p, k) for k in ("mouthSmile", "mouthDimple", "mouthUpperUp")) >= SEEN,
    "neutral": lambda p: max(p.values()) <= 0.2,
}


if __name__ == "__main__":
    explained(main)
