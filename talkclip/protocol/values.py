"""Python values <-> plain MessagePack values, driven by the type hints of dataclasses.

What may travel: str, int, float, bool, bytes, None, tuples of one type, float32 arrays, and dataclasses of these.
Reading is strict: every value is checked against its hint, numbers must be finite, arrays must hold exactly the bytes
their shape asks for. Nothing is ever executed, imported or opened because of what a message says.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import types
import typing
from collections.abc import Callable
from typing import Any

import numpy as np

from talkclip.errors import TalkClipError

MAX_TEXT = 65_536
MAX_ITEMS = 200_000
MAX_INT = 2**53  # what a JSON or JavaScript peer can hold exactly
_DTYPES = {"<f4": np.dtype("<f4")}
_MAX_DIMENSIONS = 4

Reader = Callable[[Any, str], Any]


class ProtocolError(TalkClipError):
    """A message breaks the protocol.

    Attributes:
        request_id: id of the request the bad message carried, "" when it could not be read.
    """

    code = "malformed"

    def __init__(self, message: str, hint: str = "", code: str | None = None, request_id: str = "") -> None:
        super().__init__(message, hint, code)
        self.request_id = request_id


@dataclasses.dataclass(frozen=True)
class Between:
    """Constraint of a number: low <= value <= high."""

    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Longest:
    """Constraint of a text, bytes or tuple: at most `length` characters, bytes or items."""

    length: int


@dataclasses.dataclass(frozen=True)
class Matching:
    """Constraint of a text: the whole of it matches `pattern`."""

    pattern: str
    meaning: str


@dataclasses.dataclass(frozen=True)
class Dimensions:
    """Constraint of an array: its number of dimensions."""

    count: int


def to_plain(value: Any, where: str = "message") -> Any:
    """Value -> what MessagePack can carry. Dataclasses become maps without their None fields.

    Raises:
        ProtocolError: a number is not finite or a type cannot travel; names the place.
    """
    if value is None or isinstance(value, (bool, str, bytes)):
        return value
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        if not math.isfinite(value):
            raise ProtocolError(f"{where}: {value} is not a finite number.")
        return float(value)
    if isinstance(value, np.ndarray):
        return _array_to_plain(value, where)
    if isinstance(value, (tuple, list)):
        return [to_plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if dataclasses.is_dataclass(value):
        fields = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value) if field.init)
        return {name: to_plain(item, f"{where}.{name}") for name, item in fields if item is not None}
    raise ProtocolError(f"{where}: a {type(value).__name__} cannot travel.")


def _array_to_plain(array: np.ndarray, where: str) -> dict[str, Any]:
    if array.dtype != np.float32:
        raise ProtocolError(f"{where}: arrays travel as float32, not {array.dtype}.")
    if not np.isfinite(array).all():
        raise ProtocolError(f"{where}: the array holds values that are not finite numbers.")
    return {"dtype": "<f4", "shape": list(array.shape), "data": array.astype("<f4", copy=False).tobytes()}


def read_dataclass(cls: Any, plain: Any, where: str) -> Any:
    """Plain map -> instance of the dataclass `cls`. Unknown fields are ignored, so that newer peers are understood.

    Raises:
        ProtocolError: not a map, a field is missing or of the wrong type or out of range; names the field.
    """
    if not isinstance(plain, dict):
        raise ProtocolError(f"{where}: expected a map, got {_kind(plain)}.")
    values = {}
    for name, read, required in _fields_of(cls):
        if name in plain:
            values[name] = read(plain[name], f"{where}.{name}")
        elif required:
            raise ProtocolError(f"{where}: the field '{name}' is missing.")
    try:
        return cls(**values)
    except ProtocolError:
        raise
    except TalkClipError as error:  # the dataclass' own rules: times in order, known phone symbols...
        raise ProtocolError(f"{where}: {error.message}", error.hint, error.code) from None
    except (TypeError, ValueError, OverflowError) as error:
        raise ProtocolError(f"{where}: {error}") from None


@functools.cache
def _fields_of(cls: Any) -> tuple[tuple[str, Reader, bool], ...]:
    """(name, reader, required) of each field of a dataclass."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return tuple(
        (
            field.name,
            _reader(hints[field.name]),
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
        )
        for field in dataclasses.fields(cls)
        if field.init
    )


def _reader(hint: Any) -> Reader:
    """Type hint -> the function that checks and converts a plain value of that type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _constrained(_reader(arguments[0]), arguments[1:])
    if origin in (typing.Union, types.UnionType):
        (inner,) = (_reader(argument) for argument in arguments if argument is not type(None))
        return lambda plain, where: None if plain is None else inner(plain, where)
    if origin is tuple:
        return functools.partial(_read_tuple, _reader(arguments[0]))
    if hint is np.ndarray or origin is np.ndarray:
        return _read_array
    if dataclasses.is_dataclass(hint):
        return functools.partial(read_dataclass, hint)
    return _SCALARS[hint]


def _constrained(read: Reader, constraints: tuple[Any, ...]) -> Reader:
    def check(plain: Any, where: str) -> Any:
        value = read(plain, where)
        for constraint in constraints:
            _check(constraint, value, where)
        return value

    return check


def _check(constraint: Any, value: Any, where: str) -> None:
    match constraint:
        case Between(low, high) if not low <= value <= high:
            raise ProtocolError(f"{where}: {value} is out of range.", f"Use {low:g} to {high:g}.")
        case Longest(length) if len(value) > length:
            raise ProtocolError(f"{where}: {len(value)} is too long; at most {length}.", code="too_large")
        case Matching(pattern, meaning) if re.fullmatch(pattern, value) is None:
            raise ProtocolError(f"{where}: is not {meaning}.")
        case Dimensions(count) if value.ndim != count:
            raise ProtocolError(f"{where}: expected {count} dimensions, got shape {value.shape}.")


def _read_tuple(read: Reader, plain: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(plain, list):
        raise ProtocolError(f"{where}: expected a list, got {_kind(plain)}.")
    return tuple(read(item, f"{where}[{index}]") for index, item in enumerate(plain))


def _read_array(plain: Any, where: str) -> np.ndarray:
    """{"dtype": "<f4", "shape": [...], "data": bytes} -> float32 array, read-only, all values finite."""
    if not isinstance(plain, dict):
        raise ProtocolError(f"{where}: expected an array, got {_kind(plain)}.")
    dtype, shape, data = plain.get("dtype"), plain.get("shape"), plain.get("data")
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise ProtocolError(f"{where}: the array's dtype is not one of {', '.join(_DTYPES)}.")
    if not isinstance(shape, list) or len(shape) > _MAX_DIMENSIONS or not all(type(n) is int and n >= 0 for n in shape):
        raise ProtocolError(f"{where}: the array's shape is not a list of at most {_MAX_DIMENSIONS} sizes.")
    needed = math.prod(shape) * _DTYPES[dtype].itemsize
    if not isinstance(data, bytes) or len(data) != needed:
        raise ProtocolError(f"{where}: shape {shape} needs {needed} bytes.")
    array = np.frombuffer(data, _DTYPES[dtype]).reshape(shape)
    if not np.isfinite(array).all():
        raise ProtocolError(f"{where}: the array holds values that are not finite numbers.")
    return array.astype(np.float32, copy=False)


def _read_int(plain: Any, where: str) -> int:
    if type(plain) is not int or abs(plain) > MAX_INT:
        raise ProtocolError(f"{where}: expected a whole number up to 2^53, got {_kind(plain)}.")
    return plain


def _read_float(plain: Any, where: str) -> float:
    if type(plain) not in (int, float) or not math.isfinite(plain):
        raise ProtocolError(f"{where}: expected a finite number, got {_kind(plain)}.")
    return float(plain)


def _read_bool(plain: Any, where: str) -> bool:
    if not isinstance(plain, bool):
        raise ProtocolError(f"{where}: expected true or false, got {_kind(plain)}.")
    return plain


def _read_str(plain: Any, where: str) -> str:
    if not isinstance(plain, str) or len(plain) > MAX_TEXT:
        raise ProtocolError(f"{where}: expected text of at most {MAX_TEXT} characters, got {_kind(plain)}.")
    return plain


def _read_bytes(plain: Any, where: str) -> bytes:
    if not isinstance(plain, bytes):
        raise ProtocolError(f"{where}: expected bytes, got {_kind(plain)}.")
    return plain


def _kind(plain: Any) -> str:
    """What a plain value is, for a message; never its content, which may be huge."""
    return "nothing" if plain is None else type(plain).__name__


_SCALARS: dict[Any, Reader] = {
    int: _read_int,
    float: _read_float,
    bool: _read_bool,
    str: _read_str,
    bytes: _read_bytes,
}
