"""hama's phoneme recogniser as a sound-to-posteriors network: 191 tokens at 50 Hz, through onnxruntime.

The network and its vocabulary come from the wheel `hama==1.3.13` (Apache-2.0); the weights are checked by hash.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from talkclip.audio import AudioClip
from talkclip.engine.weights.registry import find_weight
from talkclip.ipa import arpabet_of
from talkclip.phones import NSN, PHONES41, SIL
from talkclip.progress import CancelCheck, stop_if

FRAME_S = 0.02
# Frame k is taken to stand at k * FRAME_S. Measured on aligned speech (LJSpeech excerpts, 1,118 spikes): spikes come
# 25 ms after the sound's onset and 10 ms before its centre, so nothing is to be corrected.
# The network was trained on pieces below 30 s; longer sound goes in windows whose inner parts are joined.
WINDOW_S, OVERLAP_S = 20.0, 1.0
_SPECIAL = ("<wb>", "<blank>")
_SMALLEST_S = 0.1


@functools.cache
def tokens() -> tuple[str, ...]:
    """The 191 tokens: IPA sounds, special tokens, word boundary and blank."""
    vocabulary = json.loads(find_weight("hama-vocab").read_text(encoding="utf-8"))
    return (*vocabulary["decoder"], *_SPECIAL)


@functools.cache
def _session() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Its operators are small: a second thread costs more than it brings.
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(find_weight("hama-ctc")), options, providers=["CPUExecutionProvider"])


def posteriors(clip: AudioClip, cancel: CancelCheck | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """What the network hears.

    Args:
        clip: 16 kHz mono, any length; memory is bounded by the window.
        cancel: asked before each window.

    Returns:
        log-probabilities float32 (F, 191), frame k stands at k * FRAME_S F covers the clip;
        and the tokens.
    """
    return np.concatenate(list(posterior_windows(clip, cancel))), tokens()


def posterior_windows(clip: AudioClip, cancel: CancelCheck | None = None) -> Iterator[np.ndarray]:
    """The rows of `posteriors` window by window, in order, as the network hears them."""
    rate = clip.sample_rate
    count = n_frames(clip)
    step, margin = round((WINDOW_S - 2 * OVERLAP_S) / FRAME_S), round(OVERLAP_S / FRAME_S)
    hop = round(FRAME_S * rate)
    for first in range(0, count, step):
        stop_if(cancel)
        begin = max(0, first - margin)
        sound = clip.samples[begin * hop : (first + step + margin) * hop]
        window = _run(sound, rate)
        wanted = np.arange(first, min(first + step, count)) - begin
        yield window[np.minimum(wanted, len(window) - 1)]


def n_frames(clip: AudioClip) -> int:
    """How many frames cover the clip."""
    return int(np.ceil(clip.duration_s / FRAME_S)) + 1


def _run(sound: np.ndarray, rate: int) -> np.ndarray:
    """One window -> (frames, 191)."""
    silence_after = np.zeros(round(_SMALLEST_S * rate), np.float32)
    padded = np.concatenate([np.clip(sound, -1.0, 1.0), silence_after])
    feeds = {"waveform": padded[None], "waveform_lengths": np.array([padded.size], np.int64)}
    log_probs, lengths = _session().run(["log_probs", "out_lengths"], feeds)
    return np.asarray(log_probs[0][: int(lengths[0])], np.float32)


@functools.cache
def _to_classes() -> np.ndarray:
    """(191, 41) shares: each token's probability goes to its ARPABET classes; blank and boundary to silence."""
    table = np.zeros((len(tokens()), len(PHONES41)), np.float32)
    for row, token in enumerate(tokens()):
        symbols = (SIL,) if token in _SPECIAL else arpabet_of(token) or (NSN,)
        for symbol in symbols:
            table[row, PHONES41.index(symbol)] += 1.0 / len(symbols)
    return table


def class_posteriors(log_probs: np.ndarray) -> np.ndarray:
    """(F, 191) log-probabilities -> (F, 41) probabilities over `PHONES41`."""
    return np.asarray(np.exp(log_probs) @ _to_classes(), np.float32)
