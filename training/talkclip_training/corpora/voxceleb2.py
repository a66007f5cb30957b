"""VoxCeleb2 (Chung et al., Interspeech 2018) as its archives and the usual scripts leave it.

    dev/mp4/id00012/21Uxsk56VDQ/00001.mp4     dev/aac/id00012/21Uxsk56VDQ/00001.m4a     vox2_mp4.zip, vox2_aac.zip
    mp4/id00017/01dfn2spqyE/00001.mp4         aac/id00017/01dfn2spqyE/00001.m4a         vox2_test_*.zip, no "test"
    train/id00012#21Uxsk56VDQ#000123#000456.mp4                                         FOMM's video-preprocessing

Speakers are tested on as the data set says (118 of them, `test`), which the folder tells or else vox2_meta.csv.
Known defects: parts of the archives missing, videos gone from YouTube, audio not downloaded, speakers without a line in
the metadata, and a `train` folder name where the data set says `dev`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from talkclip.errors import InputError
from talkclip_training.corpora import clips as base
from talkclip_training.corpora.clips import Clip, Defect, Fault, Index

META_NAME = "vox2_meta.csv"
_TREE = re.compile(r"(?P<speaker>id\d{5})/(?P<video>[\w-]{11})/(?P<part>\d{5})$")
_FLAT = re.compile(r"(?P<speaker>id\d{5})#(?P<video>[\w-]{11})#(?P<part>\d+#\d+)$")
_GENDERS = {"m": "man", "f": "woman"}
_SPLITS = {"dev": base.TRAIN, "train": base.TRAIN, "test": base.TEST}
# Folder names that tell the split: dev, train, test, also vox2_test_mp4 and the like.
_SPLIT_FOLDER = re.compile(r"(?:^|_)(dev|train|test)(?:_|$)")


@dataclass(frozen=True)
class Speaker:
    """A line of vox2_meta.csv."""

    gender: str
    split: str


def read_metadata(path: Path) -> dict[str, Speaker]:
    """Speaker -> gender and split from vox2_meta.csv (its columns end in blanks or tabs).

    Raises:
        InputError: unreadable, or not that table.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = [[cell.strip() for cell in row] for row in csv.reader(handle) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error}).", f"Give {META_NAME} of the data set.") from None
    speakers = {}
    for number, row in enumerate(rows[1:], 2):
        if len(row) != 4 or row[2] not in _GENDERS or row[3] not in _SPLITS:
            raise InputError(
                f"{path}:{number}: is no line of {META_NAME}.",
                "Its columns are speaker, VGGFace2 id, m or f, dev or test.",
            )
        speakers[row[0]] = Speaker(_GENDERS[row[2]], _SPLITS[row[3]])
    return speakers


def index(root: Path, metadata: Path | None = None, test_speakers: Sequence[str] = ()) -> Index:
    """Index a VoxCeleb2 tree.

    Args:
        root: the folder above dev and test, or above mp4 and aac.
        metadata: vox2_meta.csv; default: the one in `root`, if there. It gives the gender, and the split where no
            folder does.
        test_speakers: names; win over the data set's own split.

    Raises:
        InputError: no such folder, no clip of VoxCeleb2 in it, no way to tell the split, an unknown test speaker.
    """
    found = metadata or root / META_NAME
    speakers = read_metadata(found) if metadata or found.is_file() else {}
    videos: list[tuple[str, re.Match[str], Path]] = []
    sounds: dict[str, Path] = {}
    defects: list[Defect] = []
    for path in base.walk_files(root, (base.VIDEO_SUFFIX, *base.AUDIO_SUFFIXES)):
        where = path.relative_to(root)
        name = _TREE.search(where.with_suffix("").as_posix()) or _FLAT.search(path.stem)
        if name is None:
            defects.append(Defect(Fault.NAME, str(where)))
        elif path.suffix.lower() == base.VIDEO_SUFFIX:
            videos.append((_id(name), name, path))
        else:
            sounds.setdefault(_id(name), path)
    if not videos:
        raise InputError(
            f"{root}: holds no video of VoxCeleb2.", "Give the folder above dev/mp4/id00012/21Uxsk56VDQ/00001.mp4."
        )
    base.choose_test_speakers({name["speaker"] for _, name, _ in videos}, 0, 0, test_speakers)
    made, twice = base.duplicates(
        Clip("voxceleb2", id_, path, sounds.get(id_), name["speaker"],
             speakers[name["speaker"]].gender if name["speaker"] in speakers else "", "", "", 0,
             _split(path.relative_to(root), name["speaker"], speakers, test_speakers))
        for id_, name, path in sorted(videos, key=lambda video: (video[0], video[2]))
    )  # fmt: skip
    ids = {clip.id for clip in made}
    defects += twice
    # Whoever took only the videos knows that there is no audio; a list of a million lines tells nothing more.
    if sounds:
        defects += [Defect(Fault.SILENT, clip.id) for clip in made if clip.audio is None]
        defects += [Defect(Fault.ORPHAN, name) for name in sorted(set(sounds) - ids)]
    if speakers:
        unknown = sorted({clip.actor for clip in made} - set(speakers))
        defects += [Defect(Fault.SPEAKER, name) for name in unknown]
    return Index(tuple(made), tuple(defects))


def _id(name: re.Match[str]) -> str:
    return "_".join((name["speaker"], name["video"], name["part"].replace("#", "-")))


def _split(where: Path, speaker: str, speakers: Mapping[str, Speaker], test_speakers: Sequence[str]) -> str:
    """The user's word, else the folder's, else the metadata's."""
    if test_speakers:
        return base.TEST if speaker in test_speakers else base.TRAIN
    folders = [found[1] for part in where.parts[:-1] if (found := _SPLIT_FOLDER.search(part))]
    if folders:
        return _SPLITS[folders[0]]
    if speaker in speakers:
        return speakers[speaker].split
    raise InputError(
        f"{where}: neither a folder nor the metadata tell whether {speaker} is for training or for the test.",
        f"Put {META_NAME} into the folder, or name it with --metadata.",
    )
