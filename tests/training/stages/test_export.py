"""A trained model becomes what the program runs: the shipped files come out of the shipped model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from talkclip.engine.models.config import AUDIO_WIDTHS
from talkclip.engine.models.nets.weights import load_model, read_notes, save_model
from talkclip.engine.weights.registry import find_weight
from talkclip.errors import InputError
from talkclip_training.stages.export import NAMES, run_export

SHIPPED = find_weight("default-model")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    run, out = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("out") / "weights"
    (run / "model.safetensors").write_bytes(SHIPPED.read_bytes())
    return out, run_export(run, out)


def test_the_shipped_files_come_out_of_the_shipped_model(exported: tuple[Path, dict[str, str]]) -> None:
    out, digests = exported
    assert sorted(path.name for path in out.iterdir()) == sorted(NAMES) == sorted(digests)
    with np.load(out / "style_space.npz") as new, np.load(find_weight("style-space")) as old:
        assert set(new.files) == set(old.files)
        for name in old.files:
            np.testing.assert_array_equal(new[name], old[name], err_msg=name)
    config, rng = load_model(SHIPPED).config, np.random.default_rng(0)
    audio = rng.standard_normal((20 + 2 * config.context, AUDIO_WIDTHS[config.audio_input]), np.float32)
    style = rng.standard_normal((20, config.style_width), np.float32)
    clip = rng.random((20, config.channels), np.float32)
    for name, weight, feeds in (
        ("face.onnx", "face", {"audio": audio, "style": style}),
        ("style_encoder.onnx", "style-encoder", {"clip": clip}),
    ):
        np.testing.assert_allclose(_answer(out / name, feeds), _answer(find_weight(weight), feeds), atol=1e-6)


def _answer(path: Path, feeds: dict[str, np.ndarray]) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, feeds)[0])


def test_the_notes_of_the_run_stay_with_the_model(exported: tuple[Path, dict[str, str]]) -> None:
    notes = read_notes(exported[0] / "default.safetensors")
    assert notes == read_notes(SHIPPED) and "data_sha256" in notes["data"]


def test_a_model_that_reads_nothing_yet_is_refused(tmp_path: Path) -> None:
    save_model(load_model(SHIPPED), tmp_path / "model.safetensors", {"data": "{}"})
    with pytest.raises(InputError, match=r"model\.safetensors: has not learned") as caught:
        run_export(tmp_path, tmp_path / "out")
    assert "stage2" in caught.value.hint and not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"gone\.safetensors"):
        run_export(tmp_path / "gone.safetensors", tmp_path / "out")
