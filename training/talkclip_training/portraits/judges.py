"""Who says where lips, lids and brows are in a picture.

    fitting_judge     the network that also fits portraits (MediaPipe, 468 points)
    dlib_judge        dlib's ensemble of regression trees (V. Kazemi, J. Sullivan, 2014): wheel dlib-bin, and
                      `shape_predictor_68_face_landmarks.dat` from the wheel face-recognition-models==0.3.0
    face_api_judge    face-api's small convolutional network (68 points, 357 kB): `face_landmark_68_model.bin` and its
                      manifest from the npm package @vladmandic/face-api (MIT)

Three methods and three sets of training pictures. Only the box of the face comes from the first one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from talkclip.engine.tracking.landmarks import EYE_OUTER_LEFT, EYE_OUTER_RIGHT, N_LANDMARKS, locate
from talkclip.errors import InputError, TalkClipError

# uint8 (H, W, 3) -> (468, 2 or 3) pixels; NaN where the judge has no such point.
Judge = Callable[[np.ndarray], np.ndarray]

_DLIB_MARGIN = 0.06
# 68 points (300-W numbering) for ours; several are averaged.
_FROM_68 = {
    33: (36,), 263: (45,), 133: (39,), 362: (42,), 159: (37, 38), 145: (40, 41), 386: (43, 44), 374: (46, 47),
    13: (62,), 14: (66,), 61: (48,), 291: (54,), 105: (18,), 66: (20,), 107: (21,), 336: (22,), 296: (23,), 334: (25,),
}  # fmt: skip
FEATURES = ("open", "width", "eyes", "brows")
_SIZE, _MEAN = 112, (122.782, 117.001, 104.298)
_POINTS = 68


def features(points: np.ndarray) -> np.ndarray:
    """(4,) mouth opening, mouth width, opening of the eyes, height of the brows; over the eyes' distance."""

    def between(a: int, b: int) -> float:
        return float(np.linalg.norm(points[a, :2] - points[b, :2]))

    unit = between(EYE_OUTER_LEFT, EYE_OUTER_RIGHT)
    eyes = between(159, 145) + between(386, 374)
    corners = points[[EYE_OUTER_LEFT, EYE_OUTER_RIGHT, 133, 362], 1].mean()
    brows = corners - points[[105, 66, 107, 334, 296, 336], 1].mean()
    return np.array([between(13, 14), between(61, 291), eyes, brows]) / unit


def fitting_judge(frame: np.ndarray) -> np.ndarray:
    """(468, 3) by the network that also fitted the portrait."""
    return locate(frame).points


def dlib_judge(path: Path) -> Judge:
    """dlib's trees."""
    try:
        import dlib
    except ModuleNotFoundError:
        raise TalkClipError("dlib is not installed.", "Run: pip install dlib") from None
    if not path.is_file():
        raise InputError(f"{path}: there is no such file.", "Give shape_predictor_68_face_landmarks.dat.")
    predictor = dlib.shape_predictor(str(path))

    def judge(frame: np.ndarray) -> np.ndarray:
        # The box is as wide as dlib's own detector draws it.
        known = locate(frame).points[:, :2]
        (left, top), (right, bottom) = known.min(0), known.max(0)
        top += 0.18 * (bottom - top)
        grow = _DLIB_MARGIN * (right - left)
        box = dlib.rectangle(*(round(float(v)) for v in (left - grow, top, right + grow, bottom)))
        shape = predictor(frame, box)
        return _ours(np.array([(p.x, p.y) for p in shape.parts()], np.float64))

    return judge


def face_api_judge(model: Path) -> Judge:
    """face-api's network; `model` is the .bin beside its -weights_manifest.json. Needs torch."""
    weights = _read_tfjs(model)

    def judge(frame: np.ndarray) -> np.ndarray:
        known = locate(frame).points[:, :2]
        low, high = known.min(0), known.max(0)
        side = float((high - low).max())
        corner = (low + high - side) / 2
        to_box = np.array([[_SIZE / side, 0, -corner[0] * _SIZE / side], [0, _SIZE / side, -corner[1] * _SIZE / side]])
        crop = cv2.warpAffine(frame, to_box, (_SIZE, _SIZE), flags=cv2.INTER_AREA)
        return _ours(_face_api(crop, weights) * side + corner)

    return judge


def _ours(seen: np.ndarray) -> np.ndarray:
    points = np.full((N_LANDMARKS, 2), np.nan)
    for landmark, rows in _FROM_68.items():
        points[landmark] = seen[list(rows)].mean(0)
    return points


def _read_tfjs(model: Path) -> dict[str, np.ndarray]:
    """Weights of a TensorFlow.js file, bytes scaled back to numbers."""
    manifest = model.with_name(f"{model.stem}-weights_manifest.json")
    data, at, weights = model.read_bytes(), 0, {}
    for entry in json.loads(manifest.read_text(encoding="utf-8"))[0]["weights"]:
        count = int(np.prod(entry["shape"]))
        scale = entry["quantization"]
        raw = np.frombuffer(data, np.uint8, count, at).astype(np.float32)
        weights[entry["name"]] = (raw * scale["scale"] + scale["min"]).reshape(entry["shape"])
        at += count
    return weights


def _face_api(crop: np.ndarray, weights: dict[str, np.ndarray]) -> np.ndarray:
    """uint8 (112, 112, 3) -> (68, 2) shares of the crop: four densely summed blocks of separable convolutions."""
    import torch
    from torch.nn import functional

    def tensor(name: str, order: tuple[int, ...]) -> Any:
        return torch.from_numpy(np.ascontiguousarray(weights[name].transpose(order)))

    def convolved(x: Any, name: str, stride: int) -> Any:
        # TensorFlow's "same" padding: with stride 2, on the right and below alone.
        x = functional.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
        bias = torch.from_numpy(weights[f"{name}/bias"])
        if f"{name}/filters" in weights:
            return functional.conv2d(x, tensor(f"{name}/filters", (3, 2, 0, 1)), bias, stride)
        x = functional.conv2d(x, tensor(f"{name}/depthwise_filter", (2, 3, 0, 1)), None, stride, groups=x.shape[1])
        return functional.conv2d(x, tensor(f"{name}/pointwise_filter", (3, 2, 0, 1)), bias)

    x = (torch.from_numpy(crop.astype(np.float32)) - torch.tensor(_MEAN)).permute(2, 0, 1)[None] / 255.0
    for block in range(4):
        total = functional.relu(convolved(x, f"dense{block}/conv0", 2))
        inside = total
        for layer in range(1, 4):
            out = convolved(inside, f"dense{block}/conv{layer}", 1)
            total = total + out
            inside = functional.relu(total)
        x = functional.relu(total)
    flat = x.mean((2, 3)) @ torch.from_numpy(weights["fc/weights"]) + torch.from_numpy(weights["fc/bias"])
    return flat.reshape(_POINTS, 2).numpy().astype(np.float64)
