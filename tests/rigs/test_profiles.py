"""Rigs as data: each file is a rig that is recognised by its names, and moves the shapes it should."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from talkclip.coefficients import ARKIT52, HEAD6, CoefficientTrack
from talkclip_rigs import profiles
from talkclip_rigs.flame import flame_channels
from talkclip_rigs.profiles import match_rig, parse_rig, recognise, rig_by_id, rig_profile, rigs
from talkclip_rigs.retarget import Curves, retarget

DATA = Path(__file__).parent / "data"
OTHER: dict[str, dict] = json.loads((DATA / "other_rigs.json").read_text("utf-8"))["rigs"]
ARKIT_RIGS: dict[str, dict] = json.loads((DATA / "rig_names.json").read_text("utf-8"))["rigs"]
NAMED = [rig.id for rig in rigs() if rig.recognise == "names"]

GOOD = {
    "name": "Test", "source": "here", "space": "arkit52", "recognise": "names", "at_least": 1,
    "drives": {"jawOpen": {"Maul": 1.0}},
}  # fmt: skip


def posed(rig_id: str, names: list[str], **channels: float) -> dict[str, float]:
    """The rig's shapes for one pose of the 52."""
    match = recognise(names)
    assert match is not None and match.rig.id == rig_id
    values = np.array([[channels.get(name, 0.0) for name in ARKIT52]])
    track = CoefficientTrack("arkit52", ARKIT52, 25, values)
    curves = _curves(match, track)
    return {name: float(curve[0]) for name, curve in curves.channels.items() if curve[0] != 0}


def _curves(match: profiles.RigMatch, track: CoefficientTrack) -> Curves:
    return retarget(track, rig_profile(match.rig, match.rows, track.names))


@pytest.mark.parametrize("rig_id", OTHER)
def test_a_real_rig_is_recognised_with_all_its_shapes(rig_id: str) -> None:
    match = recognise(OTHER[rig_id]["names"])
    assert match is not None and match.rig.id == rig_id
    wanted = {(channel, shape) for channel, shapes in match.rig.drives.items() for shape in shapes}
    assert len(match.rows) == len(wanted)
    assert set(match.missing) == set(ARKIT52) - set(match.rig.drives)
    assert {row.shape for row in match.rows} | set(match.unmatched) == set(OTHER[rig_id]["names"])
    assert not {row.shape for row in match.rows} & set(match.unmatched)


def test_every_rig_of_names_has_a_real_list() -> None:
    assert set(NAMED) == set(OTHER)


@pytest.mark.parametrize("rig", ARKIT_RIGS)
def test_rigs_with_arkit_names_are_arkit_rigs(rig: str) -> None:
    match = recognise(ARKIT_RIGS[rig]["names"])
    assert match is not None and match.rig.id == "arkit"
    assert match.confidence > 0.9


@pytest.mark.parametrize("rig_id", NAMED)
def test_every_channel_is_driven_or_ignored_and_shapes_stay_in_range(rig_id: str) -> None:
    match = recognise(OTHER[rig_id]["names"])
    profile = rig_profile(match.rig, match.rows, ARKIT52)
    assert profile.sources() == {*ARKIT52, *HEAD6}
    track = CoefficientTrack("arkit52", ARKIT52, 25, np.random.default_rng(1).uniform(0, 1, (50, 52)))
    curves = retarget(track, profile).channels
    assert len(curves) == len({shape for shapes in match.rig.drives.values() for shape in shapes})
    assert all(curve.min() >= 0 and curve.max() <= 1 for curve in curves.values())


def test_sides_and_directions_are_the_characters() -> None:
    extended = OTHER["cc4_extended"]["names"]
    assert posed("cc4_extended", extended, mouthSmileLeft=0.5) == {"Mouth_Smile_L": 0.5}
    assert posed("cc4_extended", extended, eyeLookInLeft=1.0) == {"Eye_L_Look_R": 1.0}
    assert posed("cc4_extended", extended, eyeLookInRight=1.0) == {"Eye_R_Look_L": 1.0}
    assert posed("cc4_extended", extended, jawLeft=1.0) == {"Jaw_L": 1.0}
    human = OTHER["metahuman"]["names"]
    assert posed("metahuman", human, eyeLookOutRight=1.0) == {"CTRL_expressions_eyeLookRightR": 1.0}
    brow = posed("metahuman", human, browDownLeft=0.8)
    assert brow == pytest.approx({"CTRL_expressions_browDownL": 0.8, "CTRL_expressions_browLateralL": 0.4})


def test_several_shapes_of_one_channel_and_several_channels_of_one_shape() -> None:
    funnel = posed("cc4_extended", OTHER["cc4_extended"]["names"], mouthFunnel=0.3)
    assert list(funnel.values()) == pytest.approx([0.3] * 4)
    vroid = OTHER["vroid"]["names"]
    assert posed("vroid", vroid, browDownLeft=1.0, browDownRight=0.4) == {"Fcl_BRW_Angry": pytest.approx(0.7)}
    # Raised inner brows are sorrow; the whole brow raised is surprise.
    assert posed("vroid", vroid, browInnerUp=1.0).keys() == {"Fcl_BRW_Sorrow"}
    surprised = posed("vroid", vroid, browInnerUp=1.0, browOuterUpLeft=1.0, browOuterUpRight=1.0)
    assert surprised == pytest.approx({"Fcl_BRW_Surprised": 1.0})


@pytest.mark.parametrize(
    ("rig_id", "names"),
    [("vroid", [f"Fcl_MTH_{vowel}" for vowel in "AIUEO"]), ("mmd", list("あいうえお")), ("vrm_vowels", list("AIUEO"))],
)
def test_vowels(rig_id: str, names: list[str]) -> None:
    every = OTHER[rig_id]["names"]
    a, i, u, e, o = names

    def strongest(**pose: float) -> str:
        shapes = posed(rig_id, every, **pose)
        return max(names, key=lambda name: shapes.get(name, 0.0))

    assert posed(rig_id, every, mouthPressLeft=0.6, mouthPressRight=0.6, mouthRollUpper=0.4) == {}
    assert strongest(jawOpen=0.6) == a
    assert strongest(mouthPucker=0.8, jawOpen=0.1) == u
    assert strongest(mouthFunnel=0.6, jawOpen=0.2) == o
    assert strongest(mouthStretchLeft=0.5, mouthStretchRight=0.5, jawOpen=0.1) == i
    wide = posed(rig_id, every, jawOpen=0.9)
    assert wide[a] == 1.0 and wide.get(e, 0.0) > 0.1


def test_visemes_of_the_sounds_that_must_be_seen() -> None:
    """Lips pressed, lip under the teeth, open, rounded; what mixes to the same pose is as good."""
    meta = OTHER["oculus_visemes"]["names"]
    bare = ["sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou"]
    for prefix, names in (("viseme_", meta), ("vrc.v_", ["vrc.v_" + name.lower() for name in bare]), ("", bare)):

        def strongest(names: list[str] = names, prefix: str = prefix, **pose: float) -> str:
            shapes = posed("oculus_visemes", names, **pose)
            return max(shapes, key=shapes.__getitem__).removeprefix(prefix).lower()

        pressed = {"mouthPressLeft": 0.5, "mouthPressRight": 0.5, "mouthRollUpper": 0.2, "mouthRollLower": 0.2}
        assert strongest(**pressed) == "pp"
        assert strongest(mouthShrugLower=0.5, mouthRollLower=0.3, mouthUpperUpLeft=0.2, mouthUpperUpRight=0.2) == "ff"
        assert strongest(jawOpen=0.6) == "aa"
        assert strongest(mouthPucker=0.8, jawOpen=0.1) in ("u", "ou")
        assert posed("oculus_visemes", names) == {}


def test_flame_is_counted_from_one_and_its_jaw_is_a_bone() -> None:
    match = recognise(["Base", *(f"Exp{k}" for k in range(1, 51)), "Shape1", "Pose3", "Exp07", "Experiment1"])
    assert match.rig.id == "flame" and len(match.rows) == 50 and match.confidence == 1.0
    assert (match.rows[0].channel, match.rows[0].shape) == ("exp0", "Exp1")
    assert set(match.unmatched) == {"Base", "Shape1", "Pose3", "Exp07", "Experiment1"}
    profile = rig_profile(match.rig, match.rows, flame_channels(100), head_bone="neck")
    assert {turn.bone for turn in profile.rotations} == {"jaw", "left_eye", "right_eye", "neck"}
    assert profile.sources() == {*flame_channels(100), *HEAD6}
    assert profile.limits == {"*": (-10.0, 10.0)}


def test_case_and_separators_do_not_matter() -> None:
    assert recognise([name.upper() for name in OTHER["cc_standard"]["names"]]).rig.id == "cc_standard"
    assert recognise([name.replace("_", " ") for name in OTHER["cc4_extended"]["names"]]).rig.id == "cc4_extended"


@pytest.mark.parametrize("names", [[], ["Basis"], ["jawOpen", "A", "E"], ["Exp1", "Exp2"], list("AIUE"),
                                   ["Mouth_Smile_L", "Jaw_Open", "Body_Fat"]])  # fmt: skip
def test_coincidence_is_no_rig(names: list[str]) -> None:
    assert recognise(names) is None


def test_a_part_of_a_rig_is_found_when_asked_for() -> None:
    teeth = match_rig(rig_by_id("cc4_extended"), ["Jaw_Open", "Polish"], at_least=1)
    assert [(row.channel, row.shape) for row in teeth.rows] == [("jawOpen", "Jaw_Open")]
    assert match_rig(rig_by_id("cc4_extended"), ["Polish"], at_least=1) is None


def test_adding_a_rig_is_adding_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = parse_rig("mine", GOOD | {"range": [0, 100], "unit": 100, "drives": {"jawOpen": {"Maul": 1.0, "Zahn": 0.5}}})
    monkeypatch.setattr(profiles, "rigs", lambda: (rig,))
    match = recognise(["Maul", "Zahn"])
    assert match.rig == rig
    track = CoefficientTrack("arkit52", ARKIT52, 25, np.full((1, 52), 0.6))
    curves = _curves(match, track).channels
    assert {name: float(curve[0]) for name, curve in curves.items()} == pytest.approx({"Maul": 60, "Zahn": 30})


@pytest.mark.parametrize(
    ("change", "said"),
    [({"colour": 1}, "colour"), ({"recognise": "feeling"}, "feeling"), ({"drives": {"jaw": {"a": 1}}}, "jaw"),
     ({"recognise": "numbered"}, "goes with"), ({"drives": {}}, "goes with")],
)  # fmt: skip
def test_a_spoilt_file_is_named(change: dict, said: str) -> None:
    with pytest.raises(ValueError, match=rf"Rig test: .*{said}"):
        parse_rig("test", GOOD | change)
    with pytest.raises(ValueError, match=r"lacks \['source'\]"):
        parse_rig("test", {key: value for key, value in GOOD.items() if key != "source"})
