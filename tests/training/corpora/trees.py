"""Tiny made-up corpora: empty files in the layouts in which the real ones are found."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from talkclip_training.corpora import mead


def touch(root: Path, names: Iterable[str]) -> Path:
    """Empty files below `root`."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def mead_names(actor: str, takes: int = 2, view: str = "front") -> list[str]:
    """All 22 groups of an actor from one side, with audio, in the original layout."""
    return [
        name
        for emotion, level in mead.groups()
        for take in range(1, takes + 1)
        for name in (
            f"{actor}/video/{view}/{emotion}/level_{level}/{take:03d}.mp4",
            f"{actor}/audio/{emotion}/level_{level}/{take:03d}.m4a",
        )
    ]
