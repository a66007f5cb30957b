"""Eyeballs: our own spheres with a crisp round iris and pupil, painted by rings of vertices."""

from __future__ import annotations

import numpy as np

from head_build.mesh import Points, grid_faces
from head_build.piece import Piece
from head_build.source import BaseMesh

SEGMENTS = 32
RADIUS_M = 0.0150
# Angles from the gaze axis. Colour changes over a fifth of a degree, so the circles are crisp without a texture.
PUPIL_DEG = 8.6
IRIS_DEG = 21.6
RINGS_DEG = (
    1.5, 5.0, PUPIL_DEG, PUPIL_DEG + 0.5, 11.0, 14.0, 17.0, 19.6, IRIS_DEG, IRIS_DEG + 0.8, 27.0, 34.0, 42.0, 52.0,
    64.0, 78.0, 95.0, 115.0,
)  # fmt: skip
PUPIL_RGB = (14.0, 11.0, 12.0)
IRIS_INNER_RGB = np.array([150.0, 118.0, 74.0])
IRIS_OUTER_RGB = np.array([92.0, 126.0, 134.0])
LIMBUS_RGB = np.array([30.0, 40.0, 48.0])
WHITE_RGB = np.array([240.0, 236.0, 231.0])
CORNER_RGB = np.array([220.0, 178.0, 168.0])
# How far the eye turns at 1.0, (pitch down, yaw to the character's left) in degrees for the left eye.
LOOKS_DEG = {
    "eyeLookUp": (-18.0, 0.0), "eyeLookDown": (22.0, 0.0), "eyeLookIn": (0.0, -25.0), "eyeLookOut": (0.0, 25.0),
}  # fmt: skip


def eye_center(base: BaseMesh, side: int) -> Points:
    """(3,) centre of the sphere through hm08's eye helper, metres; `side` +1 is the character's left."""
    group = base.faces["helper-l-eye" if side > 0 else "helper-r-eye"]
    points = base.vertices[np.unique(group)]
    system = np.column_stack([2 * points, np.ones(len(points))])
    return np.asarray(np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0][:3])


def build_eye(base: BaseMesh, side: int) -> Piece:
    """One eyeball; open at the back, where nobody looks."""
    name = "left" if side > 0 else "right"
    center = eye_center(base, side)
    angle = np.radians(np.repeat(RINGS_DEG, SEGMENTS))
    turn = np.tile(np.arange(SEGMENTS) * 2 * np.pi / SEGMENTS, len(RINGS_DEG))
    ball = np.stack([np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle)], axis=1)
    ball = np.concatenate([ball, [[0.0, 0.0, 1.0]]]) * RADIUS_M
    tip = len(ball) - 1
    first = np.arange(SEGMENTS)
    cap = np.stack([np.full(SEGMENTS, tip), first, np.roll(first, -1), np.roll(first, -1)], axis=1)
    quads = grid_faces(len(RINGS_DEG), SEGMENTS, closed=True)[:, ::-1]
    starts_deg = np.repeat(RINGS_DEG[:-1], SEGMENTS)
    kind = np.select([starts_deg < PUPIL_DEG, starts_deg < IRIS_DEG], ["pupil", "iris"], "eye_white")
    uv = 0.5 + 0.5 * ball[:, :2] / RADIUS_M
    faces = np.concatenate([cap, quads])
    return Piece(
        name=f"{name}_eye",
        vertices=ball + center,
        faces=faces,
        material=np.concatenate([np.full(SEGMENTS, "pupil"), kind]),
        colors=_paint(ball / RADIUS_M, side),
        uv=uv,
        face_uv=faces,
        deltas=_looks(ball, side),
        landmarks={f"pupil_{name}": tip},
    )


def _paint(unit: Points, side: int) -> Points:
    degree = np.degrees(np.arccos(np.clip(unit[:, 2], -1, 1)))
    turn = np.arctan2(unit[:, 1], unit[:, 0])
    spread = np.clip((degree - PUPIL_DEG) / (IRIS_DEG - PUPIL_DEG), 0, 1)[:, None]
    fibres = (1 + 0.10 * np.sin(turn * 8) * (1 - spread[:, 0]) + 0.06 * np.sin(turn * 16 + 1))[:, None]
    iris = (IRIS_INNER_RGB * (1 - spread) + IRIS_OUTER_RGB * spread) * fibres
    edge = np.clip((degree - 18.2) / (IRIS_DEG - 18.2), 0, 1)[:, None]
    iris = iris * (1 - edge) + LIMBUS_RGB * edge
    corner = np.clip((degree - 36) / 30, 0, 1)[:, None]
    white = WHITE_RGB * (1 - 0.7 * corner) + CORNER_RGB * 0.7 * corner
    white = white * (1 - 0.10 * np.clip(unit[:, 1:2] / 0.4, 0, 1))
    colors = np.where(degree[:, None] <= IRIS_DEG + 0.01, iris, white)
    colors[degree <= PUPIL_DEG + 0.01] = PUPIL_RGB
    return colors


def _looks(ball: Points, side: int) -> dict[str, Points]:
    name = "Left" if side > 0 else "Right"
    deltas = {}
    for shape, (pitch_deg, yaw_deg) in LOOKS_DEG.items():
        pitch, yaw = np.radians([pitch_deg, yaw_deg * side])
        about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        deltas[shape + name] = ball @ (about_y @ about_x).T - ball
    return deltas
