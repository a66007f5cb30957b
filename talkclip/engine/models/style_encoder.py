"""V2SS at run time: how a filmed or animated face speaks -> a style code. Numpy and onnxruntime, no torch.

What does not become part of the style
    - Blinks: whatever closes the eyelids for less than half a second is taken out of `eyeBlink...` first (a grey
      opening: no hump that is narrower remains). Lids that stay low, as in a tired face, remain.
    - Gaze: `eyeLook...` is set to 0, before and after; where somebody looked says nothing about how the line is spoken.
    - Head motion, and traces: a sustained value below `_FULL_FROM` fades, below `_NOTHING_UNTIL` it is nothing. Tracked
      faces that hold nothing show up to 0.12 there.
"""

from __future__ import annotations

import functools
import json
import weakref
from pathlib import Path

import numpy as np
from scipy.ndimage import grey_opening

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.engine.models.config import CONFIG_KEY, ModelConfig, config_from_dict
from talkclip.engine.models.style_space import StyleSpace
from talkclip.engine.weights.registry import find_weight
from talkclip.errors import InputError, TalkClipError

# Blinks last 0.1 to 0.4 s.
_LONGEST_BLINK_S = 0.5
_NOTHING_UNTIL, _FULL_FROM = 0.05, 0.2
# The manner goes with the intensity up to here, as for prompts (`text/style_coder.py`).
_MOST_MANNER = 1.5
_LIDS = [k for k, name in enumerate(ARKIT52) if name.startswith("eyeBlink")]
_GAZE = [k for k, name in enumerate(ARKIT52) if name.startswith("eyeLook")]


class StyleEncoder:
    """Clips of coefficients -> style codes, by a file of `nets.export.export_style_encoder`.

    Attributes:
        config: what the graph was built from.
    """

    def __init__(self, path: str | Path) -> None:
        """Load the graph.

        Raises:
            InputError: unreadable, or another graph.
        """
        import onnxruntime
        from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph, InvalidProtobuf, NoSuchFile

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except (Fail, InvalidGraph, InvalidProtobuf, NoSuchFile) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise InputError(f"{path}: is no ONNX model ({reason}).", "Give one that TalkCLIP exported.") from None
        text = self._session.get_modelmeta().custom_metadata_map.get(CONFIG_KEY)
        if text is None or [entry.name for entry in self._session.get_inputs()] != ["clip"]:
            raise InputError(f"{path}: is no TalkCLIP style encoder.", "Give one that TalkCLIP exported.")
        self.config: ModelConfig = config_from_dict(json.loads(text))

    def code(self, values: np.ndarray) -> np.ndarray:
        """Mean code of a clip's windows, which are as equal as they can be.

        Args:
            values: float32 (N, C), N >= 1, frames at `config.fps`.

        Returns:
            float32 (S,).
        """
        windows = np.array_split(values.astype(np.float32, copy=False), -(-len(values) // self.config.style_frames))
        codes = [self._session.run(None, {"clip": window})[0] for window in windows]
        return np.asarray(np.mean(codes, axis=0), np.float32)


class ClipStyler:
    """Clips -> codes in the space of the prompts' codes. Its weights are loaded when they are first needed."""

    def __init__(self, space: StyleSpace, path: Path | None = None) -> None:
        """`path`: another style encoder than the committed one; it must belong to the same model as `space`."""
        self._space, self._path = space, path
        self._neutral = space.neutral
        # A clip's track stays the same from prompt to prompt.
        self._codes: weakref.WeakKeyDictionary[CoefficientTrack, np.ndarray] = weakref.WeakKeyDictionary()

    @functools.cached_property
    def _encoder(self) -> StyleEncoder:
        encoder = StyleEncoder(self._path or find_weight("style-encoder"))
        config = encoder.config
        if (config.space, config.style_width, config.anchor) != ("arkit52", self._space.dim, self._space.anchor):
            raise TalkClipError("Style encoder and style space belong to different models.", code="wrong_weights")
        return encoder

    def of_clip(self, track: CoefficientTrack) -> np.ndarray:
        """How the face of a track speaks; found once for each object. Not to be written to.

        Args:
            track: `arkit52`, any rate and length; a few seconds of speech say most.

        Returns:
            float32 (dim,) code; its anchor, the sustained pose, is 0..1, and 0 for gaze.

        Raises:
            InputError: another space, or a channel is missing.
            TalkClipError: the weights are missing or are not the ones expected.
        """
        known = self._codes.get(track)
        if known is not None:
            return known
        code = self._encoder.code(_without_blinks_and_gaze(track, self._encoder.config.fps))
        anchor = code[: self._space.anchor]
        share = np.clip((anchor - _NOTHING_UNTIL) / (_FULL_FROM - _NOTHING_UNTIL), 0, 1)
        pose = np.clip(anchor, 0, 1) * share * share * (3 - 2 * share)
        pose[_GAZE] = 0
        self._codes[track] = found = np.concatenate([pose, code[self._space.anchor :]]).astype(np.float32)
        return found

    def scaled(self, code: np.ndarray, intensities: np.ndarray) -> np.ndarray:
        """A clip's code, weaker or stronger.

        Args:
            code: (dim,) of `of_clip`.
            intensities: (T,), 0 neutral, 1 as in the clip, 2 twice; a pose ends at 1.

        Returns:
            float32 (T, dim).
        """
        anchor = self._space.anchor
        pose = np.clip(intensities[:, None] * code[None, :anchor], 0, 1)
        felt = np.minimum(intensities, _MOST_MANNER)[:, None]
        manner = self._neutral[anchor:] + felt * (code - self._neutral)[None, anchor:]
        return np.concatenate([pose, manner], axis=1).astype(np.float32)


def _without_blinks_and_gaze(track: CoefficientTrack, fps: float) -> np.ndarray:
    """(N, 52) in Apple's order at `fps`."""
    if track.space != "arkit52":
        raise InputError(f"A style clip holds arkit52 coefficients, not {track.space}.", "Give an arkit52 track.")
    clip = track.resampled(fps)
    values = np.stack([clip.channel(name) for name in ARKIT52], axis=1)
    frames = round(_LONGEST_BLINK_S * fps)
    values[:, _LIDS] = grey_opening(values[:, _LIDS], size=(frames, 1), mode="nearest")
    values[:, _GAZE] = 0
    return values
