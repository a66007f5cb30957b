"""HDTF and VoxCeleb2 in the layouts their scripts leave; the split of speakers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkclip.errors import InputError
from talkclip_training.corpora import hdtf, voxceleb2
from talkclip_training.corpora.clips import TEST, TRAIN, Fault, choose_test_speakers
from tests.training.corpora.trees import touch

NAMES = st.sets(st.text("abcdefgh123", min_size=1, max_size=4), min_size=3, max_size=20)


@given(NAMES, st.integers(0, 3))
def test_the_lot_is_fixed_by_the_seed_and_hardly_moved_by_a_new_speaker(names: set[str], seed: int) -> None:
    chosen = choose_test_speakers(names, 2, seed)
    assert chosen == choose_test_speakers(sorted(names, reverse=True), 2, seed) and len(chosen) == 2
    later = choose_test_speakers({*names, "newcomer"}, 2, seed)
    assert len(chosen & later) >= 1
    assert len({choose_test_speakers(names, 1, other) for other in range(40)}) > 1


def test_named_speakers_win_and_impossible_wishes_are_explained() -> None:
    assert choose_test_speakers({"a", "b", "c"}, 1, 0, ["b", "c"]) == {"b", "c"}
    with pytest.raises(InputError, match="'d' is not in the corpus"):
        choose_test_speakers({"a"}, 0, 0, ["d"])
    with pytest.raises(InputError, match="--test-count"):
        choose_test_speakers({"a", "b"}, 2, 0)


def test_hdtf_of_both_namings(tmp_path: Path) -> None:
    touch(
        tmp_path,
        ["WDA_BarackObama_000.mp4", "WDA_BarackObama_000.wav", "WRA_JohnKasich0_000.mp4", "WRA_JohnKasich3_000.mp4",
         "Radio11_0.mp4", "Radio11_1.mp4", "WDA_JamesClyburn1_000.mp4", "WDA_WhipJimClyburn_000.mp4",
         "WDA_LucilleRoybal-Allard_002.mp4", "_videos_raw/WDA_BarackObama.mp4", "holiday.mp4"],
    )  # fmt: skip
    found = hdtf.index(tmp_path, test_count=2, seed=1)
    people = {clip.id: clip.actor for clip in found.clips}
    assert people["WRA_JohnKasich0_000"] == people["WRA_JohnKasich3_000"] == "JohnKasich"
    assert people["WDA_JamesClyburn1_000"] == people["WDA_WhipJimClyburn_000"]
    assert people["Radio11_000"] == people["Radio11_001"] == "Radio11"
    assert len(found.clips) == 8 and len({clip.actor for clip in found.clips if clip.split == TEST}) == 2
    assert next(clip for clip in found.clips if clip.id == "WDA_BarackObama_000").audio is not None
    assert [str(d) for d in found.defects if d.fault is Fault.NAME] == ["holiday.mp4"]
    assert [str(d) for d in found.defects if d.fault is Fault.CLIP] == ["WDA_LucilleRoybal-Allard: clip 000, 001"]


def test_hdtf_against_its_metadata(tmp_path: Path) -> None:
    clips, tables = touch(tmp_path / "clips", ["WDA_A_000.mp4", "WDA_A_002.mp4"]), tmp_path / "HDTF_dataset"
    tables.mkdir()
    for subset in hdtf.SUBSETS:
        for table in ("annotion_time", "crop_wh"):
            (tables / f"{subset}_{table}.txt").write_text("")
    (tables / "WDA_annotion_time.txt").write_text("A.mp4 00:01-00:09 00:10-00:20 00:30-00:40\nB.mp4 00:00-00:05\n")
    (tables / "WDA_crop_wh.txt").write_text("A_0.mp4 1 2 3 2\nA_2.mp4 1 2 3 2\nB_0.mp4 0 9 0 9\n")
    assert hdtf.expected_clips(tables) == {"WDA_A": 2, "WDA_B": 1}
    found = hdtf.index(clips, tables, test_count=0)
    assert [str(d) for d in found.defects if d.fault is Fault.CLIP] == [
        "WDA_A: clip 001",
        "WDA_B: the whole video",
    ]
    assert found.count(Fault.NUMBER) == 1
    with pytest.raises(InputError, match="annotion_time"):
        hdtf.index(clips, tmp_path, test_count=0)


META = "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \nid00012 ,n000012 ,m ,dev \nid00017\t,n000017 ,f ,test\n"


def test_voxceleb2_as_unpacked(tmp_path: Path) -> None:
    touch(
        tmp_path,
        ["dev/mp4/id00012/21Uxsk56VDQ/00001.mp4", "dev/aac/id00012/21Uxsk56VDQ/00001.m4a",
         "test/mp4/id00017/01dfn2-_qyE/00002.mp4", "dev/mp4/id00999/21Uxsk56VDQ/00001.mp4"],
    )  # fmt: skip
    (tmp_path / "vox2_meta.csv").write_text(META)
    found = voxceleb2.index(tmp_path)
    rows = {clip.id: (clip.actor, clip.gender, clip.split, clip.audio is not None) for clip in found.clips}
    assert rows["id00012_21Uxsk56VDQ_00001"] == ("id00012", "man", TRAIN, True)
    assert rows["id00017_01dfn2-_qyE_00002"] == ("id00017", "woman", TEST, False)
    assert rows["id00999_21Uxsk56VDQ_00001"] == ("id00999", "", TRAIN, False)
    assert [str(d) for d in found.defects if d.fault is Fault.SPEAKER] == ["id00999"]
    assert found.count(Fault.SILENT) == 2


def test_voxceleb2_split_from_metadata_or_a_clear_word(tmp_path: Path) -> None:
    touch(tmp_path, ["mp4/id00017/01dfn2spqyE/00001.mp4"])
    with pytest.raises(InputError, match="--metadata"):
        voxceleb2.index(tmp_path)
    (tmp_path / "elsewhere.csv").write_text(META)
    assert voxceleb2.index(tmp_path, tmp_path / "elsewhere.csv").clips[0].split == TEST
    assert voxceleb2.index(tmp_path, test_speakers=["id00017"]).clips[0].split == TEST


def test_voxceleb2_cropped_by_fomm_and_archive_folders(tmp_path: Path) -> None:
    touch(
        tmp_path,
        ["train/id00012#21Uxsk56VDQ#000123#000456.mp4", "vox2_test_mp4/mp4/id00017/01dfn2spqyE/00001.mp4"],
    )  # fmt: skip
    rows = {clip.id: clip.split for clip in voxceleb2.index(tmp_path).clips}
    assert rows == {"id00012_21Uxsk56VDQ_000123-000456": TRAIN, "id00017_01dfn2spqyE_00001": TEST}


def test_a_table_that_is_not_the_metadata_is_named(tmp_path: Path) -> None:
    touch(tmp_path, ["dev/mp4/id00012/21Uxsk56VDQ/00001.mp4"])
    (tmp_path / "vox2_meta.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"vox2_meta\.csv:2"):
        voxceleb2.index(tmp_path)
