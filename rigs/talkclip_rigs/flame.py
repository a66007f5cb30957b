"""FLAME: the user's own model in numpy, and the map from ARKit shapes to its expression and jaw.

FLAME (Li et al., "Learning a model of facial shape and expression from 4D scans", ACM TOG 36(6), 2017) is a head in
metres, +Y up, +Z forward, +X to the character's left: a template plus linear shape, expression and pose-corrective
offsets, posed by linear blend skinning with five joints. The model file is the user's (`flame_file.load_flame_model`);
no part of it is shipped. `FlameMap` is solved on it by `talkclip.engine.flame_solver`.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from talkclip.coefficients import ARKIT52, CoefficientTrack
from talkclip.errors import InputError
from talkclip.files import atomic_write
from talkclip_rigs.rotations import matrix_from_axis_angle

Floats = NDArray[np.float32]

JOINTS: Final = ("root", "neck", "jaw", "left_eye", "right_eye")
"""FLAME's joints in the order of its pose vector."""
JAW, LEFT_EYE, RIGHT_EYE = (JOINTS.index(name) for name in ("jaw", "left_eye", "right_eye"))
N_SHAPE, N_EXPRESSION = 300, 100
"""Columns of `shapedirs`: identity first, then expression."""

FLAME_POSE_CHANNELS: Final[dict[str, tuple[str, str, str]]] = {
    joint: (f"{joint}_x", f"{joint}_y", f"{joint}_z") for joint in ("jaw", "left_eye", "right_eye")
}
"""Pose channels of space `flame`: {joint: axis-angle channels in radians}, in track order after the expression."""


def flame_channels(n_expression: int) -> tuple[str, ...]:
    """Channel names of space `flame`: exp0, exp1, ..., jaw_x, jaw_y, jaw_z, left_eye_x, ..., right_eye_z."""
    poses = (name for channels in FLAME_POSE_CHANNELS.values() for name in channels)
    return (*(f"exp{k}" for k in range(n_expression)), *poses)


@dataclass(frozen=True, eq=False)
class FlameModel:
    """A FLAME model's arrays. V vertices, F triangles, J = 5 joints."""

    template: Floats
    """(V, 3) rest positions, metres."""
    triangles: NDArray[np.int32]
    """(F, 3) vertex indices."""
    shape_basis: Floats
    """(V, 3, 300) metres per standard deviation of identity."""
    expression_basis: Floats
    """(V, 3, 100) metres per standard deviation of expression."""
    pose_basis: Floats
    """(V, 3, 36) metres per element of (R - I) of the four joints below the root, row-major."""
    joint_regressor: Floats
    """(J, V): joint positions from vertices."""
    skinning: Floats
    """(V, J) weights, rows sum to 1."""
    parents: tuple[int, ...]
    """(J,) index of each joint's parent; -1 for the root."""
    sha256: str
    """Hex digest of the model file."""

    def joints(self) -> NDArray[np.float64]:
        """(J, 3) joint positions of the template, metres."""
        return np.asarray(self.joint_regressor.astype(np.float64) @ self.template, dtype=np.float64)

    def vertices(
        self,
        expression: ArrayLike,
        jaw_rad: ArrayLike | None = None,
        left_eye_rad: ArrayLike | None = None,
        right_eye_rad: ArrayLike | None = None,
        neck_rad: ArrayLike | None = None,
        shape: ArrayLike | None = None,
    ) -> Floats:
        """Posed vertices.

        Args:
            expression: (T, E) standard deviations, E <= 100; the rest are zero.
            jaw_rad, left_eye_rad, right_eye_rad, neck_rad: (T, 3) axis-angle; None means at rest.
            shape: (S,) identity in standard deviations, S <= 300; None is the mean face.

        Returns:
            (T, V, 3) metres.

        Raises:
            ValueError: shapes do not fit.
        """
        coefficients = np.asarray(expression, dtype=np.float64)
        if coefficients.ndim != 2 or coefficients.shape[1] > self.expression_basis.shape[2]:
            raise ValueError(
                f"expression must be (T, at most {self.expression_basis.shape[2]}), not {coefficients.shape}."
            )
        neutral = self.template.astype(np.float64)
        if shape is not None:
            identity = np.asarray(shape, dtype=np.float64)
            neutral = neutral + self.shape_basis[..., : len(identity)] @ identity
        pose = np.zeros((len(coefficients), len(JOINTS), 3))
        given = {"neck": neck_rad, "jaw": jaw_rad, "left_eye": left_eye_rad, "right_eye": right_eye_rad}
        for joint, angles in given.items():
            if angles is not None:
                pose[:, JOINTS.index(joint)] = np.asarray(angles, dtype=np.float64).reshape(len(coefficients), 3)
        basis = self.expression_basis[..., : coefficients.shape[1]]
        return np.stack([self._posed(neutral + basis @ row, pose[t]) for t, row in enumerate(coefficients)])

    def _posed(self, shaped: NDArray[np.float64], pose: NDArray[np.float64]) -> Floats:
        """(V, 3) shaped vertices and (J, 3) axis-angles -> (V, 3): pose correctives, then linear blend skinning."""
        rotation = matrix_from_axis_angle(pose)  # (J, 3, 3)
        corrected = shaped + self.pose_basis @ (rotation[1:] - np.eye(3)).reshape(-1)
        turn, shift = self._joint_transforms(rotation, self.joint_regressor @ shaped)
        posed = np.einsum("vij,vj->vi", self._blended(turn), corrected) + self.skinning @ shift
        return np.asarray(posed, dtype=np.float32)

    def vertex_turns(self, jaw_rad: ArrayLike) -> NDArray[np.float64]:
        """(3,) axis-angle -> (V, 3, 3): the linear part of what each vertex goes through when the jaw turns."""
        pose = np.zeros((len(JOINTS), 3))
        pose[JAW] = jaw_rad
        turn, _ = self._joint_transforms(matrix_from_axis_angle(pose), self.joints())
        return self._blended(turn)

    def _joint_transforms(
        self, rotation: NDArray[np.float64], joints: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(J, 3, 3) own turns and (J, 3) rest positions -> each joint maps x to turn @ x + shift: a turn about its rest
        position, carried along by its parent."""
        turn, shift = rotation.copy(), np.zeros(joints.shape)
        for joint, parent in enumerate(self.parents):
            shift[joint] = joints[joint] - rotation[joint] @ joints[joint]
            if parent >= 0:
                turn[joint] = turn[parent] @ rotation[joint]
                shift[joint] = turn[parent] @ shift[joint] + shift[parent]
        return turn, shift

    def _blended(self, turn: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.tensordot(self.skinning, turn, axes=1))  # (V, 3, 3)


MAP_FORMAT: Final = 1


@dataclass(frozen=True, eq=False)
class FlameMap:
    """Linear map from the 52 ARKit weights to FLAME's expression and pose, solved on one model file."""

    expression: Floats
    """(52, E) standard deviations of expression per unit of each ARKit shape, in Apple's order."""
    pose_rad: Floats
    """(52, 9) axis-angle of jaw, left eye, right eye per unit of each shape."""
    residual: Floats
    """(52,) what FLAME cannot show: |error| / |wanted movement| over the matched face; 0 = exact, 1 = nothing shown.
    NaN where the shape moves nothing that FLAME has (tongue, gaze)."""
    residual_mm: Floats
    """(52,) the same error as root mean square over the vertices that should move, millimetres of FLAME's head."""
    fit_mm: float
    """Median distance between the warped default head and FLAME's face: how well the two faces were matched."""
    model_sha256: str
    """The model file it was solved on."""

    @property
    def names(self) -> tuple[str, ...]:
        """Channels of the tracks that `apply` makes."""
        return flame_channels(self.expression.shape[1])

    def apply(self, track: CoefficientTrack) -> CoefficientTrack:
        """A track of space `arkit52` in space `flame`: same clock, same head pose.

        Raises:
            InputError: another space, or not all 52 channels.
        """
        if track.space != "arkit52":
            raise InputError(f"FLAME is derived from space arkit52; this track is {track.space}.")
        missing = [name for name in ARKIT52 if name not in track.names]
        if missing:
            raise InputError(f"FLAME needs all 52 ARKit channels; {len(missing)} are missing, such as '{missing[0]}'.")
        columns = [track.names.index(name) for name in ARKIT52]
        values = self.mapped(track.values[:, columns])
        return CoefficientTrack("flame", self.names, track.fps, values, track.start_s, track.head)

    def mapped(self, values: Floats) -> Floats:
        """(T, 52) in Apple's order -> (T, E + 9). Linear: a sum of parts becomes the sum of what they become."""
        return np.asarray(values @ np.concatenate([self.expression, self.pose_rad], axis=1), dtype=np.float32)

    def report(self) -> str:
        """Table of what each shape became and how much of it FLAME could show."""
        lines = [f"faces matched to {self.fit_mm:.2f} mm (median)", "shape                 left over    rms    jaw x"]
        for index, name in enumerate(ARKIT52):
            share = "    -    " if np.isnan(self.residual[index]) else f"{self.residual[index]:8.0%} "
            turn = np.degrees(self.pose_rad[index, 0])
            lines.append(f"{name:20s} {share} {self.residual_mm[index]:5.2f} mm {turn:6.1f}°")
        return "\n".join(lines)

    def save(self, path: str | Path) -> None:
        """Write as npz."""
        with atomic_write(path) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(
                stream, format=MAP_FORMAT, expression=self.expression, pose_rad=self.pose_rad,
                residual=self.residual, residual_mm=self.residual_mm, fit_mm=self.fit_mm,
                model_sha256=self.model_sha256,
            )  # fmt: skip

    @staticmethod
    def load(path: str | Path) -> FlameMap:
        """Read what `save` wrote.

        Raises:
            InputError: missing, truncated, or of another format.
        """
        try:
            with np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False) as archive:
                if int(archive["format"]) != MAP_FORMAT:
                    raise ValueError(f"format {int(archive['format'])}, expected {MAP_FORMAT}")
                arrays = {
                    key: archive[key].astype(np.float32)
                    for key in ("expression", "pose_rad", "residual", "residual_mm")
                }
                found = FlameMap(**arrays, fit_mm=float(archive["fit_mm"]), model_sha256=str(archive["model_sha256"]))
        except Exception as error:  # np.load raises anything from zipfile.BadZipFile to UnicodeDecodeError
            raise InputError(f"{path}: is no FLAME map ({error}).", "Delete it; it will be solved again.") from None
        if (
            found.expression.ndim != 2
            or len(found.expression) != len(ARKIT52)
            or found.pose_rad.shape != (len(ARKIT52), 9)
        ):
            raise InputError(f"{path}: is no FLAME map (wrong shapes).", "Delete it; it will be solved again.")
        return found
