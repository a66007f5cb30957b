"""The exported graph is the model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from talkclip.engine.models.config import CONFIG_KEY, config_from_dict, default
from talkclip.engine.models.face import FaceModel
from talkclip.engine.models.nets.export import export_face, export_style_encoder, export_text_style
from talkclip.engine.models.nets.model import TalkClipModel, parameter_counts
from talkclip.engine.models.nets.weights import load_model
from talkclip.engine.models.style_encoder import StyleEncoder
from talkclip.engine.weights.registry import find_weight
from talkclip.errors import InputError
from tests.support.tiny_models import model_at_work, sound, styles, tiny_model

pytest.importorskip("onnxscript")


Exported = tuple[TalkClipModel, Path]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    path = tmp_path_factory.mktemp("onnx") / "face.onnx"
    model = model_at_work(default())  # as shipped: the time goes into tracing, not into numbers
    export_face(model, path)
    return model, path


@pytest.mark.parametrize("frames", [1, 2, 300])
def test_any_length_agrees_with_torch(exported: Exported, frames: int) -> None:
    model, path = exported
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    audio, style = model.pad(sound(model.config, 1, frames)), styles(model.config, 1, frames)
    with torch.inference_mode():
        expected = model.decode(audio, style)[0].numpy()
    (found,) = session.run(None, {"audio": audio[0].numpy(), "style": style[0].numpy()})
    assert found.shape == (frames, 52)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_lite_runtime_gives_what_torch_gives(exported: Exported) -> None:
    model, path = exported
    face = FaceModel(path)
    assert face.config == model.config
    audio, style = sound(model.config, 1, 33), styles(model.config, 1, 33)
    with torch.inference_mode():
        expected = model(audio, style)[0].numpy()
        held = model(audio, style[:, 5])[0].numpy()
    np.testing.assert_allclose(face.animate(audio[0].numpy(), style[0].numpy(), block_frames=10), expected, atol=1e-5)
    np.testing.assert_allclose(face.animate(audio[0].numpy(), style[0, 5].numpy()), held, atol=1e-5)
    stream = face.stream()
    parts = [stream.push(audio[0, k : k + 1].numpy(), style[0, k : k + 1].numpy()) for k in range(33)]
    parts.append(stream.finish())
    np.testing.assert_allclose(np.concatenate([p for p in parts if p is not None]), expected, atol=1e-5)
    with pytest.raises(InputError, match=r"\(T, 244\) and \(T, 128\)"):
        face.animate(audio[0, :, :7].numpy(), style[0].numpy())


def test_the_file_tells_its_configuration_and_nothing_of_the_machine(exported: Exported) -> None:
    model, path = exported
    metadata = onnxruntime.InferenceSession(str(path)).get_modelmeta().custom_metadata_map
    assert config_from_dict(json.loads(metadata[CONFIG_KEY])) == model.config
    data = path.read_bytes()
    assert b".py" not in data and b"File" not in data


@pytest.mark.slow
def test_the_same_model_gives_the_same_file(exported: Exported, tmp_path: Path) -> None:
    model, path = exported
    export_face(model, tmp_path / "again.onnx")
    assert path.read_bytes() == (tmp_path / "again.onnx").read_bytes()


@pytest.fixture(scope="module")
def text_style(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    path = tmp_path_factory.mktemp("onnx") / "text.onnx"
    model = tiny_model()
    export_text_style(model, path)
    return model, path


def test_text_style_agrees_with_torch(text_style: Exported) -> None:
    model, path = text_style
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        vector = torch.randn(batch, 24)
        with torch.inference_mode():
            expected = model.style_of_text(vector).numpy()
        np.testing.assert_allclose(session.run(None, {"vector": vector.numpy()})[0], expected, atol=1e-5)


@pytest.fixture(scope="module")
def style_encoder(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    path = tmp_path_factory.mktemp("onnx") / "style_encoder.onnx"
    model = model_at_work(default())
    export_style_encoder(model, path)
    return model, path


@pytest.mark.parametrize("frames", [1, 2, 50, 0])
def test_the_style_encoder_agrees_with_torch(style_encoder: Exported, frames: int) -> None:
    """0: as many as the model takes."""
    model, path = style_encoder
    clip = torch.rand(frames or model.config.style_frames, 52, generator=torch.Generator().manual_seed(frames))
    with torch.inference_mode():
        expected = model.style_of_clip(clip[None])[0].numpy()
    (found,) = onnxruntime.InferenceSession(str(path)).run(None, {"clip": clip.numpy()})
    assert found.shape == (128,)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(StyleEncoder(path).code(clip.numpy()), expected, atol=1e-5)


def test_the_shipped_style_encoder_is_the_shipped_model() -> None:
    model = load_model(find_weight("default-model"))
    clip = torch.rand(model.config.style_frames, 52, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        expected = model.style_of_clip(clip[None])[0].numpy()
    np.testing.assert_allclose(StyleEncoder(find_weight("style-encoder")).code(clip.numpy()), expected, atol=1e-5)


def test_other_files_are_no_face_model(text_style: Exported, tmp_path: Path) -> None:
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    cases = {tmp_path / "junk.onnx": "no ONNX model", tmp_path / "none.onnx": "no ONNX model"}
    for path, words in {**cases, text_style[1]: "no TalkCLIP face"}.items():
        with pytest.raises(InputError, match=words):
            FaceModel(path)


def test_a_model_the_graph_cannot_express_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="plain feed-forward"):
        export_face(tiny_model("paper"), tmp_path / "face.onnx")
    assert not list(tmp_path.iterdir())


def test_the_default_is_small() -> None:
    assert sum(parameter_counts(TalkClipModel(default())).values()) < 3_500_000
