"""What the speech front end has to say reaches the person at the command line."""

from __future__ import annotations

from pathlib import Path

from tests.support.command import talkclip

SAMPLES = Path(__file__).parents[2] / "samples"


def test_a_transcript_that_does_not_fit_in_one_place_is_told(tmp_path: Path) -> None:
    text = "So, you came back. After five whole years, you show up at my door. What did she take from Bob?"
    done = talkclip("phones", SAMPLES / "line.flac", "--text", text, "-o", tmp_path / "line.TextGrid")
    assert done.returncode == 0
    assert "note: line.flac: the transcript does not fit from 4.2 s" in done.stderr
    assert "What did she take from Bob" in done.stderr
