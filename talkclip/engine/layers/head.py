"""Head motion: a small seeded layer that follows the speech, and eyes that stay on their target meanwhile.

Speakers nod with stressed syllables and wander slowly in between (Hadar et al. 1983, "Kinematics of head movements
accompanying speech"; Munhall et al. 2004 report that these nods help listeners). The paper's model does not predict
head pose; sizes here are ours, chosen by eye.
"""

from __future__ import annotations

import math
import weakref

import numpy as np
from scipy.ndimage import gaussian_filter1d

from talkclip.audio import AudioClip
from talkclip.coefficients import HEAD6, arkit_index
from talkclip.engine.layers.noise import drift
from talkclip.phones import VOWELS, PhoneTrack

# Deviation of the slow wander, degrees: pitch, yaw, roll.
WANDER_DEG = (0.9, 1.6, 0.9)
WANDER_STEP_S = (0.9, 1.4, 1.7)
NOD_DEG, NODS_PER_S = 2.4, 0.9
# Nods are chosen block by block, so that a long line's beginning can move before its end is heard.
NOD_BLOCK_S = 10.0
# Deviation of a nod in time, where it has faded to nothing, and how long one block's mean takes to become the next's.
_NOD_S, _NOD_REACH_S, _HANDOVER_S = 0.13, 0.7, 2.0
_NOD_APART_S = 0.5
# Metres of shift for a degree of turn: the head pivots on the neck, not on its own centre.
_SHIFT_M_PER_DEG = 0.0004
# Radians of an eye at full eyeLook weight; see `talkclip.track_io`.
_EYE_YAW_RAD, _EYE_PITCH_RAD = 0.6, 0.35


def head_motion(clip: AudioClip, phones: PhoneTrack, times_s: np.ndarray, seed: int, gain: float = 1.0) -> np.ndarray:
    """Head pose for a line.

    Args:
        clip, phones: the speech; loud vowels nod.
        times_s: (T,) seconds.
        seed: equal seeds give equal motion at any frame rate.
        gain: 0 (still) .. 1 .. 2.

    Returns:
        (T, 6) float32 in the columns of `HEAD6`.
    """
    pose = np.zeros((len(times_s), len(HEAD6)), np.float64)
    if gain == 0:
        return pose.astype(np.float32)
    activity = _activity(clip, times_s)
    for axis, (size_deg, step_s) in enumerate(zip(WANDER_DEG, WANDER_STEP_S, strict=True)):
        rng = np.random.default_rng([seed, 0x4EAD, axis])
        pose[:, axis] = np.radians(size_deg) * drift(rng, times_s, step_s) * (0.35 + 0.65 * activity)
    pose[:, 0] += np.radians(NOD_DEG) * _nods(clip, phones, times_s, seed)
    pose[:, 3] = np.degrees(pose[:, 2]) * -_SHIFT_M_PER_DEG
    pose[:, 4] = np.degrees(pose[:, 0]) * -_SHIFT_M_PER_DEG
    return (pose * gain).astype(np.float32)


def hold_gaze(values: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Turn the eyes against the head's rotation, as eyes on a target do (vestibulo-ocular reflex).

    Args:
        values: (T, 52) arkit52.
        head: (T, 6) head pose.

    Returns:
        (T, 52) new array, eyeLook channels 0..1.
    """
    out = values.copy()
    pitch, yaw = head[:, 0] / _EYE_PITCH_RAD, head[:, 1] / _EYE_YAW_RAD
    for side, turned in (("Left", ("In", "Out")), ("Right", ("Out", "In"))):
        # Head to its left: both eyes go right, i.e. the left eye inwards and the right eye outwards.
        _add_signed(out, f"eyeLook{turned[0]}{side}", f"eyeLook{turned[1]}{side}", yaw)
        _add_signed(out, f"eyeLookUp{side}", f"eyeLookDown{side}", pitch)
    return out


def _add_signed(values: np.ndarray, positive: str, negative: str, amount: np.ndarray) -> None:
    """Add to a pair of opposing channels so that only one of the two is ever on."""
    plus, minus = arkit_index(positive), arkit_index(negative)
    signed = values[:, plus] - values[:, minus] + amount
    values[:, plus], values[:, minus] = np.clip(signed, 0, 1), np.clip(-signed, 0, 1)


# A line is drawn stretch by stretch; its loudness is found once, and forgotten with the clip.
_LOUDNESS: weakref.WeakKeyDictionary[AudioClip, tuple[np.ndarray, np.ndarray]] = weakref.WeakKeyDictionary()


def _loudness(clip: AudioClip) -> tuple[np.ndarray, np.ndarray]:
    """(times_s, level 0..1) every 10 ms: 0 at 40 dB below the clip's loud parts."""
    if clip in _LOUDNESS:
        return _LOUDNESS[clip]
    hop = clip.sample_rate // 100
    n_hops = max(1, len(clip.samples) // hop)
    blocks = clip.samples[: n_hops * hop].reshape(n_hops, -1) if len(clip.samples) >= hop else clip.samples[None]
    # Sums without a second copy of the sound, which may be hours long.
    power = np.einsum("ij,ij->i", blocks, blocks, dtype=np.float64) / blocks.shape[1]
    level_db = 10 * np.log10(power + 1e-10)
    top_db = max(float(np.percentile(level_db, 95)), -60.0)
    found = (np.arange(n_hops) + 0.5) / 100, np.clip(1 + (level_db - top_db) / 40, 0, 1)
    _LOUDNESS[clip] = found
    return found


def _activity(clip: AudioClip, times_s: np.ndarray) -> np.ndarray:
    """How much is being said around each time, 0..1, smooth over about half a second."""
    at_s, level = _loudness(clip)
    return np.asarray(np.interp(times_s, at_s, gaussian_filter1d(level, 25)))


def _nods(clip: AudioClip, phones: PhoneTrack, times_s: np.ndarray, seed: int) -> np.ndarray:
    """Sum of short downward dips at the loudest, longest vowels of each `NOD_BLOCK_S`: about one a second."""
    rng = np.random.default_rng([seed, 0x40D])
    at_s, level = _loudness(clip)
    vowels = [(p.start_s, p.end_s) for p in phones.phones if p.symbol in VOWELS]
    if not vowels:
        return np.zeros(len(times_s))
    centres = np.array([(start + end) / 2 for start, end in vowels])
    weight = np.interp(centres, at_s, level) * np.array([min(end - start, 0.25) for start, end in vowels]) ** 0.5
    sizes = rng.uniform(0.6, 1.3, len(centres))
    nods = np.zeros(len(times_s))
    before = 0.0
    for start_s, end_s in _nod_blocks(phones.duration_s):
        if start_s > times_s[-1] + _NOD_REACH_S:
            break
        if end_s + NOD_BLOCK_S < times_s[0]:
            continue  # only the block before the first one that is seen matters, for the hand-over
        # Blocks are independent: no nod stands so close to a border that one of the next block might be too near.
        low_s = start_s + (_NOD_APART_S / 2 if start_s else 0.0)
        high_s = end_s - (_NOD_APART_S / 2 if end_s < phones.duration_s else 0.0)
        inside = np.flatnonzero((centres >= low_s) & (centres < high_s))
        most = max(1, int(NODS_PER_S * (end_s - start_s)))
        mean = 0.0
        taken: list[float] = []
        for k in inside[np.argsort(-weight[inside], kind="stable")[:most]]:
            if all(abs(centres[k] - other) > _NOD_APART_S for other in taken):
                taken.append(float(centres[k]))
                mean += sizes[k] * _NOD_S * np.sqrt(2 * np.pi) / (end_s - start_s)
                near = np.abs(times_s - centres[k]) < _NOD_REACH_S
                nods[near] += sizes[k] * np.exp(-0.5 * ((times_s[near] - centres[k]) / _NOD_S) ** 2)
        # Without the block's mean, so that a talkative line does not lower the head for good; blocks hand over softly.
        into = np.clip((times_s - start_s) / _HANDOVER_S, 0, 1) if start_s else (times_s >= 0).astype(float)
        nods -= 0.7 * (mean - before) * into * into * (3 - 2 * into)
        before = mean
    return nods


def _nod_blocks(duration_s: float) -> list[tuple[float, float]]:
    """(start_s, end_s) of each; the last one takes what is left over."""
    starts = [NOD_BLOCK_S * k for k in range(max(1, int(duration_s / NOD_BLOCK_S)))]
    return [*zip(starts, [*starts[1:], duration_s], strict=True)]


def head_known_s(known_s: float, duration_s: float) -> float:
    """Up to where `head_motion` is final when the phones are known before `known_s` only."""
    if known_s >= duration_s:
        return math.inf
    ends = [end_s for _, end_s in _nod_blocks(duration_s)[:-1] if end_s <= known_s]
    return max(ends[-1] - _NOD_REACH_S, 0.0) if ends else 0.0
