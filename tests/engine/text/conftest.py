"""One styler for all tests here: loading it checks hashes and reference vectors."""

from __future__ import annotations

import pytest

from talkclip.engine.text.encoder import MiniLMEncoder
from talkclip.engine.text.pose import PromptStyler


@pytest.fixture(scope="session")
def styler() -> PromptStyler:
    return PromptStyler(MiniLMEncoder.load())
