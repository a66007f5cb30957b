"""The bundled line, read once, and a front end that keeps nothing on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from talkclip.engine.speech.frontend import SpeechFrontEnd

SAMPLES = Path(__file__).parents[3] / "samples"


@pytest.fixture(scope="session")
def line_text() -> str:
    """Its transcript."""
    return (SAMPLES / "line.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def front_end() -> SpeechFrontEnd:
    """`auto` without a transcriber, whatever is installed here."""
    front_end = SpeechFrontEnd("auto", cache=None)
    front_end._transcriber = None
    return front_end
