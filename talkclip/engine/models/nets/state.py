"""Weights into modules: everything must fit, and one error names all that does not."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from talkclip.errors import InputError

_DAMAGED = (OSError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError, struct.error)


def read_tensors(path: str | Path, what: str, remedy: str) -> Any:
    """What a file written by torch.save holds, on the processor; never runs code from it.

    Args:
        what: what the file should be, for the error: "VGG-19's weights".
        remedy: what to do without it.

    Raises:
        InputError: missing, damaged, or holding more than tensors.
    """
    if not Path(path).is_file():
        raise InputError(f"{path}: {what} are not there.", remedy)
    return read_pickled(path, remedy)


def read_pickled(path: str | Path, remedy: str) -> Any:
    """What torch saved, if it holds nothing but tensors and plain values.

    Raises:
        InputError: unreadable, or holds other objects (with `remedy`).
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        # torch's own words advise to load it unsafely.
        raise InputError(
            f"{path}: is no file of torch's, or holds more than tensors, which is not loaded.", remedy
        ) from None
    except _DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(f"{path}: cannot be read ({reason}).", remedy) from None


def state_problems(expected: Mapping[str, tuple[int, ...]], found: Mapping[str, Tensor]) -> list[str]:
    """Every missing key, every unexpected key and every wrong shape, one phrase each."""
    problems = [f"missing {key}" for key in expected if key not in found]
    problems += [f"unexpected {key}" for key in found if key not in expected]
    problems += [
        f"{key} is {tuple(found[key].shape)}, not {shape}"
        for key, shape in expected.items()
        if key in found and tuple(found[key].shape) != shape
    ]
    return problems


def load_strictly(module: nn.Module, state: Mapping[str, Tensor], where: str) -> None:
    """Fill `module` with `state`.

    Raises:
        InputError: names `where` and every key that is missing, unexpected or of another shape.
    """
    expected = {key: tuple(tensor.shape) for key, tensor in module.state_dict().items()}
    require_fit(state_problems(expected, state), where)
    module.load_state_dict(dict(state))


def require_fit(problems: list[str], where: str) -> None:
    """Raise one InputError for all problems, if there are any."""
    if problems:
        raise InputError(
            f"{where}: the weights do not fit: {'; '.join(problems)}.",
            "Check that file and configuration belong together.",
        )
