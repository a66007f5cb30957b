"""The plain baseline that every table shows: nearest emotion label -> its published pattern, phones -> a pose each.

No learned reader, no learned decoder: what a good hour of programming gives. The style corpus comes from the same FACS
tables, so a model that were no better than this would have learned nothing.
"""

from __future__ import annotations

import functools

import numpy as np
from scipy.ndimage import gaussian_filter1d

from talkclip.audio import AudioClip
from talkclip.coefficients import ARKIT52, CoefficientTrack, arkit_index
from talkclip.engine.speech.frontend import SpeechFrontEnd
from talkclip.engine.text.encoder import MiniLMEncoder
from talkclip.phones import PhoneTrack
from talkclip.timebase import frame_count, frame_times
from talkclip_rigs.facs import AuMove, emotion_patterns, pose_of
from talkclip_training.mouth.visemes import CHANNELS, TARGETS

# Label, and the study's row that is its face.
_LABELS = {
    "angry": "angry", "contempt": "contempt", "disgusted": "disgusted", "fear": "fearful", "happy": "happy",
    "sad": "sad", "surprised": "surprised", "neutral": "",
}  # fmt: skip
_LEVEL = 0.7
# As in the baseline that `lipsync_dev` was published with.
_SMOOTH_S = 0.03


class PlainBaseline:
    """Prompt -> one of eight faces; phones -> one of forty-one mouths; the larger of both counts."""

    def __init__(self) -> None:
        self._encoder = MiniLMEncoder.load()
        self._speech = SpeechFrontEnd("fast", cache=None)

    def label(self, prompt: str) -> str:
        """The emotion label whose sentence is nearest to the prompt."""
        names = list(_LABELS)
        labels = self._encoder.encode([f"A person feels {name}." for name in names])
        return names[int((labels @ self._encoder.encode([prompt])[0]).argmax())]

    def pose(self, prompt: str) -> np.ndarray:
        """-> float32 (52,)."""
        return _pattern(self.label(prompt))

    def mouth(self, clip: AudioClip, fps: float) -> CoefficientTrack:
        """Phones by rule, no expression."""
        return _phones_rule(self._speech.analyse(clip).phones, clip.duration_s, fps)

    def animate(self, clip: AudioClip, prompt: str, fps: float) -> CoefficientTrack:
        """-> arkit52 track without head motion or blinks."""
        track = self.mouth(clip, fps)
        return track.with_values(np.maximum(track.values, self.pose(prompt)))


@functools.cache
def _pattern(label: str) -> np.ndarray:
    rows = [row for row in emotion_patterns() if row.name in (_LABELS[label], label) and _LABELS[label]]
    if not rows:
        return np.zeros(len(ARKIT52), np.float32)
    row = rows[0]
    return pose_of(AuMove(au, _LEVEL, "right" if row.side == "one" else row.side) for au in row.action_units)


def _phones_rule(phones: PhoneTrack, duration_s: float, fps: float) -> CoefficientTrack:
    times_s = frame_times(frame_count(duration_s, fps), fps)
    values = np.zeros((len(times_s), len(ARKIT52)))
    for phone in phones.phones:
        inside = (times_s >= phone.start_s) & (times_s < phone.end_s)
        for channel, value in TARGETS[phone.symbol][0].items():
            for name in _names(channel):
                values[inside, arkit_index(name)] = value
    values = gaussian_filter1d(values, _SMOOTH_S * fps, axis=0, mode="nearest")
    return CoefficientTrack("arkit52", ARKIT52, fps, np.clip(values, 0, 1).astype(np.float32))


def _names(channel: str) -> tuple[str, ...]:
    assert channel in CHANNELS
    return (channel,) if channel in ARKIT52 else (f"{channel}Left", f"{channel}Right")
