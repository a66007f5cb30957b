"""The exported face model in onnxruntime: what the lite installation runs. No torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from talkclip.engine.models.blocks import BLOCK_FRAMES, FaceStream, decode_clip
from talkclip.engine.models.config import AUDIO_WIDTHS, CONFIG_KEY, ModelConfig, config_from_dict
from talkclip.engine.models.inputs import padding_frame
from talkclip.engine.weights.registry import find_weight
from talkclip.errors import InputError
from talkclip.progress import CancelCheck, ProgressCallback

# In the order of preference.
DEVICES = {
    "cuda": "CUDAExecutionProvider", "coreml": "CoreMLExecutionProvider", "directml": "DmlExecutionProvider",
    "cpu": "CPUExecutionProvider",
}  # fmt: skip


class FaceModel:
    """Audio inputs and a style per frame -> coefficients.

    Attributes:
        config: what the graph was built from.
        device: where it computes, one of `DEVICES`.
    """

    def __init__(self, path: str | Path, device: str = "auto") -> None:
        """Load a file of `nets.export.export_face`.

        Args:
            path: the file.
            device: one of `DEVICES`; "auto" takes the first of them that onnxruntime has here.

        Raises:
            InputError: unreadable, or another graph; a device that is not there.
        """
        import onnxruntime
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf, NoSuchFile

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # its operators are small: a second thread costs more than it brings
        options.log_severity_level = 3
        there = {name: DEVICES[name] for name in DEVICES if DEVICES[name] in onnxruntime.get_available_providers()}
        if device != "auto" and device not in there:
            raise InputError(f"onnxruntime has no device '{device}' here.", f"Use auto, {', '.join(there)}.")
        providers = list(there.values()) if device == "auto" else [there[device]]
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except (Fail, InvalidGraph, InvalidProtobuf, NoSuchFile) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise InputError(f"{path}: is no ONNX model ({reason}).", "Give one that TalkCLIP exported.") from None
        text = self._session.get_modelmeta().custom_metadata_map.get(CONFIG_KEY)
        if text is None or [entry.name for entry in self._session.get_inputs()] != ["audio", "style"]:
            raise InputError(f"{path}: is no TalkCLIP face model.", "Give one that TalkCLIP exported.")
        self.config: ModelConfig = config_from_dict(json.loads(text))
        running = self._session.get_providers()[0]
        self.device = next(name for name, provider in DEVICES.items() if provider == running)

    @classmethod
    def load(cls, device: str = "auto") -> FaceModel:
        """The committed weights.

        Raises:
            TalkClipError: they are missing or are not the ones expected.
        """
        return cls(find_weight("face"), device)

    def animate(
        self,
        audio: np.ndarray,
        style: np.ndarray,
        progress: ProgressCallback | None = None,
        cancel: CancelCheck | None = None,
        block_frames: int = BLOCK_FRAMES,
    ) -> np.ndarray:
        """A whole clip of any length; outside it there is silence.

        Args:
            audio: float32 (T, I), for the default model of `inputs.speech_inputs`.
            style: float32 (T, S), or (S,) for the whole clip.
            progress: told the stage "motion".
            cancel: asked between blocks.
            block_frames: memory grows with it, not with T.

        Returns:
            float32 (T, C); in arkit52 not yet clipped to 0..1.

        Raises:
            InputError: no frame, or widths and lengths that do not fit.
            Cancelled: `cancel` said so.
        """
        inputs, codes = AUDIO_WIDTHS[self.config.audio_input], self.config.style_width
        if audio.ndim != 2 or audio.shape[1] != inputs or style.shape[-1:] != (codes,):
            raise InputError(f"audio {audio.shape} and style {style.shape} are not (T, {inputs}) and (T, {codes}).")
        padding = padding_frame(self.config)
        return decode_clip(self.decode, audio, style, self.config.context, padding, block_frames, progress, cancel)

    def stream(self) -> FaceStream:
        """Frames in as they are heard, coefficients out `config.context` frames later."""
        return FaceStream(self.decode, self.config.context, padding_frame(self.config))

    def decode(self, inputs: np.ndarray, styles: np.ndarray) -> np.ndarray:
        """Frames whose context is given: (T + 2 * context, I), (T, S) -> (T, C)."""
        feeds = {"audio": inputs.astype(np.float32, copy=False), "style": styles.astype(np.float32, copy=False)}
        return np.asarray(self._session.run(None, feeds)[0])
