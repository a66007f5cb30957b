"""Landmarks from FLAME's own embedding file (`flame_static_embedding.pkl`), where the user has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from talkclip.errors import InputError
from talkclip_rigs.flame import FlameModel
from talkclip_rigs.flame_file import load_arrays

Points = NDArray[np.float64]

EMBEDDING_NAME: Final = "flame_static_embedding.pkl"

# Name in `DefaultHead.landmarks` -> numbers in the embedding: the 68 points of iBUG 300-W without the 17 of the
# outline, counted from 0; right and left are the character's. A point between two of them is their mean.
IBUG51: Final[Mapping[str, tuple[int, ...]]] = {
    "brow_outer_right": (0,), "brow_mid_right": (2,), "brow_inner_right": (4,),
    "brow_inner_left": (5,), "brow_mid_left": (7,), "brow_outer_left": (9,), "nose_tip": (13,),
    "eye_outer_right": (19,), "lid_upper_right": (20, 21), "eye_inner_right": (22,), "lid_lower_right": (23, 24),
    "eye_inner_left": (25,), "lid_upper_left": (26, 27), "eye_outer_left": (28,), "lid_lower_left": (29, 30),
    "mouth_corner_right": (31,), "lip_upper_outer": (34,), "mouth_corner_left": (37,), "lip_lower_outer": (40,),
    "lip_upper_inner": (45,), "lip_lower_inner": (49,),
}  # fmt: skip


def embedded_landmarks(path: Path, model: FlameModel) -> dict[str, Points]:
    """{name in `DefaultHead.landmarks`: (3,)} from FLAME's static landmark embedding.

    Raises:
        InputError: not that file, or made for another mesh.
    """
    arrays = load_arrays(path, ("lmk_face_idx", "lmk_b_coords"))
    try:
        faces = np.asarray(arrays["lmk_face_idx"]).astype(np.int64)
        weights = np.asarray(arrays["lmk_b_coords"], dtype=np.float64)
        if faces.shape != (51,) or weights.shape != (51, 3):
            raise ValueError(f"{faces.shape} triangles, {weights.shape} weights")
        corners = model.template[model.triangles[faces]].astype(np.float64)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        hint = "Take FLAME's flame_static_embedding.pkl, or move this file away: landmarks are then found by shape."
        raise InputError(f"{path}: is no landmark embedding of this model ({error}).", hint) from None
    marks = np.einsum("nkc,nk->nc", corners, weights)
    return {name: marks[list(numbers)].mean(axis=0) for name, numbers in IBUG51.items()}
