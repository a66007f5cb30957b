"""Synthetic voices for training: what is said where a synthesiser is missing or cannot speak."""

from __future__ import annotations

from pathlib import Path

import pytest

from talkclip.errors import InputError
from talkclip_training.mouth.corpus import festival_utterances


def test_a_missing_synthesiser_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="festival is not installed") as caught:
        list(festival_utterances("voice_kal_diphone", ["hello"]))
    assert "apt-get install festival" in caught.value.hint


def test_a_missing_voice_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    silent = tmp_path / "festival"
    silent.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    silent.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="cannot speak as voice_ked_diphone") as caught:
        list(festival_utterances("voice_ked_diphone", ["hello"]))
    assert "festvox-kdlpc16k" in caught.value.hint
