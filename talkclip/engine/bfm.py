"""The paper's face model, as far as its renderer needs it: from ARKit shapes to the 64 expression coefficients.

The basis is the Basel Face Model 2009 with expressions as Deep3DFaceReconstruction prepares it
(`BFM_model_front.mat`); its licence forbids passing it on, so the user brings it. The map is solved on 51 landmarks
that both models have: each ARKit shape of the default head becomes the coefficients whose landmarks move most alike.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.engine.tracking.face_model import face_model
from talkclip.engine.tracking.identity import identity_basis
from talkclip.errors import InputError
from talkclip_rigs.head import DefaultHead

N_EXPRESSION = 64
BFM_NAMES = tuple(f"exp{k}" for k in range(N_EXPRESSION))
WHERE_FROM = (
    "Register for the Basel Face Model 2009 (faces.dmi.unibas.ch) and prepare BFM_model_front.mat as "
    "Deep3DFaceReconstruction describes."
)
# Our landmarks for points 17..67 of the 68 (300-W numbering): brows, nose, eyes, mouth.
_OURS = (
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 4, 75, 97, 2, 326, 305, 33, 160, 158, 133, 153, 144,
    362, 385, 387, 263, 373, 380, 61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14,
    87,
)  # fmt: skip
_FIRST = 17
# One unit of a coefficient costs as much as this error (root mean square over the landmarks) in metres.
_RIDGE_M = 1.5e-4


@dataclasses.dataclass(frozen=True)
class BfmMap:
    """From ARKit shapes to BFM expression, linear.

    Attributes:
        expression: (52, 64) coefficients per unit of each shape.
        residual: share of the landmarks' motion, over all shapes, that the model cannot follow, 0..1.
    """

    expression: np.ndarray
    residual: float

    def converted(self, track: CoefficientTrack) -> CoefficientTrack:
        """An `arkit52` track in `bfm64`, head pose kept."""
        if track.space != "arkit52":
            raise InputError(f"a track in space '{track.space}' is not arkit52.", "Give an arkit52 track.")
        order = [ARKIT52.index(name) for name in track.names]
        return dataclasses.replace(
            track, space="bfm64", names=BFM_NAMES, values=np.asarray(track.values @ self.expression[order], np.float32)
        )


def solve_bfm_map(path: str | Path) -> BfmMap:
    """Solve the map on the user's file.

    Raises:
        InputError: missing, or not such a file.
    """
    mean, basis = _landmarks_of(path)
    head, model = DefaultHead.load(), face_model()
    rows = identity_basis().skin_rows
    corners, shares = model.corners[list(_OURS)], model.shares[list(_OURS)]

    def at(values: np.ndarray) -> np.ndarray:
        return np.einsum("...lkc,lk->...lc", values[..., rows, :][..., corners, :].astype(np.float64), shares)

    ours, moves = at(head.vertices), at(head.deltas)
    scale, turn = _similarity(ours, mean)
    wanted = scale * moves @ turn.T
    matrix = basis.reshape(-1, N_EXPRESSION)
    ridge = len(_OURS) * (scale * _RIDGE_M) ** 2
    normal = matrix.T @ matrix + ridge * np.eye(N_EXPRESSION)
    expression = np.linalg.solve(normal, matrix.T @ wanted.reshape(len(ARKIT52), -1).T).T
    left = wanted.reshape(len(ARKIT52), -1) - expression @ matrix.T
    return BfmMap(expression.astype(np.float32), float(np.sqrt((left**2).sum() / (wanted**2).sum())))


def _landmarks_of(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """-> mean (51, 3) and expression basis (51, 3, 64) at points 17..67."""
    if not Path(path).is_file():
        raise InputError(f"{path}: the face model is not there.", WHERE_FROM)
    try:
        data = loadmat(path)
        mean = np.asarray(data["meanshape"], np.float64).reshape(-1, 3)
        basis = np.asarray(data["exBase"], np.float64).reshape(len(mean), 3, -1)
        points = np.asarray(data["keypoints"]).reshape(-1).astype(np.int64)[_FIRST:] - 1
        if basis.shape[2] < N_EXPRESSION or points.shape != (len(_OURS),) or points.max() >= len(mean):
            raise ValueError(f"{basis.shape[2]} expressions, {len(points)} landmarks of {len(mean)} points")
        return mean[points], basis[points][..., :N_EXPRESSION]
    except (KeyError, ValueError, TypeError, OSError, IndexError, NotImplementedError) as error:
        raise InputError(f"{path}: is no BFM_model_front.mat ({error}).", WHERE_FROM) from None


def _similarity(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    """Scale and rotation (3, 3) that bring source points (N, 3) nearest to target (Umeyama, 1991)."""
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    return float((s * sign).sum() / (a * a).sum()), u @ np.diag(sign) @ vt
