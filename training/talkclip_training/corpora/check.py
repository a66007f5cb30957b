"""The check of the written corpus: what stops a line from going in, what its writer should look at, and statistics."""

from __future__ import annotations

import collections
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from talkclip.engine.text.lexicon import EMOTIONS
from talkclip.errors import InputError
from talkclip_training.corpora.agreement import Agreement
from talkclip_training.corpora.clips import json_lines
from talkclip_training.corpora.likeness import near_pairs, same_texts, shared_phrases
from talkclip_training.corpora.written import BadLine, Written, read_written

# Names under which prompt files keep the text.
_TEXT_FIELDS = ("prompt", "text", "weaker", "stronger")


@dataclass(frozen=True)
class Finding:
    """One thing found: the kind, where, and in words."""

    kind: str
    where: str
    detail: str


@dataclass(frozen=True)
class Check:
    """The result.

    Attributes:
        lines: good lines, in order.
        faults: what must be mended: broken lines, the same text twice, families split across files, phrases shared with
            frozen prompts.
        warnings: near duplicates, to be looked at.
    """

    lines: tuple[Written, ...]
    faults: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


def check(files: Sequence[Path], against: Sequence[Path] = (), near: float = 0.7, phrase_words: int = 4) -> Check:
    """Read and check corpus files.

    Args:
        files: the corpus; several files are taken as its splits, so that no family may be in two.
        against: JSON Lines of frozen test prompts (`prompt` or `text`; an item's `weaker` and `stronger` count too).
        near: likeness from which two texts are near duplicates, 0..1.
        phrase_words: words in a row that make a phrase.

    Raises:
        InputError: a file cannot be read, the same file twice, a number out of range.
    """
    if not 0 < near <= 1 or phrase_words < 2:
        raise InputError(f"--near {near:g} or --phrase {phrase_words} is out of range.", "Use 0..1, and 2 or more.")
    if len({file.resolve() for file in files}) < len(files):
        raise InputError("the same file is given twice.", "Give each file once.")
    read = [read_written(file) for file in files]
    lines = [line for good, _ in read for line in good]
    texts = [line.text for line in lines]
    frozen = {name: text for file in against for name, text in read_frozen(file).items()}
    faults = [
        *(_broken(line) for _, bad in read for line in bad),
        *(Finding("same text", lines[i].where, f"as {lines[first].where}") for first, i in same_texts(texts)),
        *_split_families(lines),
        *(
            Finding("shared phrase", lines[hit.index].where, f"'{hit.phrase}' with {hit.name}")
            for hit in shared_phrases(texts, frozen, phrase_words)
        ),
    ]
    warnings = [_near(lines[pair.first], lines[pair.second], pair.likeness) for pair in near_pairs(texts, near)]
    return Check(tuple(lines), tuple(faults), tuple(warnings))


def read_frozen(path: Path) -> dict[str, str]:
    """ "file:id" -> text of frozen prompts; the line's number stands for a missing id.

    Raises:
        InputError: unreadable, or a line without any text.
    """
    frozen = {}
    for number, row in json_lines(path):
        texts = {field: row[field] for field in _TEXT_FIELDS if isinstance(row.get(field), str)}
        if not texts:
            raise InputError(f"{path}:{number}: has no prompt.", f"Put the text into one of {', '.join(_TEXT_FIELDS)}.")
        name = f"{path.name}:{row.get('id', number)}"
        for field, text in texts.items():
            frozen[name if field in _TEXT_FIELDS[:2] else f"{name} ({field})"] = str(text)
    return frozen


def _near(first: Written, second: Written, likeness: float) -> Finding:
    place = f"line {first.where.rpartition(':')[2]}" if first.file == second.file else first.where
    return Finding("near duplicate", second.where, f"{likeness:.2f} '{second.text}' as '{first.text}' ({place})")


def _broken(line: BadLine) -> Finding:
    return Finding("broken line", line.where, "; ".join(line.problems))


def _split_families(lines: Sequence[Written]) -> Iterator[Finding]:
    places: dict[str, dict[Path, str]] = collections.defaultdict(dict)
    for line in lines:
        places[line.family].setdefault(line.file, line.where)
    for family, where in places.items():
        if len(where) > 1:
            first, *others = where.values()
            yield Finding("family in two files", first, f"'{family}' is also in {', '.join(others)}")


def statistics_tables(lines: Sequence[Written]) -> Iterator[Table]:
    """What a corpus holds; no table where there is nothing to count."""
    if not lines:
        return
    yield _overview(lines)
    for title, counts in _counts(lines).items():
        if counts:
            yield _count_table(title, counts, len(lines))


def _overview(lines: Sequence[Written]) -> Table:
    table = Table("what", "value", title="corpus", title_justify="left")
    rows = {
        "lines": str(len(lines)),
        "families": str(len({line.family for line in lines})),
        "words a line (English)": _spread([len(line.text.split()) for line in lines if line.lang == "en"]),
        "lines with action units": _percent(sum(bool(line.moves) for line in lines), len(lines)),
        "lines with a named side": _percent(sum(_sided(line) for line in lines), len(lines)),
        "lines that deny something": _percent(sum(_denies(line) for line in lines), len(lines)),
        "lines with parts that differ": _percent(sum(bool(line.regions) for line in lines), len(lines)),
        "lines with mixed emotions": _percent(sum(len(line.emotion) > 1 for line in lines), len(lines)),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _counts(lines: Sequence[Written]) -> Mapping[str, collections.Counter[str]]:
    return {
        "kind": collections.Counter(line.kind for line in lines),
        "language": collections.Counter(line.lang for line in lines),
        "strongest emotion": collections.Counter(dict.fromkeys(EMOTIONS, 0) | _emotions(lines)),
        "action unit": collections.Counter(f"AU{move.au}" for line in lines for move in line.moves),
    }


def _emotions(lines: Sequence[Written]) -> dict[str, int]:
    return dict(collections.Counter(line.strongest for line in lines))


def _count_table(title: str, counts: collections.Counter[str], total: int) -> Table:
    """Four columns of (name, count, share), so that forty units fit a screen."""
    columns = 4
    table = Table(*(("", "lines", "share") * columns), title=title, title_justify="left")
    cells = [(name, str(count), _percent(count, total)) for name, count in counts.most_common()]
    for start in range(0, len(cells), columns):
        table.add_row(*(cell for row in cells[start : start + columns] for cell in row))
    return table


def finding_table(title: str, findings: Sequence[Finding], most: int) -> Table:
    """Findings with their kinds counted; at most `most` of a kind are shown."""
    table = Table("kind", "where", "what", title=title, title_justify="left")
    kinds = collections.Counter(finding.kind for finding in findings)
    for kind, count in kinds.items():
        chosen = [finding for finding in findings if finding.kind == kind]
        for finding in chosen[:most]:
            table.add_row(kind, finding.where, finding.detail)
        if count > most:
            table.add_row(kind, "", f"... and {count - most} more (--list {count})")
    return table


def agreement_table(result: Agreement) -> Table:
    """Two annotators."""
    table = Table("two annotators", "value", title="agreement", title_justify="left")
    rows = {
        "lines annotated by both": str(result.lines),
        "same strongest emotion": f"{result.same_emotion:.3f}",
        "Cohen's kappa": f"{result.kappa:.3f}",
        "intensity, correlation": f"{result.intensity_r:.3f}",
        "intensity, mean difference": f"{result.intensity_difference:.3f}",
        "action units, F1": f"{result.unit_f1:.3f}",
        "action units, precision / recall": f"{result.unit_precision:.3f} / {result.unit_recall:.3f}",
        "most confused": ", ".join(f"{one} - {other} {count}" for one, other, count in result.confused[:5]) or "none",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _sided(line: Written) -> bool:
    return any(move.side != "both" for move in line.moves)


def _denies(line: Written) -> bool:
    return bool(line.denied_emotions or line.denied_units)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def _spread(values: Sequence[int]) -> str:
    if not values:
        return "-"
    return f"{min(values)} to {max(values)}, median {statistics.median(values):g}"
