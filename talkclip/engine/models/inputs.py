"""What the model hears: speech features and phones on the model's clock. Numpy only, for training and lite alike."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from talkclip.engine.models.config import AUDIO_WIDTHS, N_MELS, ModelConfig
from talkclip.engine.speech.features import FPS as FEATURES_FPS
from talkclip.engine.speech.features import AcousticFeatures
from talkclip.engine.speech.frontend import SpeechAnalysis
from talkclip.phones import PHONES41, SIL, PhoneTrack
from talkclip.timebase import frame_count

MODEL_FPS = 25.0
_PER_FRAME = round(FEATURES_FPS / MODEL_FPS)
_SIL = PHONES41.index(SIL)
# Feature frames on each side over which the phones are softened.
_SOFTENED = 2
# How far around a model frame its inputs depend on features and phones: both its feature frames, and the softening.
REACH_S = (_PER_FRAME + _SOFTENED) / FEATURES_FPS


def padding_frame(config: ModelConfig) -> np.ndarray:
    """What stands outside the clip: the phone id of silence, one frame of silent features, or zeros.

    Returns:
        int64 () for phone ids, else float32 (I,).
    """
    if config.audio_input == "phones":
        return np.array(_SIL, np.int64)
    if config.audio_input == "speech":
        return silent_speech()
    return np.zeros(AUDIO_WIDTHS[config.audio_input], np.float32)


def silent_speech() -> np.ndarray:
    """One frame of `speech_inputs` for silence, float32 (244,)."""
    frame = np.zeros(N_MELS + 2 * len(PHONES41), np.float32)
    frame[N_MELS + _SIL] = 1.0  # what is recognised
    frame[N_MELS + len(PHONES41) + _SIL] = 1.0  # what is aligned
    return np.tile(frame, _PER_FRAME)


def speech_inputs(analysis: SpeechAnalysis, first_frame: int = 0, end_frame: int | None = None) -> np.ndarray:
    """Inputs of the default model at 25 fps.

    Model frame k stands at k / 25 s and holds feature frames 2 k and 2 k + 1, each log-mel (40), posteriors (41) and
    soft phones (41), in that order.

    Args:
        analysis: of the line.
        first_frame, end_frame: model frames wanted; end None = to the end of the clip. Their values do not depend on
            features and phones further away than `REACH_S`, which need not be known.

    Returns:
        float32 (end - first, 244); the whole clip has as many frames as `timebase.frame_count` says at 25 fps.
    """
    n_frames = frame_count(analysis.clip.duration_s, MODEL_FPS)
    end_frame = n_frames if end_frame is None else end_frame
    begin = max(first_frame * _PER_FRAME - _SOFTENED, 0)
    features = analysis.features.stretch(slice(begin, end_frame * _PER_FRAME + _SOFTENED))
    rows = window_features(features, analysis.phones, 0, begin)[first_frame * _PER_FRAME - begin :]
    return stacked(rows, end_frame - first_frame)


def stacked(features: np.ndarray, n_frames: int) -> np.ndarray:
    """Feature frames at 50 fps (F, 122) -> model frames (n_frames, 244); past the end there is silence."""
    missing = max(0, n_frames * _PER_FRAME - len(features))
    silence = np.broadcast_to(silent_speech()[: features.shape[1]], (missing, features.shape[1]))
    whole = np.concatenate([features[: n_frames * _PER_FRAME], silence])
    return np.ascontiguousarray(whole.reshape(n_frames, -1), dtype=np.float32)


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
    return windows(frames, context)


def windows(frames: np.ndarray, context: int) -> np.ndarray:
    """(F, I) -> (F, (2 * context + 1) * I): each frame with its neighbours; the ends repeat."""
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
    for _ in range(_SOFTENED):
        table = uniform_filter1d(table, 3, axis=0, mode="nearest")
    return table
