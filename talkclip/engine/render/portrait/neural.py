"""PIRenderer at work: a portrait, a `bfm64` track and the user's weights as ONNX -> pictures, without torch.

The ONNX file is made once from the public weights: `python -m talkclip_training.pirender.export WEIGHTS -o FILE.onnx`.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from talkclip.coefficients import CoefficientTrack
from talkclip.engine.bfm import N_EXPRESSION
from talkclip.engine.bfm import WHERE_FROM as BFM_FROM
from talkclip.engine.render.portrait.device import PROCESSOR, Device
from talkclip.engine.render.portrait.person import Crop
from talkclip.engine.tracking.cover import require_uncovered
from talkclip.engine.tracking.landmarks import locate
from talkclip.errors import InputError

SIZE_PX, WINDOW = 256, 27
# Angles, translation and crop of a face that looks straight ahead, as the weights were trained on (DreamTalk's values).
NEUTRAL_POSE = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.9370641, 126.84911, 129.03864)
WHERE_FROM = (
    "Get PIRenderer's weights from github.com/RenYurui/PIRender (non-commercial terms), then run: "
    "python -m talkclip_training.pirender.export WEIGHTS -o FILE.onnx"
)
_PROVIDERS = {"cpu": ["CPUExecutionProvider"], "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"]}
# The training crops: the face's box, shifted up by a tenth of its height and enlarged.
_UP, _LARGER = 0.10, 1.8


class NeuralRenderer:
    """Draws one portrait by PIRenderer.

    Args:
        picture: uint8 (H, W, 3).
        weights: the ONNX file.
        face: which face from the left and from 1; None: the only one.
        name: what errors call the picture.
        covered: take a face that seems to be covered all the same.
        device: of `choose_device` with `neural`.

    The head keeps the neutral pose: how a head pose of ours is written in the model's angles is not known for sure.
    """

    def __init__(
        self, picture: np.ndarray, weights: str | Path, face: int | None = None, name: str = "portrait",
        covered: bool = False, device: Device = PROCESSOR,
    ) -> None:  # fmt: skip
        self._session = _session(weights, device)
        marks = locate(picture, face, name)
        if not covered:
            require_uncovered(picture, marks, name)
        points = marks.points[:, :2]
        low, high = points.min(0), points.max(0)
        side = int(min(_LARGER * float((high - low).max()), *picture.shape[:2]))
        corner = (low + high) / 2 - np.array([0.0, _UP * (high - low)[1]]) - side / 2
        left, top = np.clip(corner, 0, np.array([picture.shape[1], picture.shape[0]]) - side).round().astype(int)
        self.crop = Crop(int(left), int(top), side)
        part = np.ascontiguousarray(picture[top : top + side, left : left + side])
        method = cv2.INTER_AREA if side > SIZE_PX else cv2.INTER_CUBIC
        self.image = np.asarray(cv2.resize(part, (SIZE_PX, SIZE_PX), interpolation=method))
        self._portrait = (self.image.astype(np.float32) / 127.5 - 1.0).transpose(2, 0, 1)[None]

    def frame(self, motion: np.ndarray) -> np.ndarray:
        """Motion window (73, 27) -> uint8 (256, 256, 3)."""
        feed = {"portrait": self._portrait, "motion": np.asarray(motion, np.float32)[None]}
        picture = self._session.run(["picture"], feed)[0][0].transpose(1, 2, 0)
        return np.clip(127.5 * (picture + 1.0) + 0.5, 0, 255).astype(np.uint8)


def motion_window(values: np.ndarray, frame: int) -> np.ndarray:
    """(T, 64) expression -> (73, 27): a frame with thirteen on either side, the ends held; neutral pose."""
    around = np.clip(frame + np.arange(WINDOW) - WINDOW // 2, 0, len(values) - 1)
    motion = np.concatenate([values[around], np.tile(np.array(NEUTRAL_POSE), (WINDOW, 1))], 1)
    return np.ascontiguousarray(motion.T, np.float32)


def require_bfm(track: CoefficientTrack) -> CoefficientTrack:
    """The track, if it is one that PIRenderer understands.

    Raises:
        InputError: another space.
    """
    if track.space != "bfm64" or track.values.shape[1] != N_EXPRESSION:
        raise InputError(
            f"PIRenderer speaks bfm64, this track is {track.space}.",
            f"Give --bfm BFM_model_front.mat to convert it. {BFM_FROM}",
        )
    return track


def _session(weights: str | Path, device: Device) -> onnxruntime.InferenceSession:
    if not Path(weights).is_file():
        raise InputError(f"{weights}: PIRenderer's weights are not there.", WHERE_FROM)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(weights), options, providers=_PROVIDERS[device.kind])
    except Exception as error:  # onnxruntime raises many private kinds
        reason = str(error).splitlines()[0]
        raise InputError(f"{weights}: is no ONNX file of PIRenderer ({reason}).", WHERE_FROM) from None
    if session.get_providers()[0] != _PROVIDERS[device.kind][0]:
        raise InputError(
            "onnxruntime cannot use CUDA here: a library of CUDA or cuDNN is missing.",
            "Install those of its version, or draw with --device cpu.",
        )
    names = ({i.name for i in session.get_inputs()}, {o.name for o in session.get_outputs()})
    if names != ({"portrait", "motion"}, {"picture"}):
        raise InputError(f"{weights}: is another model than PIRenderer.", WHERE_FROM)
    return session
