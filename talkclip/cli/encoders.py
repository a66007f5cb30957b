"""Adapters of `talkclip adapt` and the text encoders they belong to.

The one module of the command line that reaches a network in torch: CLIP's text tower, where an adapter wants it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from talkclip.engine.models.adapter import AdaptedEncoder, Adapter
from talkclip.engine.models.style_space import StyleSpace
from talkclip.engine.text.encoder import MiniLMEncoder, TextEncoder
from talkclip.errors import InputError, TalkClipError

_MINILM = "minilm"
_CLIP = "clip:"
_FILES = (".safetensors", ".pt", ".pth", ".bin")


def adapted_encoder(path: Path | None, text_encoder: str | None) -> AdaptedEncoder | None:
    """An adapter with its text encoder; None where no adapter is asked for.

    Args:
        path: file of `talkclip adapt`.
        text_encoder: as `talkclip adapt` takes it; None: the one that the file names.

    Raises:
        InputError: no adapter, or its encoder cannot be known, is not there or cannot be read.
        TalkClipError: encoder or decoder are others than the adapter was trained on, or packages are missing.
    """
    if path is None:
        if text_encoder is not None:
            raise InputError(
                "--text-encoder belongs to --adapter.",
                f"Train an adapter first: talkclip adapt --text-encoder {text_encoder} -o ADAPTER.safetensors",
            )
        return None
    adapter = Adapter.load(path)
    _check(path, lambda: adapter.check_decoder("arkit52", StyleSpace.load().decoder_hash))  # before a tower is read
    encoder = _load(text_encoder or _named(adapter, path))
    _check(path, lambda: adapter.check_encoder(encoder))
    return AdaptedEncoder(adapter, encoder)


def _check(path: Path, check: Callable[[], None]) -> None:
    """Let a check's complaint name the file."""
    try:
        check()
    except TalkClipError as error:
        raise TalkClipError(f"{path}: {error.message}", error.hint, error.code) from None


def _named(adapter: Adapter, path: Path) -> str:
    """What to load for an adapter that came alone."""
    if adapter.encoder_id == MiniLMEncoder.id:
        return _MINILM
    model, _, weights = adapter.encoder_id.removeprefix(_CLIP).partition("/")
    if not adapter.encoder_id.startswith(_CLIP) or weights.endswith(_FILES):
        raise InputError(
            f"{path}: was trained on the text encoder '{adapter.encoder_id}', whose weights are a file of yours.",
            f"Say where it is: --text-encoder {_CLIP}{model}=FILE",
        )
    return adapter.encoder_id


def _load(spec: str) -> TextEncoder:
    if spec in (_MINILM, MiniLMEncoder.id):
        return MiniLMEncoder.load()
    if not spec.startswith(_CLIP):
        raise InputError(
            f"There is no text encoder '{spec}'.", f"Use {_MINILM}, {_CLIP}MODEL/TAG or {_CLIP}MODEL=FILE."
        )
    try:
        from talkclip.engine.models.nets.clip_text import load_clip_text
    except ModuleNotFoundError as error:
        raise TalkClipError(
            f"CLIP's text towers run in torch ({error.name} is not installed).",
            "Run: pip install 'talkclip[server]'",
            code="missing_package",
        ) from None
    return load_clip_text(spec)
