"""What the speech front end has to say reaches the person at the command line."""

from __future__ import annotations

from pathlib import Path

from talkclip.phones import read_phones
from tests.support.command import talkclip

SAMPLES = Path(__file__).parents[2] / "samples"


def test_a_transcript_that_does_not_fit_in_one_place_is_told(tmp_path: Path) -> None:
    text = "So, you came back. After five whole years, you show up at my door. What did she take from Bob?"
    done = talkclip("phones", SAMPLES / "line.flac", "--text", text, "-o", tmp_path / "line.TextGrid")
    assert done.returncode == 0
    assert "note: line.flac: the transcript does not fit from 4.2 s" in done.stderr
    assert "What did she take from Bob" in done.stderr


def test_a_mended_word_changes_the_phones_file_around_it_only(tmp_path: Path) -> None:
    text = (SAMPLES / "line.txt").read_text(encoding="utf-8").strip()
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    done = talkclip("phones", SAMPLES / "line.flac", "--text", text.replace("door", "boor"), "-o", old)
    assert done.returncode == 0, done.stderr
    done = talkclip("phones", SAMPLES / "line.flac", "--phones", old, "--text", text, "-o", new)
    assert done.returncode == 0 and "aligned anew: 3." in done.stderr and "found by 'mended'" in done.stderr
    before, after = read_phones(old), read_phones(new)
    assert (
        after.words[13].text == "door" and before.words[:12] + before.words[15:] == after.words[:12] + after.words[15:]
    )
    done = talkclip("animate", SAMPLES / "line.flac", "--phones", old, "--text", text, "-o", tmp_path / "line.csv")
    assert done.returncode == 0 and "speech by 'mended'" in done.stderr and "aligned anew: 3." in done.stderr
