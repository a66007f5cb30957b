"""CLIP in small, registered in open_clip under names of its own, and files as people have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

CONFIG: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 16, "layers": 1, "width": 64, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 2},
}
TINY, TINY_QUICK = "tinyclip", "tinyclip-quickgelu"


def register(folder: Path) -> None:
    """Let open_clip know the two tiny models; once a process."""
    import open_clip

    for name, config in ((TINY, CONFIG), (TINY_QUICK, {**CONFIG, "quick_gelu": True})):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        open_clip.add_model_config(path)


def whole_clip(name: str = TINY, seed: int = 3) -> Any:
    """Both towers with random weights large enough that activations matter."""
    import open_clip

    torch.manual_seed(seed)
    model = open_clip.create_model(name, pretrained=None).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if key.startswith("transformer") and parameter.dim() > 1:
                parameter.mul_(6.0)
    return model


def save(model: Any, path: Path) -> Path:
    """The whole state, as .safetensors or in a pickle."""
    from safetensors.torch import save_file

    state = {key: tensor.detach().contiguous().clone() for key, tensor in model.state_dict().items()}
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save(state, path)
    return path
