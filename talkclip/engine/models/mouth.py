"""The neutral speaking mouth: acoustics and phones -> ARKit jaw, lip and tongue weights.

A linear map over a window of a tenth of a second. Short context keeps articulation crisp, and what a wider network
gained on held-out sentences it lost on real faces (see docs/model_cards/mouth.md). Its targets are a table of visemes,
in which every "a" opens alike; how far a jaw really drops is corrected by a smaller map fitted to captured speech.
Where phones are only recognised, a small network hears the lips' shapes, and closures that the recogniser missed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from scipy.ndimage import gaussian_filter1d

from talkclip.coefficients import ARKIT52, CoefficientTrack, arkit_index
from talkclip.engine.models.inputs import window_features, windows
from talkclip.engine.models.lip_network import SHUT, LipNetwork
from talkclip.engine.speech.features import AcousticFeatures
from talkclip.engine.speech.frontend import SpeechAnalysis
from talkclip.engine.weights.registry import find_weight
from talkclip.timebase import frame_count, frame_times

# Frames on each side that the map sees (20 ms each).
CONTEXT = 2
# Phones that a recogniser heard are wrong at times, aligned or corrected ones are not: one map for each.
KINDS = ("recognised", "aligned")
_RECOGNISED_BACKENDS = frozenset(("fast", "fast+align"))
# The fit leaves movements a little small (errors of the phones average out); by eye.
_AMPLITUDE = 1.12
# The jaw is heavier than the lips: its motion is smoother (standard deviations in time). Closures are put back
# crisply by the lip constraint.
_JAW_SMOOTH_S, _LIPS_SMOOTH_S = 0.030, 0.015
# What captured speech corrects, and its share: the rest stays with the table, whose phones are of many speakers.
CORRECTED = ("jawOpen", "mouthLowerDown")
_CAPTURED_SHARE = 0.65
_CAPTURED_SMOOTH_S = 0.020
# Below this jawOpen the mouth is nearly shut; whether it shuts is for the phones to say.
_NEARLY_SHUT = 0.06
# What it hears: loudness and eight bands at these frames around (20 ms each).
_AROUND = (-6, -3, 0, 3, 6)
_BANDS = 8
# The network's share of the shapes of the lips; how far they open is left to the map.
_NETWORK_SHARE = 0.8
# From where to where its word that the lips are shut counts; it is unsure at the edges of a closure.
_SHUT_FROM, _SHUT_FULL = 0.5, 0.9
# What lets go where it says so, and what presses at least.
_LETS_GO = ("jawOpen", "mouthLowerDown", "mouthUpperUp", "mouthFunnel", "mouthShrugUpper")
_PRESSES = {"mouthPress": 0.30, "mouthRollLower": 0.10, "mouthRollUpper": 0.08}
# How far around a frame its values depend on the sound: the network's window (0.10 s), the softened phones (0.04 s),
# smoothing (four deviations, twice), sampling between two frames, and a frame to spare.
REACH_S = 0.42


@dataclasses.dataclass(frozen=True, eq=False)
class MouthModel:
    """Weights of both maps.

    Attributes:
        channels: names as the map speaks them; a name without side stands for both sides.
        weights: per kind, float32 (inputs + 1, channels), the bias in the last row.
        captured: float32 (`correction_inputs` + 1, `CORRECTED`), likewise; None corrects nothing.
        lips: hears the lips' shapes where phones are only recognised; None leaves them to the map.
    """

    channels: tuple[str, ...]
    weights: dict[str, np.ndarray]
    captured: np.ndarray | None = None
    lips: LipNetwork | None = None

    @classmethod
    def load(cls) -> MouthModel:
        """The committed weights.

        Raises:
            TalkClipError: they are missing or are not the ones expected.
        """
        with np.load(find_weight("mouth"), allow_pickle=False) as data:
            channels = tuple(str(name) for name in data["channels"])
            weights = {kind: data[f"weight_{kind}"] for kind in KINDS}
            return cls(channels, weights, data["captured"], LipNetwork.of(data))

    def predict(
        self, analysis: SpeechAnalysis, fps: float, first_frame: int = 0, end_frame: int | None = None
    ) -> CoefficientTrack:
        """How a neutral face says it.

        Args:
            analysis: phones and features of the line.
            fps: frame rate of the result.
            first_frame, end_frame: the frames wanted; end None = to the end of the clip. Their values do not depend
                on what lies further away than `REACH_S`, which need not be known.

        Returns:
            arkit52 track over these frames; only jaw, mouth and tongue move; at rest in silence.
        """
        kind = KINDS[analysis.backend not in _RECOGNISED_BACKENDS]
        weight = self.weights[kind]
        if end_frame is None:
            end_frame = frame_count(analysis.clip.duration_s, fps)
        times_s = frame_times(end_frame - first_frame, fps, first_frame / fps)
        rate = analysis.features.fps
        begin = max(int((times_s[0] - REACH_S) * rate), 0)
        stretch = slice(begin, int(np.ceil((times_s[-1] + REACH_S) * rate)) + 1)
        features = analysis.features.stretch(stretch)
        frames = window_features(features, analysis.phones, 0, begin)
        curves = (windows(frames, CONTEXT) @ weight[:-1] + weight[-1]) * _AMPLITUDE
        lips = self.lips if kind == "recognised" else None
        heard = dict(zip(lips.outputs, lips.predict(frames).T, strict=True)) if lips else {}
        curves = np.clip(_smoothed(self._with_lips(curves, heard), self.channels, rate), 0, 1)
        if self.captured is not None:
            curves = self._corrected(curves, features, self.captured)
        if heard:
            curves = self._shut(curves, heard[SHUT])
        clock_s = (begin + np.arange(len(curves))) / rate
        values = np.zeros((len(times_s), len(ARKIT52)), np.float32)
        for name, curve in zip(self.channels, curves.T, strict=True):
            values[:, _columns(name)] = np.interp(times_s, clock_s, curve)[:, None]
        return CoefficientTrack("arkit52", ARKIT52, fps, values, float(times_s[0]))

    def _with_lips(self, curves: np.ndarray, heard: Mapping[str, np.ndarray]) -> np.ndarray:
        """(F, channels) with what the network heard, in place of what the map did or mixed with it."""
        curves = curves.copy()
        for column, name in enumerate(self.channels):
            if name in heard:
                curves[:, column] += _NETWORK_SHARE * (heard[name] - curves[:, column])
        return curves

    def _shut(self, curves: np.ndarray, shut: np.ndarray) -> np.ndarray:
        """(F, channels) with lips shut where the network says so (F,)."""
        curves = curves.copy()
        sure = np.clip((shut - _SHUT_FROM) / (_SHUT_FULL - _SHUT_FROM), 0, 1)
        sure = sure * sure * (3 - 2 * sure)
        for column, name in enumerate(self.channels):
            if name in _LETS_GO:
                curves[:, column] *= 1 - sure
            elif name in _PRESSES:
                curves[:, column] = np.maximum(curves[:, column], _PRESSES[name] * sure)
        return curves

    def _corrected(self, curves: np.ndarray, features: AcousticFeatures, captured: np.ndarray) -> np.ndarray:
        """(F, channels) with the channels of `CORRECTED` moved towards captured speech."""
        curves = curves.copy()
        ajar = np.clip(curves[:, self.channels.index("jawOpen")] / _NEARLY_SHUT, 0, 1)
        share = _CAPTURED_SHARE * ajar * ajar * (3 - 2 * ajar)
        for column, name in enumerate(CORRECTED):
            spoken = curves[:, self.channels.index(name)]
            real = correction_inputs(features, spoken) @ captured[:-1, column] + captured[-1, column]
            real = np.clip(gaussian_filter1d(real, _CAPTURED_SMOOTH_S * features.fps, mode="nearest"), 0, 1)
            spoken += share * (real - spoken)
        return curves


def correction_inputs(features: AcousticFeatures, spoken: np.ndarray) -> np.ndarray:
    """What the correction of one channel hears.

    Args:
        features: of F frames.
        spoken: (F,) the channel as the table's map speaks it.

    Returns:
        float32 (F, 46): loudness and bands at `_AROUND`, and the channel itself.
    """
    n_frames = len(features.mel)
    bands = features.mel.reshape(n_frames, _BANDS, -1).mean(axis=2)
    heard = np.concatenate([features.loudness[:, None], bands], axis=1)
    reach = max(_AROUND)
    padded = np.pad(heard, ((reach, reach), (0, 0)), mode="edge")
    around = [padded[reach + offset : reach + offset + n_frames] for offset in _AROUND]
    return np.asarray(np.concatenate([*around, spoken[:, None]], axis=1), np.float32)


def _smoothed(curves: np.ndarray, channels: tuple[str, ...], fps: float) -> np.ndarray:
    out = np.empty_like(curves)
    for column, name in enumerate(channels):
        deviation_s = _JAW_SMOOTH_S if name.startswith("jaw") else _LIPS_SMOOTH_S
        out[:, column] = gaussian_filter1d(curves[:, column], deviation_s * fps, mode="nearest")
    return out


def _columns(name: str) -> list[int]:
    if name in ARKIT52:
        return [arkit_index(name)]
    return [arkit_index(f"{name}Left"), arkit_index(f"{name}Right")]
