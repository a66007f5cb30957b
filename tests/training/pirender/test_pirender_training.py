"""PIRenderer's training in small: moving blobs instead of faces, random VGG features behind the test switch."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from scipy.io import savemat

torch = pytest.importorskip("torch")

from talkclip.engine.models.nets.pirender.checkpoint import load_generator  # noqa: E402
from talkclip.errors import InputError  # noqa: E402
from talkclip_training.pirender.config import load_render_config  # noqa: E402
from talkclip_training.pirender.data import FilmedClip, Pairs, read_clips, split  # noqa: E402
from talkclip_training.pirender.losses import PictureLoss  # noqa: E402
from talkclip_training.pirender.train import CHECKPOINT, WEIGHTS, run_pirender  # noqa: E402
from talkclip_training.pirender.vgg import TEST_SWITCH, Vgg19, _published, load_vgg  # noqa: E402
from tests.support.command import talkclip  # noqa: E402

CONFIG = """
[run]
steps = {steps}
warp_steps = {warp_steps}
pairs = 2
size = 64
width = 0.125
rate = 0.0005
decay_ema = 0.9
held_pairs = 6
every = {every}
[loss]
scales = 2
style = 10.0
"""


def silent(done: float, news: str) -> None:
    """Nobody listens."""


@pytest.fixture(autouse=True)
def random_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TEST_SWITCH, "1")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people: a bright blob each, that goes where the first two coefficients say."""
    folder = tmp_path_factory.mktemp("faces")
    for person in range(4):
        rng = np.random.default_rng(person)
        places = rng.uniform(-1, 1, (12, 2))
        exp = np.zeros((12, 64), np.float32)
        exp[:, :2] = places
        rest = {name: np.zeros((12, 3), np.float32) for name in ("angle", "trans", "crop")}
        np.savez(folder / f"P{person}_walk.npz", exp=exp, **rest)
        (folder / f"P{person}_walk").mkdir()
        for frame, (x, y) in enumerate(places):
            picture = np.full((32, 32, 3), 40 + 20 * person, np.uint8)
            cv2.circle(picture, (round(16 + 8 * x), round(16 + 8 * y)), 6, (230, 120, 60 * person), -1)
            cv2.imwrite(str(folder / f"P{person}_walk" / f"{frame:03d}.png"), picture)
    return folder


def config(folder: Path, steps: int = 12, warp_steps: int = 6, every: int = 3) -> Path:
    path = folder / f"run{steps}.toml"
    path.write_text(CONFIG.format(steps=steps, warp_steps=warp_steps, every=every))
    return path


def rows(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_what_was_held_out_is_drawn_better_with_every_stage(data: Path, tmp_path: Path) -> None:
    said: list[str] = []
    weights = run_pirender(
        config(tmp_path, 100, 40, 10), data, Path("random"), tmp_path / "run", False, lambda _, news: said.append(news)
    )
    log = rows(tmp_path / "run")
    warped = [row for row in log if "final" not in row]
    assert warped[-1]["held_warp"] < warped[0]["held_warp"] and len(warped) == 4
    # The editing network only starts in the second stage.
    assert warped[-1]["held_final"] > 0.9 * warped[0]["held_final"]
    assert log[-1]["held_final"] < 0.9 * warped[-1]["held_final"] and log[-1]["held_l1"] < 0.8 * warped[-1]["held_l1"]
    assert "4 clips of 4 people, 1 clips held out" in said[0]
    assert (tmp_path / "run" / "log.png").stat().st_size > 1000
    # What was trained goes the way of the public files.
    assert load_generator(weights).warpping_net.hourglass.encoder.input_layer.weight.shape[0] == 4


def test_a_resumed_run_is_the_same_run(data: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run_pirender(config(tmp_path, 6, 3), data, Path("random"), whole, False, silent)
    # Interrupted exactly where the optimiser starts anew.
    run_pirender(config(tmp_path, 3, 3), data, Path("random"), parts, False, silent)
    run_pirender(config(tmp_path, 6, 3), data, Path("random"), parts, True, silent)
    for name in ("net_G", "net_G_ema"):
        one, other = (torch.load(out / CHECKPOINT, weights_only=True)[name] for out in (whole, parts))
        assert all(torch.equal(one[key], other[key]) for key in one)
    with pytest.raises(InputError, match="already"):
        run_pirender(config(tmp_path, 6, 3), data, Path("random"), parts, True, silent)
    with pytest.raises(InputError, match="holds a run"):
        run_pirender(config(tmp_path, 6, 3), data, Path("random"), parts, False, silent)
    with pytest.raises(InputError, match="no run to resume"):
        run_pirender(config(tmp_path, 6, 3), data, Path("random"), tmp_path / "new", True, silent)
    (parts / CHECKPOINT).write_bytes(b"broken")
    with pytest.raises(InputError, match="cannot be read"):
        run_pirender(config(tmp_path, 9, 3), data, Path("random"), parts, True, silent)


def test_the_first_stage_leaves_the_editing_alone(data: Path, tmp_path: Path) -> None:
    weights = run_pirender(config(tmp_path, 2, 2, 1), data, Path("random"), tmp_path / "run", False, silent)
    state = torch.load(weights, weights_only=True)["net_G_ema"]
    biases = {name: float(t.abs().max()) for name, t in state.items() if name.endswith("bias")}
    assert all(value == 0 for name, value in biases.items() if name.startswith("editing_net"))
    assert any(value > 0 for name, value in biases.items() if name.startswith("warpping_net"))


# Data --------------------------------------------------------------------------------------------------------------


def test_each_is_drawn_from_the_other(data: Path, tmp_path: Path) -> None:
    clips = read_clips(data, tmp_path, 32)
    batch = Pairs(clips, 32, 3, 5, 0)[4]
    assert torch.equal(batch.portrait[:3], batch.wanted[3:]) and torch.equal(batch.wanted[:3], batch.portrait[3:])
    again = Pairs(clips, 32, 3, 5, 0)[4]
    assert torch.equal(batch.motion, again.motion)
    # The middle of the window says where the blob of the wanted picture is.
    for picture, motion in zip(batch.wanted, batch.motion, strict=True):
        bright = (picture[2] > 0.7).nonzero().float().mean(0).flip(0)
        assert torch.allclose(bright, 16 + 8 * motion[:2, 13], atol=1.0)


def test_windows_hold_their_ends() -> None:
    motion = np.arange(5, dtype=np.float32)[:, None] * np.ones((1, 73), np.float32)
    window = FilmedClip("a", "a", (), motion).window(1)
    assert window.shape == (73, 27) and window[0].tolist() == [0.0] * 13 + [1, 2, 3] + [4.0] * 11


def test_people_are_held_out_whole(data: Path, tmp_path: Path) -> None:
    learned, held = split(read_clips(data, tmp_path, 32), 2)
    assert {c.person for c in held} == {"P1", "P3"} and {c.person for c in learned} == {"P0", "P2"}
    with pytest.raises(InputError, match="somebody else"):
        split(learned[:1], 2)


def test_coefficients_of_deep3dfacerecon(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    coeff = np.arange(257, dtype=np.float32)[None] * np.ones((4, 1), np.float32)
    params = np.array([[256, 256, 0.9, 127, 129]] * 4, np.float32)
    savemat(folder / "id1#talk.mat", {"coeff": coeff, "transform_params": params})
    with av.open(str(folder / "id1#talk.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for shade in (0, 80, 160, 240):
            picture = np.full((64, 64, 3), shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    (clip,) = read_clips(folder, tmp_path / "pictures", 32)
    assert clip.person == "id1" and len(clip.pictures) == 4
    assert clip.motion[0, [0, 63, 64, 66, 67, 69]].tolist() == [80, 143, 224, 226, 254, 256]
    assert clip.motion[0, 70:] == pytest.approx([0.9, 127, 129])
    assert cv2.imread(str(clip.pictures[2])).mean() == pytest.approx(160, abs=4)
    stamp = clip.pictures[0].stat().st_mtime_ns
    read_clips(folder, tmp_path / "pictures", 32)
    assert clip.pictures[0].stat().st_mtime_ns == stamp


def test_all_unusable_clips_are_named_at_once(tmp_path: Path) -> None:
    np.savez(tmp_path / "A_1.npz", motion=np.zeros((5, 73)))
    np.savez(tmp_path / "B_1.npz", motion=np.zeros((5, 64)))
    np.savez(tmp_path / "C_1.npz", exp=np.zeros((5, 64)))
    (tmp_path / "D_1.npz").write_bytes(b"nothing")
    with pytest.raises(InputError) as caught:
        read_clips(tmp_path, tmp_path / "pictures", 32)
    message = caught.value.message
    for part in ("neither a folder of pictures nor a video", "expected (T, 73)", "angle", "D_1.npz: cannot be read"):
        assert part in message


# The judge ---------------------------------------------------------------------------------------------------------


def test_features_are_those_of_the_published_network() -> None:
    models = pytest.importorskip("torchvision.models")
    theirs = models.vgg19(weights=None).features.eval()
    ours = Vgg19()
    published = {name.removeprefix("features."): t for name, t in theirs.state_dict(prefix="features.").items()}
    ours.features.load_state_dict({k: published[k] for k in ours.features.state_dict()})
    picture = torch.rand(1, 3, 32, 32) * 2 - 1
    x = (0.5 * (picture + 1) - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor(
        [0.229, 0.224, 0.225]
    )[:, None, None]
    wanted = []
    with torch.no_grad():
        for number, layer in enumerate(theirs):
            x = layer(x) if not isinstance(layer, torch.nn.ReLU) else torch.relu(x)
            if number in (1, 6, 11, 20, 29):
                wanted.append(x.clone())
        made = ours(picture)
    for one, other in zip(made, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def published_file(path: Path, change: str = "") -> Path:
    """Every published name and shape; the tensors repeat one number, so that the file is small."""
    state = {name: torch.full((1,), 0.1).expand(shape) for name, shape in _published().items()}
    if change == "drop":
        del state["features.28.bias"]
    elif change == "add":
        state["more"] = torch.zeros(1)
    elif change == "shape":
        state["features.0.weight"] = torch.zeros(64, 3, 5, 5)
    torch.save(state, path)
    return path


def test_the_published_file_loads_strictly(tmp_path: Path) -> None:
    loaded = load_vgg(published_file(tmp_path / "vgg.pth"))
    assert len(loaded.features) == 13 and not any(p.requires_grad for p in loaded.parameters())
    for change, expected in (
        ("drop", r"missing features\.28\.bias"),
        ("add", "unexpected more"),
        ("shape", "not \\(64, 3"),
    ):
        with pytest.raises(InputError, match=expected):
            load_vgg(published_file(tmp_path / "vgg.pth", change))


def test_without_the_weights_nothing_is_trained(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TEST_SWITCH)
    for vgg in ("random", str(tmp_path / "vgg19.pth")):
        done = talkclip(
            "train", "pirender", "--config", config(tmp_path), "--data", data, "--vgg", vgg, "--out", tmp_path / "run"
        )
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1
        assert "vgg19-dcbb9e9d.pth" in done.stderr and "download.pytorch.org" in done.stderr
        assert not (tmp_path / "run").exists()


def test_equal_pictures_cost_nothing_and_texture_counts() -> None:
    compare = PictureLoss(load_vgg("random"), 2)
    picture = torch.rand(1, 3, 32, 32) * 2 - 1
    truth = compare.truth(picture)
    assert [float(v) for v in compare(picture, truth)] == [0, 0]
    perceptual, style = compare(picture.flip(3), truth)
    blurred = torch.nn.functional.avg_pool2d(picture, 3, 1, 1)
    assert perceptual > 0 and compare(blurred, truth)[1] > 3 * style


def test_mistakes_of_a_configuration_are_named_together(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[run]\nsize = 40\nwidth = 0.3\nrate = 2.0\n[loss]\nscales = 9\n[model]\n")
    with pytest.raises(InputError) as caught:
        load_render_config(path)
    for part in ("size is 40", "width is 0.3", "rate is 2.0", "scales is 9", "unknown table [model]"):
        assert part in caught.value.message
    path.write_text("[run]\nsize = 96\n")
    with pytest.raises(InputError, match="VGG-19 needs 16"):
        load_render_config(path)


def test_the_committed_configurations_are_readable() -> None:
    root = Path(__file__).resolve().parents[3] / "training" / "configs"
    paper = load_render_config(root / "pirender.toml").run
    assert (paper.steps, paper.warp_steps, 2 * paper.pairs, paper.width, paper.size) == (400_000, 200_000, 20, 1.0, 256)
    assert load_render_config(root / "pirender_small.toml").run.size == 96
    assert WEIGHTS.endswith(".pt")
