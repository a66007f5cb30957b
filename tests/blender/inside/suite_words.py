"""Words and phones of the answer: kept, shown, corrected, sent back."""

from __future__ import annotations

import importlib
import time
from types import SimpleNamespace

import bpy
import pytest
from harness import MODULE, drawn

SAID = "Get out, of this house! Now."


@pytest.fixture
def room(extension):
    names = ("words", "sound")
    parts = {name: importlib.import_module(f"{MODULE}.line.{name}") for name in names}
    return SimpleNamespace(**parts, speech=importlib.import_module(f"{MODULE}.result.speech"))


@pytest.fixture
def spoken(head):
    head.talkclip.transcript = SAID
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    return head


def request(head, room):
    return room.speech.plan(head, bpy.context.scene).request


def test_the_words_of_the_answer_are_kept(spoken, room, tmp_path):
    rows = spoken.talkclip.words
    assert [row.text for row in rows] == ["get", "out", "of", "this", "house", "now"]
    assert rows[1].start_s == pytest.approx(8.2945625 / 6, abs=1e-3) and rows[1].phones == "M AA"
    track = room.words.track_of(spoken.talkclip)
    assert [word.text for word in track.words] == [row.text for row in rows] and len(track.phones) == 12
    assert room.words.belong(spoken.talkclip, bpy.context.scene)
    sent = request(spoken, room)
    assert sent.text == SAID and sent.phones is None  # nothing was corrected: the server listens as before

    path = str(tmp_path / "words.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert room.words.track_of(bpy.context.scene.objects["TalkCLIP Head"].talkclip) == track


def test_a_corrected_word_goes_back_with_the_old_phones(spoken, room):
    line = spoken.talkclip
    old = room.words.track_of(line)
    line.words[4].text = "mouse"
    assert line.transcript == "Get out, of this mouse! Now."
    sent = request(spoken, room)
    assert sent.text == line.transcript and sent.phones == old
    assert [word.text for word in sent.phones.words][4] == "house"  # as it was heard
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert [row.text for row in line.words] == ["get", "out", "of", "this", "mouse", "now"]
    # The corrected line stays corrected: its phones go along from now on, also when only the prompt changes.
    line.prompt = "sad"
    assert request(spoken, room).phones == room.words.track_of(line)


def test_corrections_of_a_transcript(room):
    words = ["get", "out", "of", "this", "house", "now"]
    corrected = room.words.corrected
    assert corrected(SAID, words, 1, "in") == "Get in, of this house! Now."
    assert corrected(SAID, words, 1, "right out") == "Get right out, of this house! Now."
    assert corrected(SAID, words, 5, "") == "Get out, of this house!"
    assert corrected("", words, 5, "then") == "get out of this house then"  # it was recognised, not typed
    assert corrected("Get out of 2", words, 0, "let") == "let out of this house now"
    assert corrected("Get right out, of", ["get", "right out", "of"], 2, "off") == "Get right out, off"


def test_phones_are_respelled_in_arpabet_or_ipa(spoken, room):
    line = spoken.talkclip
    row = line.words[1]
    begin, end = row.start_s, row.end_s
    row.phones_text = "b AH0"
    assert row.phones == "B AH" and line.words_problem == ""
    row.phones_text = "ˈhɛloʊ"
    assert row.phones == "HH EH L OW"
    track = request(spoken, room).phones
    mine = [p for p in track.phones if begin - 1e-3 <= p.start_s < end - 1e-3]
    assert [p.symbol for p in mine] == ["HH", "EH", "L", "OW"]
    assert mine[0].start_s == pytest.approx(begin, abs=1e-3) and mine[-1].end_s == pytest.approx(end, abs=1e-3)
    row.phones_text = "HH QQ"
    assert row.phones == "HH EH L OW" and "'QQ' is neither ARPABET nor IPA" in line.words_problem
    row.phones_text = "tʃ əʊ"
    assert row.phones == "CH OW" and line.words_problem == ""
    assert bpy.ops.talkclip.speak() == {"FINISHED"}
    assert line.words[1].phones == "CH OW"


def test_times_are_mended_as_far_as_the_neighbours_let_them(spoken, room):
    line = spoken.talkclip
    first, second, third = (line.words[i] for i in (0, 1, 2))
    second.begin_s = 0.0
    assert second.start_s == pytest.approx(first.end_s, abs=1e-3)
    second.finish_s = second.start_s + 0.4
    track = request(spoken, room).phones
    phones = [p for p in track.phones if second.start_s - 1e-3 <= p.start_s < second.end_s - 1e-3]
    assert len(phones) == 2 and phones[-1].end_s == pytest.approx(second.end_s, abs=1e-3)
    second.finish_s = 100.0
    assert second.end_s == pytest.approx(third.start_s, abs=1e-3)
    room.words.track_of(line)  # still in order: it would raise


def test_words_belong_to_their_sound(spoken, room, tmp_path):
    line = spoken.talkclip
    line.words[0].text = "let"
    assert request(spoken, room).phones is not None
    other = tmp_path / "other.flac"
    other.write_bytes(room.sound.line_of(line, bpy.context.scene).audio.read_bytes())
    line.sound_path = str(other)
    assert request(spoken, room).phones is None and not room.words.belong(line, bpy.context.scene)
    assert bpy.ops.talkclip.words_forget() == {"FINISHED"}
    assert not line.words and line.transcript.startswith("let out")
    assert not bpy.ops.talkclip.words_forget.poll()


def test_sounds_between_words_have_rows_too(head, room):
    from talkclip.phones import Phone, PhoneTrack, Word

    phones = (Phone("AH", 0.1, 0.2), Phone("SIL", 0.2, 0.3), Phone("G", 0.3, 0.4), Phone("EH", 0.4, 0.5),
              Phone("NSN", 0.6, 0.7), Phone("AH", 0.7, 0.8))  # fmt: skip
    track = PhoneTrack(phones, (Word("get", 0.3, 0.5),), 1.0, "align")
    sent = SimpleNamespace(script=(), text=None, phones=None)
    room.words.keep(head.talkclip, track, sent, room.sound.line_of(head.talkclip, bpy.context.scene))
    assert [(row.text, row.phones) for row in head.talkclip.words] == [("", "AH"), ("get", "G EH"), ("", "NSN AH")]
    kept = room.words.track_of(head.talkclip)
    assert kept.phones == tuple(p for p in phones if p.symbol != "SIL") and kept.words[0].text == "get"


def test_a_long_line_stays_quick(head, room):
    from talkclip.phones import Phone, PhoneTrack, Word

    n = 500
    words = tuple(Word(f"word{k}", k, k + 0.9) for k in range(n))
    phones = tuple(Phone("AH", k + 0.2 * j, k + 0.2 * (j + 1)) for k in range(n) for j in range(4))
    sent = SimpleNamespace(script=(), text=None, phones=None)
    spoken = room.sound.line_of(head.talkclip, bpy.context.scene)
    begin = time.perf_counter()
    room.words.keep(head.talkclip, PhoneTrack(phones, words, float(n), "align"), sent, spoken)
    kept_s = time.perf_counter() - begin
    extent = room.sound.Extent(1, 15_000, 30.0)
    begin = time.perf_counter()
    for _ in range(10):
        seen, _ = room.words.marks(head.talkclip, extent, 9_000, 9_300)
    drawn_s = (time.perf_counter() - begin) / 10
    assert [mark.text for mark in seen][:2] == ["word300", "word301"] and len(seen) < 13
    print(f"keep 500 words {kept_s:.3f} s, marks of 10 s {drawn_s:.5f} s")
    assert kept_s < 1.0 and drawn_s < 0.02


def test_the_list_finds_words(spoken):
    panel = importlib.import_module(f"{MODULE}.line.words_panel")
    rows = SimpleNamespace(bitflag_filter_item=1 << 30, filter_name="OU")
    shown, order = panel.TALKCLIP_UL_words.filter_items(rows, bpy.context, spoken.talkclip, "words")
    assert [bool(flag) for flag in shown] == [False, True, False, False, True, False] and order == []
    rows.filter_name = ""
    assert panel.TALKCLIP_UL_words.filter_items(rows, bpy.context, spoken.talkclip, "words") == ([], [])


def test_the_panel_shows_the_active_word(spoken):
    panel = importlib.import_module(f"{MODULE}.line.words_panel").TALKCLIP_PT_words
    spoken.talkclip.active_word = 2
    assert drawn(panel)[:4] == ["words", "text", "phones_text", "begin_s"]
    spoken.talkclip.words[2].phones_text = "QQ"
    assert any("neither ARPABET nor IPA" in text for text in drawn(panel))
    assert bpy.ops.talkclip.word_jump() == {"FINISHED"}
    assert bpy.context.scene.frame_current == 1 + round(spoken.talkclip.words[2].start_s * 30)
    spoken.talkclip.sound_path = "//nowhere.wav"
    assert "These are the words of another sound" in drawn(panel)
    for word in spoken.talkclip.words:
        word.spelled = ""
    assert "Type what is said to get words" in drawn(panel)
    spoken.talkclip.words.clear()
    assert drawn(panel) == ["Speak once, and the words are listed here"]
