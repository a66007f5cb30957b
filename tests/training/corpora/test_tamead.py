"""TA-MEAD sentences: the words serve their group, the grammar holds, the same seed gives the same sentences."""

from __future__ import annotations

import collections
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkclip.errors import InputError
from talkclip_training.corpora import mead
from talkclip_training.corpora.clips import TEST, TRAIN, Clip
from talkclip_training.corpora.tamead import Grammar, Prompt, build, read_prompts, write_prompts
from talkclip_training.corpora.units import UnitTrack
from talkclip_training.corpora.wording import emotion_names, group_names, neutral_words, unit_words


class FixedUnits:
    """A detector that sees the same in every clip but "blind"."""

    name = "fixed"

    def __init__(self, means: dict[int, float]) -> None:
        self._means = means

    def units_of(self, clip_id: str) -> UnitTrack | None:
        return None if clip_id == "blind" else UnitTrack(tuple(self._means), np.array([list(self._means.values())]))


FROWN = FixedUnits({1: 0.1, 4: 4.5, 7: 3.2, 15: 1.6, 17: 0.6, 20: 1.1, 25: 5.0})


def clip(
    name: str = "M030_front_angry_level3_001", emotion: str = "angry", level: int = 3, gender: str = "man"
) -> Clip:
    return Clip("mead", name, Path(f"{name}.mp4"), None, "M030", gender, "front", emotion, level, TRAIN)


def many(count: int, **changes: float) -> list[Prompt]:
    return list(build([clip()], FROWN, Grammar(per_clip=count, **changes)).prompts)  # type: ignore[arg-type]


def test_the_list_has_135_names_in_six_families() -> None:
    names = emotion_names()
    assert len({name.noun for name in names}) == len(names) == 135
    assert collections.Counter(name.family for name in names) == {
        "love": 16, "joy": 33, "surprise": 3, "anger": 29, "sadness": 37, "fear": 17,
    }  # fmt: skip


def test_every_group_has_words_and_only_real_groups_are_named() -> None:
    groups = set(mead.groups())
    assert {group for name in emotion_names() for group in name.groups} == groups - {("neutral", 1)}
    assert "expressionless" in neutral_words()
    assert {name.noun for name in group_names("angry", 3)} >= {"fury", "rage"}
    assert not {name.noun for name in group_names("angry", 1)} & {name.noun for name in group_names("angry", 3)}


def test_wording_is_complete() -> None:
    words = unit_words()
    assert set(words.adverbs) == {1, 2, 3, 4, 5}
    adverbs = {adverb for each in words.adverbs.values() for adverb in each}
    assert words.never_last < adverbs and "extremely" in words.adverbs[5]
    assert all(subject and descriptions for subject, descriptions in words.units.values())
    assert words.never_first < {word for _, descriptions in words.units.values() for word in descriptions}


def test_both_parts_are_dropped_at_their_rates_and_never_together() -> None:
    prompts = many(2000)
    silent = sum(prompt.name == "" for prompt in prompts) / 2000
    still = sum(not prompt.units for prompt in prompts) / 2000
    assert silent == pytest.approx(0.2, abs=0.03) and still == pytest.approx(0.2, abs=0.03)
    assert all(prompt.name or prompt.units for prompt in prompts)
    assert len({prompt.text for prompt in prompts}) > 1500


def test_units_are_said_with_an_adverb_of_their_level_in_any_order() -> None:
    words = unit_words()
    orders = set()
    for prompt in many(300, drop_emotion=1.0, drop_units=0.0):
        assert prompt.text.startswith("A man speaks with ") and prompt.detector == "fixed"
        assert {(unit.au, unit.level) for unit in prompt.units} == {(4, 5), (7, 4), (15, 3), (20, 2), (17, 1)}
        orders.add(tuple(unit.au for unit in prompt.units))
        parts = re.split(r", | and ", prompt.text.removeprefix("A man speaks with "))
        for part, unit in zip(parts, prompt.units, strict=True):
            subject, descriptions = words.units[unit.au]
            assert subject in part and any(description in part for description in descriptions)
            assert any(adverb in part for adverb in words.adverbs[unit.level])
    assert len(orders) > 60


def test_the_order_of_parts_changes() -> None:
    prompts = [prompt for prompt in many(400, drop_emotion=0.0, drop_units=0.0) if prompt.name]
    swapped = sum(prompt.text.startswith("With ") or " speaks with " in prompt.text[:22] for prompt in prompts)
    assert 100 < swapped < 300


def test_the_strongest_units_are_named_when_there_are_many() -> None:
    prompts = build([clip()], FROWN, Grammar(drop_units=0.0, most_units=2, per_clip=20)).prompts
    assert {unit.au for prompt in prompts for unit in prompt.units} == {4, 7}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(mead.groups())), st.sampled_from(["man", "woman", ""]), st.integers(0, 10**6))
def test_sentences_of_every_group_are_sentences(group: tuple[str, int], gender: str, seed: int) -> None:
    emotion, level = group
    one = clip(emotion=emotion, level=level, gender=gender)
    prompt = build([one], FROWN, Grammar(seed=seed)).prompts[0]
    assert re.match(r"(A|An|With) \S", prompt.text) and (gender or "person") in prompt.text
    assert "  " not in prompt.text and not prompt.text.endswith((" ", ",", "and"))
    assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]", prompt.text)
    if prompt.name and emotion != "neutral":
        noun = next(name for name in group_names(emotion, level) if name.noun == prompt.name)
        assert noun.noun in prompt.text or (noun.adjective and noun.adjective in prompt.text)
    assert (prompt.emotion, prompt.level) == group


def test_a_clip_s_sentences_depend_on_seed_and_clip_alone() -> None:
    clips = [clip(f"M030_front_angry_level3_{take:03d}") for take in range(1, 9)]
    one = {prompt.clip: prompt.text for prompt in build(clips, FROWN, Grammar(seed=3)).prompts}
    assert one == {prompt.clip: prompt.text for prompt in build(clips[::-1], FROWN, Grammar(seed=3)).prompts}
    assert one != {prompt.clip: prompt.text for prompt in build(clips, FROWN, Grammar(seed=4)).prompts}


def test_without_units_the_feeling_is_always_said() -> None:
    made = build([clip("blind"), clip()], FROWN, Grammar(drop_emotion=1.0, drop_units=0.0))
    assert made.unmeasured == ("blind",)
    assert made.prompts[0].name and not made.prompts[1].name
    assert all(prompt.name for prompt in build([clip()], None, Grammar(per_clip=20)).prompts)


@pytest.mark.parametrize(("gender", "subject"), [("woman", "woman"), ("man", "man"), ("", "person")])
def test_corpora_without_labels_are_expressionless(gender: str, subject: str) -> None:
    other = Clip("voxceleb2", "x", Path("x.mp4"), None, "id00017", gender, "", "", 0, TEST)
    prompts = build([other], FROWN, Grammar(per_clip=3)).prompts
    assert [prompt.text for prompt in prompts] == [f"An expressionless {subject}"]


def test_prompts_come_back_from_their_file_and_others_are_refused(tmp_path: Path) -> None:
    prompts = many(30)
    write_prompts(prompts, tmp_path / "p.jsonl")
    assert read_prompts(tmp_path / "p.jsonl") == prompts
    (tmp_path / "bad.jsonl").write_text('{"text": "A man"}\n')
    with pytest.raises(InputError, match=r"bad\.jsonl:1: is no TA-MEAD prompt"):
        read_prompts(tmp_path / "bad.jsonl")
    (tmp_path / "bad.jsonl").write_text("\n{]\n")
    with pytest.raises(InputError, match=r"bad\.jsonl:2: is no JSON"):
        read_prompts(tmp_path / "bad.jsonl")


@pytest.mark.parametrize("wrong", [{"drop_emotion": 0.7, "drop_units": 0.7}, {"swap": 2.0}, {"per_clip": 0}])
def test_impossible_rates_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Grammar(**wrong)  # type: ignore[arg-type]
