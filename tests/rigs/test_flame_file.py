"""The user's FLAME file is read without running anything in it; a wrong one is named.

The file is synthetic (`tests/support/synthetic_flame.py`), spelled as the official one.
"""

from __future__ import annotations

import io
import os
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from talkclip.engine.flame_embedding import EMBEDDING_NAME, embedded_landmarks
from talkclip.errors import InputError
from talkclip_rigs.flame import FlameModel
from talkclip_rigs.flame_file import load_flame_model
from tests.support.synthetic_flame import SyntheticFlame


def test_pickle_and_npz_hold_the_same_model(synthetic: SyntheticFlame, model: FlameModel, tmp_path: Path) -> None:
    other = load_flame_model(synthetic.write_npz(tmp_path / "my flame.npz"))
    for name in (
        "template",
        "triangles",
        "shape_basis",
        "expression_basis",
        "pose_basis",
        "joint_regressor",
        "skinning",
    ):
        np.testing.assert_array_equal(getattr(model, name), getattr(other, name))
    assert model.template.shape == (5023, 3) and model.triangles.shape == (9976, 3)
    np.testing.assert_allclose(model.expression_basis, synthetic.arrays["shapedirs"][..., 300:])
    np.testing.assert_allclose(model.joint_regressor, synthetic.arrays["J_regressor"].toarray(), rtol=1e-6)


def test_the_test_file_is_spelled_as_the_official_one(model_file: Path) -> None:
    """Python 2 strings, chumpy and scipy by their old names: otherwise reading it proves nothing."""
    opcodes = [(op.name, arg) for op, arg, _ in pickletools.genops(model_file.read_bytes())]
    named = {arg for name, arg in opcodes if name == "GLOBAL"}
    assert {
        "chumpy.ch Ch",
        "chumpy.reordering Select",
        "numpy.core.multiarray _reconstruct",
        "__builtin__ set",
    } <= named
    assert any(name.startswith("scipy.sparse") for name in named)
    assert "BINSTRING" in {name for name, _ in opcodes} and "BINBYTES" not in {name for name, _ in opcodes}


class _Runs:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 5])
@pytest.mark.parametrize("spelling", ["system", "eval", "import", "numpy", "getattr", "chumpy"])
def test_a_pickle_that_runs_code_is_refused_before_it_runs(spelling: str, protocol: int, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    code = f"open({str(marker)!r}, 'w')"
    payload = {
        "system": _Runs(os.system, f"echo > {marker}"),
        "eval": _Runs(eval, code),
        "import": _Runs(__import__, "antigravity"),
        "numpy": _Runs(np.load, str(marker)),
        "getattr": _Runs(getattr, [], "append"),
        "chumpy": _Runs(exec, code),
    }[spelling]
    harmless = {"v_template": np.zeros((5, 3)), "extra": payload}
    path = tmp_path / "generic_model.pkl"
    path.write_bytes(pickle.dumps(harmless, protocol=protocol))
    with pytest.raises(InputError, match="refused") as caught:
        load_flame_model(path)
    assert "generic_model.pkl" in caught.value.message
    assert not marker.exists()


def test_a_module_inside_chumpy_is_never_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "chumpy").mkdir()
    (tmp_path / "chumpy" / "__init__.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "model.pkl"
    path.write_bytes(b"cchumpy.evil\nrun\n(S'x'\ntR.")
    with pytest.raises(InputError):
        load_flame_model(path)


def test_reconstructor_and_codecs_cannot_be_borrowed(tmp_path: Path) -> None:
    for content in (
        b"ccopy_reg\n_reconstructor\n(cnumpy\nndarray\nc__builtin__\nobject\nNtR.",
        b"c_codecs\nencode\n(S'x'\nS'zip'\ntR.",
    ):
        path = tmp_path / "model.pkl"
        path.write_bytes(content)
        with pytest.raises(InputError, match="refused"):
            load_flame_model(path)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"weights": None}, "no 'weights'"),
        ({"shapedirs": np.zeros((5023, 3, 10), np.float32)}, r"'shapedirs' is \(5023, 3, 10\)"),
        ({"v_template": np.zeros((6890, 3)), "shapedirs": np.zeros((6890, 3, 10))}, r"'shapedirs' is \(6890, 3, 10\)"),
        ({"v_template": np.zeros(7)}, r"'v_template' is \(7,\)"),
        ({"posedirs": np.full((5023, 3, 36), np.nan)}, "'posedirs' holds values that are not numbers"),
        ({"f": np.full((9976, 3), 9999)}, "vertices that do not exist"),
        ({"f": np.zeros((9976, 4), int)}, r"'f' is \(9976, 4\)"),
        ({"kintree_table": np.array([[-1, 0, 1, 2, 3], [0, 1, 2, 3, 4]])}, "joints hang together"),
        ({"weights": np.full((5023, 5), "x")}, "'weights' is .*, not numbers"),
    ],
)
def test_wrong_arrays_are_named(synthetic: SyntheticFlame, tmp_path: Path, changes: dict, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        load_flame_model(synthetic.write_npz(tmp_path / "model.npz", **changes))
    assert "flame.is.tue.mpg.de" in caught.value.hint


def test_wrong_files_are_named(model_file: Path, tmp_path: Path) -> None:
    def written(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    half = model_file.read_bytes()[:200_000]
    buffer = io.BytesIO()
    np.savez(buffer, some=np.zeros(3))
    for path in (
        tmp_path / "missing.pkl",
        tmp_path,
        written("empty.pkl", b""),
        written("truncated.pkl", half),
        written("text.pkl", b"FLAME model goes here"),
        written("picture.pkl", b"\x89PNG\r\n\x1a\n" + bytes(400)),
        written("list.pkl", pickle.dumps([1, 2, 3])),
        written("other.npz", buffer.getvalue()),
        written("cut.npz", buffer.getvalue()[:-30]),
    ):
        with pytest.raises(InputError) as caught:
            load_flame_model(path)
        assert str(path) in caught.value.message
        assert "generic_model.pkl" in caught.value.hint


def test_a_wrong_landmark_file_is_named(model: FlameModel, tmp_path: Path) -> None:
    path = tmp_path / EMBEDDING_NAME
    path.write_bytes(pickle.dumps({"lmk_face_idx": np.arange(10), "lmk_b_coords": np.zeros((10, 3))}))
    with pytest.raises(InputError, match="no landmark embedding"):
        embedded_landmarks(path, model)
