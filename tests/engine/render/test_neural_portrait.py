"""Prompt to PIRenderer video with stand-ins: a synthetic face basis, and a tiny network with PIRenderer's plugs.

The real weights and the Basel Face Model are the user's; that the real network draws what the released one draws is
proven in tests/engine/models/test_pirender.py.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from talkclip.coefficients import ARKIT52, CoefficientTrack, arkit_index
from talkclip.engine.bfm import solve_bfm_map
from talkclip.engine.render.head_renderer import HeadRenderer
from talkclip.engine.render.portrait.neural import NEUTRAL_POSE, NeuralRenderer, motion_window
from talkclip.engine.render.portrait.video import PortraitSettings, render_portrait
from talkclip.engine.tracking.face_model import face_model
from talkclip.engine.tracking.identity import identity_basis
from talkclip.errors import InputError
from talkclip_rigs.head import DefaultHead
from tests.support.command import talkclip

onnx = pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def bfm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `BFM_model_front.mat` whose "people" are the default head at another size, with shapes of its own mixed."""
    from talkclip.engine.bfm import _OURS

    head, model, rows = DefaultHead.load(), face_model(), identity_basis().skin_rows
    corners, shares = model.corners[list(_OURS)], model.shares[list(_OURS)]
    points = np.einsum("lkc,lk->lc", head.vertices[rows][corners], shares)
    moves = np.einsum("slkc,lk->slc", head.deltas[:, rows][:, corners], shares)
    mix = np.random.default_rng(4).standard_normal((64, 52)) * 0.3
    basis = np.tensordot(mix, moves, 1)
    path = tmp_path_factory.mktemp("models") / "BFM_model_front.mat"
    chin_first = np.arange(1, 69)[None]
    padded = np.concatenate([np.zeros((17, 3)), points * 9.0])
    shapes = np.concatenate([np.zeros((64, 17, 3)), basis * 9.0], 1)
    savemat(path, {"meanshape": padded.reshape(1, -1), "exBase": shapes.reshape(64, -1).T, "keypoints": chin_first})
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """picture = portrait, made brighter by the middle frame's first coefficient."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    numbers = [("start", [0, 0, 13]), ("end", [1, 1, 14]), ("axes", [0, 1, 2]), ("shape", [1, 1, 1, 1])]
    constants = [helper.make_tensor(n, onnx.TensorProto.INT64, [len(v)], v) for n, v in numbers]
    nodes = [
        helper.make_node("Slice", ["motion", "start", "end", "axes"], ["one"]),
        helper.make_node("Reshape", ["one", "shape"], ["bright"]),
        helper.make_node("Add", ["portrait", "bright"], ["picture"]),
    ]
    plugs = {
        "portrait": [1, 3, 256, 256], "motion": [1, 73, 27], "picture": [1, 3, 256, 256],
    }  # fmt: skip
    info = {name: helper.make_tensor_value_info(name, kind, shape) for name, shape in plugs.items()}
    graph = helper.make_graph(nodes, "tiny", [info["portrait"], info["motion"]], [info["picture"]], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path = tmp_path_factory.mktemp("models") / "pirender.onnx"
    onnx.save(model, str(path))
    return path


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("portraits") / "face.png"
    Image.fromarray(HeadRenderer(320).frame(np.zeros(52, np.float32))).save(path)
    return path


def track() -> CoefficientTrack:
    values = np.zeros((6, 52), np.float32)
    values[:, arkit_index("jawOpen")] = np.linspace(0, 0.8, 6)
    return CoefficientTrack("arkit52", ARKIT52, 25.0, values)


def test_shapes_come_back_from_the_face_model(bfm: Path) -> None:
    solved = solve_bfm_map(bfm)
    assert solved.expression.shape == (52, 64) and solved.residual < 0.35
    converted = solved.converted(track())
    assert converted.space == "bfm64" and converted.values.shape == (6, 64)
    assert np.abs(converted.values[0]).max() == 0 and np.abs(converted.values[5]).max() > 0.05


def test_windows_hold_their_ends() -> None:
    values = np.arange(5, dtype=np.float32)[:, None] * np.ones((1, 64), np.float32)
    window = motion_window(values, 2)
    assert window.shape == (73, 27)
    assert window[0].tolist() == [0.0] * 12 + [1, 2, 3] + [4.0] * 12
    assert window[64:, 0] == pytest.approx(NEUTRAL_POSE)


def test_the_motion_reaches_the_network(weights: Path, portrait: Path) -> None:
    with Image.open(portrait) as image:
        renderer = NeuralRenderer(np.asarray(image), weights)
    window = motion_window(np.zeros((1, 64), np.float32), 0)
    assert np.abs(renderer.frame(window).astype(int) - renderer.image).max() <= 1
    window[0, 13] = 0.5
    assert renderer.frame(window).mean() > renderer.image.mean() + 30


def test_a_track_becomes_a_video(weights: Path, bfm: Path, portrait: Path, tmp_path: Path) -> None:
    out = tmp_path / "line.mp4"
    settings = PortraitSettings(256, weights=str(weights), bfm=str(bfm))
    assert render_portrait(track(), portrait, out, settings=settings) == 6
    with av.open(str(out)) as container:
        assert len(list(container.decode(video=0))) == 6


@pytest.mark.parametrize(
    ("missing", "expected"),
    [("weights", "RenYurui/PIRender"), ("bfm", "faces.dmi.unibas.ch"), ("convert", "speaks bfm64")],
)
def test_what_is_missing_is_named_with_its_source(
    weights: Path, bfm: Path, portrait: Path, tmp_path: Path, missing: str, expected: str
) -> None:
    nowhere = str(tmp_path / "not here")
    settings = PortraitSettings(
        256, weights=nowhere if missing == "weights" else str(weights),
        bfm={"bfm": nowhere, "convert": ""}.get(missing, str(bfm)),
    )  # fmt: skip
    with pytest.raises(InputError, match=expected):
        render_portrait(track(), portrait, tmp_path / "a.mp4", settings=settings)
    assert list(tmp_path.iterdir()) == []


def test_prompt_to_pirenderer_is_one_command(weights: Path, bfm: Path, portrait: Path, tmp_path: Path) -> None:
    line = Path(__file__).resolve().parents[3] / "samples" / "line.flac"
    out = tmp_path / "line.mp4"
    done = talkclip(
        "render", line, "--prompt", "delighted", "--portrait", portrait, "--pirender", weights, "--bfm", bfm, "--fps",
        "5", "--size", "256", "-o", out,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert out.stat().st_size > 1000
