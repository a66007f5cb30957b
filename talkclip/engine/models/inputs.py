"""What the model hears: speech features and phones on the model's clock. Numpy only, for training and lite alike."""

from __future__ import annotations

import numpy as np

from talkclip.engine.models.config import AUDIO_WIDTHS, N_MELS, ModelConfig
from talkclip.engine.models.mouth import window_features
from talkclip.engine.speech.features import FPS as FEATURES_FPS
from talkclip.engine.speech.frontend import SpeechAnalysis
from talkclip.phones import PHONES41, SIL
from talkclip.timebase import frame_count

MODEL_FPS = 25.0
_PER_FRAME = round(FEATURES_FPS / MODEL_FPS)
_SIL = PHONES41.index(SIL)


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


def speech_inputs(analysis: SpeechAnalysis) -> np.ndarray:
    """Inputs of the default model at 25 fps.

    Model frame k stands at k / 25 s and holds feature frames 2 k and 2 k + 1, each log-mel (40), posteriors (41) and
    soft phones (41), in that order.

    Returns:
        float32 (T, 244), T as `timebase.frame_count` at 25 fps.
    """
    return stacked(window_features(analysis.features, analysis.phones, 0), analysis.clip.duration_s)


def stacked(features: np.ndarray, duration_s: float) -> np.ndarray:
    """Feature frames at 50 fps (F, 122) -> model frames (T, 244); past the end there is silence."""
    n_frames = frame_count(duration_s, MODEL_FPS)
    missing = max(0, n_frames * _PER_FRAME - len(features))
    silence = np.broadcast_to(silent_speech()[: features.shape[1]], (missing, features.shape[1]))
    whole = np.concatenate([features, silence])[: n_frames * _PER_FRAME]
    return np.ascontiguousarray(whole.reshape(n_frames, -1), dtype=np.float32)
