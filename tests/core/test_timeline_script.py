"""Prompt timelines, scripts snapped to words, phone files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkclip.audio import AudioClip
from talkclip.errors import InputError
from talkclip.phones import PHONES41, Phone, PhoneTrack, Word, read_phones, write_phones
from talkclip.script import LEAD_S, parse_script, spoken_text, timeline_from_script
from talkclip.timeline import PromptEdit, PromptSegment, PromptTimeline

segments = st.builds(
    lambda prompt, start, length, intensity, blend, edits, keys: PromptSegment(
        prompt, start, start + length, intensity, tuple(PromptEdit(t, w) for t, w in edits), blend, blend,
        intensity_keys=tuple(sorted(keys.items())),
    ),
    st.text(max_size=20),
    st.floats(0, 20),
    st.floats(0.01, 10),
    st.floats(0, 2),
    st.floats(0, 1),
    st.lists(st.tuples(st.text(max_size=8), st.floats(-2, 2)), max_size=2),
    st.dictionaries(st.floats(0, 30), st.floats(0, 2), max_size=4),
)  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(st.lists(segments, max_size=5))
def test_timelines_survive_json_and_weights_stay_in_bounds(rows: list[PromptSegment]) -> None:
    timeline = PromptTimeline(tuple(rows))
    assert PromptTimeline.from_json(timeline.to_json()) == timeline
    weights = timeline.weights(np.linspace(-1, 31, 400))
    assert weights.shape == (400, len(rows))
    assert (weights >= 0).all() and (weights.sum(1) <= 1 + 1e-6).all()


def test_a_cross_fade_hands_over_without_a_dip() -> None:
    timeline = PromptTimeline((PromptSegment("a", 0, 2, uid="a"), PromptSegment("b", 2, 4, uid="b")))
    times = np.linspace(1.0, 3.0, 201)
    weights = timeline.weights(times)
    np.testing.assert_allclose(weights.sum(1), 1.0, atol=1e-6)
    assert weights[0].tolist() == [1, 0] and weights[-1].tolist() == [0, 1]
    assert weights[100, 0] == pytest.approx(0.5)


def test_single_covers_every_frame_from_the_first_to_the_last() -> None:
    weights = PromptTimeline.single("x", 2.0).weights(np.array([0.0, 1.0, 2.0]))
    assert weights.ravel().tolist() == [1, 1, 1]


def test_intensity_runs_through_its_keys_and_is_held_outside() -> None:
    keyed = PromptSegment("x", 0, 4, 1.7, intensity_keys=((1.0, 0.4), (3.0, 1.0)))
    np.testing.assert_allclose(keyed.intensity_at(np.array([0.0, 1.0, 2.0, 3.0, 9.0])), [0.4, 0.4, 0.7, 1.0, 1.0])
    np.testing.assert_array_equal(PromptSegment("x", 0, 4, 1.7).intensity_at(np.arange(3.0)), [1.7] * 3)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (((1.0, 0.5), (1.0, 0.6)), "do not rise"),
        (((2.0, 0.5), (1.0, 0.6)), "do not rise"),
        (((1.0, 2.1),), "out of range"),
        (((float("inf"), 1.0),), "out of range"),
        (((1.0, float("nan")),), "out of range"),
        (((1.0,),), "pair of numbers"),
        ((1.0, 2.0), "pair of numbers"),
    ],
)
def test_intensity_keys_that_make_no_curve_are_refused(keys: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        PromptSegment("furious", 0, 2, intensity_keys=keys)  # type: ignore[arg-type]


def test_keys_of_the_wrong_type_in_a_file_are_named() -> None:
    for keys in ("[[0, 1], [1]]", '"loud"', "3", '[["a", 1]]'):
        text = f'{{"segments": [{{"prompt": "a", "start_s": 0, "end_s": 1, "intensity_keys": {keys}}}]}}'
        with pytest.raises(InputError, match=r"segment 1.*intensity"):
            PromptTimeline.from_json(text)


def test_all_mistakes_in_a_timeline_are_reported_together() -> None:
    rows = [
        {"prompt": "a", "start_s": 0, "end_s": 0},
        {"prompt": "b", "start": 1},
        {"prompt": 3, "start_s": 0, "end_s": 1},
    ]
    text = json.dumps({"segments": rows})
    with pytest.raises(InputError) as caught:
        PromptTimeline.from_json(text, "t.json")
    message = str(caught.value)
    assert "t.json" in message and "segment 1" in message and "segment 2" in message and "segment 3" in message
    assert "start" in message


def test_a_script_splits_at_its_directions() -> None:
    parts = parse_script("[furious] Get out!  [breaking] [softly] Please.")
    assert [(p.prompt, p.text) for p in parts] == [("furious", "Get out!"), ("breaking, softly", "Please.")]
    assert spoken_text(parts) == "Get out! Please."
    assert parse_script("Hello there")[0].prompt == ""
    for wrong in ("", "[only this]", "[open Get out", "Get] out"):
        with pytest.raises(InputError):
            parse_script(wrong)


def test_directions_snap_shortly_before_their_first_word() -> None:
    words = [Word("get", 0.3, 0.5), Word("out", 0.5, 0.9), Word("please", 2.0, 2.6)]
    timeline = timeline_from_script(parse_script("[furious] Get out! [breaking] Please."), words, 3.0)
    first, second = timeline.segments
    assert (first.start_s, second.end_s) == (0.0, 3.0)
    assert first.end_s == second.start_s == pytest.approx(2.0 - LEAD_S)


def test_directions_stay_in_place_when_alignment_spells_numbers_out() -> None:
    spoken = "i have twenty five dollars you have none"
    words = [Word(w, i * 0.5, i * 0.5 + 0.4) for i, w in enumerate(spoken.split())]
    timeline = timeline_from_script(parse_script("[proud] I have 25 dollars. [mean] You have none."), words, 4.5)
    assert timeline.segments[1].start_s == pytest.approx(2.5 - 0.1, abs=0.03)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(PHONES41), st.floats(0.01, 0.5), st.floats(0, 0.3)), min_size=1, max_size=20),
    st.sampled_from([".json", ".TextGrid"]),
)
def test_phone_files_round_trip(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, float, float]], suffix: str
) -> None:
    phones, now = [], 0.0
    for symbol, length, gap in rows:
        phones.append(Phone(symbol, now + gap, now + gap + length))
        now += gap + length
    track = PhoneTrack(tuple(phones), (Word('say "hé"', 0.0, now),), now, "fast")
    path = tmp_path_factory.mktemp("phones") / f"ph{suffix}"
    write_phones(track, path)
    back = read_phones(path)
    spoken = [(p.symbol, p.start_s, p.end_s) for p in back.phones if p.symbol != "SIL"]
    expected = [(p.symbol, p.start_s, p.end_s) for p in phones if p.symbol != "SIL"]
    assert [s for s, *_ in spoken] == [s for s, *_ in expected]
    np.testing.assert_allclose([t for _, *t in spoken], [t for _, *t in expected], atol=2e-6)
    assert [w.text for w in back.words] == ['say "hé"'] and back.backend == "file"


LONG_TEXTGRID = """File type = "ooTextFile"
Object class = "TextGrid"
xmin = 0
xmax = 1.5
tiers? <exists>
size = 1
item []:
    item [1]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1.5
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 1
            text = "AH0"
        intervals [2]:
            xmin = 1
            xmax = 1.5
            text = "%s"
"""


def test_praats_long_format_in_utf16_reads(tmp_path: Path) -> None:
    (tmp_path / "a.TextGrid").write_bytes((LONG_TEXTGRID % "sp").encode("utf-16"))
    track = read_phones(tmp_path / "a.TextGrid")
    assert [p.symbol for p in track.phones] == ["AH", "SIL"] and track.duration_s == 1.5


def test_broken_phone_files_name_the_place(tmp_path: Path) -> None:
    path = tmp_path / "a.TextGrid"
    path.write_text(LONG_TEXTGRID % "QQ")
    with pytest.raises(InputError, match=r"a\.TextGrid: line 19: phone 2 at 1\.000 s, 'QQ'"):
        read_phones(path)
    path.write_text((LONG_TEXTGRID % "B")[:300])
    with pytest.raises(InputError, match="broken TextGrid"):
        read_phones(path)
    (tmp_path / "a.json").write_text('{"phones": [{"symbol": "AA", "start_s": 1, "end_s": 0.5}]}')
    with pytest.raises(InputError, match=r"a\.json.*ends at 0\.500 s, not after"):
        read_phones(tmp_path / "a.json")


def test_audio_clip_refuses_what_is_no_sound_and_knows_its_content() -> None:
    for samples in (np.zeros(0), np.zeros((5, 2)), np.array([np.nan, 0.0])):
        with pytest.raises(InputError):
            AudioClip(samples, 16000, "a.wav")
    one, same, other = (
        AudioClip(np.full(100, v, np.float32), 16000, n) for v, n in ((0.1, "a"), (0.1, "b"), (0.2, "a"))
    )
    assert one.sha256 == same.sha256 != other.sha256
