"""PhoneTrack: phones and words with their times, and the files people mend them in (JSON, Praat TextGrid)."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from talkclip.errors import InputError
from talkclip.files import atomic_write, unreadable
from talkclip.ipa import arpabet_of

# The 39 phones of the CMU dictionary (ARPABET without stress) and silence. NSN is a noise, as in CMU's models.
CMU39: tuple[str, ...] = tuple(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()  # noqa: SIM905
)
SIL, NSN = "SIL", "NSN"
# Class order of the paper's phoneme ids (41, alphabetical; model_spec A2.6).
PHONES41: tuple[str, ...] = tuple(sorted((*CMU39, SIL, NSN)))
VOWELS = frozenset("AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split())  # noqa: SIM905
BILABIALS, LABIODENTALS = frozenset("BMP"), frozenset("FV")
_SILENT_LABELS = frozenset({"", "sil", "<sil>", "sp", "spn", "<p:>", "_", "pau", "epi", "#", "h#", "<eps>"})
# ARPABET of TIMIT and others: allophones, and the closures of stops as sounds of their own.
_OTHER_ARPABET = {
    "AX": "AH", "AXH": "AH", "AXR": "ER", "IX": "IH", "UX": "UW", "DX": "D", "EL": "L", "EM": "M", "EN": "N",
    "ENG": "NG", "NX": "N", "HV": "HH", "BCL": "B", "DCL": "D", "GCL": "G", "PCL": "P", "TCL": "T",
    "KCL": "K", "WH": "W", "ʔ": "T",
}  # fmt: skip
_OVERLAP_S = 1e-3
_REMEDY = "Give a phones file (.json or .TextGrid), see docs/formats.md."


@dataclasses.dataclass(frozen=True)
class _Row:
    """One interval as found in a file; `line` 0 means that the file's format does not tell lines."""

    label: str
    start_s: float
    end_s: float
    line: int = 0


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
        backend: who found them ("align", "fast", "whisper", "file", "mended").

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

    def words_text(self) -> str:
        """The words as one transcript."""
        return " ".join(word.text for word in self.words if word.text)

    def word_phones(self, index: int) -> tuple[Phone, ...]:
        """The phones of word `index`: those whose middle lies in it, but silence."""
        word = self.words[index]
        return tuple(
            p for p in self.phones if p.symbol != SIL and word.start_s <= (p.start_s + p.end_s) / 2 < word.end_s
        )

    def with_word(self, index: int, text: str) -> PhoneTrack:
        """The same track with word `index` written otherwise, for a list of words that are corrected one by one.

        Times and phones stay those of the word that was there. To have the correction timed, send `words_text()` of the
        result as the transcript, together with the track as it was before: equal words keep their times.

        Args:
            index: of the word.
            text: one word, several ("very much"), or none (""), where it was not said; blanks around it do not count.
        """
        words = list(self.words)
        words[index] = dataclasses.replace(words[index], text=" ".join(text.split()))
        return dataclasses.replace(self, words=tuple(words))


def arpabet(label: str) -> str | None:
    """A label as found in files ('AH0', 'ah', 'ax', 'sil', '') -> ARPABET without stress, SIL, or None if unknown."""
    if label.strip().lower() in _SILENT_LABELS:
        return SIL
    bare = re.sub(r"[0-2]$", "", label.strip().upper())
    bare = _OTHER_ARPABET.get(bare, bare)
    return bare if bare in PHONES41 else None


def phones_of_label(label: str) -> tuple[str, ...]:
    """A label in ARPABET or IPA ('tʃ', 'əʊ', 'ɑː') -> its ARPABET symbols in order; () if it is unknown."""
    symbol = arpabet(label)
    return (symbol,) if symbol is not None else arpabet_of(label)


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

    Stress digits, lower case, TIMIT's variants and IPA are accepted and mapped. The result's back end is `file`.

    Raises:
        InputError: missing, unreadable, unknown symbols, times out of order; names file and place.
    """
    where = Path(path)
    try:
        raw = where.read_bytes()
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except OSError as error:
        raise unreadable(path, error, _REMEDY) from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not text in UTF-8 or UTF-16.", _REMEDY) from None
    try:
        if where.suffix.lower() == ".json":
            return _from_json(text)
        return _from_tiers(*_textgrid_tiers(text))
    except InputError as error:
        raise InputError(f"{path}: {error.message}", error.hint) from None


def _from_json(text: str) -> PhoneTrack:
    try:
        data: Any = json.loads(text)
    except ValueError as error:
        raise InputError(f"is not a phones file: no JSON ({error}).", _REMEDY) from None
    try:
        phones = [_Row(str(p["symbol"]), float(p["start_s"]), float(p["end_s"])) for p in data["phones"]]
        words = [_Row(str(w["text"]), float(w["start_s"]), float(w["end_s"])) for w in data.get("words", ())]
        duration_s = float(data.get("duration_s", phones[-1].end_s if phones else 0.0))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError("is not a phones file: a part is missing or of the wrong type.", _REMEDY) from None
    return _from_tiers({"phones": phones, "words": words}, duration_s)


def _from_tiers(tiers: dict[str, list[_Row]], duration_s: float) -> PhoneTrack:
    if "phones" not in tiers:
        raise InputError(
            f"has no tier 'phones' (found: {', '.join(tiers) or 'none'}).", "Name the tier with the phones 'phones'."
        )
    phones: list[Phone] = []
    last_s = 0.0
    for number, row in enumerate(tiers["phones"], 1):
        symbols = phones_of_label(row.label)
        if not symbols:
            raise InputError(
                f"{_place(number, row)}, '{row.label}', is neither an ARPABET nor an IPA symbol.",
                f"Use one of {' '.join(PHONES41)}.",
            )
        _check_times(number, row, last_s, duration_s)
        step_s = (row.end_s - row.start_s) / len(symbols)
        starts = [max(row.start_s + k * step_s, last_s) for k in range(len(symbols))]
        phones += [Phone(s, a, b) for s, a, b in zip(symbols, starts, [*starts[1:], row.end_s], strict=True)]
        last_s = row.end_s
    words = tuple(
        Word(row.label, row.start_s, row.end_s)
        for row in tiers.get("words", ())
        if row.label.strip().lower() not in _SILENT_LABELS
    )
    return PhoneTrack(tuple(phones), words, duration_s, "file")


def _place(number: int, row: _Row) -> str:
    return f"{f'line {row.line}: ' if row.line else ''}phone {number} at {row.start_s:.3f} s"


def _check_times(number: int, row: _Row, last_s: float, duration_s: float) -> None:
    if not math.isfinite(row.start_s) or not math.isfinite(row.end_s):
        raise InputError(f"{_place(number, row)}, '{row.label}', has a time that is not a number.", "Correct it.")
    if row.end_s - max(row.start_s, last_s) <= 0:
        raise InputError(
            f"{_place(number, row)}, '{row.label}', ends at {row.end_s:.3f} s, not after its beginning.",
            "Give it a length, or remove it.",
        )
    if row.start_s < last_s - _OVERLAP_S or row.start_s < 0:
        raise InputError(
            f"{_place(number, row)}, '{row.label}', begins before the phone in front of it ends ({last_s:.3f} s).",
            "Move its beginning, or the end of the one in front.",
        )
    if duration_s > 0 and row.end_s > duration_s + 0.05:
        raise InputError(
            f"{_place(number, row)}, '{row.label}', ends at {row.end_s:.3f} s, after the end of the recording "
            f"({duration_s:.3f} s).",
            "Shorten it.",
        )


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


_TEXTGRID_FIELD = re.compile(
    r'"(?:[^"]|"")*"|(?<![\w\[.-])-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?(?![\w\].])|<exists>|<absent>|!.*'
)


class _TextGridFields:
    """The strings, numbers and flags of a TextGrid, in order, each with its line. Comments (! ...) are skipped."""

    def __init__(self, text: str) -> None:
        self._fields: list[tuple[str, int]] = []
        line, position = 1, 0
        for match in _TEXTGRID_FIELD.finditer(text):
            line += text.count("\n", position, match.start())
            position = match.start()
            if not match.group().startswith("!"):
                self._fields.append((match.group(), line))
        self._next = 0
        self.line = 1

    def take(self) -> str:
        """The next field. Raises ValueError at the end."""
        if self._next >= len(self._fields):
            raise ValueError("it ends early")
        field, self.line = self._fields[self._next]
        self._next += 1
        return field

    def number(self) -> float:
        """The next field as a number. Raises ValueError."""
        return float(self.take())

    def string(self) -> str:
        """The next field without its quotes. Raises ValueError."""
        field = self.take()
        if not field.startswith('"'):
            raise ValueError(f"{field} stands where a text is expected")
        return field[1:-1].replace('""', '"')


def _textgrid_tiers(text: str) -> tuple[dict[str, list[_Row]], float]:
    """Both TextGrid formats are one stream of strings, numbers and flags once the long format's names are dropped."""
    if "TextGrid" not in text[:200]:
        raise InputError("is not a Praat TextGrid.", "Give a file written by Praat or by `talkclip phones`.")
    fields = _TextGridFields(text)
    tiers: dict[str, list[_Row]] = {}
    try:
        fields.string(), fields.string()  # file type, object class
        _, duration_s = fields.number(), fields.number()
        n_tiers = int(fields.number()) if fields.take() == "<exists>" else 0
        for _ in range(n_tiers):
            name, rows = _textgrid_tier(fields)
            tiers.setdefault({"phone": "phones", "word": "words"}.get(name.lower(), name.lower()), rows)
    except ValueError as error:
        raise InputError(f"is a broken TextGrid (line {fields.line}: {error}).", "Save it again in Praat.") from None
    return tiers, duration_s


def _textgrid_tier(fields: _TextGridFields) -> tuple[str, list[_Row]]:
    kind, name = fields.string(), fields.string()
    fields.number(), fields.number()
    rows = []
    for _ in range(int(fields.number())):
        start_s = fields.number()
        line = fields.line
        end_s = fields.number() if kind == "IntervalTier" else start_s
        rows.append(_Row(fields.string(), start_s, end_s, line))
    return name, rows
