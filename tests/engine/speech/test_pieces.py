"""The parts of alignment and recognition, each on its own: matching, pieces, pauses, spikes, pronunciations."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkclip.audio import AudioClip
from talkclip.engine.speech import matching
from talkclip.engine.speech.align import Aligner
from talkclip.engine.speech.matching import match_phones
from talkclip.engine.speech.pauses import pauses
from talkclip.engine.speech.recognise import recognise, spikes
from talkclip.engine.speech.segments import plan
from talkclip.engine.speech.spans import with_silence
from talkclip.engine.speech.transcript import spoken_words
from talkclip.phones import CMU39, SIL, Phone

RATE = 16000
symbols = st.lists(st.sampled_from(CMU39), max_size=30)


def sound(*parts: tuple[float, float]) -> AudioClip:
    """(seconds, loudness) after each other, as noise."""
    rng = np.random.default_rng(1)
    pieces = [level * rng.standard_normal(round(length_s * RATE)) for length_s, level in parts]
    return AudioClip(np.concatenate(pieces).astype(np.float32), RATE, "noise.wav")


@given(symbols)
def test_a_sequence_matches_itself(phones: list[str]) -> None:
    assert match_phones(phones, phones) == [(i, i) for i in range(len(phones))]


@given(symbols, symbols)
def test_matches_rise_in_both_sequences(a: list[str], b: list[str]) -> None:
    pairs = match_phones(a, b)
    assert all(p[0] < q[0] and p[1] < q[1] for p, q in itertools.pairwise(pairs))


def test_halving_finds_a_match_as_cheap_as_the_whole_table(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    a = rng.choice(CMU39, 300).tolist()
    b = [s for s in a if rng.random() > 0.1]
    b[50:50] = rng.choice(CMU39, 40).tolist()
    whole = match_phones(a, b)
    monkeypatch.setattr(matching, "_CELLS", 500)
    halved = match_phones(a, b)
    equal = [sum(a[i] == b[j] for i, j in pairs) for pairs in (whole, halved)]
    assert equal[0] == equal[1] > 250


def test_pauses_are_found_at_any_level() -> None:
    for gain in (1.0, 0.02):
        clip = sound(
            (0.5, 0.1 * gain), (0.4, 0.0005 * gain), (0.5, 0.1 * gain), (0.05, 0.0005 * gain), (0.5, 0.1 * gain)
        )
        ((start_s, end_s),) = pauses(clip)
        assert (start_s, end_s) == (pytest.approx(0.5, abs=0.03), pytest.approx(0.9, abs=0.03))


def heard_of(sounds: list[tuple[str, ...]], start_s: float, step_s: float = 0.08) -> list[Phone]:
    phones = [s for word in sounds for s in word]
    return [Phone(s, start_s + k * step_s, start_s + (k + 1) * step_s) for k, s in enumerate(phones)]


def words_of(seed: int, n: int) -> list[tuple[str, ...]]:
    rng = np.random.default_rng(seed)
    return [tuple(rng.choice(CMU39, 4).tolist()) for _ in range(n)]


def test_plan_puts_words_where_they_are_heard() -> None:
    first, second = words_of(1, 6), words_of(2, 6)
    clip = sound((0.3, 0.0003), (2.0, 0.1), (0.5, 0.0003), (2.0, 0.1), (0.3, 0.0003))
    (piece,) = plan(clip, first + second, heard_of(first, 0.35) + heard_of(second, 2.85))
    assert piece.fits
    assert piece.words == tuple(range(12))
    assert (piece.start_s, piece.end_s) == (0.0, clip.duration_s)


def test_plan_separates_what_does_not_fit() -> None:
    first, second, other = words_of(1, 6), words_of(2, 6), words_of(3, 6)
    clip = sound((0.3, 0.0003), (2.0, 0.1), (0.5, 0.0003), (2.0, 0.1), (0.3, 0.0003))
    fitting, misfit = plan(clip, first + other, heard_of(first, 0.35) + heard_of(second, 2.85))
    assert fitting.fits
    assert fitting.words == tuple(range(6))
    assert not misfit.fits
    assert misfit.start_s == pytest.approx(2.55, abs=0.1)
    assert misfit.end_s == clip.duration_s


def test_breathless_speech_is_cut_between_words() -> None:
    words = words_of(4, 300)
    clip = sound((100.0, 0.1))
    pieces = plan(clip, words, heard_of(words, 0.0))
    assert max(piece.end_s - piece.start_s for piece in pieces) <= 31
    assert [w for piece in pieces for w in piece.words] == list(range(300))


def network(clip_s: float, at: dict[float, int], n_tokens: int = 4) -> np.ndarray:
    """Log-probabilities of a network that is sure of its spikes."""
    log_probs = np.full((round(clip_s / 0.02) + 1, n_tokens), -9.0, np.float32)
    log_probs[:, -1] = -0.1
    for time_s, token in at.items():
        log_probs[round(time_s / 0.02)] = -9.0
        log_probs[round(time_s / 0.02), token] = -0.01
    return log_probs


TOKENS = ("b", "ɑː", "ju", "<blank>")


def test_spikes_become_spans_and_silence() -> None:
    clip = sound((0.4, 0.0003), (0.6, 0.1), (0.4, 0.0003))
    track = recognise(clip, network(1.4, {0.4: 0, 0.5: 1, 0.52: 1, 0.8: 2}), TOKENS)
    assert [p.symbol for p in track.phones] == [SIL, "B", "AA", "Y", "UW", SIL]
    assert track.phones[0].end_s == pytest.approx(0.4, abs=0.03)
    assert track.phones[-1].start_s == pytest.approx(1.0, abs=0.03)
    assert track.phones[-1].end_s == clip.duration_s


def test_repeats_collapse_and_a_blank_parts_them() -> None:
    found = spikes(network(1.0, {0.2: 0, 0.22: 0, 0.3: 0}), TOKENS, 0.02)
    assert [(s.symbol, round(s.at_s, 2)) for s in found] == [("B", 0.21), ("B", 0.30)]


def test_spikes_in_silence_are_dropped_and_no_spike_is_no_phone() -> None:
    clip = sound((1.0, 0.0003), (0.6, 0.1), (1.0, 0.0003))
    track = recognise(clip, network(2.6, {0.3: 0, 1.2: 1}), TOKENS)
    assert [p.symbol for p in track.phones] == [SIL, "AA", SIL]
    assert [p.symbol for p in recognise(clip, network(2.6, {}), TOKENS).phones] == [SIL]


def test_with_silence_covers_and_never_overlaps() -> None:
    phones = [Phone("B", 0.2, 0.5), Phone("AA", 0.4, 0.6), Phone(SIL, 0.6, 0.7), Phone("M", 0.9, 1.4)]
    assert with_silence(phones, 1.2) == (
        Phone(SIL, 0.0, 0.2), Phone("B", 0.2, 0.5), Phone("AA", 0.5, 0.6), Phone(SIL, 0.6, 0.9), Phone("M", 0.9, 1.2),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("because", "B IH K AO Z"),  # the dictionary
        ("noooo", "N OW"),  # drawn out
        ("DVD", "D IY V IY D IY"),  # letters
        ("Zorblax's", "Z AO R B L AE K S IH Z"),  # a name nobody knows, and its genitive
        ("Targaryen", "T AA R G EH R IY AH N"),
    ],
)
def test_pronunciations(word: str, phones: str) -> None:
    _, lexicon = Aligner()._load()
    (spoken,) = spoken_words(word)
    found = " ".join(phone for entry in lexicon.entries(spoken) for phone in lexicon.phones(entry))
    assert found == phones
