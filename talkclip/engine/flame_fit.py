"""Fitting the map from ARKit shapes to the user's FLAME model.

Each ARKit shape of the default head is asked of FLAME's vertices (`flame_match`), and the expression and jaw that come
closest are found by ridge regression: shapes that open or shift the mouth turn the jaw and move the face together,
by Gauss-Newton on the posed model; for all others the problem is linear. What FLAME cannot show is reported.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from talkclip.coefficients import ARKIT52
from talkclip.engine.flame_landmarks import Points, eye_height
from talkclip.engine.flame_match import FaceMatch, default_face, match_faces, model_face
from talkclip_rigs.flame import N_EXPRESSION, FlameMap, FlameModel
from talkclip_rigs.head import DefaultHead
from talkclip_rigs.rotations import axis_angle_from_matrix

# Ridge: one standard deviation of expression costs as much as this error (root mean square over the face), in mm; a
# turn of the jaw by JAW_SCALE_RAD costs the same.
RIDGE_MM: Final = 0.025
JAW_SCALE_RAD: Final = 0.5
# Which axes of the jaw a shape may turn. The jaw cannot slide, so jawForward is left to the expression.
JAW_AXES: Final[dict[str, tuple[int, ...]]] = {
    "jawOpen": (0,), "jawLeft": (1, 2), "jawRight": (1, 2), "mouthClose": (0,),
}  # fmt: skip
# mouthClose only ever closes an open jaw, so it is solved there.
SOLVED_ON_TOP_OF: Final = {"mouthClose": "jawOpen"}
NEWTON_STEPS: Final = 8
# Vertices that no shape moves only hold the head still.
STILL_WEIGHT: Final = 0.2
# A closed eye and a closed mouth are judged by a hair's breadth: where these shapes move most, errors count more.
CLOSING_SHAPES: Final = ("eyeBlinkLeft", "eyeBlinkRight", "mouthRollUpper", "mouthRollLower")
CLOSING_WEIGHT: Final = 4.0
# Ridge and taller eyes leave a slit in a blink, smaller eyes let the lids cross: how far a blink may be rescaled.
BLINK_GAIN: Final = (0.8, 1.4)
HALF_BLINK: Final = 0.6
MOVES_M: Final = 3e-4


def solve_flame_map(
    model: FlameModel, head: DefaultHead, embedded: dict[str, Points] | None = None, n_expression: int = N_EXPRESSION
) -> FlameMap:
    """Solve the map; a few seconds.

    Args:
        model: the user's model.
        head: the default head.
        embedded: landmarks of the model (`flame_embedding`); None finds them by shape.
        n_expression: expression coefficients to use, 1..100.

    Raises:
        InputError: the model's face cannot be matched.
    """
    match = match_faces(head, model, embedded)
    fit = _Fit(model, match, n_expression)
    expression = np.zeros((len(ARKIT52), n_expression))
    jaw = np.zeros((len(ARKIT52), 3))
    linear = [index for index, name in enumerate(ARKIT52) if name not in JAW_AXES]
    expression[linear] = fit.linear(match.wanted[linear].astype(np.float64))
    for name, axes in JAW_AXES.items():
        index = ARKIT52.index(name)
        below = [ARKIT52.index(SOLVED_ON_TOP_OF[name])] if name in SOLVED_ON_TOP_OF else []
        expression[index], jaw[index] = fit.with_jaw(
            match.wanted[[index, *below]].sum(axis=0), axes, expression[below].sum(axis=0), jaw[below].sum(axis=0)
        )
    for eye, name in enumerate(("eyeBlinkLeft", "eyeBlinkRight")):
        expression[ARKIT52.index(name)] *= _blink_gain(model, head, expression, eye)
    residual, residual_mm = _residuals(fit, match, expression, jaw)
    pose = np.concatenate([jaw, *(_gaze(head, side) for side in ("left", "right"))], axis=1)
    return FlameMap(
        expression=expression.astype(np.float32),
        pose_rad=pose.astype(np.float32),
        residual=residual.astype(np.float32),
        residual_mm=residual_mm.astype(np.float32),
        fit_mm=match.fit_mm,
        model_sha256=model.sha256,
    )


class _Fit:
    """Weighted ridge regression on one model. E expression coefficients, V vertices."""

    def __init__(self, model: FlameModel, match: FaceMatch, n_expression: int) -> None:
        self.model = model
        self.n_expression = n_expression
        size = np.linalg.norm(match.wanted, axis=2)  # (52, V)
        moves = size.max(axis=0) > MOVES_M
        closing = size[[ARKIT52.index(name) for name in CLOSING_SHAPES]]
        closing = (closing / np.maximum(closing.max(axis=1, keepdims=True), MOVES_M)).max(axis=0)
        weight = match.weight * np.where(moves, 1.0 + CLOSING_WEIGHT * closing, STILL_WEIGHT)
        # The mean over the moving face, so that RIDGE_MM does not depend on how finely the model is cut.
        self.weight = weight / weight[moves].sum()
        self.used = self.weight > 0
        self.basis = model.expression_basis[self.used, :, :n_expression].astype(np.float64)
        self.ridge = (RIDGE_MM * 1e-3) ** 2

    def _flat(self, displacement: Points) -> Points:
        """(..., V, 3) -> (..., 3 V) scaled by the square root of the weight."""
        scaled = displacement[..., self.used, :] * np.sqrt(self.weight[self.used])[:, None]
        return np.asarray(scaled.reshape(*displacement.shape[:-2], -1), dtype=np.float64)

    def linear(self, wanted: Points) -> Points:
        """(S, V, 3) -> (S, E) without the jaw."""
        basis = (self.basis * np.sqrt(self.weight[self.used])[:, None, None]).reshape(-1, self.n_expression)
        gram = basis.T @ basis + self.ridge * np.eye(self.n_expression)
        return np.asarray(np.linalg.solve(gram, basis.T @ self._flat(wanted).T).T)

    def shown(self, expression: Points, jaw_rad: Points) -> Points:
        """(E,), (3,) -> (V, 3) displacement of the posed model from its template."""
        posed = self.model.vertices(expression[None], jaw_rad[None])[0]
        return np.asarray(posed - self.model.template, dtype=np.float64)

    def with_jaw(
        self, wanted: Points, axes: tuple[int, ...], base_expression: Points, base_jaw: Points
    ) -> tuple[Points, Points]:
        """The expression (E,) and jaw (3,) that, added to a base pose, come closest to `wanted` (V, 3)."""
        unit = np.append(np.ones(self.n_expression), np.full(len(axes), JAW_SCALE_RAD))
        solution = np.zeros(len(unit))  # expression, then the free axes of the jaw, in units of `unit`
        target = self._flat(wanted)

        def split(unknown: Points) -> tuple[Points, Points]:
            jaw = np.zeros(3)
            jaw[list(axes)] = (unknown * unit)[self.n_expression :]
            return unknown[: self.n_expression], jaw

        def shown(unknown: Points) -> Points:
            expression, jaw = split(unknown)
            return self._flat(self.shown(base_expression + expression, base_jaw + jaw))

        for _ in range(NEWTON_STEPS):
            here = shown(solution)
            jacobian = np.empty((len(here), len(unit)))
            jacobian[:, : self.n_expression] = self._turned_basis(base_jaw + split(solution)[1])
            for column in range(self.n_expression, len(unit)):
                jacobian[:, column] = (shown(solution + 1e-4 * np.eye(len(unit))[column]) - here) / 1e-4
            gram = jacobian.T @ jacobian + self.ridge * np.eye(len(unit))
            change = np.linalg.solve(gram, jacobian.T @ (target - here) - self.ridge * solution)
            solution = solution + change
            if np.abs(change).max() < 1e-3:
                break
        return split(solution)

    def _turned_basis(self, jaw_rad: Points) -> Points:
        """(3 V, E) what each expression coefficient moves while the jaw is turned (joints taken as fixed)."""
        turns = self.model.vertex_turns(jaw_rad)[self.used] * np.sqrt(self.weight[self.used])[:, None, None]
        return np.asarray((turns @ self.basis).reshape(-1, self.n_expression))


def _blink_gain(model: FlameModel, head: DefaultHead, expression: Points, eye: int) -> float:
    """Factor on a blink's expression that closes FLAME's eye as far as the default head's, in share of its height.

    Measured on a half-closed eye, since a closed one has no height left to measure.
    """
    index = ARKIT52.index(("eyeBlinkLeft", "eyeBlinkRight")[eye])
    half = model.vertices(HALF_BLINK * expression[index][None])[0].astype(np.float64)
    blinked = (head.vertices + HALF_BLINK * head.deltas[index]).astype(np.float64)
    faces = ((default_face(head), blinked), (model_face(model), half))
    wanted, shown = (1.0 - eye_height(face, eye, moved) / max(eye_height(face, eye), 1e-6) for face, moved in faces)
    return float(np.clip(wanted / shown, *BLINK_GAIN)) if min(wanted, shown) > 0 else 1.0


def _residuals(fit: _Fit, match: FaceMatch, expression: Points, jaw: Points) -> tuple[Points, Points]:
    """Per shape: relative error, and its root mean square over the vertices that should move, in millimetres."""
    relative, millimetres = np.full(len(ARKIT52), np.nan), np.full(len(ARKIT52), np.nan)
    for index, name in enumerate(ARKIT52):
        below = [ARKIT52.index(SOLVED_ON_TOP_OF[name])] if name in SOLVED_ON_TOP_OF else []
        wanted = match.wanted[[index, *below]].sum(axis=0)
        moving = fit.used & (np.linalg.norm(match.wanted[index], axis=1) > MOVES_M)
        if not moving.any():
            continue
        shown = fit.shown(expression[[index, *below]].sum(axis=0), jaw[[index, *below]].sum(axis=0))
        size = np.linalg.norm(fit._flat(match.wanted[index].astype(np.float64)))
        relative[index] = np.linalg.norm(fit._flat(shown - wanted)) / size
        error = np.sum((shown - wanted)[moving] ** 2, axis=1)
        millimetres[index] = 1e3 * np.sqrt(np.average(error, weights=fit.weight[moving]))
    return relative, millimetres


def _gaze(head: DefaultHead, side: str) -> Points:
    """(52, 3) axis-angle by which each shape turns the default head's eyeball."""
    ball = head.part == head.part_names.index(f"{side}_eye")
    rest = head.vertices[ball].astype(np.float64)
    rest -= rest.mean(axis=0)
    turns = np.zeros((len(head.names), 3))
    for index, delta in enumerate(head.deltas[:, ball].astype(np.float64)):
        moved = rest + delta - delta.mean(axis=0)
        left, _, right = np.linalg.svd(moved.T @ rest)
        turn = left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right
        turns[index] = axis_angle_from_matrix(turn)
    return turns
