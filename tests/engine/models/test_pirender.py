"""PIRenderer against outputs of the released modules under a fixed recipe of weights, and strict loading.

`data/golden_pirender.npz` is a cut of a larger file: the portrait is kept as the 16 x 16 grid that it was upsampled
from (bilinear), warp and picture as every fourth pixel; code and flow are whole.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from talkclip.engine.models.nets.pirender.checkpoint import load_generator  # noqa: E402
from talkclip.engine.models.nets.pirender.export import export_generator  # noqa: E402
from talkclip.engine.models.nets.pirender.generator import Generator  # noqa: E402
from talkclip.errors import InputError  # noqa: E402

GOLDEN = Path(__file__).parent / "data" / "golden_pirender.npz"
pytestmark = pytest.mark.slow


def recipe(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Weights that every implementation can make: noise seeded by the tensor's name."""
    noise = np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    per_channel = len(shape) == 1 or (len(shape) == 3 and shape[1:] == (1, 1))
    if per_channel:
        return np.asarray(1 + 0.05 * noise if name.endswith(".weight") else 0.05 * noise, np.float32)
    return np.asarray(noise / np.sqrt(np.prod(shape[1:])), np.float32)


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.set_num_threads(1)
    made = Generator().eval()
    made.load_state_dict({n: torch.from_numpy(recipe(n, tuple(t.shape))) for n, t in made.state_dict().items()})
    return made


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(GOLDEN) as archive:
        data = {key: archive[key] for key in archive.files}
    grid = torch.from_numpy(data["portrait_16"])[None]
    data["portrait"] = torch.nn.functional.interpolate(grid, (256, 256), mode="bilinear", align_corners=False).numpy()
    return data


def test_outputs_equal_the_released_modules(generator: Generator, golden: dict[str, np.ndarray]) -> None:
    assert sum(p.numel() for p in generator.parameters()) == 22_519_109
    with torch.no_grad():
        made = generator(torch.from_numpy(golden["portrait"]), torch.from_numpy(golden["motion"])[None])
    for name, ours in (
        ("code", made.code[0]), ("flow", made.flow[0]), ("warped_every_4", made.warped[0, :, ::4, ::4]),
        ("picture_every_4", made.picture[0, :, ::4, ::4]),
    ):  # fmt: skip
        assert np.abs(ours.numpy() - golden[name]).max() < 1e-4, name


def test_the_dead_branch_has_no_say(generator: Generator, golden: dict[str, np.ndarray]) -> None:
    other = Generator().eval()
    state = generator.state_dict()
    dead = [name for name in state if ".conv1." in name or ".norm1." in name]
    assert sum(state[name].numel() for name in dead if "editing_net" in name) > 3_000_000
    other.load_state_dict({n: torch.randn_like(t) if n in dead else t for n, t in state.items()})
    code = torch.randn(1, 256)
    block, same = generator.editing_net.decoder.res2, other.editing_net.decoder.res2
    with torch.no_grad():
        x = torch.randn(1, 256, 8, 8)
        assert torch.equal(block(x, code), same(x, code))


@pytest.mark.parametrize(("wrap", "prefix"), [("net_G_ema", ""), ("net_G", "module.")])
def test_public_files_load_strictly(tmp_path: Path, generator: Generator, wrap: str, prefix: str) -> None:
    path = tmp_path / "renderer.pt"
    state = {prefix + name: tensor for name, tensor in generator.state_dict().items()}
    torch.save({wrap: state, "current_epoch": 3}, path)
    loaded = load_generator(path)
    for name, tensor in loaded.state_dict().items():
        assert torch.equal(tensor, generator.state_dict()[name])


@pytest.mark.parametrize(
    ("change", "expected"),
    [("drop", "is missing"), ("add", "is not ours"), ("shape", "not \\(3, 64, 7, 7\\)"), ("other", "net_G_ema")],
)
def test_files_that_do_not_fit_are_refused(tmp_path: Path, generator: Generator, change: str, expected: str) -> None:
    path = tmp_path / "renderer.pt"
    state = dict(generator.state_dict())
    last = "editing_net.decoder.final.model.0.weight"
    if change == "drop":
        del state[last]
    elif change == "add":
        state["more"] = torch.zeros(1)
    elif change == "shape":
        state[last] = torch.zeros(3, 64, 5, 5)
    torch.save({"other" if change == "other" else "net_G_ema": state}, path)
    with pytest.raises(InputError, match=expected):
        load_generator(path)


@pytest.mark.parametrize("content", [None, b"", b"not a checkpoint"])
def test_missing_and_damaged_files_say_where_to_get_one(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "renderer.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="RenYurui/PIRender"):
        load_generator(path)


def test_the_onnx_file_draws_the_same_picture(
    tmp_path: Path, generator: Generator, golden: dict[str, np.ndarray]
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    path = tmp_path / "renderer.onnx"
    export_generator(generator, path)
    session = onnxruntime.InferenceSession(str(path))
    (picture,) = session.run(None, {"portrait": golden["portrait"], "motion": golden["motion"][None]})
    assert np.abs(picture[0, :, ::4, ::4] - golden["picture_every_4"]).max() < 5e-4
