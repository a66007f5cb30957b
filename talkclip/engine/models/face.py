"""The face decoder at run time: the trained model as an ONNX file, run by onnxruntime."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from talkclip.engine.models.blocks import decode_clip
from talkclip.engine.models.config import ModelConfig, config_from_dict
from talkclip.engine.models.inputs import padding_frame
from talkclip.engine.weights.registry import find_weight
from talkclip.errors import TalkClipError
from talkclip.progress import CancelCheck, ProgressCallback

CONFIG_KEY = "talkclip_config"
# In the order of preference; what is not there is passed over.
_PROVIDERS = (
    "CUDAExecutionProvider", "CoreMLExecutionProvider", "DmlExecutionProvider", "CPUExecutionProvider",
)  # fmt: skip
DEVICES = {"CUDAExecutionProvider": "cuda", "CoreMLExecutionProvider": "coreml", "DmlExecutionProvider": "directml",
           "CPUExecutionProvider": "cpu"}  # fmt: skip


class FaceModel:
    """Audio features and a style per frame -> coefficients.

    Attributes:
        config: of the model that was exported.
        device: where it computes: cuda, coreml, directml or cpu.
    """

    def __init__(self, path: Path, device: str = "auto") -> None:
        """Load an exported model.

        Args:
            path: file made by `nets.export.export_face`.
            device: "auto" takes the first that is there; a name insists on it.

        Raises:
            TalkClipError: no configuration in the file, or the device is not there.
        """
        import onnxruntime

        there = [name for name in _PROVIDERS if name in onnxruntime.get_available_providers()]
        if device != "auto":
            there = [name for name in there if DEVICES[name] == device]
            if not there:
                raise TalkClipError(f"onnxruntime offers no device '{device}' here.", "Use --device auto.", "no_device")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # blocks are small, and other jobs run beside
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(path), options, providers=there)
        text = self._session.get_modelmeta().custom_metadata_map.get(CONFIG_KEY)
        if text is None:
            raise TalkClipError(f"{path.name}: holds no model configuration.", "Export it again.", "wrong_weights")
        self.config: ModelConfig = config_from_dict(json.loads(text))
        self.device = DEVICES[self._session.get_providers()[0]]

    @classmethod
    def load(cls, device: str = "auto") -> FaceModel:
        """The committed weights.

        Raises:
            TalkClipError: they are missing or are not the ones expected.
        """
        return cls(find_weight("face"), device)

    def decode(self, inputs: np.ndarray, styles: np.ndarray) -> np.ndarray:
        """Frames with their whole context: inputs (n + 2 * context, I), styles (n, S) -> (n, C)."""
        (out,) = self._session.run(None, {"audio": inputs, "style": styles})
        return np.asarray(out, np.float32)

    def decode_clip(
        self,
        inputs: np.ndarray,
        styles: np.ndarray,
        progress: ProgressCallback | None = None,
        cancel: CancelCheck | None = None,
    ) -> np.ndarray:
        """A whole clip: inputs (T, I), styles (T, S) -> float32 (T, C), not yet clipped to 0..1."""
        padding = padding_frame(self.config)
        return decode_clip(self.decode, inputs, styles, self.config.context, padding, progress=progress, cancel=cancel)
