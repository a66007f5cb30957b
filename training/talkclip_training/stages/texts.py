"""Written directions with the frozen text encoder's vectors: what stage 2 and `talkclip adapt` learn T2SS from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from talkclip.engine.text.encoder import TextEncoder
from talkclip.progress import ProgressCallback, report
from talkclip_training.performance.conditions import Played, either_side, played_direction
from talkclip_training.text.corpus import Direction

_AT_ONCE = 64


@dataclasses.dataclass(frozen=True, eq=False)
class Texts:
    """Directions ready for training.

    Attributes:
        vectors: float32 (n, D), of the text encoder.
        played: what each looks like.
        chances: (n,) how often each is drawn, sum 1.
    """

    vectors: np.ndarray
    played: tuple[Played, ...]
    chances: np.ndarray

    def draw(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, list[Played]]:
        """-> vectors (n, D) and conditions; sides that nobody stated are as often left as right."""
        chosen = rng.choice(len(self.played), size=n, p=self.chances)
        played = [self.played[int(k)] for k in chosen]
        return self.vectors[chosen], [either_side(p, rng) for p in played]


def read_texts(
    directions: Sequence[Direction], encoder: TextEncoder, progress: ProgressCallback | None = None
) -> Texts:
    """Encode directions.

    Args:
        directions: in languages that the encoder reads.
        encoder: frozen.
        progress: told the stage "texts".
    """
    rows = []
    for first in range(0, len(directions), _AT_ONCE):
        rows.append(encoder.encode([d.text for d in directions[first : first + _AT_ONCE]]))
        report(progress, "texts", min(1.0, (first + _AT_ONCE) / len(directions)), "Reading the directions")
    chances = np.array([d.weight for d in directions])
    return Texts(np.concatenate(rows), tuple(map(played_direction, directions)), chances / chances.sum())
