"""Which part of a recording says which part of a transcript, and whether it does.

Recognised phones are matched with the transcript's phones; the recording is cut at its pauses; each stretch is
judged by how many of its sounds agree; fitting neighbours are joined into pieces that an aligner can work on (at
most ~20 s).

Measured on LJSpeech excerpts with the phone recogniser (share of sounds that agree, 2 * equal / (heard +
expected)): true text .73-.92, true text under noise at 5 dB .47-.87, another text of the same length .14-.40.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from talkclip.audio import AudioClip
from talkclip.engine.speech.matching import match_phones
from talkclip.engine.speech.pauses import pauses
from talkclip.phones import SIL, Phone

FITS_SHARE = 0.42
LONGEST_S = 20.0
# A single breathless stretch longer than this is cut between two words.
_CUT_S = 30.0
_PAUSE_S = 0.2
# With trusted words a recording up to this length is one piece: in noise the cuts would be as doubtful as the fit.
_WHOLE_S = 60.0
# A stretch with fewer sounds says too little about whether the text fits.
_JUDGED_SOUNDS = 14


@dataclasses.dataclass(frozen=True)
class Piece:
    """A stretch of the recording and its words.

    Attributes:
        start_s, end_s: the stretch; pieces follow each other without gaps and cover the recording.
        words: indices of the words that are said in it, in order.
        heard: phones recognised in it without the text.
        fits: the words agree with what is heard.
        n_heard, n_expected, n_exact: sounds recognised, sounds of the words, sounds that are equal.
        agree: per word, the share of its sounds that were recognised as expected.
        not_heard: indices of words of the transcript that nobody says here; not among `words`.
    """

    start_s: float
    end_s: float
    words: tuple[int, ...]
    heard: tuple[Phone, ...]
    fits: bool
    n_heard: int
    n_expected: int
    n_exact: int
    agree: tuple[float, ...] = ()
    not_heard: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Match:
    """What matching found. Per word: time (s, rising), sounds, paired, equal. Per heard phone: equal to its partner."""

    word_at_s: np.ndarray
    sounds: np.ndarray
    paired: np.ndarray
    equal: np.ndarray
    heard_equal: np.ndarray
    first_s: np.ndarray
    last_s: np.ndarray


def plan(
    clip: AudioClip, sounds: Sequence[Sequence[str]], heard: Sequence[Phone], trusted: bool = False
) -> list[Piece]:
    """Cut a recording and its transcript into pieces.

    Args:
        clip: the recording.
        sounds: per word, its expected phones.
        heard: recognised phones in order; SIL is ignored.
        trusted: the words are taken for said, however little of them was recognised (noise).
    """
    spoken = [phone for phone in heard if phone.symbol != SIL]
    match = _match_words(spoken, sounds)
    silent = np.zeros(len(sounds), bool) if trusted else _words_not_heard(match)
    borders = [0.0, clip.duration_s] if trusted and clip.duration_s <= _WHOLE_S else _borders(clip, match)
    stretches = [_piece(match, spoken, silent, start_s, end_s) for start_s, end_s in itertools.pairwise(borders)]
    return _join_fitting(_judged(stretches, trusted))


def _match_words(spoken: Sequence[Phone], sounds: Sequence[Sequence[str]]) -> _Match:
    owners = [w for w, phones in enumerate(sounds) for _ in phones]
    expected = [symbol for phones in sounds for symbol in phones]
    pairs = match_phones([phone.symbol for phone in spoken], expected)
    n = len(sounds)
    paired, equal = np.zeros(n, int), np.zeros(n, int)
    heard_equal = np.zeros(len(spoken), bool)
    first_s, last_s = np.full(n, np.inf), np.full(n, -np.inf)
    for i, j in pairs:
        w = owners[j]
        paired[w] += 1
        if spoken[i].symbol == expected[j]:
            equal[w] += 1
            heard_equal[i] = True
        first_s[w] = min(first_s[w], spoken[i].start_s)
        last_s[w] = max(last_s[w], spoken[i].end_s)
    n_sounds = np.array([len(phones) for phones in sounds])
    return _Match(_rising_times(first_s, last_s), n_sounds, paired, equal, heard_equal, first_s, last_s)


def _rising_times(first_s: np.ndarray, last_s: np.ndarray) -> np.ndarray:
    """A time per word; words without a partner stand between their neighbours."""
    known = np.flatnonzero(np.isfinite(first_s))
    if known.size == 0:
        return np.zeros(first_s.size)
    middle = np.maximum.accumulate((first_s[known] + last_s[known]) / 2)
    return np.interp(np.arange(first_s.size), known, middle)


def _words_not_heard(match: _Match) -> np.ndarray:
    """(words,) bool: in a run of at least 3 words and 10 sounds of which hardly any was heard."""
    absent = (match.paired <= 0.4 * match.sounds) & (match.equal <= 0.25 * match.sounds)
    result = np.zeros(absent.size, bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], absent.astype(np.int8), [0]])))
    for first, last in edges.reshape(-1, 2):
        if last - first >= 3 and match.sounds[first:last].sum() >= 10:
            result[first:last] = True
    return result


def _borders(clip: AudioClip, match: _Match) -> list[float]:
    """Cuts in the middle of pauses; stretches that are too long are cut between two words that were clearly heard."""
    inner = [(a, b) for a, b in pauses(clip, _PAUSE_S) if a > 0 and b < clip.duration_s]
    cuts = [(a + b) / 2 for a, b in inner]
    clear = match.equal >= 0.6 * np.maximum(match.sounds, 1)
    between = [
        (float(match.last_s[w] + match.first_s[w + 1]) / 2)
        for w in np.flatnonzero(clear[:-1] & clear[1:])
        if match.first_s[w + 1] >= match.last_s[w] - 0.05
    ]
    borders = [0.0]
    for cut in [*cuts, clip.duration_s]:
        while cut - borders[-1] > _CUT_S:
            near = [t for t in between if borders[-1] + 5.0 < t < min(borders[-1] + LONGEST_S, cut - 1.0)]
            borders.append(near[-1] if near else min(borders[-1] + LONGEST_S, cut - 1.0))
        if cut > borders[-1] + 0.05:
            borders.append(cut)
    borders[-1] = clip.duration_s
    return borders


def _piece(match: _Match, spoken: Sequence[Phone], silent: np.ndarray, start_s: float, end_s: float) -> Piece:
    last = end_s if not spoken or end_s < max(spoken[-1].end_s, match.word_at_s[-1]) else np.inf
    inside = np.flatnonzero((match.word_at_s >= (start_s if start_s > 0 else -np.inf)) & (match.word_at_s < last))
    words, not_heard = inside[~silent[inside]], inside[silent[inside]]
    numbers = [i for i, phone in enumerate(spoken) if start_s <= (phone.start_s + phone.end_s) / 2 < end_s]
    return Piece(
        start_s, end_s, tuple(words.tolist()), tuple(spoken[i] for i in numbers), True, len(numbers),
        int(match.sounds[words].sum()), int(match.heard_equal[numbers].sum()),
        tuple((match.equal[words] / np.maximum(match.sounds[words], 1)).tolist()), tuple(not_heard.tolist()),
    )  # fmt: skip


def _join(a: Piece, b: Piece, fits: bool) -> Piece:
    return Piece(
        a.start_s, b.end_s, a.words + b.words, a.heard + b.heard, fits, a.n_heard + b.n_heard,
        a.n_expected + b.n_expected, a.n_exact + b.n_exact, a.agree + b.agree,
        a.not_heard + b.not_heard,
    )  # fmt: skip


def _judged(stretches: Sequence[Piece], trusted: bool) -> list[Piece]:
    """Join neighbours until there are sounds enough to judge, then say whether they fit."""
    blocks: list[Piece] = []
    for stretch in stretches:
        small = bool(blocks) and min(_size(blocks[-1]), _size(stretch)) < _JUDGED_SOUNDS
        if small and stretch.end_s - blocks[-1].start_s <= _CUT_S:
            blocks[-1] = _join(blocks[-1], stretch, True)
        else:
            blocks.append(stretch)
    return [dataclasses.replace(block, fits=trusted or _fits(block)) for block in blocks]


def _size(piece: Piece) -> int:
    return max(piece.n_heard, piece.n_expected)


def _fits(piece: Piece) -> bool:
    total = piece.n_heard + piece.n_expected
    return total == 0 or 2 * piece.n_exact >= FITS_SHARE * total


def _join_fitting(blocks: Sequence[Piece]) -> list[Piece]:
    joined: list[Piece] = []
    for block in blocks:
        alike = bool(joined) and joined[-1].fits == block.fits
        if alike and (not block.fits or block.end_s - joined[-1].start_s <= LONGEST_S):
            joined[-1] = _join(joined[-1], block, block.fits)
        else:
            joined.append(block)
    return joined
