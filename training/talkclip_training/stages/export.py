"""A trained model -> the shipped files: safetensors, decoder and V2SS in ONNX, the style space in npz."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from talkclip.engine.models.nets.export import export_face, export_style_encoder
from talkclip.engine.models.nets.model import TalkClipModel
from talkclip.engine.models.nets.weights import save_model
from talkclip.engine.text.encoder import TextEncoder
from talkclip.files import atomic_write

_STYLE_PARTS = ("condition_encoder.", "text_style.")


def export_model(model: TalkClipModel, encoder: TextEncoder, notes: dict[str, str], folder: Path) -> dict[str, str]:
    """Write `default.safetensors`, `face.onnx`, `style_encoder.onnx` and `style_space.npz`.

    Args:
        model: trained.
        encoder: that T2SS was trained on.
        notes: command, seed, data hashes; stored in the safetensors file.
        folder: where to.

    Returns:
        File name -> SHA-256.
    """
    model.eval()
    save_model(model, folder / "default.safetensors", notes)
    export_face(model, folder / "face.onnx")
    export_style_encoder(model, folder / "style_encoder.onnx")
    save_style_space(model, encoder, folder / "style_space.npz")
    names = ("default.safetensors", "face.onnx", "style_encoder.onnx", "style_space.npz")
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def save_style_space(model: TalkClipModel, encoder: TextEncoder, path: Path) -> None:
    """Condition encoder and T2SS as `talkclip.engine.models.style_space` reads them."""
    arrays = {
        name: tensor.numpy().astype(np.float32)
        for name, tensor in sorted(model.state_dict().items())
        if name.startswith(_STYLE_PARTS)
    }
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays.values())).hexdigest()
    about = {
        "name": f"talkclip-{digest[:8]}",
        "dim": model.config.style_width,
        "anchor": model.config.anchor,
        "encoder_id": encoder.id,
        "encoder_hash": encoder.weight_hash,
        "adapted_share": model.text_style.adapted_share,
    }
    with atomic_write(path) as temporary, temporary.open("wb") as handle:
        np.savez(handle, about=np.array(json.dumps(about)), **arrays)
