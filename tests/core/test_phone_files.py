"""Phone files as other programs write them, and what is said about broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from talkclip.errors import InputError
from talkclip.ipa import arpabet_of
from talkclip.phones import CMU39, Phone, PhoneTrack, Word, arpabet, phones_of_label, read_phones, write_phones

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0.0
xmax = 1.25
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "words"
        xmin = 0.0
        xmax = 1.25
        intervals: size = 2
            intervals [1]:
                xmin = 0.0
                xmax = 0.25
                text = ""
            intervals [2]:
                xmin = 0.25
                xmax = 1.25
                text = "say ""2"" [4]"
    item [2]:
        class = "TextTier"
        name = "notes"
        xmin = 0.0
        xmax = 1.25
        points: size = 1
            points [1]:
                number = 0.5
                mark = "breath"
    item [3]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0.0
        xmax = 1.25
        intervals: size = 4
            intervals [1]:
                xmin = 0.0
                xmax = 0.25
                text = "sil"
            intervals [2]:
                xmin = 0.25
                xmax = 0.5
                text = "B"
            intervals [3]:
                xmin = 0.5
                xmax = 0.75
                text = "AH0"
            intervals [4]:
                xmin = 0.75
                xmax = 1.25
                text = "er2"
"""


def track_of(text: str, folder: Path, encoding: str = "utf-8") -> PhoneTrack:
    path = folder / "line é 1.TextGrid"
    path.write_bytes(text.encode(encoding))
    return read_phones(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_praat_long_format(tmp_path: Path, encoding: str) -> None:
    track = track_of(LONG, tmp_path, encoding)
    assert [p.symbol for p in track.phones] == ["SIL", "B", "AH", "ER"]
    assert track.words == (Word('say "2" [4]', 0.25, 1.25),)
    assert track.duration_s == 1.25


def test_short_format_with_comments_and_windows_line_ends(tmp_path: Path) -> None:
    text = 'File type = "ooTextFile"\r\nObject class = "TextGrid"\r\n\r\n0\r\n1\r\n<exists>\r\n1\r\n'
    text += '"IntervalTier"\r\n"phone"\r\n0\r\n1\r\n2 ! two\r\n0\r\n0.5\r\n"m"\r\n0.5\r\n1\r\n"iː"\r\n'
    assert track_of(text, tmp_path).phones == (Phone("M", 0.0, 0.5), Phone("IY", 0.5, 1.0))


@pytest.mark.parametrize("suffix", [".json", ".TextGrid"])
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    track = PhoneTrack(
        (Phone("SIL", 0.0, 0.1), Phone("HH", 0.1, 0.2), Phone("AY", 0.2, 0.51)), (Word("hi", 0.1, 0.51),), 0.6, "align"
    )
    path = tmp_path / f"a{suffix}"
    write_phones(track, path)
    again = read_phones(path)
    assert [p for p in again.phones if p.symbol != "SIL"] == [p for p in track.phones if p.symbol != "SIL"]
    assert again.words == track.words
    assert again.duration_s == track.duration_s


def test_a_diphthong_of_two_sounds_is_split(tmp_path: Path) -> None:
    track = track_of(LONG.replace('"B"', '"ju"'), tmp_path)
    assert track.phones[1:3] == (Phone("Y", 0.25, 0.375), Phone("UW", 0.375, 0.5))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"AH0"', '"Ж"', r"line 47: phone 3 at 0\.500 s, 'Ж', is neither an ARPABET nor an IPA symbol"),
        ("xmin = 0.5\n", "xmin = 0.4\n", r"line 47: phone 3 at 0\.400 s, 'AH0', begins before .*\(0\.500 s\)"),
        ("xmax = 0.75", "xmax = 0.5", r"line 47: phone 3 at 0\.500 s, 'AH0', ends at 0\.500 s, not after"),
        ("xmax = 1.25\n                text = \"er2\"", "xmax = 1.9\n                text = \"er2\"",
         r"line 51: phone 4 .* ends at 1\.900 s, after the end of the recording \(1\.250 s\)"),
        ('name = "phones"', 'name = "sounds"', r"no tier 'phones' \(found: words, notes, sounds\)"),
        ("intervals: size = 4", "intervals: size = 9", r"broken TextGrid \(line 5[0-9]: it ends early\)"),
        ('text = "er2"', "text = er2", "broken TextGrid"),
    ],
)  # fmt: skip
def test_broken_files_name_line_and_remedy(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in LONG
    with pytest.raises(InputError, match=expected) as caught:
        track_of(LONG.replace(old, new), tmp_path)
    assert "line é 1.TextGrid" in caught.value.message


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"phones": [{"symbol": "B"}]}', '{"phones": 3}'])
def test_broken_json(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"a\.json: is not a phones file"):
        read_phones(path)


def test_json_times_that_are_not_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"phones": [{"symbol": "B", "start_s": NaN, "end_s": 1}]}', encoding="utf-8")
    with pytest.raises(InputError, match=r"phone 1 .* not a number"):
        read_phones(path)


@pytest.mark.parametrize(
    ("label", "symbols"),
    [("AH0", ("AH",)), ("ax", ("AH",)), ("tcl", ("T",)), ("tʃ", ("CH",)), ("t͡ʃ", ("CH",)), ("əʊ", ("OW",)),
     ("ɑː", ("AA",)),
     ("aj", ("AY",)), ("pʰ", ("P",)), ("m̩", ("M",)), ("d̪", ("D",)), ("h#", ("SIL",)), ("<eps>", ("SIL",)),
     ("foo", ())],
)  # fmt: skip
def test_labels(label: str, symbols: tuple[str, ...]) -> None:
    assert phones_of_label(label) == symbols


def test_every_phone_is_reached_from_ipa_and_names_itself() -> None:
    from talkclip.ipa import IPA_TO_ARPABET

    assert {phone for phones in IPA_TO_ARPABET.values() for phone in phones} == set(CMU39)
    assert all(arpabet(phone) == phone and arpabet(phone.lower() + "1") == phone for phone in CMU39)
    assert arpabet_of("ˈ") == ()


def test_words_are_corrected_one_by_one() -> None:
    words = tuple(Word(text, k, k + 0.9) for k, text in enumerate(("Get", "aut", "of", "here")))
    phones = (Phone("G", 0.0, 0.5), Phone("EH", 0.5, 0.9), Phone("SIL", 0.9, 1.0), Phone("AW", 1.0, 1.95))
    track = PhoneTrack(phones, words, 4.0, "align")
    corrected = track.with_word(1, " out ").with_word(2, "").with_word(3, "right now")
    assert corrected.words_text() == "Get out right now" and track.words_text() == "Get aut of here"
    assert corrected.phones == track.phones
    assert [w.start_s for w in corrected.words] == [0, 1, 2, 3], "a word that is gone keeps its place"
    assert [p.symbol for p in corrected.word_phones(0)] == ["G", "EH"]
    assert [p.symbol for p in corrected.word_phones(1)] == ["AW"] and corrected.word_phones(3) == ()
