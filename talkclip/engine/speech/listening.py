"""Listening window by window: phones and features of a recording's beginning while the rest is still to be heard.

The sound itself is all there, so everything that is cheap is known of the whole clip from the start (its pauses, its
level); only the recogniser takes time, and it runs in windows anyway. What is called known equals what hearing the
whole clip finds there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from talkclip.audio import AudioClip
from talkclip.engine.speech import hama
from talkclip.engine.speech.features import AcousticFeatures, FeatureStream
from talkclip.engine.speech.pauses import STEP_S, speech_runs
from talkclip.engine.speech.recognise import MOST_VOWEL_S, STRAY_S, Spike, decisions, phones_of_spikes, spikes_of
from talkclip.phones import PhoneTrack
from talkclip.progress import CancelCheck, ProgressCallback, report, stop_if

# A spike this close to the end of what was heard may still change with what follows.
_UNSETTLED_S = 0.3
# A phone begins a little before its spike (see `recognise.SPIKE_AFTER_ONSET_S`).
_BEFORE_SPIKE_S = 0.03
# The first window is told at once, then windows are gathered: telling costs time in proportion to what is known.
_MOST_GATHERED = 24


@dataclasses.dataclass(frozen=True, eq=False)
class HeardSoFar:
    """What is known of a recording.

    Attributes:
        phones: over the whole clip, right before `known_s`.
        features: a frame for every 20 ms before `known_s`, and perhaps some more.
        known_s: seconds; infinite when everything was heard.
    """

    phones: PhoneTrack
    features: AcousticFeatures
    known_s: float


def listen(
    clip: AudioClip, progress: ProgressCallback | None = None, cancel: CancelCheck | None = None
) -> Iterator[HeardSoFar]:
    """Yield what is known after the first window of `hama.WINDOW_S`, then now and then, at last everything.

    Raises:
        Cancelled: `cancel` said so.
    """
    stream = FeatureStream(clip)
    best = np.empty(stream.n_frames, np.int64)
    scores = np.empty(stream.n_frames, np.float32)
    gathered, wanted = 0, 1
    report(progress, "phones", 0.0, f"recognising {clip.name}")
    for rows in hama.posterior_windows(clip, cancel):
        span = slice(stream.n_heard, stream.n_heard + len(rows))
        best[span], scores[span] = decisions(rows, hama.tokens())
        stream.add(rows)
        report(progress, "phones", stream.n_heard / stream.n_frames, f"recognising {clip.name}")
        gathered += 1
        complete = stream.n_heard == stream.n_frames
        if complete or gathered >= wanted:
            found = spikes_of(best[: stream.n_heard], scores[: stream.n_heard], hama.tokens(), hama.FRAME_S)
            stop_if(cancel)
            known_s = np.inf if complete else _settled_s(clip, found, stream.n_heard * hama.FRAME_S)
            yield HeardSoFar(phones_of_spikes(clip, found), stream.so_far(), float(known_s))
            gathered, wanted = 0, min(wanted * 2, _MOST_GATHERED)


def _settled_s(clip: AudioClip, found: list[Spike], heard_s: float) -> float:
    """Up to where phones cannot change any more.

    A phone lasts until the next one's onset, so the last one of a stretch of speech is open until the stretch is over;
    and the first one of a stretch may begin long before its spike.
    """
    settled_s = heard_s - _UNSETTLED_S
    spikes = [spike for spike in found if spike.at_s < settled_s]
    if spikes and spikes[-1].symbol == "HH":
        spikes.pop()  # a W after it would swallow it
    known_s = settled_s - MOST_VOWEL_S - STRAY_S
    for first, last in speech_runs(clip):
        if first * STEP_S < settled_s <= last * STEP_S + STRAY_S and spikes:
            known_s = min(known_s, spikes[-1].at_s - _BEFORE_SPIKE_S)
    return max(known_s, 0.0)
