"""Driver expressions of one variable, read without running them: `(jaw - 0.2) / 0.8`, `max(0, -var)`, `var * 2`.

The words are those of Blender's own simple expressions: numbers, the variable, arithmetic, comparisons,
`a if b else c`, and the functions below. Anything else (attributes, `frame`, `self`, functions of an add-on) is not
read.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Function = Callable[[Floats], Floats]

_MAX_LENGTH: Final = 256  # what Blender allows
_CONSTANTS: Final = {"pi": math.pi, "True": 1.0, "False": 0.0}


def read_expression(text: str, variable: str) -> Function | None:
    """The function that an expression is of its one variable, or None where it is not of the kind above.

    Args:
        text: the driver's expression.
        variable: the name of its variable.

    Returns:
        (N,) values of the variable -> (N,) values of the expression; not a number where it has no value.
    """
    if len(text) > _MAX_LENGTH:
        return None
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        with np.errstate(all="ignore"):
            _evaluate(tree, variable, np.zeros(1))
    except (SyntaxError, ValueError, TypeError, RecursionError, OverflowError):
        return None

    def function(x: Floats) -> Floats:
        with np.errstate(all="ignore"):
            return np.asarray(_evaluate(tree, variable, x), dtype=np.float64) + np.zeros_like(x)

    return function


def _evaluate(node: ast.expr, variable: str, x: Floats) -> Any:
    def value(part: ast.expr) -> Any:
        return _evaluate(part, variable, x)

    match node:
        case ast.Constant(value=bool() | int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name == variable:
            return x
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=part) if type(op) in _UNARY:
            return _UNARY[type(op)](value(part))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _BINARY[type(op)](value(left), value(right))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            return np.where(_COMPARE[type(op)](value(left), value(right)), 1.0, 0.0)
        case ast.BoolOp(op=op, values=parts):
            truths = [np.asarray(value(part)) != 0 for part in parts]
            return np.where((np.all if isinstance(op, ast.And) else np.any)(np.broadcast_arrays(*truths), 0), 1.0, 0.0)
        case ast.IfExp(test=test, body=body, orelse=otherwise):
            return np.where(np.asarray(value(test)) != 0, value(body), value(otherwise))
        case ast.Call(func=ast.Name(id=name), args=parts, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*[value(part) for part in parts])
        case _:
            raise ValueError(ast.dump(node))


def _clamp(x: Any, low: Any = 0.0, high: Any = 1.0) -> Any:
    return np.minimum(np.maximum(x, low), high)


def _smoothstep(low: Any, high: Any, x: Any) -> Any:
    t = _clamp((x - low) / (high - low))
    return t * t * (3 - 2 * t)


def _many(pick: Callable[..., Any]) -> Callable[..., Any]:
    def function(first: Any, *rest: Any) -> Any:
        for other in rest:
            first = pick(first, other)
        return first

    return function


def _power(base: Any, exponent: Any) -> Any:
    return np.power(np.asarray(base, dtype=np.float64), exponent)


_UNARY: Final[dict[type, Callable[[Any], Any]]] = {
    ast.USub: np.negative,
    ast.UAdd: np.positive,
    ast.Not: lambda a: np.where(np.asarray(a) == 0, 1.0, 0.0),
}
_BINARY: Final[dict[type, Callable[[Any, Any], Any]]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: _power,
}
_COMPARE: Final[dict[type, Callable[[Any, Any], Any]]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "abs": np.abs,
    "fabs": np.abs,
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "round": np.round,
    "int": np.trunc,
    "float": np.positive,
    "bool": lambda a: np.where(np.asarray(a) != 0, 1.0, 0.0),
    "radians": np.radians,
    "degrees": np.degrees,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "pow": _power,
    "fmod": np.fmod,
    "min": _many(np.minimum),
    "max": _many(np.maximum),
    "clamp": _clamp,
    "lerp": lambda a, b, t: a + (b - a) * t,
    "smoothstep": _smoothstep,
}
