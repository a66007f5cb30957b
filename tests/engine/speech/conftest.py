"""The bundled line, read once, and a front end that keeps nothing on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from talkclip.audio import AudioClip
from talkclip.engine.speech.frontend import SpeechFrontEnd
from talkclip.engine.speech.media import load_audio

SAMPLES = Path(__file__).parents[3] / "samples"


@pytest.fixture(scope="session")
def line() -> AudioClip:
    """The bundled sample."""
    return load_audio(SAMPLES / "line.flac")


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
