"""How far lids and jaw go where a text says so: "half closed", "a third open", "mouth 60 % open", "open wide".

A degree of everyday talk scales a movement; lids and jaw have an end, and people name the way to it. What the jaw is
asked for outright it gets, beyond what a feeling may take from speech (`pose.py`).
"""

from __future__ import annotations

from talkclip.engine.text.moves import Units

JAW_DROP, _MOUTH_STRETCH, _LIPS_PART = 26, 27, 25
_EYES_CLOSED = 43
_LIDS = frozenset({"eye", "lid", "upper_lid"})
_CLOSING = frozenset({"shut", "half_shut", "down", "drop", "droop"})
# AU27 at a stated share of the way: all of it would leave speech nothing.
_JAW_SHARE = 0.85
# A written code of AU26: its E is not yet the mouth stretch.
_JAW_CODE_SHARE = 0.75
# AU27 by a strong word of degree ("wide" 1.3, "enormously" 1.6), which AU26 alone never shows.
_WIDE_FROM, _JAW_OF_DEGREE = 1.25, 0.46
# "Barely open" (a degree of 0.25) leaves eyes four fifths shut.
_OPEN_OF_DEGREE = 0.8


def jaw_extent(units: Units, amount: float | None, factor: float) -> list[tuple[int, float]]:
    """(action unit, level) of a jaw that opens by a stated amount (0..1) or a strong degree; empty otherwise."""
    if not any(au == JAW_DROP for au, _ in units):
        return []
    if amount is not None:
        rest = [(au, amount * share) for au, share in units if au not in (JAW_DROP, _MOUTH_STRETCH)]
        return [(_MOUTH_STRETCH, _JAW_SHARE * amount), *rest]
    if factor < _WIDE_FROM:
        return []
    return [(_MOUTH_STRETCH, min(1.0, _JAW_OF_DEGREE * factor)), (_LIPS_PART, min(1.0, 0.6 * factor))]


def lid_extent(region: str, action: str, amount: float | None, factor: float) -> list[tuple[int, float]]:
    """(action unit, level) of lids whose way is stated; empty where it is not.

    Args:
        region: part of the face.
        action: what it does.
        amount: 0..1, the share of the way that the text names.
        factor: its word of degree; below 1 it says how far eyes are open.
    """
    if region not in _LIDS:
        return []
    if amount is not None and action in _CLOSING and not (region == "eye" and action in ("down", "drop")):
        return [(_EYES_CLOSED, amount)]
    if action == "open" and amount is not None and amount < 1.0:
        return [(_EYES_CLOSED, 1.0 - amount)]
    if action == "open" and amount is None and factor < 1.0:
        return [(_EYES_CLOSED, 1.0 - _OPEN_OF_DEGREE * factor)]
    return []


def coded_jaw(level: float) -> tuple[int, float]:
    """What a code such as AU26 D adds: ARKit's jaw shape is wider than AU26."""
    return _MOUTH_STRETCH, _JAW_CODE_SHARE * level
