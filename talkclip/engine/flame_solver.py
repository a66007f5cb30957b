"""The map from ARKit shapes to a user's FLAME model: from the cache, or solved once per model file (`flame_fit`)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import platformdirs

from talkclip.engine.flame_embedding import EMBEDDING_NAME, Points, embedded_landmarks
from talkclip.errors import InputError
from talkclip_rigs.flame import N_EXPRESSION, FlameMap, FlameModel
from talkclip_rigs.flame_file import load_flame_model
from talkclip_rigs.head import DefaultHead

# Part of the cache's key: raise it whenever the solution changes.
SOLVER_VERSION: Final = 1


def load_flame_map(path: str | Path, cache_dir: str | Path | None = None, n_expression: int = N_EXPRESSION) -> FlameMap:
    """The map for a user's FLAME model: from the cache, or solved (a few seconds) and cached.

    Args:
        path: `generic_model.pkl` or an npz of its arrays. A `flame_static_embedding.pkl` beside it gives the landmarks.
        cache_dir: folder for solved maps; default: the user's cache folder. One that cannot be written is no error.
        n_expression: expression coefficients to use, 1..100.

    Raises:
        InputError: the file is no FLAME model, or its face cannot be matched.
    """
    if not 1 <= n_expression <= N_EXPRESSION:
        raise InputError(f"FLAME has 1 to {N_EXPRESSION} expression coefficients, not {n_expression}.")
    model = load_flame_model(path)
    embedding = Path(path).parent / EMBEDDING_NAME
    embedded = embedded_landmarks(embedding, model) if embedding.is_file() else None
    head = DefaultHead.load()
    folder = (
        Path(cache_dir) if cache_dir is not None else Path(platformdirs.user_cache_dir("talkclip", False)) / "flame"
    )
    cached = folder / f"{_key(model, head, embedded, n_expression)}.npz"
    if cached.is_file():
        try:
            return FlameMap.load(cached)
        except InputError:
            pass  # written by a crashed or other version: solve again
    from talkclip.engine.flame_fit import solve_flame_map  # here: scipy's trees take a second to import

    solved = solve_flame_map(model, head, embedded, n_expression)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        solved.save(cached)
    except (OSError, InputError):
        pass  # a read-only home costs time, not the result
    return solved


def _key(model: FlameModel, head: DefaultHead, embedded: dict[str, Points] | None, n_expression: int) -> str:
    """Name of the cached map: changes with everything the solution depends on."""
    digest = hashlib.sha256(f"{SOLVER_VERSION} {n_expression} {model.sha256}".encode())
    digest.update(head.vertices.tobytes())
    digest.update(head.deltas.tobytes())
    for name, point in sorted((embedded or {}).items()):
        digest.update(name.encode() + point.tobytes())
    return digest.hexdigest()[:24]
