"""Scores poses against the expected directions of `heldout_prompts.jsonl`."""

from __future__ import annotations

import collections
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from talkclip.coefficients import ARKIT52

PROMPTS = Path(__file__).parent / "heldout_prompts.jsonl"
SEEN, STRONG, ABSENT = 0.12, 0.5, 0.08

Pose = Mapping[str, float]


def load_prompts() -> list[dict[str, Any]]:
    """The frozen items."""
    return [json.loads(line) for line in PROMPTS.read_text(encoding="utf-8").splitlines()]


def score(pose_of: Callable[[str], np.ndarray]) -> tuple[dict[str, float], list[str]]:
    """-> share of right items per group (and "all"), and what went wrong."""
    right: dict[str, list[bool]] = collections.defaultdict(list)
    wrong: list[str] = []
    for item in load_prompts():
        pose = _named(pose_of(item["prompt"]))
        faults = _pair_faults(pose, _named(pose_of(item["weaker"]))) if "weaker" in item else _faults(item, pose)
        right[item["group"]].append(not faults)
        if faults:
            shown = {k: round(v, 2) for k, v in pose.items() if v >= 0.1}
            wrong.append(f"{item['id']} '{item['prompt']}': {'; '.join(faults)} in {shown}")
    shares = {group: float(np.mean(hits)) for group, hits in right.items()}
    shares["all"] = float(np.mean([hit for hits in right.values() for hit in hits]))
    return shares, wrong


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
    faults = [] if "look" not in item or LOOKS[item["look"]](pose) else [f"does not look {item['look']}"]
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
