"""Reading the user's FLAME model file: the official pickle, or an npz of the same arrays.

The official file is a Python 2 pickle that refers to chumpy and scipy classes. A pickle can run any code when it is
loaded, so this reader knows a short list of harmless names (numpy arrays, stand-ins for chumpy and sparse matrices)
and refuses the file at the first other name, before anything of it runs.
"""

from __future__ import annotations

import collections
import hashlib
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from talkclip.errors import InputError
from talkclip.files import unreadable
from talkclip_rigs.flame import JOINTS, N_EXPRESSION, N_SHAPE, FlameModel

MAX_BYTES: Final = 1 << 30
WHERE_FROM: Final = (
    "Give FLAME's generic_model.pkl (or the female/male model) of flame.is.tue.mpg.de, downloaded under its licence, "
    "or an npz of the same arrays."
)
KEYS: Final = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")


def load_flame_model(path: str | Path) -> FlameModel:
    """Read a FLAME model.

    Args:
        path: `.pkl` as published, or `.npz` with arrays named as in the pickle (`KEYS`).

    Raises:
        InputError: missing or unreadable file, a pickle with anything but arrays, arrays that are not FLAME's.
    """
    where = Path(path)
    content = _content(where)
    return _checked_model(_arrays(content, where, KEYS), where, hashlib.sha256(content).hexdigest())


def load_arrays(path: str | Path, keys: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Those of the named numeric arrays that a pickle or npz of FLAME's makers holds, read as safely as the model.

    Raises:
        InputError: missing or unreadable file, a pickle with anything but arrays.
    """
    where = Path(path)
    found = _arrays(_content(where), where, keys)
    try:
        return {key: _plain(value, key) for key, value in found.items()}
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{where}: an array cannot be used ({error}).", WHERE_FROM) from None


def _content(where: Path) -> bytes:
    try:
        if where.stat().st_size > MAX_BYTES:
            raise InputError(f"{where}: is too large for a FLAME model.", WHERE_FROM)
        content = where.read_bytes()
    except OSError as error:
        raise unreadable(where, error, WHERE_FROM) from None
    if not content:
        raise InputError(f"{where}: is empty.", WHERE_FROM)
    return content


def _arrays(content: bytes, where: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    if zipfile.is_zipfile(io.BytesIO(content)):
        return _npz_arrays(content, where, keys)
    return _pickled_arrays(content, where, keys)


def _npz_arrays(content: bytes, where: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            return {key: archive[key] for key in keys if key in archive.files}
    except (ValueError, OSError, zipfile.BadZipFile, EOFError, KeyError) as error:
        raise InputError(f"{where}: is no readable npz ({error}).", WHERE_FROM) from None


def _pickled_arrays(content: bytes, where: Path, keys: tuple[str, ...]) -> dict[str, Any]:
    try:
        loaded = _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
    except _ForbiddenNameError as error:
        raise InputError(
            f"{where}: refused. It asks to run '{error}', which no FLAME model needs.",
            "Do not open this file elsewhere; " + WHERE_FROM[0].lower() + WHERE_FROM[1:],
        ) from None
    except (
        pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, KeyError, TypeError, ValueError,
        MemoryError, OverflowError, RecursionError,
    ) as error:  # fmt: skip
        raise InputError(f"{where}: is no readable model file ({type(error).__name__}: {error}).", WHERE_FROM) from None
    if not isinstance(loaded, dict):
        raise InputError(f"{where}: holds a {type(loaded).__name__}, not a FLAME model.", WHERE_FROM)
    return {key: loaded[key] for key in keys if key in loaded}


class _ForbiddenNameError(Exception):
    """A pickle asks for a name outside the list."""


class _ChumpyStandIn:
    """What a chumpy object leaves behind: its state, whose `x` is the plain array."""

    def __init__(self, *_: object) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: object) -> None:
        self.state = state if isinstance(state, dict) else {}


class _SelectStandIn(_ChumpyStandIn):
    """chumpy's slice of another object: `a` flattened, at `idxs`, in `preferred_shape`."""


class _SparseStandIn:
    """What a scipy sparse matrix leaves behind: its compressed columns or rows."""

    by_column = True

    def __init__(self, *_: object) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: object) -> None:
        if isinstance(state, tuple):  # (dict, slots)
            state = state[0]
        self.state = state if isinstance(state, dict) else {}

    def toarray(self) -> NDArray[np.float64]:
        """Dense (rows, columns)."""
        rows, columns = (int(n) for n in self.state.get("_shape") or self.state["shape"])
        if rows * columns > MAX_BYTES // 8:
            raise ValueError("a sparse matrix is too large")
        major = columns if self.by_column else rows
        start = np.asarray(self.state["indptr"], dtype=np.int64)
        minor = np.asarray(self.state["indices"], dtype=np.int64)
        dense = np.zeros((major, rows if self.by_column else columns))
        dense[np.repeat(np.arange(major), np.diff(start)), minor] = np.asarray(self.state["data"], dtype=np.float64)
        return dense.T if self.by_column else dense


class _RowSparseStandIn(_SparseStandIn):
    by_column = False


def _reconstructor(cls: type, base: type, state: object) -> object:
    """`copyreg._reconstructor` for our stand-ins only."""
    if not (issubclass(cls, (_ChumpyStandIn, _SparseStandIn)) and base is object):
        raise _ForbiddenNameError("copyreg._reconstructor")
    return cls()


def _latin1_bytes(text: str, encoding: str) -> bytes:
    """`_codecs.encode` as pickles of protocol 2 use it to spell bytes."""
    if encoding != "latin1":
        raise _ForbiddenNameError(f"_codecs.encode {encoding}")
    return text.encode("latin1")


def _array_from_buffer(buffer: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], order: str) -> NDArray[Any]:
    """numpy's protocol-5 reconstruction of a contiguous array."""
    flat = np.frombuffer(buffer, dtype=dtype)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _allowed_names() -> dict[tuple[str, str], Any]:
    # numpy's own functions, taken from what it pickles with: their module paths differ between versions.
    reconstruct: Callable[..., Any] = np.zeros(1).__reduce__()[0]  # type: ignore[assignment]
    scalar: Callable[..., Any] = np.float64(0).__reduce__()[0]  # type: ignore[assignment]
    names: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): _latin1_bytes,
        ("collections", "OrderedDict"): collections.OrderedDict,
    }
    for core in ("numpy.core", "numpy._core"):
        names[f"{core}.multiarray", "_reconstruct"] = reconstruct
        names[f"{core}.multiarray", "scalar"] = scalar
        names[f"{core}.numeric", "_frombuffer"] = _array_from_buffer
    for module in ("copy_reg", "copyreg"):
        names[module, "_reconstructor"] = _reconstructor
    for module in ("__builtin__", "builtins"):
        names[module, "object"] = object
        names[module, "set"], names[module, "frozenset"] = set, frozenset  # chumpy's notes on what has changed
    for module in ("", "_"):
        for kind, stand_in in (("csc", _SparseStandIn), ("csr", _RowSparseStandIn)):
            for suffix in ("matrix", "array"):
                names[f"scipy.sparse.{module}{kind}", f"{kind}_{suffix}"] = stand_in
    return names


class _ArrayUnpickler(pickle.Unpickler):
    """Loads arrays and nothing else."""

    _names: Final = _allowed_names()

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """The harmless object behind a name; chumpy's classes, which hold arrays, become stand-ins."""
        if module_name == "chumpy" or module_name.startswith("chumpy."):
            return _SelectStandIn if global_name == "Select" else _ChumpyStandIn
        try:
            return self._names[module_name, global_name]
        except KeyError:
            raise _ForbiddenNameError(f"{module_name}.{global_name}") from None


def _checked_model(arrays: dict[str, Any], where: Path, sha256: str) -> FlameModel:
    missing = [key for key in KEYS if key not in arrays]
    if missing:
        found = f"only {', '.join(arrays)}" if arrays else "none of a FLAME model's arrays"
        raise InputError(f"{where}: has no '{missing[0]}'; it holds {found}.", WHERE_FROM)
    try:
        plain = {key: _plain(value, key) for key, value in arrays.items()}
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise InputError(f"{where}: an array cannot be used ({error}).", WHERE_FROM) from None
    _check_shapes(plain, where)
    parents = tuple(
        -1 if index < 0 or index >= len(JOINTS) else int(index) for index in _signed(plain["kintree_table"][0])
    )
    if parents != (-1, 0, 1, 1, 1):
        raise InputError(f"{where}: joints hang together as {parents}, not as FLAME's neck, jaw and eyes.", WHERE_FROM)
    single = {
        key: np.ascontiguousarray(plain[key], dtype=np.float32) for key in KEYS if key not in ("f", "kintree_table")
    }
    for key, array in single.items():
        if not np.isfinite(array).all():
            raise InputError(f"{where}: '{key}' holds values that are not numbers.", WHERE_FROM)
    return FlameModel(
        template=single["v_template"],
        triangles=np.ascontiguousarray(plain["f"], dtype=np.int32),
        shape_basis=np.ascontiguousarray(single["shapedirs"][..., :N_SHAPE]),
        expression_basis=np.ascontiguousarray(single["shapedirs"][..., N_SHAPE : N_SHAPE + N_EXPRESSION]),
        pose_basis=single["posedirs"],
        joint_regressor=single["J_regressor"],
        skinning=single["weights"],
        parents=parents,
        sha256=sha256,
    )


def _plain(value: Any, key: str, depth: int = 4) -> NDArray[Any]:
    """An array out of an array, a stand-in, or nested stand-ins."""
    if isinstance(value, _SelectStandIn) and depth:
        whole = _plain(value.state["a"], key, depth - 1)
        chosen = whole.ravel()[np.asarray(value.state["idxs"])]
        return np.asarray(chosen.reshape(value.state["preferred_shape"]))
    if isinstance(value, _ChumpyStandIn) and depth:
        if "x" not in value.state:
            raise ValueError(f"'{key}' is a chumpy expression, not a stored array")
        return _plain(value.state["x"], key, depth - 1)
    array = np.asarray(value.toarray() if isinstance(value, _SparseStandIn) else value)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"'{key}' is {array.dtype}, not numbers")
    return array


def _signed(row: NDArray[Any]) -> NDArray[np.int64]:
    """Parent indices; the root's is stored as 2^32 - 1 in the official file."""
    return row.astype(np.float64).astype(np.int64)


def _check_shapes(arrays: dict[str, NDArray[Any]], where: Path) -> None:
    vertices = arrays["v_template"].shape[0] if arrays["v_template"].ndim == 2 else 0
    joints = len(JOINTS)
    wanted = {
        "v_template": (vertices, 3),
        "shapedirs": (vertices, 3, N_SHAPE + N_EXPRESSION),
        "posedirs": (vertices, 3, 9 * (joints - 1)),
        "J_regressor": (joints, vertices),
        "weights": (vertices, joints),
        "kintree_table": (2, joints),
    }
    for key, shape in wanted.items():
        if arrays[key].shape != shape:
            raise InputError(
                f"{where}: '{key}' is {arrays[key].shape}; FLAME's is {shape if vertices else '(5023, 3)'}.", WHERE_FROM
            )
    triangles = arrays["f"]
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.dtype.kind not in "iu":
        raise InputError(
            f"{where}: 'f' is {triangles.shape} {triangles.dtype}; FLAME's is (9976, 3) integers.", WHERE_FROM
        )
    if triangles.size == 0 or triangles.min() < 0 or triangles.max() >= vertices:
        raise InputError(f"{where}: 'f' points at vertices that do not exist.", WHERE_FROM)
