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

_LIP_CHANNELS = {
    "jaw": "jawOpen", "pucker": "mouthPucker", "funnel": "mouthFunnel", "stretch": "mouthStretchLeft",
    "lower": "mouthLowerDownLeft", "press": "mouthPressLeft",
}  # fmt: skip


def held_out_figures(model: TalkClipModel, held: Sequence[Line]) -> dict[str, float]:
    """How close the model plays what it never heard.

    Returns:
        r_<channel>: correlation of a neutral performance, phones recognised; err_<kind>: mean absolute error over all
        channels of strong performances, style from the pose ("pose") and from the performance itself ("clip").
    """
    with torch.inference_mode():
        predicted = np.concatenate([_decoded(model, line, NEUTRAL, "recognised") for line in held])
        true = np.concatenate([act(line.spoken, NEUTRAL.condition) for line in held])
        figures = {f"r_{name}": _r(predicted, true, arkit_index(channel)) for name, channel in _LIP_CHANNELS.items()}
        strong = [_strong(k) for k in range(len(held))]
        for kind in ("pose", "clip"):
            errors = []
            for line, played in zip(held, strong, strict=True):
                target = act(line.spoken, played.condition)
                style = None if kind == "pose" else model.style_of_clip(torch.from_numpy(target)[None].float())
                errors.append(np.abs(_decoded(model, line, played, "aligned", style) - target).mean())
            figures[f"err_{kind}"] = float(np.mean(errors))
    return figures


def _decoded(
    model: TalkClipModel, line: Line, played: Played, kind: str, style: torch.Tensor | None = None
) -> np.ndarray:
    if style is None:
        pose = torch.from_numpy(np.asarray(played.condition.pose, np.float32))[None]
        style = model.style_of_pose(pose, torch.tensor([played.scalars], dtype=torch.float32))
    out = model(torch.from_numpy(line.heard[kind])[None], style)
    return np.clip(out[0].numpy(), 0, 1)


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
