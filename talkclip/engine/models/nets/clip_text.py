"""CLIP's text towers as text encoders, through open_clip: the paper's choice, with weights that the user has.

    clip:ViT-B-32-quickgelu/openai            a model and a tag of open_clip's list; open_clip downloads it
    clip:ViT-B-32-quickgelu=weights.pt        a model and a file
    clip:weights.safetensors                  a file with open_clip_config.json beside it

A tower with random weights cannot answer: it is built without any numbers, every tensor comes from the file, and a
name without weights is refused. The image tower is neither built nor read.
"""

from __future__ import annotations

import hashlib
import json
import threading
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from talkclip.engine.models.nets.state import read_pickled, state_problems
from talkclip.errors import InputError, TalkClipError

PREFIX = "clip:"
SIDECAR = "open_clip_config.json"
CONVERT = (
    "import sys, torch; from safetensors.torch import save_file; "
    "state = torch.jit.load(sys.argv[1], map_location='cpu').state_dict(); "
    "save_file({key: tensor.contiguous() for key, tensor in state.items()}, sys.argv[2])"
)
# What whole CLIP files hold beside the text tower; the last three only in OpenAI's own.
_OPENAI_MARKS = frozenset(("input_resolution", "context_length", "vocab_size"))
_OTHER_KEYS = frozenset(("logit_scale", "logit_bias")) | _OPENAI_MARKS
_SHOWN_PROBLEMS = 6
# Sentences at once. More of them only pad the short ones to the longest.
_AT_ONCE = 16


class ClipTextEncoder:
    """See `talkclip.engine.text.encoder.TextEncoder`. Thread-safe.

    Attributes:
        id: "clip:<model>/<tag or file name>".
        dim: length of a vector.
        weight_hash: SHA-256 of the tower's tensors in float32, whatever file they came in.
        note: what the user should know of the file, or "".
    """

    def __init__(self, id_: str, tower: nn.Module, tokenizer: Any, dim: int, weight_hash: str, note: str = "") -> None:
        self.id, self.dim, self.weight_hash, self.note = id_, dim, weight_hash, note
        self._tower, self._tokenizer = tower.eval(), tokenizer
        self._mask = cast(Tensor | None, tower.attn_mask)
        # Tokens after the end of the text change nothing where each token sees only those before it.
        self._may_crop = self._mask is not None and tower.pool_type == "argmax" and tower.cls_emb is None
        self._lock = threading.Lock()

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """-> float32 (n, dim), unit length; a text beyond the tower's length is cut."""
        vectors = np.empty((len(texts), self.dim), np.float32)
        if not texts:
            return vectors
        tokens = self._tokenizer(list(texts))
        lengths = tokens.argmax(1) + 1
        order = lengths.argsort().tolist()
        for first in range(0, len(order), _AT_ONCE):
            chosen = order[first : first + _AT_ONCE]
            vectors[chosen] = self._encode(tokens[chosen], int(lengths[chosen].max())).numpy()
        return vectors

    def _encode(self, tokens: Tensor, longest: int) -> Tensor:
        with self._lock:
            if self._may_crop and self._mask is not None:
                tokens = tokens[:, :longest]
                self._tower.attn_mask = self._mask[:longest, :longest]
            return functional.normalize(self._tower(tokens), dim=-1)


def load_clip_text(spec: str) -> ClipTextEncoder:
    """The text encoder that a spec names (see the module).

    Raises:
        InputError: no such model, tag or file; weights that do not fit it, or were trained with another activation.
        TalkClipError: open_clip is not installed, or the download failed.
    """
    open_clip = _open_clip()
    model, tag, path = _parsed(spec, open_clip)
    if path is None:
        config = _config_of(model, open_clip)
        path = _downloaded(model, tag, config, open_clip)
        name = tag
    else:
        _require_file(path)
        model, config = _config_of_file(model, path, open_clip)
        name = path.name
    state = _read(path)
    note = _check_activation(model, config, state, name, stated_by_file=tag != "" or (path.parent / SIDECAR).is_file())
    tower = _filled(config, _text_tensors(state, path), str(path))
    tokenizer = open_clip.tokenizer.SimpleTokenizer(
        context_length=config["text_cfg"].get("context_length", 77),
        **(config["text_cfg"].get("tokenizer_kwargs") or {}),
    )
    return ClipTextEncoder(
        f"{PREFIX}{model}/{name}", tower, tokenizer, int(config["embed_dim"]), _hash_of(tower.state_dict()), note
    )


def _open_clip() -> Any:
    try:
        import open_clip
    except ModuleNotFoundError as error:
        raise TalkClipError(
            f"CLIP needs open_clip ({error.name} is not installed).", "Run: pip install 'talkclip[server]'"
        ) from None
    return open_clip


def _parsed(spec: str, open_clip: Any) -> tuple[str, str, Path | None]:
    """-> model ("" if the file is to say it), tag ("" for files), file (None for tags)."""
    given = spec.removeprefix(PREFIX).strip()
    model, equals, file = given.partition("=")
    models = open_clip.list_models()
    if equals and (model in models or not Path(given).exists()):
        _require_model(model, models)
        if not file.strip():
            raise InputError(f"'{spec}' names no file.", f"Write clip:{model}=FILE.")
        return model, "", Path(file)
    if Path(given).exists() and given:
        return "", "", Path(given)
    if given.endswith((".safetensors", ".pt", ".pth", ".bin")):
        raise InputError(f"{given}: there is no such file.", "Give the path of the weights.")
    model, _, tag = given.partition("/")
    _require_model(model, models)
    tags = open_clip.list_pretrained_tags_by_model(model)
    if tag not in tags:
        problem = f"'{spec}' names no weights" if not tag else f"{model} has no weights called '{tag}'"
        raise InputError(f"{problem}.", f"Write clip:{model}=FILE, or clip:{model}/ and one of {', '.join(tags)}.")
    return model, tag, None


def _require_model(model: str, models: Sequence[str]) -> None:
    if model not in models:
        near = [name for name in models if model and name.lower().startswith(model.lower()[:5])]
        hint = f"Use one of {', '.join(near)}." if near else "Write clip:MODEL/TAG or clip:MODEL=FILE (docs/model.md)."
        raise InputError(f"open_clip knows no model '{model}'.", hint)


def _config_of(model: str, open_clip: Any) -> dict[str, Any]:
    config: dict[str, Any] = open_clip.get_model_config(model)
    text = config.get("text_cfg", {})
    if text.get("hf_model_name") or text.get("hf_tokenizer_name") or "siglip" in model.lower():
        raise InputError(
            f"The text tower or tokenizer of {model} comes from another library, which is not supported.",
            "Use a model with CLIP's own, such as ViT-B-32 or ViT-L-14.",
        )
    return config


def _config_of_file(model: str, path: Path, open_clip: Any) -> tuple[str, dict[str, Any]]:
    """The configuration of a file: of the model that is named, checked against what stands beside the file."""
    sidecar = path.parent / SIDECAR
    beside: dict[str, Any] | None = None
    if sidecar.is_file():
        try:
            beside = json.loads(sidecar.read_text(encoding="utf-8"))["model_cfg"]
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{sidecar}: holds no 'model_cfg'.", "Name the model instead: clip:MODEL=FILE.") from None
    if model:
        config = _config_of(model, open_clip)
        if beside is not None and not _same_tower(config, beside):
            raise InputError(f"{path}: {SIDECAR} beside it describes another text tower than {model}.", _leave(path))
        return model, config
    if beside is None:
        raise InputError(
            f"{path}: does not say which model it is.",
            f"Name it: clip:MODEL={path} (OpenAI's weights: ViT-B-32-quickgelu and the like).",
        )
    for name in open_clip.list_models():
        if _same_tower(open_clip.get_model_config(name), beside):
            return name, _config_of(name, open_clip)
    raise InputError(f"{sidecar}: describes no text tower that open_clip knows.", "Name the model: clip:MODEL=FILE.")


def _same_tower(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    keys = ("embed_dim", "text_cfg")
    return all(a.get(k) == b.get(k) for k in keys) and bool(a.get("quick_gelu")) == bool(b.get("quick_gelu"))


def _leave(path: Path) -> str:
    return f"Leave the model out: clip:{path}"


def _downloaded(model: str, tag: str, config: Mapping[str, Any], open_clip: Any) -> Path:
    known = open_clip.get_pretrained_cfg(model, tag)
    if bool(known.get("quick_gelu")) != bool(config.get("quick_gelu")):
        raise InputError(
            f"The weights '{tag}' were trained with another activation than {model} has.", _other_activation(model, tag)
        )
    try:
        return Path(open_clip.download_pretrained(known))
    except (OSError, RuntimeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160].rstrip(".")
        raise TalkClipError(
            f"{model}/{tag} could not be downloaded ({reason}).", f"Get the file elsewhere and give clip:{model}=FILE."
        ) from None


def _other_activation(model: str, tag: str) -> str:
    other = model.removesuffix("-quickgelu") if model.endswith("-quickgelu") else f"{model}-quickgelu"
    return f"Use clip:{other}/{tag}."


def _require_file(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: is a folder.", "Give the file with the weights.")
    if not path.is_file():
        raise InputError(f"{path}: there is no such file.", "Give the path of the weights.")


def _read(path: Path) -> dict[str, Tensor]:
    """All tensors of a file; runs no code that may stand in it."""
    if path.suffix == ".safetensors":
        try:
            return load_file(str(path))
        except (OSError, SafetensorError) as error:
            raise InputError(f"{path}: is not a safetensors file ({error}).", "Give CLIP's weights.") from None
    if _is_archive_of_code(path):
        raise InputError(
            f"{path}: is a TorchScript archive; reading it would run the code in it.",
            f'If you trust its source, convert it: python -c "{CONVERT}" {path} {path.with_suffix(".safetensors")}',
        )
    data = read_pickled(path, "Give CLIP's weights as .safetensors or as a .pt that holds tensors only.")
    if isinstance(data, dict) and isinstance(data.get("state_dict"), dict):
        data = data["state_dict"]  # a checkpoint of open_clip's training
    if not isinstance(data, dict) or not data or not all(isinstance(tensor, Tensor) for tensor in data.values()):
        raise InputError(f"{path}: holds no CLIP weights.", "Give a state dict of tensors.")
    return {key.removeprefix("module."): tensor for key, tensor in data.items()}


def _is_archive_of_code(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any("/code/" in name or name.endswith("constants.pkl") for name in archive.namelist())


def _check_activation(
    model: str, config: Mapping[str, Any], state: Mapping[str, Tensor], name: str, stated_by_file: bool
) -> str:
    """Nothing in the tensors tells GELU from QuickGELU, and the wrong one answers, only worse.

    Returns:
        A note where neither the file nor what stands beside it tells.
    """
    quick = bool(config.get("quick_gelu"))
    from_openai = bool(_OPENAI_MARKS & set(state)) or "openai" in name.lower()
    if from_openai and not quick:
        raise InputError(
            f"{name}: OpenAI's weights were trained with QuickGELU, which {model} has not.",
            f"Name the model {model}-quickgelu.",
        )
    if from_openai or stated_by_file:
        return ""
    kind = "QuickGELU" if quick else "GELU"
    return f"{name} does not say with which activation it was trained; {model} means {kind}."


def _text_tensors(state: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The text tower's tensors, in open_clip's two layouts."""
    if any(key.startswith("text_model.") for key in state):
        raise InputError(f"{path}: is in the layout of the transformers library.", "Give open_clip's file of it.")
    rest = {key: t for key, t in state.items() if not key.startswith("visual.") and key not in _OTHER_KEYS}
    if any(key.startswith("text.") for key in rest):
        rest = {key.removeprefix("text."): tensor for key, tensor in rest.items()}
    return {key: tensor.float() for key, tensor in rest.items()}


def _filled(config: Mapping[str, Any], state: dict[str, Tensor], where: str) -> Any:
    """Build the tower without numbers and put the file's in."""
    # Not in open_clip's public interface, but the one place that reads a configuration's text part; pinned by tests.
    from open_clip.model import _build_text_tower

    with torch.device("meta"):
        tower = _build_text_tower(config["embed_dim"], dict(config["text_cfg"]), bool(config.get("quick_gelu")))
    problems = state_problems({key: tuple(tensor.shape) for key, tensor in tower.state_dict().items()}, state)
    problems += [f"{key} is not finite" for key, tensor in state.items() if not bool(tensor.isfinite().all())]
    if problems:
        more = f" and {len(problems) - _SHOWN_PROBLEMS} more" if len(problems) > _SHOWN_PROBLEMS else ""
        raise InputError(
            f"{where}: the weights do not fit the text tower: {'; '.join(problems[:_SHOWN_PROBLEMS])}{more}.",
            "Name the model that they belong to: clip:MODEL=FILE.",
        )
    tower.load_state_dict(state, strict=True, assign=True)
    if tower.attn_mask is not None:
        tower.attn_mask = tower.build_causal_mask()
    left = [name for name, tensor in (*tower.named_parameters(), *tower.named_buffers()) if tensor.is_meta]
    if left:
        raise TalkClipError(
            f"This open_clip keeps numbers that no file gives: {', '.join(left)}.", code="wrong_weights"
        )
    return tower.requires_grad_(False)


def _hash_of(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(f"{name}{tuple(state[name].shape)}".encode())
        digest.update(state[name].contiguous().numpy().tobytes())
    return digest.hexdigest()
