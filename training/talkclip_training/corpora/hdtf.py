"""HDTF (Zhang et al., CVPR 2021) as its scripts leave it.

    WDA_BarackObama_000.mp4, _videos_raw/...     download.py of MRzzm/HDTF (universome): subset, video, clip
    Radio11_0.mp4                                by hand, after the README: video, clip
    WDA_BarackObama_000.wav                      sound taken out by the user, beside the video or in a folder of its own

Known defects: the download.py in MRzzm/HDTF fetches pictures without sound (universome's own later version fetches
both); clips without a crop are left out, and download.py then numbers the rest without a gap, unlike the README; videos
vanish from YouTube; JamesClyburn1 and WhipJimClyburn are one video.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from talkclip.errors import InputError
from talkclip.files import read_text
from talkclip_training.corpora import clips as base
from talkclip_training.corpora.clips import Clip, Defect, Fault, Index

# TalkCLIP tests on 25 random speakers.
TEST_SPEAKERS = 25
SUBSETS = ("RD", "WDA", "WRA")
_RAW = "_videos_raw"
_NAME = re.compile(rf"^(?:(?P<subset>{'|'.join(SUBSETS)})_)?(?P<video>[A-Za-z][A-Za-z-]*\d*)_(?P<clip>\d{{1,3}})$")
# Two names of one person, found by their common YouTube address; apart, test speech would be in training.
_SAME_PERSON = {"WhipJimClyburn": "JamesClyburn"}


@dataclass(frozen=True, order=True)
class Name:
    """What a file name says: the clip of a video of a subset ("" where the name has none)."""

    subset: str
    video: str
    clip: int

    @property
    def id(self) -> str:
        """As download.py writes it, whichever way the file was named."""
        return "_".join(filter(None, (self.subset, self.video, f"{self.clip:03d}")))

    @property
    def speaker(self) -> str:
        """The person: weekly addresses number the videos of one person, Radio numbers its speakers.

        That the Radio videos show one person each is our assumption; the data set does not say.
        """
        if self.video.startswith("Radio"):
            return self.video
        person = self.video.rstrip("0123456789")
        return _SAME_PERSON.get(person, person)


def read_name(stem: str) -> Name | None:
    """What a file name (without ending) says; None where it is no name of HDTF's."""
    found = _NAME.match(stem)
    return Name(found["subset"] or "", found["video"], int(found["clip"])) if found else None


def expected_clips(metadata: Path) -> dict[str, int]:
    """Video -> how many clips download.py makes of it: those with both times and a crop.

    Args:
        metadata: the folder HDTF_dataset of the repository, with RD_annotion_time.txt (sic), RD_crop_wh.txt, ...

    Raises:
        InputError: a table is missing or unreadable.
    """
    expected = {}
    for subset in SUBSETS:
        times, crops = (_table(metadata / f"{subset}_{name}.txt") for name in ("annotion_time", "crop_wh"))
        for video, spans in times.items():
            stem = video.removesuffix(".mp4")
            expected[f"{subset}_{stem}"] = sum(f"{stem}_{clip}.mp4" in crops for clip in range(len(spans)))
    return expected


def index(
    root: Path,
    metadata: Path | None = None,
    test_count: int = TEST_SPEAKERS,
    test_speakers: Sequence[str] = (),
    seed: int = 0,
) -> Index:
    """Index a folder of HDTF clips.

    Args:
        root: the folder with the clips; `_videos_raw` in it is passed over.
        metadata: see `expected_clips`; with it missing clips are listed.
        test_count: how many speakers to test on, chosen by `seed`.
        test_speakers: their names ("BarackObama", "Radio11"); win over the lot.

    Raises:
        InputError: no such folder, no clip of HDTF in it, an unknown test speaker, unreadable metadata.
    """
    found: list[tuple[Name, Path]] = []
    sounds: dict[str, Path] = {}
    defects: list[Defect] = []
    for path in base.walk_files(root, (base.VIDEO_SUFFIX, *base.AUDIO_SUFFIXES)):
        if _RAW in path.relative_to(root).parts:
            continue
        name = read_name(path.stem)
        if name is None:
            defects.append(Defect(Fault.NAME, str(path.relative_to(root))))
        elif path.suffix.lower() == base.VIDEO_SUFFIX:
            found.append((name, path))
        else:
            sounds.setdefault(name.id, path)
    if not found:
        raise InputError(f"{root}: holds no clip of HDTF.", "Give the folder with WDA_BarackObama_000.mp4 and others.")
    tested = base.choose_test_speakers({name.speaker for name, _ in found}, test_count, seed, test_speakers)
    made, twice = base.duplicates(
        Clip("hdtf", name.id, path, sounds.get(name.id), name.speaker, "", "", "", 0,
             base.TEST if name.speaker in tested else base.TRAIN)
        for name, path in sorted(found)
    )  # fmt: skip
    ids = {clip.id for clip in made}
    defects += twice
    defects += [Defect(Fault.ORPHAN, name) for name in sorted(set(sounds) - ids)]
    defects += _holes([name for name, _ in found], expected_clips(metadata) if metadata else {})
    return Index(tuple(made), tuple(defects))


def _holes(names: Sequence[Name], expected: Mapping[str, int]) -> list[Defect]:
    """Clips that the metadata promise; without metadata, gaps in the numbers."""
    numbers: dict[str, set[int]] = defaultdict(set)
    for name in names:
        numbers[name.id.rpartition("_")[0]].add(name.clip)
    defects = []
    for video in sorted({*numbers, *expected}):
        have = numbers.get(video, set())
        wanted = set(range(expected[video])) if video in expected else set(base.number_gaps(have, 0))
        lacking = sorted(wanted - have)
        if lacking:
            clips = ", ".join(f"{clip:03d}" for clip in lacking)
            detail = f"clip {clips}" if have else "the whole video"
            defects.append(Defect(Fault.CLIP, video, detail))
        if video in expected and have and max(have) >= expected[video]:
            detail = f"clip {max(have):03d} where the metadata have {expected[video]}; numbered as in the README?"
            defects.append(Defect(Fault.NUMBER, video, detail))
    return defects


def _table(path: Path) -> dict[str, list[str]]:
    """First word of a line -> the others."""
    lines = read_text(path, "Give the folder HDTF_dataset of MRzzm/HDTF.").splitlines()
    return {words[0]: words[1:] for words in (line.split() for line in lines) if words}
