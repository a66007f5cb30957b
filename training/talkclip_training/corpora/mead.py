"""MEAD (Wang et al., ECCV 2020) in the layouts in which it is found.

    M003/video/front/angry/level_1/001.mp4      M003/audio/angry/level_1/001.m4a   (no view in the audio tree)
    M003_video/front/angry_level_1/001.mp4      M003_audio/angry_level_1/001.m4a   (mirrors)
    M030_front_angry_level3_001.mp4             (flat, after StyleTalk)
    M003_video_front_happy_level_3_001.mp4      (flat, mirrors)

Known defects (issues 9, 12 and 13 of uniBruce/Mead; notes in radekd91/inferno): views or emotions are missing; a
number need not mean the same sentence in two emotions; some videos have no audio; some labels are wrong; audio may end
a frame before the video. All but the last, which indexing cannot see, are listed.
"""

from __future__ import annotations

import csv
import dataclasses
import fnmatch
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from talkclip.errors import InputError
from talkclip_training.corpora import clips as base
from talkclip_training.corpora.clips import Clip, Defect, Fault, Index

VIEWS = ("front", "left_30", "left_60", "right_30", "right_60", "top", "down")
EMOTIONS = ("angry", "contempt", "disgusted", "fear", "happy", "neutral", "sad", "surprised")
# TalkCLIP: 42 speakers to train on, 6 to test on, chosen at random.
TEST_SPEAKERS = 6
_GENDERS = {"M": "man", "W": "woman"}
# Folders and file name joined by "_" end like this in every layout; audio has no view.
_NAME = re.compile(
    rf"(?:^|_)(?P<actor>[MW]\d{{3}})(?:_(?:video|audio))*(?:_(?P<view>{'|'.join(VIEWS)}))?"
    rf"_(?P<emotion>{'|'.join(EMOTIONS)})_level_?(?P<level>[123])_(?P<take>\d{{3}})$"
)


@dataclass(frozen=True, order=True)
class Label:
    """What a name says. `view` is "" for audio."""

    actor: str
    view: str
    emotion: str
    level: int
    take: int

    @property
    def id(self) -> str:
        """Flat name, as StyleTalk writes it."""
        return f"{self.actor}_{self.view}_{self.emotion}_level{self.level}_{self.take:03d}"

    @property
    def sound(self) -> Label:
        """The label of its audio file: all views share one."""
        return dataclasses.replace(self, view="")


@dataclass(frozen=True)
class Correction:
    """A line of the user's list of wrong labels: clips by flat name (may hold `*`), and what they truly are.

    Attributes:
        pattern: e.g. "M030_*_angry_level3_001" for all views.
        emotion: the right one, or "" to leave the clip out.
        level: the right one, or 0 to keep it.
    """

    pattern: str
    emotion: str
    level: int


def groups() -> Iterator[tuple[str, int]]:
    """The 22 groups of the paper: seven emotions at three levels, and neutral."""
    for emotion in EMOTIONS:
        for level in (1,) if emotion == "neutral" else (1, 2, 3):
            yield emotion, level


def read_label(path: Path) -> Label | None:
    """What a path inside the corpus says; None where it is no name of MEAD's."""
    found = _NAME.search("_".join(path.with_suffix("").parts))
    if found is None or (found["emotion"] == "neutral" and found["level"] != "1"):
        return None
    return Label(found["actor"], found["view"] or "", found["emotion"], int(found["level"]), int(found["take"]))


def read_corrections(path: Path) -> list[Correction]:
    """The user's list of wrong labels: CSV with the columns clip, emotion and, if wanted, level.

    Raises:
        InputError: unreadable, a column is missing, an emotion or a level does not exist.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = list(csv.DictReader(handle))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}).", "Give a CSV with columns clip,emotion,level.") from None
    corrections = []
    for number, row in enumerate(rows, 2):
        pattern, emotion = (row.get("clip") or "").strip(), (row.get("emotion") or "").strip()
        level = (row.get("level") or "0").strip()
        if not pattern or emotion not in (*EMOTIONS, "") or level not in ("0", "1", "2", "3"):
            raise InputError(
                f"{path}:{number}: '{pattern}, {emotion}, {level}' is no correction.",
                f"Write clip,emotion,level with an emotion of {', '.join(EMOTIONS)} or none, and a level of 1 to 3.",
            )
        corrections.append(Correction(pattern, emotion, int(level)))
    return corrections


def index(
    root: Path,
    views: Sequence[str] = ("front",),
    corrections: Sequence[Correction] = (),
    test_count: int = TEST_SPEAKERS,
    test_speakers: Sequence[str] = (),
    seed: int = 0,
) -> Index:
    """Index a MEAD tree.

    Args:
        root: any folder above the actors' ones, or one of flat files.
        views: cameras to take.
        corrections: wrong labels that the user knows of.
        test_count: how many speakers to test on, chosen by `seed`.
        test_speakers: their names; win over the lot.

    Raises:
        InputError: no such folder, no clip of MEAD in it, an unknown view or test speaker.
    """
    unknown = [view for view in views if view not in VIEWS]
    if unknown or not views:
        raise InputError(f"view '{', '.join(unknown)}' does not exist in MEAD.", f"Use {', '.join(VIEWS)}.")
    videos: dict[Label, Path] = {}
    sounds: dict[Label, Path] = {}
    defects: list[Defect] = []
    for path in base.walk_files(root, (base.VIDEO_SUFFIX, *base.AUDIO_SUFFIXES)):
        label = read_label(path.relative_to(root.parent) if root.name else path)
        is_video = path.suffix.lower() == base.VIDEO_SUFFIX
        if label is None or (is_video and not label.view):
            defects.append(Defect(Fault.NAME, str(path.relative_to(root))))
        elif not is_video:
            sounds.setdefault(label.sound, path)
        elif label in videos:
            defects.append(Defect(Fault.TWICE, label.id, f"{path.relative_to(root)}; the first is used"))
        else:
            videos[label] = path
    videos = {label: path for label, path in videos.items() if label.view in views}
    if not videos:
        raise InputError(
            f"{root}: holds no video of MEAD from {', '.join(views)}.",
            "Give the folder above M003, W009, ... (video/front/angry/level_1/001.mp4).",
        )
    defects += _missing(videos, views) + _numbering(videos) + _sound_defects(videos, sounds)
    tested = base.choose_test_speakers({label.actor for label in videos}, test_count, seed, test_speakers)
    made = [
        Clip("mead", label.id, videos[label], sounds.get(label.sound), label.actor, _GENDERS[label.actor[0]],
             label.view, label.emotion, label.level, base.TEST if label.actor in tested else base.TRAIN)
        for label in sorted(videos)
    ]  # fmt: skip
    corrected, used = _corrected(made, corrections)
    return Index(tuple(corrected), (*defects, *used))


def _missing(videos: Mapping[Label, Path], views: Sequence[str]) -> list[Defect]:
    """Views that an actor lacks, then the groups that a present view lacks."""
    present = {(label.actor, label.view, label.emotion, label.level) for label in videos}
    defects = []
    for actor in sorted({label.actor for label in videos}):
        for view in views:
            lacking = [group for group in groups() if (actor, view, *group) not in present]
            if len(lacking) == sum(1 for _ in groups()):
                defects.append(Defect(Fault.VIEW, f"{actor} {view}"))
            else:
                defects += [Defect(Fault.GROUP, f"{actor} {view} {name} level {level}") for name, level in lacking]
    return defects


def _numbering(videos: Mapping[Label, Path]) -> list[Defect]:
    """Groups whose numbers have gaps or whose count is not the actor's usual one: sentences may be shifted."""
    takes: dict[tuple[str, str, str, int], set[int]] = defaultdict(set)
    for label in videos:
        takes[label.actor, label.view, label.emotion, label.level].add(label.take)
    counts: dict[str, list[int]] = defaultdict(list)
    for (actor, _, emotion, _), numbers in takes.items():
        if emotion != "neutral":  # it has forty sentences by design, the others thirty
            counts[actor].append(len(numbers))
    defects = []
    for (actor, view, emotion, level), numbers in sorted(takes.items()):
        where = f"{actor} {view} {emotion} level {level}"
        gaps = base.number_gaps(numbers, 1)
        usual = base.usual_count(counts[actor])
        if gaps:
            defects.append(Defect(Fault.NUMBER, where, f"lacks {', '.join(f'{gap:03d}' for gap in gaps)}"))
        elif emotion != "neutral" and len(numbers) != usual:
            defects.append(Defect(Fault.NUMBER, where, f"{len(numbers)} takes, usually {usual}; sentences may differ"))
    return defects


def _sound_defects(videos: Mapping[Label, Path], sounds: Mapping[Label, Path]) -> list[Defect]:
    seen = {label.sound for label in videos}
    silent = [Defect(Fault.SILENT, label.id) for label in sorted(videos) if label.sound not in sounds]
    orphans = [Defect(Fault.ORPHAN, label.id.replace("__", "_")) for label in sorted(set(sounds) - seen)]
    return silent + orphans


def _corrected(made: Sequence[Clip], corrections: Sequence[Correction]) -> tuple[list[Clip], list[Defect]]:
    """-> clips with the user's labels, and what was changed. Ids keep the name of the file."""
    kept, defects, used = [], [], set[str]()
    for clip in made:
        rule = next((rule for rule in corrections if fnmatch.fnmatchcase(clip.id, rule.pattern)), None)
        if rule is None:
            kept.append(clip)
            continue
        used.add(rule.pattern)
        if not rule.emotion:
            defects.append(Defect(Fault.LABEL, clip.id, "left out"))
            continue
        level = 1 if rule.emotion == "neutral" else rule.level or clip.level
        kept.append(dataclasses.replace(clip, emotion=rule.emotion, level=level))
        defects.append(Defect(Fault.LABEL, clip.id, f"is {rule.emotion} level {level}"))
    idle = [Defect(Fault.UNUSED_LABEL, rule.pattern) for rule in corrections if rule.pattern not in used]
    return kept, defects + idle
