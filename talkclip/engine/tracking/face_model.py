"""The default head as the fitter sees it: 468 points, who the person is, and what the face does, all linear."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from talkclip.coefficients import ARKIT52
from talkclip.engine.tracking.identity import identity_basis
from talkclip.engine.weights.registry import find_weight
from talkclip_rigs.head import DefaultHead

_STEP_M = 1e-5
# Shapes that the points do not show: gaze moves only the iris, the tongue has no landmark.
UNSEEN = (*(name for name in ARKIT52 if name.startswith("eyeLook")), "tongueOut")


@dataclasses.dataclass(frozen=True)
class FaceModel:
    """Points of the default head in metres, head axes (+x the character's left, +y up, +z forward).

    Attributes:
        rest: (468, 3) the mean person, without expression, where the network puts the points.
        identity: (K, 468, 3) per standard deviation.
        expression: (52, 468, 3) per unit of each ARKit shape, as the network answers to it.
        deviation_m: (468,) how far the network's points usually lie from these.
        seen: (52,) bool, shapes that the points show.
        corners, shares: (468, 3) skin vertices and weights that make each point.
    """

    rest: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    deviation_m: np.ndarray
    seen: np.ndarray
    corners: np.ndarray
    shares: np.ndarray

    def points(self, person: np.ndarray, values: np.ndarray) -> np.ndarray:
        """-> (468, 3) for a person's offsets (468, 3) and shape values (52,)."""
        return self.rest + person + np.tensordot(values, self.expression, 1)


@functools.cache
def face_model() -> FaceModel:
    """The packaged model."""
    head, basis = DefaultHead.load(), identity_basis()
    with np.load(find_weight("face-fit"), allow_pickle=False) as archive:
        corners = archive["landmark_corners"].astype(np.int64)
        shares = archive["landmark_shares"].astype(np.float64)
        deviation_m = archive["landmark_deviation_m"].astype(np.float64)
        response, bias = (archive[key].astype(np.float64) * _STEP_M for key in ("response_10um", "bias_10um"))

    def at_landmarks(skin: np.ndarray) -> np.ndarray:
        return np.einsum("...lkc,lk->...lc", skin[..., corners, :].astype(np.float64), shares)

    return FaceModel(
        rest=at_landmarks(head.vertices[basis.skin_rows]) + bias,
        identity=at_landmarks(basis.skin),
        expression=at_landmarks(head.deltas[:, basis.skin_rows]) + response,
        deviation_m=deviation_m,
        seen=~np.isin(np.array(ARKIT52), UNSEEN),
        corners=corners,
        shares=shares,
    )
