"""Small work on phones in time: fill gaps, keep out of pauses, put others in their place."""

from __future__ import annotations

from collections.abc import Sequence

from talkclip.phones import SIL, Phone

# Silences by energy of at least this length hold no sound, but for the edges: the silent closure of a stop before its
# burst, and what energy cannot see of a soft sound.
PAUSE_S, _CLOSURE_S, _EDGE_S = 0.15, 0.08, 0.04
_STOPS = frozenset({"P", "B", "T", "D", "K", "G", "CH", "JH"})


def with_silence(phones: Sequence[Phone], duration_s: float) -> tuple[Phone, ...]:
    """Fill every gap with SIL, join neighbouring SILs, cut what overlaps or reaches beyond the recording."""
    filled: list[Phone] = []
    now_s = 0.0
    for phone in [*phones, Phone(SIL, duration_s, duration_s)]:
        start_s, end_s = max(phone.start_s, now_s), min(phone.end_s, duration_s)
        if start_s > now_s + 1e-6:
            filled.append(Phone(SIL, now_s, start_s))
        if end_s > start_s + 1e-6:
            filled.append(Phone(phone.symbol, start_s, end_s))
        now_s = max(now_s, start_s, end_s)
    joined: list[Phone] = []
    for phone in filled:
        if joined and joined[-1].symbol == phone.symbol == SIL:
            joined[-1] = Phone(SIL, joined[-1].start_s, phone.end_s)
        else:
            joined.append(phone)
    return tuple(joined)


def out_of_pause(phone: Phone, silences: Sequence[tuple[float, float]]) -> Phone:
    """An aligner lets a word's first or last consonant reach across a pause; by energy it does not sound there."""
    if phone.symbol == SIL:
        return phone
    for first_s, last_s in silences:
        closing_s = last_s - (_CLOSURE_S if phone.symbol in _STOPS else _EDGE_S)
        if first_s - _EDGE_S <= phone.start_s < closing_s and phone.end_s > last_s:
            return Phone(phone.symbol, closing_s, phone.end_s)
        if phone.start_s < first_s and first_s + _EDGE_S < phone.end_s <= last_s + _EDGE_S:
            return Phone(phone.symbol, phone.start_s, first_s + _EDGE_S)
    return phone


def replaced(phones: Sequence[Phone], others: Sequence[Phone], start_s: float, end_s: float) -> list[Phone]:
    """`phones`, but between two times those of `others` (cut to that stretch)."""
    inside = [
        Phone(p.symbol, max(p.start_s, start_s), min(p.end_s, end_s))
        for p in others
        if min(p.end_s, end_s) - max(p.start_s, start_s) > 0.01
    ]
    before = [p for p in phones if p.start_s < start_s - 1e-6]
    return [*before, *inside, *(p for p in phones if p.start_s >= end_s - 1e-6)]
