"""Figures on lines that no training saw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from talkclip.coefficients import arkit_index
from talkclip.engine.models.nets.model import TalkClipModel
from talkclip_training.performance.conditions import NEUTRAL, Played
from talkclip_training.performance.play import Condition, act
from talkclip_training.stages.lines import Line

_SHOWN = {"jaw": "jawOpen", "smile": "mouthSmileLeft", "brow": "browInnerUp", "stretch": "mouthStretchLeft"}


def held_out_figures(model: TalkClipModel, held: Sequence[Line]) -> dict[str, float]:
    """How close the model plays what it never heard.

    Returns:
        err_<kind>: mean absolute error over all channels of what strong expressions change, style from the pose
        ("pose") and from the performance itself ("clip"); r_<channel>: correlation of the change around its mean over
        each line, style from the pose; rest: mean absolute change that a neutral style makes, which should be none.
    """
    errors: dict[str, list[float]] = {"pose": [], "clip": []}
    given, wanted, rest = [], [], []
    with torch.inference_mode():
        for number, line in enumerate(held):
            played = _strong(number)
            performance = act(line.spoken, played.condition)
            change = performance - act(line.spoken, NEUTRAL.condition)
            codes = {
                "pose": _code(model, played),
                "clip": model.style_of_clip(torch.from_numpy(performance)[None].float()),
            }
            for kind, code in codes.items():
                predicted = _decoded(model, line, code)
                errors[kind].append(float(np.abs(predicted - change).mean()))
                if kind == "pose":
                    given.append(predicted - predicted.mean(0))
                    wanted.append(change - change.mean(0))
            rest.append(float(np.abs(_decoded(model, line, _code(model, NEUTRAL))).mean()))
    moved, true = np.concatenate(given), np.concatenate(wanted)
    figures = {f"err_{kind}": float(np.mean(values)) for kind, values in errors.items()}
    figures |= {f"r_{name}": _r(moved, true, arkit_index(channel)) for name, channel in _SHOWN.items()}
    return figures | {"rest": float(np.mean(rest))}


def _code(model: TalkClipModel, played: Played) -> torch.Tensor:
    pose = torch.from_numpy(np.asarray(played.condition.pose, np.float32))[None]
    return model.style_of_pose(pose, torch.tensor([played.scalars], dtype=torch.float32))


def _decoded(model: TalkClipModel, line: Line, code: torch.Tensor) -> np.ndarray:
    return np.asarray(model(torch.from_numpy(line.heard["recognised"])[None], code)[0].numpy())


def _strong(number: int) -> Played:
    """A few fixed expressions, in turn."""
    pose = np.zeros(52, np.float32)
    looks = (
        {"mouthSmile": 0.8, "cheekSquint": 0.7}, {"browDown": 0.9, "eyeSquint": 0.5, "mouthPress": 0.4},
        {"mouthFrown": 0.7, "browInnerUp": 0.9}, {"eyeWide": 0.9, "mouthStretch": 0.6, "browInnerUp": 0.8},
    )  # fmt: skip
    for root, value in looks[number % len(looks)].items():
        for name in (root,) if root == "browInnerUp" else (f"{root}Left", f"{root}Right"):
            pose[arkit_index(name)] = value
    return Played(Condition(pose, 0.7), 0.8)


def _r(predicted: np.ndarray, true: np.ndarray, column: int) -> float:
    x, y = predicted[:, column], true[:, column]
    if min(np.ptp(x), np.ptp(y)) < 1e-6:
        return 0.0  # a channel that does not move follows nothing
    return float(np.corrcoef(x, y)[0, 1])
