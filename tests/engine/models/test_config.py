"""Configurations: presets, all errors at once, reading back."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from talkclip.coefficients import ARKIT52
from talkclip.engine.models import config as configs
from talkclip.errors import InputError


@pytest.mark.parametrize("preset", list(configs.PRESETS))
def test_presets_are_valid_and_read_back(preset: str) -> None:
    config = configs.PRESETS[preset]()
    assert configs.config_from_dict(configs.config_to_dict(config)) == config
    assert configs.config_from_dict({"preset": preset}) == config
    assert sorted((*config.lower, *config.upper)) == list(range(config.channels))


def test_the_paper_deviates_in_nothing() -> None:
    names = ("audio_per_frame", "query_sees_audio", "anchor", "residual_on_anchor", "anchor_from_clip")
    paper = configs.paper()
    assert not any(getattr(paper, name) for name in names) and paper.query_tokens == paper.window == 11


def test_every_deviation_is_explained() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "model.md").read_text(encoding="utf-8")
    changed = [f.name for f in dataclasses.fields(configs.ModelConfig)]
    deviations = changed[changed.index("audio_per_frame") :]
    assert len(deviations) == 8
    for name in deviations:
        assert f"| `{name}` |" in page, name
        assert f"        {name}: " in (configs.ModelConfig.__doc__ or ""), name


def test_the_lower_face_is_jaw_mouth_tongue_and_cheek_puff() -> None:
    lower = {ARKIT52[k] for k in configs.default().lower}
    assert len(lower) == 29 and {"jawOpen", "mouthSmileLeft", "tongueOut", "cheekPuff"} < lower
    assert not any(name.startswith(("brow", "eye", "nose", "cheekSquint")) for name in lower)


def test_all_errors_come_at_once() -> None:
    with pytest.raises(InputError) as error:
        configs.ModelConfig(width=-1, dropout=2.0, space="faces", feed_forward="wide", heads=True)
    for word in ("width", "dropout", "space", "feed_forward", "heads"):
        assert word in error.value.message
    with pytest.raises(InputError) as error:
        dataclasses.replace(configs.default(), heads=5, query_tokens=3, anchor=7)
    for word in ("do not divide width", "query_tokens", "anchor"):
        assert word in error.value.message


def test_unknown_keys_and_presets_are_named() -> None:
    with pytest.raises(InputError, match="depth, widht"):
        configs.config_from_dict({"widht": 3, "depth": 2})
    with pytest.raises(InputError, match="unknown preset 'big'"):
        configs.config_from_dict({"preset": "big"})
