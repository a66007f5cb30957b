"""The exported graph is the model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from talkclip.engine.models.config import config_from_dict, default
from talkclip.engine.models.nets.export import CONFIG_KEY, export_face, export_text_style
from talkclip.engine.models.nets.model import TalkClipModel, parameter_counts
from talkclip.errors import InputError
from tests.support.tiny_models import sound, styles, tiny_model

pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[TalkClipModel, onnxruntime.InferenceSession]:
    path = tmp_path_factory.mktemp("onnx") / "face.onnx"
    model = tiny_model()
    export_face(model, path)
    return model, onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("frames", [1, 2, 300])
def test_any_length_agrees_with_torch(
    exported: tuple[TalkClipModel, onnxruntime.InferenceSession], frames: int
) -> None:
    model, session = exported
    audio, style = model.pad(sound(model.config, 1, frames)), styles(model.config, 1, frames)
    with torch.inference_mode():
        expected = model.decode(audio, style)[0].numpy()
    (found,) = session.run(None, {"audio": audio[0].numpy(), "style": style[0].numpy()})
    assert found.shape == (frames, 52)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_file_says_what_it_was_built_from(
    exported: tuple[TalkClipModel, onnxruntime.InferenceSession],
) -> None:
    model, session = exported
    metadata = session.get_modelmeta().custom_metadata_map
    assert config_from_dict(json.loads(metadata[CONFIG_KEY])) == model.config


def test_text_style_agrees_with_torch(tmp_path: Path) -> None:
    model = tiny_model()
    export_text_style(model, tmp_path / "text.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "text.onnx"), providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        vector = torch.randn(batch, 24)
        with torch.inference_mode():
            expected = model.style_of_text(vector).numpy()
        np.testing.assert_allclose(session.run(None, {"vector": vector.numpy()})[0], expected, atol=1e-5)


def test_a_model_the_graph_cannot_express_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="plain feed-forward"):
        export_face(tiny_model("paper"), tmp_path / "face.onnx")
    assert not list(tmp_path.iterdir())


def test_the_default_is_small() -> None:
    assert sum(parameter_counts(TalkClipModel(default())).values()) < 3_500_000
