"""The frozen prompts, written before the vocabulary: a fall in any group is a loss of understanding.

The bounds stand a little under what was measured (docs/model_cards/text.md); they are there to catch a fall, and
nothing is fitted to the items.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from talkclip.engine.text.pose import PromptStyler
from talkclip_training.text.prompt_score import load_prompts, score

PROMPTS = Path(__file__).parent / "heldout_prompts.jsonl"
AT_LEAST = {
    "emotion_plain": 0.95, "implied": 0.65, "movement": 0.95, "gaze_jaw": 0.85, "side": 0.85, "facs_scale": 0.9,
    "negation": 0.9, "mask": 0.85, "both": 0.8, "intensity_pair": 0.9, "empty_language": 0.85, "all": 0.9,
}  # fmt: skip


@pytest.fixture(scope="module")
def shares(styler: PromptStyler) -> dict[str, float]:
    return score(load_prompts(PROMPTS), styler.code)[0]


@pytest.mark.parametrize("group", list(AT_LEAST))
def test_group_is_understood(shares: dict[str, float], group: str) -> None:
    assert shares[group] >= AT_LEAST[group]


def test_the_scorer_can_fail(styler: PromptStyler) -> None:
    """Every prompt answered with one smile is right hardly ever."""
    smile = styler.code("smiling")
    assert score(load_prompts(PROMPTS), lambda _: smile)[0]["all"] < 0.2
