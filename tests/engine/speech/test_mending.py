"""A corrected transcript changes an earlier alignment where its words differ, and nowhere else."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from talkclip.audio import AudioClip
from talkclip.engine.speech.cache import DiskCache
from talkclip.engine.speech.frontend import SpeechFrontEnd
from talkclip.errors import Cancelled, InputError
from talkclip.phones import SIL, Phone, PhoneTrack, Word

LANDS_S = 0.04


@pytest.fixture(scope="session")
def whole(front_end: SpeechFrontEnd, line: AudioClip, line_text: str) -> PhoneTrack:
    """The true transcript, aligned as a whole."""
    return front_end.phones(line, line_text)[0]


def mended(
    front_end: SpeechFrontEnd, line: AudioClip, earlier: PhoneTrack, text: str
) -> tuple[PhoneTrack, tuple[str, ...]]:
    analysis = front_end.analyse(line, text, earlier)
    assert analysis.backend == analysis.phones.backend
    edges = [(a.end_s, b.start_s) for a, b in itertools.pairwise(analysis.phones.phones)]
    assert all(abs(a - b) <= 1e-6 for a, b in edges), "phones cover the line without gaps"
    assert (analysis.phones.phones[0].start_s, analysis.phones.phones[-1].end_s) == (0.0, line.duration_s)
    return analysis.phones, analysis.notes


def outside(track: PhoneTrack, start_s: float, end_s: float) -> tuple[list[Word], list[Phone]]:
    """What lies wholly before or after a stretch."""
    return (
        [w for w in track.words if w.end_s <= start_s or w.start_s >= end_s],
        [p for p in track.phones if p.end_s <= start_s or p.start_s >= end_s],
    )


# (the word of the true line that was written wrongly, what stood there): beginning, middle, end, and beside pauses.
WRONG = [
    (0, "No"), (3, "bat"), (4, "Often"), (9, "sowed"), (13, "boor"), (17, "wand"), (20, "Peace"), (25, "loose"),
    (27, "mine"), (12, "the"), (1, ""), (5, ""), (23, ""), (26, ""), (19, "she"), (7, "yellow ears"), (14, "Watch"),
]  # fmt: skip


@pytest.mark.parametrize(("index", "wrong"), WRONG)
def test_a_corrected_word_lands_and_the_rest_stays(
    front_end: SpeechFrontEnd, line: AudioClip, line_text: str, whole: PhoneTrack, index: int, wrong: str
) -> None:
    asked = whole.with_word(index, wrong)
    earlier, _ = front_end.phones(line, asked.words_text())
    assert [w.text for w in earlier.words] == asked.words_text().split()
    track, notes = mended(front_end, line, earlier, line_text)
    assert [w.text for w in track.words] == [w.text for w in whole.words]
    assert track.backend == "mended" and len(notes) == 1 and "aligned anew" in notes[0]
    assert abs(track.words[index].start_s - whole.words[index].start_s) <= LANDS_S
    assert abs(track.words[index].end_s - whole.words[index].end_s) <= LANDS_S
    assert [p.symbol for p in track.word_phones(index)] == [p.symbol for p in whole.word_phones(index)]
    # Two words on each side may have been pushed by the wrong one; what lies further is the same to the bit.
    left = earlier.words[index - 3].end_s if index >= 3 else 0.0
    after = index + len(wrong.split()) + 2
    right = earlier.words[after].start_s if after < len(earlier.words) else line.duration_s
    assert outside(track, left, right) == outside(earlier, left, right)
    assert len(outside(track, left, right)[0]) >= 20


def test_a_stretch_that_did_not_fit_is_healed(
    front_end: SpeechFrontEnd, line: AudioClip, line_text: str, whole: PhoneTrack
) -> None:
    earlier, notes = front_end.phones(line, whole.with_word(25, "choose").words_text())
    assert "does not fit from 6.8 s to 7.5 s" in notes[0] and len(earlier.words) < len(whole.words)
    track, notes = mended(front_end, line, earlier, line_text)
    assert [w.start_s for w in track.words] == pytest.approx([w.start_s for w in whole.words], abs=LANDS_S)
    assert notes == ("line.flac: aligned anew: 6.77-7.51 s ('before I lose my'); everything else is as it was.",)
    assert track.words[:22] == earlier.words[:22]


def test_words_that_nobody_says_are_taken_out(
    front_end: SpeechFrontEnd, line: AudioClip, line_text: str, whole: PhoneTrack
) -> None:
    for index, much in ((3, "back again"), (0, "Well So"), (27, "mind sir")):
        earlier, _ = front_end.phones(line, whole.with_word(index, much).words_text())
        track, _ = mended(front_end, line, earlier, line_text)
        assert [w.text for w in track.words] == [w.text for w in whole.words]
        near = range(max(index - 1, 0), min(index + 2, len(whole.words)))
        assert max(abs(track.words[k].start_s - whole.words[k].start_s) for k in near) <= LANDS_S
        far = [k for k in range(len(whole.words)) if abs(k - index) > 3]
        assert {track.words[k] for k in far} <= set(earlier.words)


def test_several_mistakes_at_once(
    front_end: SpeechFrontEnd, line: AudioClip, line_text: str, whole: PhoneTrack
) -> None:
    wrong = {0: "Oh", 2: "game", 13: "floor", 16: "", 25: "choose", 27: "wine"}
    asked = whole
    for index, text in wrong.items():
        asked = asked.with_word(index, text)
    earlier, _ = front_end.phones(line, asked.words_text())
    track, notes = mended(front_end, line, earlier, line_text)
    assert [w.text for w in track.words] == [w.text for w in whole.words]
    assert [w.start_s for w in track.words] == pytest.approx([w.start_s for w in whole.words], abs=LANDS_S)
    assert notes[0].count(";") >= 3
    assert set(whole.words[4:10]) <= set(track.words), "between the mistakes all is as it was"


def test_equal_words_change_nothing_however_they_are_written(
    front_end: SpeechFrontEnd, line: AudioClip, whole: PhoneTrack
) -> None:
    # Borders that somebody moved by hand, far from what an aligner would find.
    moved = [dataclasses.replace(p, symbol="AH" if p.symbol == "AO" else p.symbol) for p in whole.phones]
    words = list(whole.words)
    words[4] = dataclasses.replace(words[4], start_s=words[4].start_s - 0.1)
    earlier = PhoneTrack(tuple(moved), tuple(words), whole.duration_s, "align")
    text = "SO you came back - after five whole years you show up at my door? what do you want from me please say "
    track, notes = mended(front_end, line, earlier, text + "something before I lose my mind")
    assert (track.phones, notes, track.backend) == (earlier.phones, (), "file")
    assert [(w.start_s, w.end_s) for w in track.words] == [(w.start_s, w.end_s) for w in words]
    assert [track.words[k].text for k in (0, 4)] == ["SO", "after"]


def test_phones_mended_by_hand_survive_a_mended_word(
    front_end: SpeechFrontEnd, line: AudioClip, line_text: str, whole: PhoneTrack
) -> None:
    earlier, _ = front_end.phones(line, whole.with_word(13, "boor").words_text())
    phones = list(earlier.phones)
    k = next(k for k, p in enumerate(phones) if p.start_s > 6.2 and p.symbol != SIL)
    border_s = phones[k].end_s + 0.5 * (phones[k + 1].end_s - phones[k].end_s)
    phones[k : k + 2] = [
        Phone("ZH", phones[k].start_s, border_s),
        dataclasses.replace(phones[k + 1], start_s=border_s),
    ]
    by_hand = dataclasses.replace(earlier, phones=tuple(phones))
    track, _ = mended(front_end, line, by_hand, line_text)
    assert track.words[13].text == "door"
    assert outside(track, 3.0, 4.2)[1] == outside(by_hand, 3.0, 4.2)[1]
    assert phones[k] in track.phones


def test_sounds_of_no_word_beside_a_mended_one_stay(
    front_end: SpeechFrontEnd, line: AudioClip, line_text: str, whole: PhoneTrack
) -> None:
    """An ad lib that no transcript has: its phones were heard, not aligned."""
    words = tuple(w for k, w in enumerate(whole.words) if k not in (14, 15, 16, 17))
    earlier = dataclasses.replace(whole, words=words).with_word(13, "boor")
    text = line_text.replace("What do you want ", "")
    track, _ = mended(front_end, line, earlier, text)
    stretch = (whole.words[14].start_s, whole.words[17].end_s)
    sounds = [p for p in whole.phones if stretch[0] <= p.start_s and p.end_s <= stretch[1]]
    assert len(sounds) > 8 and set(sounds) <= set(track.phones)
    # Said in the transcript after all, the same sounds become words.
    named, _ = mended(front_end, line, track, line_text)
    starts = {w.text: w.start_s for w in named.words}
    assert starts["What"] == pytest.approx(stretch[0], abs=LANDS_S)
    assert starts["want"] == pytest.approx(whole.words[17].start_s, abs=LANDS_S)


def test_a_word_that_does_not_fit_is_told_and_left_out(
    front_end: SpeechFrontEnd, line: AudioClip, line_text: str, whole: PhoneTrack
) -> None:
    text = line_text.replace("came", "came extraordinarily").replace("door", "drawer")
    track, notes = mended(front_end, line, whole, text)
    assert any("'extraordinarily' does not fit between 0.8" in note and "is kept" in note for note in notes)
    assert [w.text for w in track.words][:4] == ["So", "you", "came", "back"]
    assert track.words[:8] == whole.words[:8], "its place is as it was"
    assert track.words[13].text == "drawer", "the other correction is made"


def test_a_word_that_is_hardly_heard_is_taken_and_told(
    front_end: SpeechFrontEnd, line: AudioClip, line_text: str, whole: PhoneTrack
) -> None:
    track, notes = mended(front_end, line, whole, line_text.replace("something", "bananas"))
    assert any("'bananas' hardly sounds like what is heard from 6." in note for note in notes)
    assert "bananas" in [w.text for w in track.words]


def test_phones_without_words_are_replaced_by_a_whole_alignment(
    front_end: SpeechFrontEnd, line: AudioClip, line_text: str, whole: PhoneTrack
) -> None:
    track, notes = mended(front_end, line, front_end.phones(line)[0], line_text)
    assert (track.phones, track.words, track.backend) == (whole.phones, whole.words, "align")
    assert "carry no words" in notes[0] and "all of it was aligned anew" in notes[0]


def test_another_transcript_is_aligned_as_a_whole(
    front_end: SpeechFrontEnd, line: AudioClip, line_text: str, whole: PhoneTrack
) -> None:
    other = whole
    for index in range(15):
        other = other.with_word(index, "nothing but noise")
    track, notes = mended(front_end, line, other, line_text)
    assert (track.phones, track.words) == (whole.phones, whole.words)
    assert "too little in common" in notes[0]


def test_the_fast_back_end_keeps_the_given_phones(line: AudioClip, line_text: str, whole: PhoneTrack) -> None:
    analysis = SpeechFrontEnd("fast", cache=None).analyse(line, line_text, whole.with_word(3, "bat"))
    assert analysis.phones.phones == whole.phones and analysis.backend == "file"
    assert "not used by the back end 'fast'" in analysis.notes[0]


def test_what_cannot_be_compared_is_refused(
    front_end: SpeechFrontEnd, line: AudioClip, line_text: str, whole: PhoneTrack
) -> None:
    backwards = dataclasses.replace(whole, words=whole.words[::-1])
    with pytest.raises(InputError, match=r"word 2 of the given phones \('my', .*\) is out of order"):
        front_end.analyse(line, line_text, backwards)
    with pytest.raises(InputError, match="no word in English letters"):
        front_end.analyse(line, "Ты вернулся", whole)
    with pytest.raises(Cancelled):
        front_end.analyse(line, line_text, whole.with_word(3, "cat"), cancel=lambda: True)


def test_labels_that_are_no_words_do_not_disturb(
    front_end: SpeechFrontEnd, line: AudioClip, line_text: str, whole: PhoneTrack
) -> None:
    earlier = whole.with_word(3, "бэк").with_word(8, "***").with_word(20, "")
    track, _ = mended(front_end, line, earlier, line_text)
    assert [w.text for w in track.words] == [w.text for w in whole.words]
    assert [w.start_s for w in track.words] == pytest.approx([w.start_s for w in whole.words], abs=LANDS_S)


def test_results_are_kept_by_what_they_came_from(
    line: AudioClip, line_text: str, whole: PhoneTrack, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = DiskCache(tmp_path)  # type: ignore[arg-type]
    earlier = whole.with_word(3, "bat")
    first = SpeechFrontEnd("align", cache).analyse(line, line_text, earlier)
    moved = dataclasses.replace(earlier, words=(dataclasses.replace(earlier.words[0], text="Oh"), *earlier.words[1:]))
    other = SpeechFrontEnd("align", cache).analyse(line, line_text, moved)
    assert other.notes != first.notes
    monkeypatch.setattr("talkclip.engine.speech.frontend.mend", lambda *_: pytest.fail("it was kept"))
    front_end = SpeechFrontEnd("align", cache)
    again = front_end.analyse(line, line_text, earlier)
    assert (again.phones, again.notes) == (first.phones, first.notes)
    assert front_end.analyse(line, line_text, earlier) is again
    assert front_end.analyse(line, None, earlier).phones.words == earlier.words


def test_only_the_neighbourhood_of_a_long_recording_is_listened_to(
    front_end: SpeechFrontEnd, line: AudioClip, line_text: str, whole: PhoneTrack, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = 5
    clip = AudioClip(np.tile(line.samples, times), line.sample_rate, "five.wav")
    shift = [k * line.duration_s for k in range(times)]
    track = PhoneTrack(
        tuple(Phone(p.symbol, p.start_s + s, p.end_s + s) for s in shift for p in whole.phones),
        tuple(Word(w.text, w.start_s + s, w.end_s + s) for s in shift for w in whole.words),
        clip.duration_s, "align",
    ).with_word(69, "boor")  # fmt: skip
    stretches: list[float] = []
    sphinx, _ = front_end._aligner._load()
    align = sphinx.align

    def listening(part: AudioClip, said: list[str]) -> object:
        stretches.append(part.duration_s)
        return align(part, said)

    monkeypatch.setattr(sphinx, "align", listening)
    result, _ = mended(front_end, clip, track, " ".join([line_text] * times))
    assert len(stretches) == 1 and stretches[0] < 6
    assert result.words[69].text == "door" and result.words[:67] == track.words[:67]
    assert result.words[72:] == track.words[72:]
    assert result.words[69].start_s == pytest.approx(whole.words[13].start_s + shift[2], abs=LANDS_S)
