"""What the model hears, and cutting it."""

from __future__ import annotations

import numpy as np
import pytest

from talkclip.audio import AudioClip
from talkclip.engine.models.blocks import FaceStream, decode_clip
from talkclip.engine.models.config import AUDIO_WIDTHS, default, dreamtalk, paper
from talkclip.engine.models.inputs import padding_frame, silent_speech, speech_inputs
from talkclip.engine.speech.features import AcousticFeatures
from talkclip.engine.speech.frontend import SpeechAnalysis
from talkclip.errors import Cancelled, InputError
from talkclip.phones import PHONES41, SIL, Phone, PhoneTrack
from talkclip.timebase import frame_count


def analysis(duration_s: float) -> SpeechAnalysis:
    """Features that say which frame they are of."""
    n = int(duration_s * 50)
    mel = np.arange(n, dtype=np.float32)[:, None] * np.ones((1, 40), np.float32)
    heard = np.zeros((n, 41), np.float32)
    heard[:, PHONES41.index("B")] = 1
    clip = AudioClip(np.zeros(round(duration_s * 16000), np.float32), 16000)
    phones = PhoneTrack((Phone("AA", 0.0, duration_s),), (), duration_s, "file")
    return SpeechAnalysis(clip, phones, AcousticFeatures(50.0, mel, heard, mel[:, 0]), "file")


@pytest.mark.parametrize("duration_s", [0.04, 1.0, 1.02, 1.1])
def test_each_model_frame_holds_its_two_feature_frames(duration_s: float) -> None:
    rows = speech_inputs(analysis(duration_s))
    assert rows.shape == (frame_count(duration_s, 25.0), 244) and rows.dtype == np.float32
    n = int(duration_s * 50)
    for frame in range(n // 2):
        assert rows[frame, 0] == 2 * frame and rows[frame, 122] == 2 * frame + 1
    assert rows[0, 40 + PHONES41.index("B")] == 1 and rows[0, 81 + PHONES41.index("AA")] > 0.5
    if n % 2 == 0 and len(rows) > n // 2:
        np.testing.assert_array_equal(rows[-1], silent_speech())


def test_silence_is_what_the_features_of_silence_are() -> None:
    frame = silent_speech().reshape(2, 122)
    assert frame[:, 40 + PHONES41.index(SIL)].tolist() == [1, 1] == frame[:, 81 + PHONES41.index(SIL)].tolist()
    assert frame.sum() == 4
    for config in (default(), dreamtalk()):
        assert padding_frame(config).shape == (AUDIO_WIDTHS[config.audio_input],)
    assert padding_frame(paper()) == 31


def _sum_of_context(inputs: np.ndarray, styles: np.ndarray) -> np.ndarray:
    return np.stack([inputs[k : k + 5].sum(axis=0) for k in range(len(styles))]) + styles


def test_blocks_report_and_can_be_stopped() -> None:
    inputs = np.ones((10, 1), np.float32)
    told: list[float] = []
    out = decode_clip(
        _sum_of_context, inputs, np.zeros(1, np.float32), 2, np.zeros(1), 4, lambda _s, share, _m: told.append(share)
    )
    assert out[:, 0].tolist() == [3, 4, 5, 5, 5, 5, 5, 5, 4, 3] and told == [0.4, 0.8, 1.0]
    with pytest.raises(Cancelled):
        decode_clip(_sum_of_context, inputs, np.zeros(1), 2, np.zeros(1), cancel=lambda: True)
    with pytest.raises(InputError, match="no frame"):
        decode_clip(_sum_of_context, inputs[:0], np.zeros(1), 2, np.zeros(1))
    with pytest.raises(InputError, match="3 styles"):
        decode_clip(_sum_of_context, inputs, np.zeros((3, 1)), 2, np.zeros(1))


def test_a_stream_is_used_as_it_is_meant() -> None:
    stream = FaceStream(_sum_of_context, 2, np.zeros(1, np.float32))
    with pytest.raises(InputError, match="styles"):
        stream.push(np.ones((2, 1), np.float32), np.ones((1, 1), np.float32))
    assert stream.finish() is None
    with pytest.raises(InputError, match="ended"):
        stream.push(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32))
