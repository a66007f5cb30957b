"""The bundled line, and the shipped pipeline with a cache of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from talkclip.audio import AudioClip
from talkclip.engine.speech.media import load_audio
from talkclip.engine.streaming import StreamingPipeline

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.fixture(scope="session")
def line() -> AudioClip:
    """The bundled sample."""
    return load_audio(SAMPLES / "line.flac")


@pytest.fixture(scope="module")
def working(tmp_path_factory: pytest.TempPathFactory) -> StreamingPipeline:
    """The shipped weights, on the processor."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("TALKCLIP_CACHE", str(tmp_path_factory.mktemp("cache")))
        return StreamingPipeline.load("fast", device="cpu")
