"""Captions that fit and plots that are written."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from talkclip.audio import AudioClip
from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.engine.render.captions import bars_for, caption_bar, caption_font, tile, wrap_caption
from talkclip.engine.render.plots import _Label, _rows, plot_track
from talkclip.errors import InputError
from talkclip.phones import Phone, PhoneTrack, Word


@pytest.mark.parametrize(
    "text", ["short", "a furious man speaks with brows lowered and a clenched jaw " * 4, "x" * 300, "Ярость"]
)
def test_captions_fit_their_width(text: str) -> None:
    lines = wrap_caption(text, 200, 12)
    assert 1 <= len(lines) <= 2
    assert all(caption_font(12).getlength(line) <= 200 for line in lines)
    bar = caption_bar(text, 240)
    assert bar.shape[1] == 240
    assert bar.max() > 150, "nothing was written"


def test_bars_side_by_side_have_one_height() -> None:
    bars = bars_for(["a", "a long caption that will need more than one single line of text"], 160)
    assert bars[0].shape == bars[1].shape
    pictures = [np.zeros((160, 160, 3), np.uint8)] * 2
    assert tile(pictures, bars, 4).shape == (160 + bars[0].shape[0], 324, 3)


def test_plot_is_a_wide_picture(tmp_path: Path) -> None:
    track = CoefficientTrack("arkit52", ARKIT52, 25.0, np.random.default_rng(0).random((26, 52), np.float32))
    phones = PhoneTrack((Phone("P", 0.1, 0.2), Phone("AA", 0.2, 0.5)), (Word("pa", 0.1, 0.5),), 1.0, "file")
    clip = AudioClip(np.sin(np.arange(16000) / 20).astype(np.float32), 16000)
    plot_track([track, track], tmp_path / "p.png", clip, phones, titles=["one", "two"], title="line")
    with Image.open(tmp_path / "p.png") as image:
        assert image.width > image.height
        assert len(image.convert("P", palette=Image.Palette.ADAPTIVE).getcolors()) > 20
    plot_track(track, tmp_path / "alone.svg")
    assert (tmp_path / "alone.svg").read_text().count("<path") > 5
    with pytest.raises(InputError, match="xyz"):
        plot_track(track, tmp_path / "p.xyz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["alone.svg", "p.png"]


def test_words_spoken_fast_do_not_run_into_each_other() -> None:
    words = [_Label(0.1 * k, text) for k, text in enumerate(["what", "do", "you", "want", "from", "me"])]
    rows = _rows(words, 0.03)
    assert set(rows) == {0, 1}, "there is room above"
    for row in (0, 1):
        inside = [word for word, at in zip(words, rows, strict=True) if at == row]
        for left, right in itertools.pairwise(inside):
            assert right.middle_s - left.middle_s >= 0.015 * (len(left.text) + len(right.text))
    assert _rows(words, 0.001) == [0] * len(words), "where there is room, all stand in one row"
