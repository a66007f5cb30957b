"""CLIP as text encoder: the vectors are open_clip's, and every way to a random or wrong tower is closed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from talkclip.errors import InputError, TalkClipError
from tests.support import tiny_clip
from tests.support.tiny_clip import CONFIG, TINY, TINY_QUICK, save, whole_clip

open_clip = pytest.importorskip("open_clip")
clip_text = pytest.importorskip("talkclip.engine.models.nets.clip_text")
load = clip_text.load_clip_text

TEXTS = ["furious", "a delighted woman, beaming with joy, her eyes crinkled", "", "word " * 120]


@pytest.fixture(scope="module", autouse=True)
def registered(tmp_path_factory: pytest.TempPathFactory) -> None:
    tiny_clip.register(tmp_path_factory.mktemp("configs"))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(whole_clip(), tmp_path_factory.mktemp("clip") / "mine.safetensors")


@pytest.mark.parametrize("name", [TINY, TINY_QUICK])
def test_the_vectors_are_those_of_the_whole_model(name: str, tmp_path: Path) -> None:
    whole = whole_clip(name)
    encoder = load(f"clip:{name}={save(whole, tmp_path / 'w.pt')}")
    with torch.inference_mode():
        wanted = whole.encode_text(open_clip.get_tokenizer(TINY)(TEXTS), normalize=True).numpy()
    np.testing.assert_allclose(encoder.encode(TEXTS), wanted, atol=2e-6)
    assert encoder.dim == 24 and encoder.encode([]).shape == (0, 24)
    assert (encoder.id, len(encoder.weight_hash)) == (f"clip:{name}/w.pt", 64)


def test_the_activation_matters(file: Path) -> None:
    plain, quick = (load(f"clip:{name}={file}").encode(TEXTS) for name in (TINY, TINY_QUICK))
    assert float((plain * quick).sum(1).min()) < 0.99999


def test_a_text_has_one_vector_in_any_company(file: Path) -> None:
    encoder = load(f"clip:{TINY}={file}")
    np.testing.assert_allclose(encoder.encode(TEXTS)[:1], encoder.encode(TEXTS[:1]), atol=2e-6)


def test_equal_weights_have_equal_hashes_in_any_file(file: Path, tmp_path: Path) -> None:
    same = load(f"clip:{TINY}={save(whole_clip(), tmp_path / 'renamed.pt')}")
    other = load(f"clip:{TINY}={save(whole_clip(seed=4), tmp_path / 'other.pt')}")
    assert same.weight_hash == load(f"clip:{TINY}={file}").weight_hash != other.weight_hash


def test_no_random_number_is_drawn(file: Path) -> None:
    before = torch.get_rng_state()
    load(f"clip:{TINY}={file}")
    assert torch.equal(before, torch.get_rng_state())


def test_training_checkpoints_and_towers_of_their_own_are_read(file: Path, tmp_path: Path) -> None:
    state = whole_clip().state_dict()
    torch.save({"epoch": 1, "state_dict": {f"module.{k}": t for k, t in state.items()}}, tmp_path / "train.pt")
    apart = {k if k.startswith(("visual", "logit")) else f"text.{k}": t for k, t in state.items()}
    torch.save(apart, tmp_path / "apart.pt")
    torch.save({k: t.half() for k, t in state.items()}, tmp_path / "half.pt")
    wanted = load(f"clip:{TINY}={file}")
    for name in ("train.pt", "apart.pt"):
        assert load(f"clip:{TINY}={tmp_path / name}").weight_hash == wanted.weight_hash
    half = load(f"clip:{TINY}={tmp_path / 'half.pt'}").encode(TEXTS)
    assert half.dtype == np.float32 and float((half * wanted.encode(TEXTS)).sum(1).min()) > 0.99


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("clip:", "knows no model"),
        ("clip:ViT-B-32", "names no weights"),
        ("clip:ViT-B-32/", "names no weights"),
        ("clip:ViT-B-32=", "names no file"),
        ("clip:ViT-B-32/laion_never", "no weights called"),
        ("clip:ViT-Z-99/openai", "knows no model"),
        ("clip:nowhere.safetensors", "no such file"),
        ("clip:ViT-B-32=nowhere.pt", "no such file"),
        ("clip:ViT-B-32/openai", "another activation"),
        ("clip:xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k", "another library"),
        ("clip:ViT-B-16-SigLIP/webli", "another library"),
    ],
)
def test_a_name_without_weights_is_refused(spec: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as error:
        load(spec)
    assert error.value.hint


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": CONFIG}))
    for spec in (f"clip:{tmp_path}", f"clip:{TINY}={tmp_path}"):
        with pytest.raises(InputError, match="is a folder"):
            load(spec)


def test_a_download_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(_: object) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(open_clip, "download_pretrained", no_network)
    with pytest.raises(TalkClipError, match="no route to host") as error:
        load("clip:ViT-B-32-quickgelu/openai")
    assert "clip:ViT-B-32-quickgelu=FILE" in error.value.hint


def test_openai_weights_need_quickgelu(tmp_path: Path) -> None:
    state = whole_clip(TINY_QUICK).state_dict()
    marked = tmp_path / "weights.pt"
    torch.save({**state, "input_resolution": torch.tensor(16), "context_length": torch.tensor(77)}, marked)
    named = save(whole_clip(TINY_QUICK), tmp_path / "vit_openai.safetensors")
    for path in (marked, named):
        with pytest.raises(InputError, match="QuickGELU"):
            load(f"clip:{TINY}={path}")
        assert load(f"clip:{TINY_QUICK}={path}").note == ""


def test_a_file_that_does_not_tell_its_activation_is_noted(file: Path) -> None:
    assert "does not say with which activation" in load(f"clip:{TINY}={file}").note


def test_the_configuration_beside_a_file_decides(file: Path, tmp_path: Path) -> None:
    path = tmp_path / "open_clip_model.safetensors"
    path.write_bytes(file.read_bytes())
    with pytest.raises(InputError, match="does not say which model"):
        load(f"clip:{path}")
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {**CONFIG, "quick_gelu": True}}))
    encoder = load(f"clip:{path}")
    assert encoder.id.startswith(f"clip:{TINY_QUICK}/") and encoder.note == ""
    with pytest.raises(InputError, match="another text tower"):
        load(f"clip:{TINY}={path}")
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(InputError, match="model_cfg"):
        load(f"clip:{path}")


def test_every_tensor_must_be_there_and_fit(tmp_path: Path) -> None:
    state = dict(whole_clip().state_dict())
    short = {key: tensor for key, tensor in state.items() if key != "ln_final.bias"}
    for changed, problem in (
        (short, "missing ln_final.bias"),
        ({**state, "extra.weight": torch.zeros(1)}, "unexpected extra.weight"),
        ({**state, "text_projection": torch.zeros(32, 8)}, r"text_projection is \(32, 8\), not \(32, 24\)"),
        ({**state, "ln_final.bias": torch.full((32,), float("nan"))}, "ln_final.bias is not finite"),
        ({"text_model.encoder.weight": torch.zeros(1)}, "transformers library"),
        ({key: state[key] for key in state if key.startswith("visual.")}, "and 23 more"),
    ):
        torch.save(changed, tmp_path / "w.pt")
        with pytest.raises(InputError, match=problem):
            load(f"clip:{TINY}={tmp_path / 'w.pt'}")


def test_files_that_hold_code_or_nothing_are_refused(tmp_path: Path) -> None:
    torch.save({"model": whole_clip()}, tmp_path / "object.pt")
    torch.save({"state_dict": {}}, tmp_path / "empty.pt")
    (tmp_path / "text.safetensors").write_text("no tensors")
    (tmp_path / "text.pt").write_text("no tensors")
    for name in ("object.pt", "empty.pt", "text.safetensors", "text.pt"):
        with pytest.raises(InputError, match=name):
            load(f"clip:{TINY}={tmp_path / name}")


@pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated, its archives are still about
def test_an_archive_of_code_is_refused_and_can_be_converted(tmp_path: Path) -> None:
    tower = torch.nn.Linear(2, 2)
    torch.jit.script(tower).save(str(tmp_path / "jit.pt"))
    with pytest.raises(InputError, match="TorchScript archive") as error:
        load(f"clip:{TINY}={tmp_path / 'jit.pt'}")
    assert clip_text.CONVERT in error.value.hint
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        clip_text.CONVERT,
        tmp_path / "jit.pt",
        tmp_path / "jit.safetensors",
    ]
    subprocess.run([str(part) for part in command], check=True)
    from safetensors.torch import load_file

    assert torch.equal(load_file(tmp_path / "jit.safetensors")["weight"], tower.weight)
