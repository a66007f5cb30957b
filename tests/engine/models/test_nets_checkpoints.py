"""Public weights: golden outputs of the released StyleTalk modules, and every way in which a file can be wrong."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from talkclip.engine.models.blocks import decode_clip
from talkclip.engine.models.config import dreamtalk, paper
from talkclip.engine.models.inputs import padding_frame
from talkclip.engine.models.nets.checkpoints import load_dreamtalk, load_styletalk, public_places
from talkclip.engine.models.nets.diffusion import STEPS, DenoisingModel
from talkclip.engine.models.nets.model import TalkClipModel, as_decode, pad_audio, parameter_counts
from talkclip.engine.models.nets.weights import load_model, save_model
from talkclip.errors import InputError
from tests.support.tiny_models import TINY, sound, styles, tiny_model

DATA = Path(__file__).parent / "data"


def recipe(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The weights that the golden outputs were made with."""
    noise = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape).astype(np.float32)
    if len(shape) == 1 or shape[1:] == (1, 1):
        return torch.from_numpy(1 + 0.05 * noise if key.endswith(".weight") else 0.05 * noise)
    inner = shape[2:] if "dynamic_conv.weight" in key else shape[1:]
    return torch.from_numpy((noise / np.sqrt(np.prod(inner))).astype(np.float32))


def as_file(model: torch.nn.Module, path: Path, prefix: str = "", **changes: torch.Tensor) -> Path:
    """A file as the released code writes it, with the weights of `model`."""
    state = {
        prefix + key: tensor.detach().reshape(shape).clone() for key, (tensor, shape) in public_places(model).items()
    }
    torch.save({"model_state_dict": {**state, **changes}, "iteration": 3}, path)
    return path


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(DATA / "golden_styletalk.npz") as data:
        return dict(data)


@pytest.fixture(scope="module")
def styletalk(tmp_path_factory: pytest.TempPathFactory) -> TalkClipModel:
    shapes = json.loads((DATA / "keys_styletalk.json").read_text())
    tables = {key: tensor.reshape(shape) for key, (tensor, shape) in public_places(TalkClipModel(paper())).items()}
    state = {
        key: tables[key] if key.endswith("pos_table") else recipe(key, tuple(shape)) for key, shape in shapes.items()
    }
    path = tmp_path_factory.mktemp("styletalk") / "styletalk_checkpoint.pth"
    torch.save({"model_state_dict": {**state, "discriminator.weight": torch.zeros(3)}}, path)
    model = load_styletalk(path)
    path.unlink()
    return model


def test_the_golden_outputs_of_styletalk(styletalk: TalkClipModel, golden: dict[str, np.ndarray]) -> None:
    phones = torch.from_numpy(golden["phonemes"])[None]
    padding = torch.arange(256)[None] >= 40
    clip = torch.zeros(1, 256, 64)
    clip[0, :40] = torch.from_numpy(golden["style_clip"])
    with torch.inference_mode():
        content = styletalk.audio_encoder(styletalk.pad(phones))[0].numpy()
        code = styletalk.style_of_clip(clip, padding)
        expression = styletalk(phones, code)[0].numpy()
        unpadded = styletalk.style_of_clip(clip[:, :40])
    np.testing.assert_allclose(content[golden["content_frames"]], golden["content"], atol=1e-4)
    np.testing.assert_allclose(code[0].numpy(), golden["style_code"], atol=1e-4)
    np.testing.assert_allclose(expression, golden["exp"], atol=1e-4)
    np.testing.assert_allclose(unpadded, code, atol=1e-4)


def test_windows_are_those_of_the_released_code(golden: dict[str, np.ndarray]) -> None:
    padded = pad_audio(torch.from_numpy(golden["phonemes"])[None], paper())[0].numpy()
    windows = np.lib.stride_tricks.sliding_window_view(padded, 11)
    np.testing.assert_array_equal(windows, golden["windows"])


def test_styletalk_has_its_size(styletalk: TalkClipModel) -> None:
    assert parameter_counts(styletalk) == {
        "audio_encoder": 2_407_552, "style_encoder": 2_451_969, "decoder": 17_583_168,
    }  # fmt: skip


def test_weights_without_an_adapter_answer_no_prompt(styletalk: TalkClipModel, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="talkclip adapt"):
        styletalk.style_of_text(torch.zeros(1, 512))


@pytest.mark.parametrize(("name", "build"), [("styletalk", TalkClipModel), ("dreamtalk", DenoisingModel)])
def test_keys_and_shapes_are_those_of_the_released_modules(name: str, build: type) -> None:
    model = build({"styletalk": paper, "dreamtalk": dreamtalk}[name]())
    expected = {key: tuple(shape) for key, shape in json.loads((DATA / f"keys_{name}.json").read_text()).items()}
    ours = {
        f"net.{key}" if name == "dreamtalk" and not key.startswith(("null_", "var_sched.")) else key: shape
        for key, (_, shape) in public_places(model).items()
    }
    assert ours == expected


def test_everything_that_does_not_fit_is_named_at_once(tmp_path: Path) -> None:
    path = as_file(tiny_model("paper"), tmp_path / "a.pth")
    state = torch.load(path, weights_only=True)["model_state_dict"]
    del state["decoder.lower_tail_fc.0.bias"]
    state["decoder.middle_tail_fc.0.bias"] = torch.zeros(3)
    state["style_encoder.increase_embed_dim.bias"] = torch.zeros(5)
    torch.save({"model_state_dict": state}, path)
    with pytest.raises(InputError) as error:
        load_styletalk(path, TINY["paper"])
    for words in (
        "missing decoder.lower_tail_fc.0.bias",
        "unexpected decoder.middle_tail_fc.0.bias",
        "style_encoder.increase_embed_dim.bias is (5,), not (32,)",
    ):
        assert words in error.value.message
    assert "\n" not in str(error.value)


class _Surprise:
    def __reduce__(self):
        return print, ("code from the file ran",)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model_state_dict": {}, "extra": _Surprise()}, tmp_path / "bad.pth")
    with pytest.raises(InputError, match="more than tensors"):
        load_styletalk(tmp_path / "bad.pth")
    assert "ran" not in capsys.readouterr().out


def test_other_files_are_explained(tmp_path: Path) -> None:
    (tmp_path / "text.pth").write_text("hello")
    torch.save({"weights": torch.zeros(1)}, tmp_path / "other.pth")
    for name, words in (("none.pth", "none.pth"), ("text.pth", "text.pth"), ("other.pth", "model_state_dict")):
        with pytest.raises(InputError, match=words):
            load_styletalk(tmp_path / name)


def test_our_own_weights_come_back(tmp_path: Path) -> None:
    model = tiny_model()
    save_model(model, tmp_path / "ours.safetensors", {"seed": "7"})
    back = load_model(tmp_path / "ours.safetensors")
    assert back.config == model.config
    audio, style = sound(model.config, 1, 4), styles(model.config, 1)
    with torch.inference_mode():
        torch.testing.assert_close(back(audio, style), model(audio, style), atol=0, rtol=0)
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    with pytest.raises(InputError, match=r"junk\.safetensors"):
        load_model(tmp_path / "junk.safetensors")


@pytest.fixture
def denoising(tmp_path: Path) -> DenoisingModel:
    torch.manual_seed(5)
    original = DenoisingModel(TINY["dreamtalk"]).eval()
    state = {}
    for key, (tensor, shape) in public_places(original).items():
        inside = "" if key.startswith(("null_", "var_sched.")) else "net."
        state[f"diff_net.{inside}{key}"] = tensor.detach().reshape(shape)
    torch.save({"model_state_dict": {**state, "sync_net.weight": torch.zeros(1)}}, tmp_path / "dream.pth")
    loaded = load_dreamtalk(tmp_path / "dream.pth", TINY["dreamtalk"])
    for (name, a), (_, b) in zip(original.state_dict().items(), loaded.state_dict().items(), strict=True):
        assert torch.equal(a, b), name
    return loaded


def test_dreamtalk_hears_windows_around_every_second_feature() -> None:
    config = TINY["dreamtalk"]
    encoder = DenoisingModel(config).audio_encoder
    features = torch.randn(24, 1024)  # 50 a second
    heard = []
    encoder.entry.register_forward_hook(lambda _m, inputs, _o: heard.append(inputs[0][0]))
    encoder(pad_audio(features.reshape(1, 12, 2048), config))
    for frame in (0, 1, 11):
        window = heard[0][2 * frame : 2 * frame + 11]
        for place, index in enumerate(range(2 * frame - 5, 2 * frame + 6)):
            expected = features[index] if 0 <= index < 24 else torch.zeros(1024)
            assert torch.equal(window[place], expected), (frame, index)


def test_the_schedule_is_the_published_one(denoising: DenoisingModel) -> None:
    schedule = denoising.schedule
    assert float(schedule.betas[0]) == 0 and float(schedule.betas[1]) == pytest.approx(1e-4)
    assert float(schedule.betas[STEPS]) == pytest.approx(0.02)
    assert float(schedule.alpha_bars[STEPS]) == pytest.approx(np.prod(1 - np.linspace(1e-4, 0.02, 1000)), rel=1e-3)
    assert float(schedule.sigmas_inflex[1]) == 0


def test_ddim_finds_what_a_perfect_predictor_knows(denoising: DenoisingModel, monkeypatch: pytest.MonkeyPatch) -> None:
    truth = torch.randn(1, 6, 64)
    monkeypatch.setattr(denoising.decoder, "forward", lambda audio, style: truth)
    made = denoising.sample(sound(denoising.config, 1, 6), styles(denoising.config, 1), torch.randn(1, 6, 64))
    torch.testing.assert_close(made, truth, atol=1e-5, rtol=0)


def test_sampling_is_the_same_in_blocks_and_follows_guidance(denoising: DenoisingModel) -> None:
    config = denoising.config
    audio, style, noise = sound(config, 1, 20), styles(config, 1), torch.randn(1, 20, 64)
    whole = denoising.sample(audio, style, noise)

    def decode(inputs: np.ndarray, rows: np.ndarray) -> np.ndarray:
        code, grain = torch.from_numpy(rows)[None].split([config.style_width, 64], dim=-1)
        return denoising.sample_padded(torch.from_numpy(inputs)[None], code, grain)[0].numpy()

    rows = np.concatenate([np.broadcast_to(style[0].numpy(), (20, config.style_width)), noise[0].numpy()], axis=1)
    blocks = decode_clip(decode, audio[0].numpy(), rows, config.context, padding_frame(config), block_frames=7)
    np.testing.assert_allclose(blocks, whole[0], atol=1e-4)
    with torch.inference_mode():
        unguided = denoising.sample(audio, denoising.null_style(), noise)
    torch.testing.assert_close(denoising.sample(audio, style, noise, guidance=0.0), unguided, atol=1e-5, rtol=0)
    assert (denoising.sample(audio, style, noise, guidance=2.0) - whole).abs().max() > 1e-3
    with pytest.raises(InputError, match="do not divide"):
        denoising.sample(audio, style, noise, steps=7)


def test_public_weights_run_in_blocks(styletalk: TalkClipModel, golden: dict[str, np.ndarray]) -> None:
    blocks = decode_clip(
        as_decode(styletalk), golden["phonemes"], golden["style_code"], 5, padding_frame(paper()), block_frames=6
    )
    np.testing.assert_allclose(blocks, golden["exp"], atol=1e-4)
