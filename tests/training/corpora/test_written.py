"""The check of the written corpus: faults are found and named, duplicates near and exact, phrases of frozen prompts."""

from __future__ import annotations

import itertools
import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkclip.errors import InputError
from talkclip_training.corpora.agreement import agreement, cohens_kappa
from talkclip_training.corpora.check import check, read_frozen
from talkclip_training.corpora.likeness import near_pairs, same_texts, shared_phrases, shingles
from talkclip_training.corpora.written import problems_of, read_written

CORPUS = Path(__file__).resolve().parents[3] / "training/talkclip_training/data/prompt_corpus/directions.jsonl"


LINE = "He counts the change twice, slowly"


def row(text: str = LINE, **changes: Any) -> dict[str, Any]:
    return {
        "text": text, "lang": "en", "kind": "situation", "family": f"sit-{text}", "fine": "suspicious",
        "emotion": {"contempt": 0.6, "angry": 0.2}, "intensity": 0.4, "valence": -0.3, "arousal": 0.4,
        "au": [{"au": 4, "level": 0.4, "side": "both"}], "deny": {}, "region": {}, **changes,
    }  # fmt: skip


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows), encoding="utf-8")
    return path


def test_a_good_line_has_no_problem() -> None:
    assert problems_of(row()) == []
    full = row(deny={"emotion": ["sad"], "au": [15]}, region={"eyes": {"emotion": "fear", "level": 0.5}})
    assert problems_of(full) == []


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("text", "  ", "text: must be words"),
        ("kind", "joke", "kind: 'joke' is none of"),
        ("emotion", {}, "emotion: must name"),
        ("emotion", {"bored": 1}, "emotion: bored is none of"),
        ("emotion", {"sad": 0.8, "fear": 0.4}, "weights sum to 1.20"),
        ("emotion", {"sad": True}, "a weight is not 0..1"),
        ("emotion", {"sad": 0}, "weights sum to 0.00"),
        ("intensity", 1.2, "intensity: 1.2 is not 0..1"),
        ("intensity", "high", "intensity: 'high' is not 0..1"),
        ("valence", -1.5, "valence: -1.5 is not -1..1"),
        ("arousal", None, "arousal: None is not 0..1"),
        ("au", [4], "must have au, level and side"),
        ("au", [{"au": 3, "level": 1, "side": "both"}], "3 is no action unit"),
        ("au", [{"au": True, "level": 1, "side": "both"}], "no action unit"),
        ("au", [{"au": [4], "level": 1, "side": "both"}], "no action unit"),
        ("au", [{"au": 4, "level": 2, "side": "both"}], "level 0..1"),
        ("au", [{"au": 4, "level": 1, "side": "middle"}], "side both"),
        ("deny", {"au": 4}, "deny: names"),
        ("deny", {"mood": []}, "deny: holds"),
        ("region", {"nose": {}}, "region: holds"),
        ("region", {"eyes": {"emotion": "sad"}}, "eyes needs"),
    ],
)
def test_each_fault_is_named(field: str, value: object, problem: str) -> None:
    found = problems_of(row() | {field: value})
    assert len(found) == 1 and problem in found[0]


def test_missing_unknown_and_several_faults_are_all_named() -> None:
    broken = row(mood="x", intensity=7)
    del broken["fine"]
    assert len(problems_of(broken)) == 3
    assert problems_of([1]) == ["is no JSON object"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from(sorted(row())), ANYTHING, max_size=4))
def test_whatever_a_line_holds_it_is_judged_and_never_crashes(changes: dict[str, Any]) -> None:
    assert isinstance(problems_of(row() | changes), list)


def test_the_corpus_itself_keeps_the_guide() -> None:
    good, bad = read_written(CORPUS)
    assert bad == [] and len(good) > 8000
    assert same_texts([line.text for line in good]) == []


TEXTS = st.lists(st.text("ab c", min_size=1, max_size=12), min_size=2, max_size=14)


@settings(deadline=None)
@given(TEXTS, st.sampled_from([0.3, 0.5, 0.7, 0.9, 1.0]))
def test_near_pairs_are_those_of_comparing_everything(texts: list[str], at_least: float) -> None:
    exact = set(same_texts(texts))
    expected = set()
    for i, j in itertools.combinations(range(len(texts)), 2):
        one, other = shingles(texts[i]), shingles(texts[j])
        likeness = len(one & other) / len(one | other)
        if likeness >= at_least and not same_texts([texts[i], texts[j]]):
            expected.add((i, j))
    found = {(pair.first, pair.second) for pair in near_pairs(texts, at_least)}
    assert found == expected and not found & exact


def test_ten_thousand_lines_are_compared_in_seconds() -> None:
    texts = [line.text for line in read_written(CORPUS)[0]]
    texts += [f"{text}, again" for text in texts[: 10_000 - len(texts)]]
    began = time.process_time()
    pairs = near_pairs(texts, 0.7)
    assert time.process_time() - began < 15
    assert len(pairs) > 500


def test_case_and_punctuation_do_not_make_another_text() -> None:
    assert same_texts(["Oh, REALLY?", "sad", "oh really"]) == [(0, 2)]
    assert [pair.first for pair in near_pairs(["a trembling lower lip", "sad", "trembling lower lip!"], 0.7)] == [0]


FROZEN = {
    "t1": "footsteps in the attic, and she lives alone",
    "t2": "one corner of the mouth hitched up",
    "t3": "lopsided grin",
    "t4": "今日は最悪の日だった",
    "t5": "eyes down",
    "t6": "scornful",
}


@pytest.mark.parametrize(
    ("text", "phrase", "name"),
    [
        ("Footsteps! In the attic? Run.", "footsteps in the attic", "t1"),
        ("a lopsided grin, and he means it", "lopsided grin", "t3"),
        ("昨日は最悪の日だった", "は 最 悪 の 日 た っ た", "t4"),
        ("Scornful.", "scornful", "t6"),
        ("eyes down", "eyes down", "t5"),
    ],
)
def test_shared_phrases_are_found(text: str, phrase: str, name: str) -> None:
    found = shared_phrases([text], FROZEN, 4)
    assert len(found) == 1 and found[0].name == name
    if name != "t4":  # signs with marks may come apart; what counts is that it was found
        assert found[0].phrase == phrase


@pytest.mark.parametrize(
    "text",
    ["the corner of the mouth is all that moves", "and she lives here", "eyes down and to the left",
     "scornful of it all", "怒っている", "the attic"],
)  # fmt: skip
def test_anatomy_and_function_words_are_nobody_s_phrase(text: str) -> None:
    assert shared_phrases([text], FROZEN, 4) == []


def test_frozen_prompts_of_every_form_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "t.jsonl", {"id": "a-1", "prompt": "x", "weaker": "a bit x"}, {"text": "y"})
    assert read_frozen(path) == {"t.jsonl:a-1": "x", "t.jsonl:a-1 (weaker)": "a bit x", "t.jsonl:2": "y"}
    with pytest.raises(InputError, match=r"t\.jsonl:1: has no prompt"):
        read_frozen(write(path, {"id": 1}))


def test_the_check_finds_every_kind(tmp_path: Path) -> None:
    one = write(
        tmp_path / "one.jsonl", row("He counts the change twice", family="a"), row("trembling lower lip", family="b"),
        row("bad", kind="joke"), row("lives alone with a lopsided grin", family="c"),
    )  # fmt: skip
    two = write(
        tmp_path / "two.jsonl", row("he counts the change TWICE!", family="d"), row("lower lip trembling", family="b")
    )
    frozen = write(tmp_path / "frozen.jsonl", {"id": "x", "prompt": "a lopsided grin"})
    result = check([one, two], [frozen])
    assert [(f.kind, f.where.rpartition("/")[2]) for f in result.faults] == [
        ("broken line", "one.jsonl:3"),
        ("same text", "two.jsonl:1"),
        ("family in two files", "one.jsonl:2"),
        ("shared phrase", "one.jsonl:4"),
    ]
    assert [f.where.rpartition("/")[2] for f in result.warnings] == ["two.jsonl:2"]
    with pytest.raises(InputError, match="given twice"):
        check([one, one])


def test_agreement_of_two_annotators(tmp_path: Path) -> None:
    def both(name: str, rows: list[dict[str, Any]]) -> Any:
        return read_written(write(tmp_path / name, *rows))[0]

    au = [{"au": n, "level": 0.5, "side": "both"} for n in (1, 4, 12)]
    first = both(
        "1.jsonl",
        [row("a b", emotion={"sad": 1}, intensity=0.2, au=au[:2]),
         row("c d", emotion={"happy": 1}, intensity=0.4, au=[]),
         row("e f", emotion={"sad": 0.6, "fear": 0.4}, intensity=0.9, au=au[1:]), row("only here")],
    )  # fmt: skip
    second = both(
        "2.jsonl",
        [row("E, f", emotion={"fear": 0.6, "sad": 0.4}, intensity=0.8, au=au[2:]),
         row("A b!", emotion={"sad": 1}, intensity=0.3, au=au[:1]),
         row("c d", emotion={"happy": 1}, intensity=0.5, au=[])],
    )  # fmt: skip
    result = agreement(first, second)
    assert result.lines == 3 and result.same_emotion == pytest.approx(2 / 3)
    assert result.kappa == pytest.approx((2 / 3 - 1 / 3) / (1 - 1 / 3))
    assert result.intensity_r > 0.95 and result.intensity_difference == pytest.approx(0.1)
    assert (result.unit_precision, result.unit_recall) == (1.0, 0.5)
    assert result.unit_f1 == pytest.approx(2 / 3)
    assert result.confused == (("sad", "fear", 1),)
    with pytest.raises(InputError, match="no text in common"):
        agreement(first[3:], second)


def test_kappa_of_known_tables() -> None:
    # Cohen 1960's kind of example: 45 yes-yes, 15 yes-no, 25 no-yes, 15 no-no -> 0.1304.
    table = [("y", "y")] * 45 + [("y", "n")] * 15 + [("n", "y")] * 25 + [("n", "n")] * 15
    assert cohens_kappa(table) == pytest.approx(0.1304, abs=1e-4)
    assert cohens_kappa([("y", "y"), ("n", "n")]) == 1.0
    assert math.isnan(cohens_kappa([("y", "y")])), "one label only: nothing to agree on"
