"""PhoneTrack: phones and words with their times, and the files people mend them in (JSON, Praat TextGrid)."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from talkclip.errors import InputError
from talkclip.files import atomic_write

# The 39 phones of the CMU dictionary (ARPABET without stress) and silence. NSN is a noise, as in CMU's models.
CMU39: tuple[str, ...] = tuple(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()  # noqa: SIM905
)
SIL, NSN = "SIL", "NSN"
# Class order of the paper's phoneme ids (41, alphabetical; model_spec A2.6).
PHONES41: tuple[str, ...] = tuple(sorted((*CMU39, SIL, NSN)))
VOWELS = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())  # noqa: SIM905
BILABIALS, LABIODENTALS = frozenset("BMP"), frozenset("FV")
_SILENT_LABELS = frozenset({"", "sil", "sp", "spn", "<p:>", "_", "pau", "#"})


@dataclasses.dataclass(frozen=True)
class Phone:
    """One phone: an ARPABET symbol without stress, or SIL / NSN, from `start_s` to `end_s` (seconds)."""

    symbol: str
    start_s: float
    end_s: float


@dataclasses.dataclass(frozen=True)
class Word:
    """One word as spoken, from `start_s` to `end_s` (seconds)."""

    text: str
    start_s: float
    end_s: float


@dataclasses.dataclass(frozen=True)
class PhoneTrack:
    """Phones (and words, when known) of one recording.

    Attributes:
        phones: in order, not overlapping; gaps count as silence.
        words: in order; empty when no transcript was given or recognised.
        duration_s: length of the recording.
        backend: who found them ("align", "fast", "whisper", "file").

    Raises:
        InputError: unknown symbol, times out of order or overlapping.
    """

    phones: tuple[Phone, ...]
    words: tuple[Word, ...]
    duration_s: float
    backend: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "phones", tuple(self.phones))
        object.__setattr__(self, "words", tuple(self.words))
        last = 0.0
        for number, phone in enumerate(self.phones, 1):
            if phone.symbol not in PHONES41:
                raise InputError(
                    f"phone {number} ('{phone.symbol}') is not an ARPABET symbol.", f"Use one of {' '.join(PHONES41)}."
                )
            if phone.end_s <= phone.start_s or phone.start_s < last - 1e-4:
                raise InputError(
                    f"phone {number} ({phone.symbol}, {phone.start_s:.3f}-{phone.end_s:.3f} s) "
                    "is out of order or overlaps."
                )
            last = phone.end_s

    def spans(self, symbols: frozenset[str]) -> list[tuple[float, float]]:
        """(start_s, end_s) of every phone whose symbol is in `symbols`."""
        return [(p.start_s, p.end_s) for p in self.phones if p.symbol in symbols]


def arpabet(label: str) -> str | None:
    """A label as found in files ('AH0', 'ah', 'sil', '') -> ARPABET symbol without stress, SIL, or None if unknown."""
    bare = re.sub(r"[0-2]$", "", label.strip().upper())
    if label.strip().lower() in _SILENT_LABELS:
        return SIL
    return bare if bare in PHONES41 else None


def write_phones(track: PhoneTrack, path: str | Path) -> None:
    """Write `.json` or `.TextGrid` (tiers `words`, `phones`), chosen by the suffix.

    Raises:
        InputError: another suffix, or the path cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        text = json.dumps({"version": 1, **dataclasses.asdict(track)}, indent=1)
    elif suffix == ".textgrid":
        text = _textgrid_text(track)
    else:
        raise InputError(f"{path}: phones are written as .json or .TextGrid.", "Change the file name's ending.")
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_phones(path: str | Path) -> PhoneTrack:
    """Read what `write_phones` or Praat wrote (long or short TextGrid, UTF-8 or UTF-16; tiers `phones`, `words`).

    Stress digits and lower case are accepted. The result's back end is `file`.

    Raises:
        InputError: missing, unreadable, unknown symbols, times out of order; names file and place.
    """
    where = Path(path)
    try:
        raw = where.read_bytes()
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}).", "Give a phones file (.json or .TextGrid).") from None
    try:
        if where.suffix.lower() == ".json":
            return _from_json(text)
        return _from_tiers(*_textgrid_tiers(text))
    except InputError as error:
        raise InputError(f"{path}: {error.message}", error.hint) from None


def _from_json(text: str) -> PhoneTrack:
    try:
        data: Any = json.loads(text)
        phones = [(str(p["symbol"]), float(p["start_s"]), float(p["end_s"])) for p in data["phones"]]
        words = [(str(w["text"]), float(w["start_s"]), float(w["end_s"])) for w in data.get("words", ())]
        duration_s = float(data.get("duration_s", phones[-1][2] if phones else 0.0))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"is not a phones file ({type(error).__name__}: {error}).", "See docs/formats.md.") from None
    return _from_tiers({"phones": phones, "words": words}, duration_s)


def _from_tiers(tiers: dict[str, list[tuple[str, float, float]]], duration_s: float) -> PhoneTrack:
    if "phones" not in tiers:
        raise InputError(
            f"has no tier 'phones' (found: {', '.join(tiers) or 'none'}).", "Name the tier with the phones 'phones'."
        )
    phones = []
    for number, (label, start_s, end_s) in enumerate(tiers["phones"], 1):
        symbol = arpabet(label)
        if symbol is None:
            raise InputError(
                f"phone {number} at {start_s:.3f} s, '{label}', is not an ARPABET symbol.",
                f"Use one of {' '.join(PHONES41)}.",
            )
        phones.append(Phone(symbol, start_s, end_s))
    words = tuple(Word(t, s, e) for t, s, e in tiers.get("words", ()) if t.strip().lower() not in _SILENT_LABELS)
    return PhoneTrack(tuple(phones), words, duration_s, "file")


def _textgrid_text(track: PhoneTrack) -> str:
    duration_s = max([track.duration_s, *(p.end_s for p in track.phones)])
    words = _gapless([(w.text, w.start_s, w.end_s) for w in track.words], duration_s)
    phones = _gapless([(p.symbol, p.start_s, p.end_s) for p in track.phones], duration_s)
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "0", f"{duration_s:.6f}", "<exists>", "2"]
    for name, rows in (("words", words), ("phones", phones)):
        lines += ['"IntervalTier"', f'"{name}"', "0", f"{duration_s:.6f}", str(len(rows))]
        for label, start_s, end_s in rows:
            quoted = label.replace('"', '""')
            lines += [f"{start_s:.6f}", f"{end_s:.6f}", f'"{quoted}"']
    return "\n".join(lines) + "\n"


def _gapless(rows: Sequence[tuple[str, float, float]], duration_s: float) -> list[tuple[str, float, float]]:
    """Praat wants tiers without gaps: fill them with empty labels."""
    full: list[tuple[str, float, float]] = []
    now = 0.0
    for label, start_s, end_s in rows:
        if start_s > now + 1e-6:
            full.append(("", now, start_s))
        full.append((label, max(start_s, now), end_s))
        now = end_s
    if duration_s > now + 1e-6:
        full.append(("", now, duration_s))
    return full


def _textgrid_tiers(text: str) -> tuple[dict[str, list[tuple[str, float, float]]], float]:
    """Both TextGrid formats are one stream of strings, numbers and flags once the long format's names are dropped."""
    if "TextGrid" not in text[:200]:
        raise InputError("is not a Praat TextGrid.", "Give a file written by Praat or by `talkclip phones`.")
    stream = re.findall(r'"(?:[^"]|"")*"|(?<![\w\[.-])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w\].])|<exists>', text)[2:]
    items = iter(stream)
    try:
        _, duration_s = float(next(items)), float(next(items))
        next(items)  # <exists>
        tiers: dict[str, list[tuple[str, float, float]]] = {}
        for _ in range(int(float(next(items)))):
            kind, name = next(items).strip('"'), next(items).strip('"')
            next(items), next(items)
            rows = []
            for _ in range(int(float(next(items)))):
                start_s = float(next(items))
                end_s = float(next(items)) if kind == "IntervalTier" else start_s
                rows.append((next(items)[1:-1].replace('""', '"'), start_s, end_s))
            tiers.setdefault({"phone": "phones", "word": "words"}.get(name.lower(), name.lower()), rows)
    except (StopIteration, ValueError):
        raise InputError(
            "is a broken TextGrid (ends early or holds a wrong field).", "Save it again in Praat."
        ) from None
    return tiers, duration_s
