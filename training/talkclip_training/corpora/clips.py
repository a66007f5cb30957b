"""What a video corpus holds: clips, the defects found while indexing, and which speakers are tested on."""

from __future__ import annotations

import collections
import dataclasses
import enum
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from talkclip.errors import InputError
from talkclip.files import atomic_write, read_text

TRAIN, TEST = "train", "test"
AUDIO_SUFFIXES = (".m4a", ".wav", ".aac", ".flac", ".mp3")
VIDEO_SUFFIX = ".mp4"
_EXAMPLES = 3


@dataclass(frozen=True)
class Clip:
    """One utterance of one speaker from one side.

    Attributes:
        corpus: "mead", "hdtf" or "voxceleb2".
        id: unique in its corpus, free of slashes; names the files made from the clip.
        video: mp4.
        audio: sound file of its own; None: there is none, the sound, if any, is in the video.
        actor: the speaker's name in the corpus.
        gender: "woman", "man" or "" (the corpus does not tell).
        view: camera; "" where a corpus has one only.
        emotion: MEAD's label; "" in corpora without labels.
        level: 1..3 in MEAD; 0 in corpora without labels.
        split: "train" or "test".
    """

    corpus: str
    id: str
    video: Path
    audio: Path | None
    actor: str
    gender: str
    view: str
    emotion: str
    level: int
    split: str


class Fault(enum.Enum):
    """Kinds of known defects; the value is what the report calls it."""

    VIEW = "view missing"
    GROUP = "emotion or level missing"
    NUMBER = "numbers do not match"
    SILENT = "video without audio file"
    ORPHAN = "audio without video"
    LABEL = "label corrected or clip left out by your list"
    UNUSED_LABEL = "your list names no clip"
    NAME = "name not understood"
    CLIP = "clip missing"
    TWICE = "the same clip twice"
    SPEAKER = "speaker missing from the metadata"


@dataclass(frozen=True)
class Defect:
    """One thing wrong with a corpus: what, where, in which words."""

    fault: Fault
    where: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}" if self.detail else self.where


@dataclass(frozen=True)
class Index:
    """All usable clips of a corpus and everything that was wrong with it."""

    clips: tuple[Clip, ...]
    defects: tuple[Defect, ...]

    def count(self, fault: Fault) -> int:
        """How many defects of a kind were found."""
        return sum(defect.fault is fault for defect in self.defects)

    def tables(self, every_defect: bool = False) -> Iterator[Table]:
        """What a person wants to see: clips by split, then the defects by kind, with a few or all cases."""
        yield self._clip_table()
        if self.defects:
            yield self._defect_table(every_defect)

    def _clip_table(self) -> Table:
        table = Table("split", "speakers", "clips", "with audio file", title="clips", title_justify="left")
        for split in (TRAIN, TEST):
            chosen = [clip for clip in self.clips if clip.split == split]
            heard = sum(clip.audio is not None for clip in chosen)
            table.add_row(split, str(len({clip.actor for clip in chosen})), str(len(chosen)), str(heard))
        return table

    def _defect_table(self, every_defect: bool) -> Table:
        table = Table("defect", "cases", "where", title="defects, tolerated", title_justify="left")
        for fault in Fault:
            found = [str(defect) for defect in self.defects if defect.fault is fault]
            shown = found if every_defect else found[:_EXAMPLES]
            if len(found) > len(shown):
                shown = [*shown, f"... and {len(found) - len(shown)} more (--all-defects)"]
            if found:
                table.add_row(fault.value, str(len(found)), "\n".join(shown))
        return table


def walk_files(root: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """Files below `root` with one of the endings, in order of their names; hidden ones are passed over.

    Archives packed on a Mac leave a "._001.mp4" beside each file; those hold no video.

    Raises:
        InputError: no such folder.
    """
    if not root.is_dir():
        raise InputError(f"{root}: is no folder.", "Give the folder that holds the corpus.")
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in suffixes:
                yield Path(folder) / name


def choose_test_speakers(speakers: Collection[str], count: int, seed: int, named: Sequence[str] = ()) -> frozenset[str]:
    """Whom to test on: the named ones, else `count` by lot.

    The lot of a speaker depends on the seed and the name alone, so that one more download does not reshuffle all.

    Raises:
        InputError: a named speaker is not there, or so few are there that none is left to train on.
    """
    unknown = sorted(set(named) - set(speakers))
    if unknown:
        raise InputError(
            f"test speaker '{unknown[0]}' is not in the corpus.", f"There are: {', '.join(sorted(speakers))}."
        )
    if named:
        return frozenset(named)
    if not 0 <= count < max(len(speakers), 1):
        raise InputError(
            f"{count} test speakers cannot be chosen from {len(speakers)}.", "Lower --test-count, or name them."
        )
    lot = {name: hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in speakers}
    return frozenset(sorted(speakers, key=lot.__getitem__)[:count])


def duplicates(clips: Iterable[Clip]) -> tuple[list[Clip], list[Defect]]:
    """-> the first clip of each id, and the others as defects (mirrors hold flat copies beside the tree)."""
    first: dict[str, Clip] = {}
    twice = []
    for clip in clips:
        kept = first.setdefault(clip.id, clip)
        if kept is not clip:
            twice.append(Defect(Fault.TWICE, clip.id, f"{clip.video.name} again; the first is used"))
    return list(first.values()), twice


def number_gaps(numbers: Collection[int], first: int) -> list[int]:
    """Numbers missing between `first` and the highest."""
    return sorted(set(range(first, max(numbers, default=first) + 1)) - set(numbers))


def write_clips(clips: Sequence[Clip], path: Path) -> None:
    """JSON Lines, one clip a line.

    Raises:
        InputError: the file cannot be written.
    """
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as handle:
        for clip in clips:
            row = {**dataclasses.asdict(clip), "video": str(clip.video), "audio": clip.audio and str(clip.audio)}
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_clips(path: Path) -> list[Clip]:
    """What `write_clips` wrote.

    Raises:
        InputError: unreadable, or a line that is no clip; names the line.
    """
    return [_clip(row, f"{path}:{number}") for number, row in json_lines(path)]


def json_lines(path: Path, needed: Sequence[str] = ()) -> Iterator[tuple[int, Mapping[str, object]]]:
    """(line number from 1, object) of a JSON Lines file; empty lines are passed over.

    Args:
        path: given by the user.
        needed: fields that every object has.

    Raises:
        InputError: unreadable, not UTF-8, or a line that is no JSON object or lacks a field.
    """
    lines = read_text(path, "Give a UTF-8 file, one JSON object a line.").splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}:{number}: is no JSON ({error}).", "Write one JSON object a line.") from None
        if not isinstance(row, dict):
            raise InputError(f"{path}:{number}: is no JSON object.", "Write one JSON object a line.")
        missing = [name for name in needed if name not in row]
        if missing:
            text = f"{path}:{number}: has no {', '.join(missing)}."
            raise InputError(text, f"Every line needs {', '.join(needed)}.")
        yield number, row


def _clip(row: Mapping[str, object], where: str) -> Clip:
    names = {field.name for field in dataclasses.fields(Clip)}
    strings = names - {"audio", "level"}
    if set(row) != names or any(not isinstance(row[name], str) for name in strings):
        raise InputError(f"{where}: is no clip.", "Make the file with `talkclip corpus index`.")
    audio, level = row["audio"], row["level"]
    if not isinstance(level, int) or not (audio is None or isinstance(audio, str)) or row["split"] not in (TRAIN, TEST):
        raise InputError(f"{where}: is no clip.", "Make the file with `talkclip corpus index`.")
    values = {name: str(row[name]) for name in strings - {"video"}}
    return Clip(video=Path(str(row["video"])), audio=Path(audio) if audio else None, level=level, **values)


def usual_count(counts: Iterable[int]) -> int:
    """The most frequent number of takes (the highest, where two are as frequent)."""
    frequent = collections.Counter(counts)
    return max(frequent, key=lambda count: (frequent[count], count), default=0)
