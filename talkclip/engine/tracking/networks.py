"""The three small vision networks, run by OpenCV on the processor.

The files are Google's MediaPipe models (Apache-2.0, `NOTICE.md`), vendored unchanged. OpenCV 5 reads TFLite files
itself, so no further runtime is needed; its results equal the LiteRT runtime's to 1e-4.
"""

from __future__ import annotations

import threading

import cv2
import numpy as np

from talkclip.engine.weights.registry import find_weight

FACE_SIZE_PX, LANDMARK_SIZE_PX, MASK_SIZE_PX = 128, 192, 256

_local = threading.local()


def detect_raw(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(128, 128, 3) float32 RGB, -1..1 -> boxes and keypoints (896, 16) in input pixels, logits (896,)."""
    boxes, logits = _run("face-detector", image, ("regressors", "classificators"))
    return boxes.reshape(-1, 16), logits.reshape(-1)


def landmarks_raw(image: np.ndarray) -> tuple[np.ndarray, float]:
    """(192, 192, 3) float32 RGB, 0..1 -> points (468, 3) in input pixels, z as x; logit that a face is there."""
    points, logit = _run("face-landmarks", image, ("conv2d_21", "conv2d_31"))
    return points.reshape(-1, 3), float(logit.reshape(-1)[0])


def person_raw(image: np.ndarray) -> np.ndarray:
    """(256, 256, 3) float32 RGB, 0..1 -> (256, 256) float32 0..1: how surely a pixel belongs to a person."""
    (mask,) = _run("person-mask", image, ("activation_10",))
    return mask.reshape(MASK_SIZE_PX, MASK_SIZE_PX)


def _run(weight_id: str, image: np.ndarray, outputs: tuple[str, ...]) -> list[np.ndarray]:
    net = _net(weight_id)
    blob = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32)
    results = []
    # OpenCV 5.0 forgets all but the asked output of these files, hence one pass for each.
    for name in outputs:
        net.setInput(blob)
        results.append(np.asarray(net.forward(name), np.float32))
    return results


def _net(weight_id: str) -> cv2.dnn.Net:
    """This thread's copy: a network keeps its activations and must not be shared."""
    nets: dict[str, cv2.dnn.Net] | None = getattr(_local, "nets", None)
    if nets is None:
        nets = _local.nets = {}
    if weight_id not in nets:
        nets[weight_id] = cv2.dnn.readNetFromTFLite(str(find_weight(weight_id)))
    return nets[weight_id]
