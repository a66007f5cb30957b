"""`talkclip adapt`: a tiny CLIP and tiny decoders, from directions to an adapter that answers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from talkclip.engine.models.adapter import Adapter
from talkclip.engine.models.nets.adapters import put_adapter, save_adapter
from talkclip.engine.models.nets.model import TalkClipModel
from talkclip.engine.models.nets.weights import save_model
from talkclip.errors import InputError, TalkClipError
from talkclip_training.performance.conditions import NEUTRAL, played_direction
from talkclip_training.performance.play import act
from talkclip_training.stages.adapt import AdaptPlan, AdaptReport, adapt
from talkclip_training.stages.adapt_run import bundled_line, load_encoder
from talkclip_training.stages.teacher import Teacher, load_teacher, read_matrix
from tests.support import tiny_clip
from tests.support.command import talkclip
from tests.support.tiny_clip import TINY, save, whole_clip
from tests.support.tiny_models import tiny_model
from tests.support.tiny_training import made_directions, made_spoken
from tests.support.word_encoder import WordEncoder

SPOKEN = [made_spoken(seed) for seed in range(3)]
PLAN = AdaptPlan(minutes=5, width=32, steps=500)


def matrix() -> np.ndarray:
    return np.random.default_rng(2).standard_normal((52, 64)).astype(np.float32)


def by_last_digit() -> tuple[list, list]:  # type: ignore[type-arg]
    rows = made_directions()
    held = [row for row in rows if row.family.endswith(("3", "7"))]
    return [row for row in rows if row not in held], held


def trained(teacher: Teacher, encoder: WordEncoder, plan: AdaptPlan = PLAN) -> tuple[Adapter, AdaptReport]:
    kept, held = by_last_digit()
    return adapt(encoder, teacher, SPOKEN, kept, held, plan)


@pytest.fixture(scope="module")
def arkit() -> Teacher:
    return Teacher(tiny_model())


def test_unseen_families_are_understood_after_training(arkit: Teacher) -> None:
    heard: set[str] = set()
    kept, held = by_last_digit()
    adapter, figures = adapt(
        WordEncoder(), arkit, SPOKEN, kept, held, PLAN, lambda stage, done, message: heard.add(stage)
    )
    assert heard == {"texts", "performances", "adapter"}
    assert (figures.directions, figures.left_out, figures.held) == (len(kept), 0, len(held))
    assert figures.cosine_after > 0.8 > figures.cosine_before + 0.15
    happy, sad = (
        adapter.of_vector(WordEncoder().encode([adapter.framed(text)])[0])[:52] for text in ("beaming", "weeping")
    )
    for code, row in ((happy, kept[0]), (sad, next(row for row in kept if row.family == "sad-0"))):
        wanted = played_direction(row).condition.pose
        assert code @ wanted > 0.8 * np.linalg.norm(code) * np.linalg.norm(wanted)
    assert adapter.frame.endswith(": {}") and json.loads(adapter.notes["figures"])["held"] == len(held)


def test_equal_seeds_give_equal_adapters(arkit: Teacher) -> None:
    plan = dataclasses.replace(PLAN, steps=3)
    one, again = (trained(arkit, WordEncoder(), plan)[0] for _ in range(2))
    other = trained(arkit, WordEncoder(), dataclasses.replace(plan, seed=1))[0]
    assert all(np.array_equal(one.arrays[name], again.arrays[name]) for name in one.arrays)
    assert not np.array_equal(one.arrays["projection.weight"], other.arrays["projection.weight"])


def test_a_tiny_clip_speaks_through_a_tiny_decoder(tmp_path: Path) -> None:
    pytest.importorskip("open_clip")
    tiny_clip.register(tmp_path)
    encoder, notes = load_encoder(f"clip:{TINY}={save(whole_clip(), tmp_path / 'w.safetensors')}")
    assert "activation" in notes[0]
    model = tiny_model()
    kept, held = by_last_digit()
    adapter, figures = adapt(encoder, Teacher(model), SPOKEN, kept, held, PLAN)
    assert figures.cosine_after > 0.8 > figures.cosine_before
    save_adapter(adapter, tmp_path / "adapter.safetensors")
    again = Adapter.load(tmp_path / "adapter.safetensors")
    put_adapter(model, again, encoder)
    with torch.inference_mode():
        vector = torch.from_numpy(encoder.encode([again.framed("beaming")]))
        np.testing.assert_allclose(
            model.style_of_text(vector)[0].numpy(), again.of_vector(vector[0].numpy()), atol=1e-4
        )
    quick = load_encoder(f"clip:{tiny_clip.TINY_QUICK}={tmp_path / 'w.safetensors'}")[0]
    with pytest.raises(TalkClipError, match="other activation"):
        put_adapter(model, again, quick)
    with pytest.raises(TalkClipError, match="not on"):
        put_adapter(model, again, WordEncoder())


def test_public_weights_learn_to_read_prompts() -> None:
    model = tiny_model("paper")
    model.text_style = None
    teacher = Teacher(model, matrix())
    adapter, figures = trained(teacher, WordEncoder())
    assert figures.cosine_after > 0.7 > 0.2 > figures.cosine_before and adapter.space == "bfm64"
    put_adapter(model, adapter, WordEncoder())
    codes = teacher.codes_of_clips([played_direction(row) for row in made_directions()[:8]], SPOKEN[:1] * 8)
    with torch.inference_mode():
        given = model.style_of_text(torch.from_numpy(WordEncoder().encode([adapter.framed("beaming")])))
    # The scale matters: the code is added to the decoder's query.
    assert 0.7 < float(given.norm()) / np.linalg.norm(codes, axis=1).mean() < 1.4


def test_performances_arrive_at_the_decoders_own_rate_and_space() -> None:
    model = tiny_model("paper")
    teacher = Teacher(model, matrix())
    clip = teacher._clip(SPOKEN[0], NEUTRAL)
    n = len(SPOKEN[0].mouth)
    assert clip.shape == (round(n * 30 / 25), 64) and model.config.fps == 30
    performance = act(SPOKEN[0], NEUTRAL.condition) @ matrix()
    np.testing.assert_allclose(clip[::6][:10], performance[::5][:10], atol=1e-4)


def test_batches_of_unequal_lines_change_no_code(arkit: Teacher) -> None:
    played = [played_direction(row) for row in made_directions()[:3]]
    long = made_spoken(5, 20)
    together = arkit.codes_of_clips(played, [SPOKEN[0], long, SPOKEN[1]])
    alone = arkit.codes_of_clips(played[:1], [SPOKEN[0]])
    np.testing.assert_allclose(together[:1], alone, atol=1e-5)


def test_too_little_time_is_told(arkit: Teacher) -> None:
    with pytest.raises(InputError, match="--minutes"):
        trained(arkit, WordEncoder(), AdaptPlan(minutes=1e-9))


def test_a_decoder_of_another_space_needs_a_map() -> None:
    with pytest.raises(InputError, match="needs a map") as error:
        Teacher(tiny_model("paper"))
    assert "--map" in error.value.hint and "(52, 64)" in error.value.hint
    with pytest.raises(InputError, match=r"\(52, 3\)"):
        Teacher(tiny_model("paper"), np.zeros((52, 3), np.float32))


def test_maps_and_weights_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "good.npz", matrix=matrix())
    assert read_matrix(tmp_path / "good.npz", "bfm64").shape == (52, 64)
    np.savez(tmp_path / "other.npz", m=matrix())
    np.savez(tmp_path / "nan.npz", matrix=np.full((52, 64), np.nan))
    (tmp_path / "text.npz").write_text("no map")
    for name in ("other.npz", "nan.npz", "text.npz", "nowhere.npz"):
        with pytest.raises(InputError, match=r"map|npz"):
            read_matrix(tmp_path / name, "bfm64")
    save_model(tiny_model(), tmp_path / "arkit.safetensors")
    with pytest.raises(InputError, match="speaks arkit52, not bfm64"):
        load_teacher(tmp_path / "arkit.safetensors", "bfm64", tmp_path / "good.npz")
    with pytest.raises(InputError, match="no such file"):
        load_teacher(tmp_path / "nowhere.pth", "bfm64", None)
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="model_state_dict"):
        load_teacher(tmp_path / "other.pth", "bfm64", None)


def test_public_files_are_told_apart(tmp_path: Path) -> None:
    from talkclip.engine.models.nets.checkpoints import public_places

    np.savez(tmp_path / "map.npz", matrix=matrix())
    from talkclip.engine.models.config import paper

    model = TalkClipModel(paper())
    state = {key: tensor.detach().reshape(shape) for key, (tensor, shape) in public_places(model).items()}
    torch.save({"model_state_dict": state}, tmp_path / "styletalk.pth")
    teacher = load_teacher(tmp_path / "styletalk.pth", "bfm64", tmp_path / "map.npz")
    assert teacher.config == paper() and teacher.codes_of_poses([NEUTRAL]) is None


def test_other_names_of_encoders_are_refused() -> None:
    with pytest.raises(InputError, match="no text encoder 'bert'"):
        load_encoder("bert")


def test_the_bundled_line_is_aligned() -> None:
    spoken = bundled_line()
    assert 6 < spoken.phones.duration_s < 12 and spoken.mouth.max() > 0.3 and spoken.accents.max() > 0.9


@pytest.mark.slow
def test_the_command_from_end_to_end(tmp_path: Path) -> None:
    save_model(tiny_model(), tmp_path / "tiny.safetensors")
    out = tmp_path / "adapter.safetensors"
    done = talkclip(
        "adapt",
        "--text-encoder",
        "minilm",
        "--checkpoint",
        tmp_path / "tiny.safetensors",
        "--minutes",
        "1",
        "-o",
        out,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(Adapter.load(out).notes["figures"])
    # A quick machine reads all directions in time; where the time was too short, that is said.
    assert "unseen families" in done.stderr and ("left out" in done.stderr or figures["seconds"] < 120)
    # How many directions fit into 24 seconds depends on the machine; that it learns does not.
    assert figures["cosine_after"] > figures["cosine_before"] + 0.05
