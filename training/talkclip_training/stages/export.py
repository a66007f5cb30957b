"""A trained model -> the shipped files: safetensors, decoder and V2SS in ONNX, the style space in npz."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from talkclip.engine.models.nets.export import export_face, export_style_encoder
from talkclip.engine.models.nets.model import TalkClipModel
from talkclip.engine.models.nets.weights import load_model, read_notes, save_model
from talkclip.engine.text.encoder import MiniLMEncoder, TextEncoder
from talkclip.errors import InputError
from talkclip.files import atomic_write
from talkclip_training.stages.run import WEIGHTS

NAMES = ("default.safetensors", "face.onnx", "style_encoder.onnx", "style_space.npz")
_STYLE_PARTS = ("condition_encoder.", "text_style.")


def run_export(source: Path, out: Path) -> dict[str, str]:
    """Export the model of a run of stage 2 -> file name -> SHA-256, as `talkclip.engine.weights.registry` wants it.

    Args:
        source: the run's folder, or its model.safetensors.
        out: folder for the files, made if missing.

    Raises:
        InputError: no model that has learned text, or a folder that cannot be written to.
    """
    path = source / WEIGHTS if source.is_dir() else source
    model, notes, encoder = load_model(path), read_notes(path), MiniLMEncoder.load()
    if encoder.id not in notes.get("data", ""):
        raise InputError(
            f"{path}: has not learned to read prompts through {encoder.id}.", "Train it: talkclip train stage2."
        )
    out.mkdir(parents=True, exist_ok=True)
    return export_model(model, encoder, notes, out)


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
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in NAMES}


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
