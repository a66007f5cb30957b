"""The fit of viseme rigs finds, from tracks made of known visemes, drives that bring the mouth back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.track_io import write_track

RIGS = Path(__file__).parents[2] / "rigs"


def test_drives_bring_back_mouths_made_of_visemes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(RIGS))
    import fit_visemes

    rng = np.random.default_rng(2)
    values = np.zeros((400, 52))
    for row in values:
        for name in rng.choice(list(fit_visemes.VOWELS), 2, replace=False):
            share = rng.uniform(0, 0.5)
            for group, amount in fit_visemes.VOWELS[name].items():
                for channel in (group, group + "Left", group + "Right"):
                    if channel in ARKIT52:
                        row[ARKIT52.index(channel)] += share * amount
    write_track(CoefficientTrack("arkit52", ARKIT52, 25, np.clip(values, 0, 1)), tmp_path / "a.npz")
    fit_visemes.main([str(tmp_path / "a.npz")])
    printed = capsys.readouterr().out
    first, rest = printed.split("vowels: ")
    assert first.startswith("oculus: left of a motionless mouth's squared error: 0.")
    free, linear = (float(word) for word in rest.splitlines()[0].split(": ")[1].split() if word[0].isdigit())
    assert free == 0.0 and linear < 0.05
    drives = json.loads(rest.split("\n", 1)[1])
    assert drives["jawOpen"]["A"] > 0.5 and drives["mouthPucker"]["U"] > 0.5 and drives["mouthFunnel"]["O"] > 0.5
    assert drives["mouthStretchLeft"] == drives["mouthStretchRight"], "a pair shares its gain"
