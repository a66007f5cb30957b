"""MEAD: every layout is understood, every known defect is tolerated and listed."""

from __future__ import annotations

from pathlib import Path

import pytest

from talkclip.errors import InputError
from talkclip_training.corpora import mead
from talkclip_training.corpora.clips import TEST, TRAIN, Fault, read_clips, write_clips
from talkclip_training.corpora.mead import Correction, Label, read_corrections, read_label
from tests.training.corpora.trees import mead_names, touch

ACTORS = ("M003", "M030", "W009")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return touch(tmp_path / "MEAD", [name for actor in ACTORS for name in mead_names(actor)])


@pytest.mark.parametrize(
    "name",
    [
        "M003/video/front/angry/level_1/007.mp4",
        "MEAD/M003_video/front/angry/level_1/007.mp4",
        "M003_video/front/angry_level_1/007.mp4",
        "M003/front/angry/level_1/007.mp4",
        "M003_front_angry_level1_007.mp4",
        "M003_video_front_angry_level_1_007.mp4",
        "M003/front/angry/level_1/M003_front_angry_level_1_007.mp4",
    ],
)
def test_every_layout_says_the_same(name: str) -> None:
    assert read_label(Path(name)) == Label("M003", "front", "angry", 1, 7)


def test_views_with_a_number_are_not_mistaken() -> None:
    label = read_label(Path("W019_video/left_60/surprised_level_2/023.mp4"))
    assert label == Label("W019", "left_60", "surprised", 2, 23)
    assert read_label(Path("W019/audio/surprised/level_2/023.m4a")) == label.sound


@pytest.mark.parametrize(
    "name", ["notes.mp4", "M003/front/bored/level_1/001.mp4", "M003/front/neutral/level_2/001.mp4"]
)
def test_other_names_say_nothing(name: str) -> None:
    assert read_label(Path(name)) is None


def test_there_are_22_groups() -> None:
    assert len(list(mead.groups())) == 22


def test_a_whole_tree_has_no_defect(tree: Path) -> None:
    found = mead.index(tree, test_speakers=["W009"])
    assert len(found.clips) == 3 * 22 * 2 and found.defects == ()
    clip = next(clip for clip in found.clips if clip.id == "W009_front_sad_level2_001")
    assert (clip.actor, clip.gender, clip.view, clip.emotion, clip.level) == ("W009", "woman", "front", "sad", 2)
    assert clip.split == TEST and clip.audio == tree / "W009/audio/sad/level_2/001.m4a"
    assert {clip.split for clip in found.clips if clip.actor != "W009"} == {TRAIN}


def test_the_folder_of_one_actor_will_do(tree: Path) -> None:
    assert len(mead.index(tree / "M003", test_count=0).clips) == 44


def test_every_known_defect_is_listed_and_the_rest_is_used(tree: Path) -> None:
    (tree / "M003/video/front/sad/level_2/002.mp4").rename(tree / "M003/video/front/sad/level_2/003.mp4")
    (tree / "M030/video/front/fear/level_1/002.mp4").unlink()
    for take in ("001", "002"):
        (tree / f"W009/video/front/happy/level_3/{take}.mp4").unlink()
    touch(tree, ["M003_front_angry_level1_001.mp4", "M003/video/front/angry/level_1/test.mp4", "._001.mp4"])
    found = mead.index(tree, views=("front", "top"), test_count=1)
    assert [str(d) for d in found.defects if d.fault is Fault.VIEW] == ["M003 top", "M030 top", "W009 top"]
    assert [str(d) for d in found.defects if d.fault is Fault.GROUP] == ["W009 front happy level 3"]
    assert [str(d) for d in found.defects if d.fault is Fault.NUMBER] == [
        "M003 front sad level 2: lacks 002",
        "M030 front fear level 1: 1 takes, usually 2; sentences may differ",
    ]
    assert [str(d) for d in found.defects if d.fault is Fault.SILENT] == ["M003_front_sad_level2_003"]
    orphans = {str(d) for d in found.defects if d.fault is Fault.ORPHAN}
    assert orphans == {"M003_sad_level2_002", "M030_fear_level1_002", "W009_happy_level3_001", "W009_happy_level3_002"}
    assert found.count(Fault.TWICE) == 1 and found.count(Fault.NAME) == 1
    assert len(found.clips) == 3 * 22 * 2 - 3
    assert next(clip for clip in found.clips if clip.id == "M003_front_sad_level2_003").audio is None


def test_wrong_labels_are_corrected_or_left_out(tree: Path, tmp_path: Path) -> None:
    listed = tmp_path / "wrong.csv"
    listed.write_text(
        "clip,emotion,level\nM003_*_angry_level1_001,disgusted,2\nM030_front_sad_level3_002,,\nM099_front_*,sad,1\n"
    )
    corrections = read_corrections(listed)
    found = mead.index(tree, corrections=corrections, test_count=1)
    changed = next(clip for clip in found.clips if clip.id == "M003_front_angry_level1_001")
    assert (changed.emotion, changed.level) == ("disgusted", 2)
    assert "M030_front_sad_level3_002" not in {clip.id for clip in found.clips}
    assert found.count(Fault.LABEL) == 2 and found.count(Fault.UNUSED_LABEL) == 1


@pytest.mark.parametrize("line", ["M003_front_angry_level1_001,bored,1", ",sad,1", "M003*,sad,7"])
def test_a_correction_that_cannot_be_is_named(tmp_path: Path, line: str) -> None:
    listed = tmp_path / "wrong.csv"
    listed.write_text(f"clip,emotion,level\n{line}\n")
    with pytest.raises(InputError, match=r"wrong\.csv:2"):
        read_corrections(listed)


def test_correcting_to_neutral_gives_its_only_level(tree: Path) -> None:
    found = mead.index(tree, corrections=[Correction("M003_front_angry_level3_001", "neutral", 0)], test_count=1)
    changed = next(clip for clip in found.clips if clip.id == "M003_front_angry_level3_001")
    assert (changed.emotion, changed.level) == ("neutral", 1)


def test_clips_come_back_from_their_file(tree: Path, tmp_path: Path) -> None:
    clips = list(mead.index(tree, test_count=1).clips)
    write_clips(clips, tmp_path / "mead.jsonl")
    assert read_clips(tmp_path / "mead.jsonl") == clips


def test_a_folder_without_mead_and_an_unknown_view_are_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no video of MEAD"):
        mead.index(tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        mead.index(tmp_path / "gone")
    with pytest.raises(InputError, match="view 'behind'"):
        mead.index(tmp_path, views=("behind",))
