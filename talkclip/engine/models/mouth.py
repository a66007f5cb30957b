"""The neutral speaking mouth: acoustics and phones -> ARKit jaw, lip and tongue weights.

A linear map over a window of a tenth of a second. Short context keeps articulation crisp, and what a wider network
gained on held-out sentences it lost on real faces (see docs/model_cards/mouth.md).
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.ndimage import gaussian_filter1d, uniform_filter1d

from talkclip.coefficients import ARKIT52, CoefficientTrack, arkit_index
from talkclip.engine.speech.features import AcousticFeatures
from talkclip.engine.speech.frontend import SpeechAnalysis
from talkclip.engine.weights.registry import find_weight
from talkclip.phones import PHONES41, SIL, PhoneTrack
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
# How far around a frame its values depend on the sound: the map's window, the softened phones (0.04 s each), smoothing
# (four deviations), sampling between two frames, and a frame to spare.
REACH_S = 0.28


@dataclasses.dataclass(frozen=True, eq=False)
class MouthModel:
    """Weights of both maps.

    Attributes:
        channels: names as the map speaks them; a name without side stands for both sides.
        weights: per kind, float32 (inputs + 1, channels), the bias in the last row.
    """

    channels: tuple[str, ...]
    weights: dict[str, np.ndarray]

    @classmethod
    def load(cls) -> MouthModel:
        """The committed weights.

        Raises:
            TalkClipError: they are missing or are not the ones expected.
        """
        with np.load(find_weight("mouth"), allow_pickle=False) as data:
            channels = tuple(str(name) for name in data["channels"])
            return cls(channels, {kind: data[f"weight_{kind}"] for kind in KINDS})

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
        inputs = window_features(_stretch(analysis.features, stretch), analysis.phones, CONTEXT, begin)
        curves = (inputs @ weight[:-1] + weight[-1]) * _AMPLITUDE
        curves = np.clip(_smoothed(curves, self.channels, rate), 0, 1)
        clock_s = (begin + np.arange(len(curves))) / rate
        values = np.zeros((len(times_s), len(ARKIT52)), np.float32)
        for name, curve in zip(self.channels, curves.T, strict=True):
            values[:, _columns(name)] = np.interp(times_s, clock_s, curve)[:, None]
        return CoefficientTrack("arkit52", ARKIT52, fps, values, float(times_s[0]))


def _stretch(features: AcousticFeatures, frames: slice) -> AcousticFeatures:
    return AcousticFeatures(features.fps, features.mel[frames], features.posteriors[frames], features.loudness[frames])


def _smoothed(curves: np.ndarray, channels: tuple[str, ...], fps: float) -> np.ndarray:
    out = np.empty_like(curves)
    for column, name in enumerate(channels):
        deviation_s = _JAW_SMOOTH_S if name.startswith("jaw") else _LIPS_SMOOTH_S
        out[:, column] = gaussian_filter1d(curves[:, column], deviation_s * fps, mode="nearest")
    return out


def window_features(features: AcousticFeatures, phones: PhoneTrack, context: int, first_frame: int = 0) -> np.ndarray:
    """Inputs of the map.

    Args:
        features: acoustic features, (F, ...) each.
        phones: phones of the same sound.
        context: frames on each side; the ends repeat.
        first_frame: where the features begin in the sound.

    Returns:
        float32 (F, (2 * context + 1) * (40 + 41 + 41)).
    """
    frames = np.concatenate(
        [features.mel, features.posteriors, _soft_phones(phones, len(features.mel), features.fps, first_frame)], 1
    )
    padded = np.pad(frames, ((context, context), (0, 0)), mode="edge")
    return np.concatenate([padded[k : k + len(frames)] for k in range(2 * context + 1)], axis=1)


def _soft_phones(track: PhoneTrack, n_frames: int, fps: float, first_frame: int) -> np.ndarray:
    """(F, 41): which phone stands at each frame, softened over neighbours."""
    table = np.zeros((n_frames, len(PHONES41)), np.float32)
    table[:, PHONES41.index(SIL)] = 1.0
    for phone in track.phones:
        if phone.end_s * fps < first_frame:
            continue
        first, last = (max(int(np.ceil(t * fps - 1e-9)) - first_frame, 0) for t in (phone.start_s, phone.end_s))
        if first >= n_frames:
            break
        table[first:last] = 0.0
        table[first:last, PHONES41.index(phone.symbol)] = 1.0
    for _ in range(2):
        table = uniform_filter1d(table, 3, axis=0, mode="nearest")
    return table


def _columns(name: str) -> list[int]:
    if name in ARKIT52:
        return [arkit_index(name)]
    return [arkit_index(f"{name}Left"), arkit_index(f"{name}Right")]
