"""Public PIRender weights into our generator, strictly.

The files (RenYurui/PIRender, and the `renderer` files of StyleTalk and DreamTalk, which have the same configuration)
are dicts with `net_G_ema` and `net_G`; the averaged one is used. They are the user's, for non-commercial use.
"""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import torch
from torch import Tensor

from talkclip.engine.models.nets.pirender.generator import Generator
from talkclip.errors import InputError

WHERE_FROM = "Get it from github.com/RenYurui/PIRender (non-commercial terms)."
_NETWORKS = ("net_G_ema", "net_G")
_PARALLEL = "module."
_NAMED = 4
_DAMAGED = (OSError, RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError, struct.error)


def load_generator(path: str | Path) -> Generator:
    """The generator with the weights of a file, ready for inference.

    Raises:
        InputError: missing, unreadable, holds code, or names and shapes are not all as expected.
    """
    state = _read(path)
    generator = Generator()
    wanted = {name: tuple(tensor.shape) for name, tensor in generator.state_dict().items()}
    problems = [f"{name} is missing" for name in wanted if name not in state]
    problems += [f"{name} is not ours" for name in state if name not in wanted]
    problems += [
        f"{name} is {tuple(state[name].shape)}, not {shape}"
        for name, shape in wanted.items()
        if name in state and tuple(state[name].shape) != shape
    ]
    if problems:
        more = f" and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        raise InputError(f"{path}: does not fit PIRenderer: {'; '.join(problems[:_NAMED])}{more}.", WHERE_FROM)
    generator.load_state_dict(state)
    return generator.eval()


def _read(path: str | Path) -> dict[str, Tensor]:
    if not Path(path).is_file():
        raise InputError(f"{path}: PIRenderer's weights are not there.", WHERE_FROM)
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"{path}: holds more than tensors, which is not loaded ({reason}).", WHERE_FROM) from None
    except _DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(f"{path}: cannot be read ({reason}).", WHERE_FROM) from None
    for key in _NETWORKS:
        state = data.get(key) if isinstance(data, dict) else None
        if isinstance(state, dict) and state and all(isinstance(tensor, Tensor) for tensor in state.values()):
            return {name.removeprefix(_PARALLEL): tensor for name, tensor in state.items()}
    raise InputError(f"{path}: holds no '{_NETWORKS[0]}' of tensors.", WHERE_FROM)
