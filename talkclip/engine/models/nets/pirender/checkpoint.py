"""Public PIRender weights into our generator, strictly.

The files (RenYurui/PIRender, and the `renderer` files of StyleTalk and DreamTalk, which have the same configuration)
are dicts with `net_G_ema` and `net_G`; the averaged one is used. They are the user's, for non-commercial use.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from talkclip.engine.models.nets.pirender.generator import FEWEST_CHANNELS, FIRST_CHANNELS, Generator
from talkclip.engine.models.nets.state import read_tensors
from talkclip.errors import InputError

WHERE_FROM = "Get it from github.com/RenYurui/PIRender (non-commercial terms)."
_NETWORKS = ("net_G_ema", "net_G")
_PARALLEL = "module."
_FIRST = "warpping_net.hourglass.encoder.input_layer.weight"
_NAMED = 4


def load_generator(path: str | Path) -> Generator:
    """The generator with the weights of a file, ready for inference; narrower ones come from our own training.

    Raises:
        InputError: missing, unreadable, holds code, or names and shapes are not all as expected.
    """
    state = _read(path)
    generator = Generator(_width(state))
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


def _width(state: dict[str, Tensor]) -> float:
    """Channels of the file's first layer over the paper's; what is neither then fails by name."""
    first = state.get(_FIRST)
    if first is None or first.ndim != 4 or not FEWEST_CHANNELS <= first.shape[0] <= FIRST_CHANNELS:
        return 1.0
    return float(first.shape[0] / FIRST_CHANNELS)


def _read(path: str | Path) -> dict[str, Tensor]:
    data = read_tensors(path, "PIRenderer's weights", WHERE_FROM)
    for key in _NETWORKS:
        state = data.get(key) if isinstance(data, dict) else None
        if isinstance(state, dict) and state and all(isinstance(tensor, Tensor) for tensor in state.values()):
            return {name.removeprefix(_PARALLEL): tensor for name, tensor in state.items()}
    raise InputError(f"{path}: holds no '{_NETWORKS[0]}' of tensors.", WHERE_FROM)
