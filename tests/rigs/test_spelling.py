"""Names of real rigs and every regular respelling of Apple's names find their shape; look-alikes do not."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkclip.coefficients import ARKIT52
from talkclip_rigs.spelling import SPLITTABLE, match_names, words

RIG_NAMES: dict[str, dict] = json.loads((Path(__file__).parent / "data" / "rig_names.json").read_text("utf-8"))["rigs"]


@pytest.mark.parametrize("rig", RIG_NAMES)
def test_a_real_rig_is_recognised(rig: str) -> None:
    listed = RIG_NAMES[rig]
    match = match_names(listed["names"])
    wanted = {arkit: name for arkit, name in zip(ARKIT52, listed["arkit"], strict=True) if name}
    assert match.mapping == wanted
    assert match.missing == tuple(name for name in ARKIT52 if name not in wanted and name not in listed["split"])
    assert {arkit: list(pair) for arkit, pair in match.split.items()} == listed["split"]
    assert not match.ambiguous


def _respelled(arkit: str, style: str) -> str:
    parts = [word.capitalize() for word in words(arkit)]
    short = {"Left": "L", "Right": "R"}.get(parts[-1], parts[-1])
    return {
        "camel": arkit,
        "pascal": "".join(parts),
        "snake": "_".join(parts).lower(),
        "title": " ".join(parts),
        "kebab": "-".join(parts).lower(),
        "shout": "_".join(parts).upper(),
        "lower": "".join(parts).lower(),
        "short_": "".join([*parts[:-1], "_", short]),
        "short.": "".join([*parts[:-1], ".", short]),
        "short": "".join([*parts[:-1], short]),
        "cc": "_".join([*parts[:-1], short]),
    }[style]


STYLES = ("camel", "pascal", "snake", "title", "kebab", "shout", "lower", "short_", "short.", "short", "cc")
PREFIXES = (
    "",
    "!ex-",
    "head_",
    "ARKit_",
    "blendShape.",
    "blendShape1.",
    "Wolf3D_Head:",
    "face|",
    "CH 01 ",
    "CTRL_expressions_",
)


@given(
    style=st.sampled_from(STYLES),
    prefix=st.sampled_from(PREFIXES),
    present=st.sets(st.sampled_from(ARKIT52), min_size=1),
    noise=st.lists(st.sampled_from(("Basis", "_neutral", "viseme_aa", "teethUp", "PupilDilate_L", "口", "", "Exp12"))),
    seed=st.integers(0, 99),
)
def test_any_spelling_with_any_prefix_in_any_order(
    style: str, prefix: str, present: set[str], noise: list[str], seed: int
) -> None:
    rig = {arkit: prefix + _respelled(arkit, style) for arkit in present}
    names = [*rig.values(), *noise]
    random.Random(seed).shuffle(names)
    match = match_names(names)
    assert match.mapping == rig
    assert set(match.missing) == set(ARKIT52) - present
    assert set(match.unmatched) == set(noise)
    assert match.confidence == pytest.approx(len(present) / 52)


@given(st.lists(st.text(max_size=24), max_size=80))
def test_no_text_breaks_it_and_nothing_is_lost(names: list[str]) -> None:
    match = match_names(names)
    used = [name for arkit in ARKIT52 for name in match.targets(arkit)]
    assert len(used) == len(set(used))
    assert sorted([*used, *match.unmatched]) == sorted(set(names))
    assert 0 <= match.confidence <= 1


@given(st.permutations(["jawOpen", "JawOpen", "!ex-jawOpen", "!ex-mouthClose", "mouthClose", "!ex-mouthLeft"]))
def test_the_choice_between_rivals_does_not_depend_on_order(names: list[str]) -> None:
    match = match_names(names)
    assert match.mapping == {"jawOpen": "!ex-jawOpen", "mouthClose": "!ex-mouthClose", "mouthLeft": "!ex-mouthLeft"}
    assert set(match.ambiguous["jawOpen"]) == {"jawOpen", "JawOpen"}
    assert match.ambiguous["mouthClose"] == ("mouthClose",)
    assert match.confidence == pytest.approx((0.5 + 0.5 + 1) / 52)


@pytest.mark.parametrize(
    "name",
    [
        "jawOpen_mouthClose",  # a combination corrective
        "fix_jawOpen",
        "notJawOpen",
        "leftJawOpen",
        "tongue_mouthClose",  # one shape of the tongue among a face's
        "$md-mouthSmileLeft",  # MPFB2's modelling key
        "jawOpener",
        "Jaw",
        "mouthSmile",  # both sides at once: not one of the 52
        "eyeLookLeft",  # which eye?
        "smileLeft",
        "mouth_lower_l",
    ],
)
def test_look_alikes_are_left_alone(name: str) -> None:
    match = match_names([name, "browDownLeft"])
    assert match.mapping == {"browDownLeft": "browDownLeft"}
    assert match.unmatched == (name,)


def test_a_whole_mesh_may_carry_a_face_word_as_its_prefix() -> None:
    match = match_names([f"tongue_{name}" for name in ARKIT52])
    assert len(match.mapping) == 52
    assert match.mapping["jawOpen"] == "tongue_jawOpen"


def test_copies_count_less_and_yield_to_the_original() -> None:
    assert match_names(["jawOpen.001"]).mapping == {"jawOpen": "jawOpen.001"}
    both = match_names(["jawOpen.001", "jawOpen"])
    assert both.mapping == {"jawOpen": "jawOpen"}
    assert both.ambiguous == {"jawOpen": ("jawOpen.001",)}


@pytest.mark.parametrize("arkit", SPLITTABLE)
def test_halves_need_both_sides_and_yield_to_the_whole(arkit: str) -> None:
    assert match_names([f"{arkit}_L", f"{arkit}_R"]).targets(arkit) == (f"{arkit}_L", f"{arkit}_R")
    assert match_names([f"{arkit}_L"]).targets(arkit) == ()
    whole = match_names([f"{arkit}_L", f"{arkit}_R", arkit])
    assert whole.targets(arkit) == (arkit,)
    assert set(whole.unmatched) == {f"{arkit}_L", f"{arkit}_R"}
