"""Our own weights: safetensors with the configuration inside."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from talkclip.engine.models.config import CONFIG_KEY, config_from_dict, config_to_dict
from talkclip.engine.models.nets.model import TalkClipModel
from talkclip.engine.models.nets.state import load_strictly
from talkclip.errors import InputError
from talkclip.files import atomic_write

_REMEDY = "Give weights that TalkCLIP wrote."


def save_model(model: TalkClipModel, path: str | Path, notes: dict[str, str] | None = None) -> None:
    """Write weights and configuration.

    Args:
        model: what to keep.
        path: ends in .safetensors.
        notes: further metadata (seed, command, data hashes), text by text.
    """
    metadata = {**(notes or {}), CONFIG_KEY: json.dumps(config_to_dict(model.config), sort_keys=True)}
    data = save({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, metadata)
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def load_model(path: str | Path) -> TalkClipModel:
    """Build the model that a file describes, with its weights, ready for inference.

    Raises:
        InputError: unreadable file, no configuration in it, or weights that do not fit (all named).
    """
    with _opened(path) as file:
        text = (file.metadata() or {}).get(CONFIG_KEY)
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    if text is None:
        raise InputError(f"{path}: holds no TalkCLIP configuration.", _REMEDY)
    try:
        model = TalkClipModel(config_from_dict(json.loads(text)))
    except ValueError as error:
        raise InputError(f"{path}: its configuration is broken ({error}).", _REMEDY) from None
    if not any(name.startswith("text_style.") for name in state):
        model.text_style = None  # kept from public weights, before an adapter was trained
    load_strictly(model, state, str(path))
    return model.eval()


def read_notes(path: str | Path) -> dict[str, str]:
    """What `save_model` was given to note beside the weights.

    Raises:
        InputError: unreadable file.
    """
    with _opened(path) as file:
        return {name: text for name, text in (file.metadata() or {}).items() if name != CONFIG_KEY}


@contextlib.contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    try:
        with safe_open(str(path), framework="pt") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: is not a safetensors file ({error}).", _REMEDY) from None
