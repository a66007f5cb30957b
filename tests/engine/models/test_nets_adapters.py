"""Adapter files: what they say of themselves, whom they refuse, and the same codes from numpy and torch."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from talkclip.engine.models.adapter import REFERENCE_TEXTS, Adapter
from talkclip.engine.models.nets.adapters import decoder_hash, put_adapter, save_adapter
from talkclip.engine.models.nets.model import TalkClipModel
from talkclip.engine.models.style_space import StyleSpace
from talkclip.engine.models.tensor_file import read_tensors
from talkclip.errors import InputError, TalkClipError
from tests.support.tiny_models import tiny_model
from tests.support.word_encoder import WordEncoder

ENCODER = WordEncoder(dim=20)


def adapter_for(model: TalkClipModel, encoder: WordEncoder = ENCODER) -> Adapter:
    rng = np.random.default_rng(5)
    shapes = {"adapter.0": (8, encoder.dim), "adapter.2": (encoder.dim, 8), "projection": (64, encoder.dim)}
    arrays = {}
    for name, shape in shapes.items():
        arrays[f"{name}.weight"] = rng.standard_normal(shape).astype(np.float32)
        arrays[f"{name}.bias"] = rng.standard_normal(shape[0]).astype(np.float32)
    return Adapter(
        encoder.id, encoder.dim, encoder.weight_hash, 0.99999, model.config.space,
        decoder_hash(model.style_encoder, model.condition_encoder), "it reads: {}", 0.6, arrays,
        encoder.encode(REFERENCE_TEXTS), {"seed": "5"},
    )  # fmt: skip


def style_space(model: TalkClipModel) -> StyleSpace:
    parts = ("condition_encoder.", "text_style.")
    arrays = {name: tensor.numpy() for name, tensor in model.state_dict().items() if name.startswith(parts)}
    return StyleSpace("tiny", 64, 52, "other", "0" * 64, arrays, 0.6)


@pytest.fixture(scope="module")
def model() -> TalkClipModel:
    return tiny_model()


def test_a_file_gives_back_everything(model: TalkClipModel, tmp_path: Path) -> None:
    adapter = adapter_for(model)
    save_adapter(adapter, tmp_path / "a.safetensors")
    again = Adapter.load(tmp_path / "a.safetensors")
    for field in dataclasses.fields(Adapter):
        if field.name not in ("arrays", "reference_vectors"):
            assert getattr(again, field.name) == getattr(adapter, field.name)
    np.testing.assert_array_equal(again.reference_vectors, adapter.reference_vectors)
    assert all(np.array_equal(again.arrays[name], array) for name, array in adapter.arrays.items())
    assert again.framed("sad") == "it reads: sad" and again.dim == 64


def test_numpy_torch_and_the_style_space_agree(model: TalkClipModel) -> None:
    adapter = adapter_for(model)
    put_adapter(model, adapter, ENCODER)
    vector = ENCODER.encode(["delighted"])
    with torch.inference_mode():
        wanted = model.style_of_text(torch.from_numpy(vector))[0].numpy()
    np.testing.assert_allclose(adapter.of_vector(3 * vector[0]), wanted, atol=1e-5)
    styles = style_space(tiny_model())
    foreign = styles.with_adapter(adapter, ENCODER)
    np.testing.assert_allclose(foreign.of_text(vector[0]), wanted, atol=1e-5)
    foreign.check_encoder(ENCODER.id, ENCODER.weight_hash)
    np.testing.assert_array_equal(foreign.neutral, styles.neutral)
    with pytest.raises(TalkClipError):
        foreign.check_encoder("other", "0" * 64)


@pytest.mark.parametrize(
    "other",
    [WordEncoder(20, seed=1), WordEncoder(16), WordEncoder(20, seed=1, id_="words")],
    ids=["other weights", "other length", "other weights, same name"],
)
def test_another_encoder_is_refused_with_what_to_do(model: TalkClipModel, other: WordEncoder) -> None:
    with pytest.raises(TalkClipError, match="not on") as error:
        adapter_for(model).check_encoder(other)
    assert f"talkclip adapt --text-encoder {other.id}" in error.value.hint


def test_a_tower_that_computes_something_else_is_refused(model: TalkClipModel) -> None:
    adapter = adapter_for(model)
    turned = WordEncoder(20, seed=1)
    turned.weight_hash = ENCODER.weight_hash
    with pytest.raises(TalkClipError, match="reference vectors"):
        adapter.check_encoder(turned)


def test_a_renamed_file_of_the_same_weights_is_taken(model: TalkClipModel) -> None:
    adapter_for(model).check_encoder(WordEncoder(20, id_="words/renamed.pt"))


def test_another_decoder_is_refused(model: TalkClipModel) -> None:
    adapter = adapter_for(model)
    with pytest.raises(TalkClipError, match="of a decoder in arkit52"):
        put_adapter(tiny_model("paper"), adapter, ENCODER)
    retrained = tiny_model()
    with torch.no_grad():
        next(retrained.condition_encoder.parameters()).add_(1e-3)
    with pytest.raises(TalkClipError, match="not of this"):
        style_space(retrained).with_adapter(adapter, ENCODER)


def test_damaged_files_are_refused(model: TalkClipModel, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_adapter(adapter_for(model), path)
    whole = path.read_bytes()
    for data in (b"", b"no tensors at all", whole[:200], whole[:-8], b"\xff" * 8 + whole[8:]):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"a\.safetensors"):
            Adapter.load(path)
    with pytest.raises(InputError, match="cannot be read"):
        Adapter.load(tmp_path / "nowhere.safetensors")
    with pytest.raises(InputError, match="projection is"):
        wrong = adapter_for(model)
        dataclasses.replace(wrong, arrays={**wrong.arrays, "projection.weight": np.zeros((64, 3), np.float32)})
    with pytest.raises(InputError, match="frame names no place"):
        dataclasses.replace(adapter_for(model), frame="it reads")


def test_weights_of_a_model_are_no_adapter(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3, np.float32)}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="is no adapter"):
        Adapter.load(tmp_path / "w.safetensors")


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "int64", "int32", "uint8", "bool"])
def test_the_reader_reads_what_safetensors_writes(tmp_path: Path, dtype: str) -> None:
    from safetensors.numpy import save_file

    arrays = {"a": np.arange(12).reshape(3, 4).astype(dtype), "scalar": np.array(1, dtype), "none": np.zeros(0, dtype)}
    save_file(arrays, tmp_path / "t.safetensors", {"key": "value"})
    read, metadata = read_tensors(tmp_path / "t.safetensors")
    assert metadata == {"key": "value"} and set(read) == set(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)
