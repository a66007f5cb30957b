"""Teeth, gums and tongue. hm08's dental helpers are solid bands, so the teeth are our own, one rounded crown each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from head_build.mesh import Points, facing_out, grid_faces, grid_uv
from head_build.piece import Piece
from head_build.source import BaseMesh

JAW_SHAPES = ("jawOpen", "jawForward", "jawLeft", "jawRight")
TOOTH_RGB = np.array([238.0, 231.0, 215.0])
TOOTH_NECK_RGB = np.array([222.0, 206.0, 178.0])
GUM_RGB = np.array([196.0, 110.0, 108.0])
DARK_RGB = np.array([60.0, 26.0, 26.0])
TONGUE_FLATTEN = 0.72
"""hm08's tongue fills the cavity; an open mouth needs some dark above it."""
TONGUE_RGB = np.array([198.0, 106.0, 104.0])


@dataclass(frozen=True)
class Arch:
    """Half of a dental arch, mirrored when built; from the middle backwards. Lengths in metres."""

    name: str
    half_width: float
    depth: float
    """The arch is half a superellipse: this long from the incisors to the widest place."""
    front_z: float
    edge_y: float
    """Height of the biting edges."""
    up: float
    """+1 when the roots are above the crowns (upper), -1 when below."""
    widths: tuple[float, ...]
    heights: tuple[float, ...]
    thickness: tuple[float, ...]


UPPER = Arch(
    "upper", 0.0265, 0.042, 0.1400, 0.6668, 1.0,
    (0.0086, 0.0068, 0.0077, 0.0071, 0.0069, 0.0096, 0.0092),
    (0.0100, 0.0088, 0.0097, 0.0083, 0.0078, 0.0072, 0.0070),
    (0.0052, 0.0050, 0.0062, 0.0078, 0.0080, 0.0095, 0.0095),
)  # fmt: skip
LOWER = Arch(
    "lower", 0.0250, 0.040, 0.1352, 0.6686, -1.0,
    (0.0056, 0.0061, 0.0070, 0.0071, 0.0072, 0.0102, 0.0096),
    (0.0092, 0.0092, 0.0098, 0.0085, 0.0080, 0.0074, 0.0070),
    (0.0048, 0.0050, 0.0060, 0.0074, 0.0080, 0.0095, 0.0095),
)  # fmt: skip
ARCH_POWER = 2.4
"""2 is an ellipse; more is flatter in front (a superellipse)."""
TOOTH_ROWS, TOOTH_COLUMNS = 7, 12
GUM_ROWS, GUM_COLUMNS = 9, 85


def build_teeth(base: BaseMesh, arch: Arch) -> Piece:
    """One arch of 14 teeth in their gum. The lower one moves rigidly with the jaw, as hm08's own lower teeth do."""
    centers, frames, lengths = _placed(arch)
    vertices, faces, colors, material, uv = [], [], [], [], []
    start = 0
    for position, frame, (width, height, thick) in zip(centers, frames, lengths, strict=True):
        crown, shade = _crown(width, height, thick, arch.up)
        vertices.append(position + crown @ frame)
        faces.append(facing_out(vertices[-1], grid_faces(TOOTH_ROWS, TOOTH_COLUMNS, closed=True)) + start)
        colors.append(_darken(vertices[-1], TOOTH_NECK_RGB + (TOOTH_RGB - TOOTH_NECK_RGB) * shade[:, None], arch))
        material.append(np.full(len(faces[-1]), "teeth", dtype="<U8"))
        uv.append(grid_uv(TOOTH_ROWS, TOOTH_COLUMNS))
        start += len(crown)
    gum = _gum(arch)
    vertices.append(gum)
    faces.append(facing_out(gum, grid_faces(GUM_COLUMNS, GUM_ROWS, closed=True)) + start)
    colors.append(_darken(gum, np.tile(GUM_RGB, (len(gum), 1)), arch))
    material.append(np.full(len(faces[-1]), "gum", dtype="<U8"))
    uv.append(grid_uv(GUM_COLUMNS, GUM_ROWS))
    points, quads = np.concatenate(vertices), np.concatenate(faces)
    return Piece(
        name=f"{arch.name}_teeth",
        vertices=points,
        faces=quads,
        material=np.concatenate(material),
        colors=np.concatenate(colors),
        uv=np.concatenate(uv),
        face_uv=quads,
        deltas={shape: _jaw_motion(base, shape, points) for shape in JAW_SHAPES} if arch.up < 0 else {},
        landmarks={f"teeth_{arch.name}": _edge_vertex(points, arch)},
    )


def build_tongue(base: BaseMesh) -> Piece:
    """hm08's tongue with its shapes: it lies on the jaw and comes out with `tongueOut`."""
    faces, face_uv = base.faces["helper-tongue"], base.face_uv["helper-tongue"]
    used, local = np.unique(faces, return_inverse=True)
    used_uv, local_uv = np.unique(face_uv, return_inverse=True)
    floor = base.vertices[used, 1].min()
    vertices = floor + (base.vertices[used] - floor) * [1.0, TONGUE_FLATTEN, 1.0]
    vertices[:, [0, 2]] = base.vertices[used][:, [0, 2]]
    back = np.clip((0.127 - vertices[:, 2]) / 0.040, 0, 1)[:, None]
    groove = 0.18 * np.exp(-0.5 * (vertices[:, :1] / 0.0022) ** 2)
    colors = TONGUE_RGB * (1 - back) + DARK_RGB * back
    return Piece(
        name="tongue",
        vertices=vertices,
        faces=local.reshape(-1, 4),
        material=np.full(len(faces), "tongue"),
        colors=colors * (1 - groove),
        uv=base.uv[used_uv],
        face_uv=local_uv.reshape(-1, 4),
        deltas={name: delta[used] for name, delta in base.deltas.items()},
        landmarks={"tongue_tip": int(vertices[:, 2].argmax())},
    )


def _curve(arch: Arch, samples: int = 2001) -> tuple[Points, Points]:
    """Arc length from the middle and (x, z) along the left half of the arch."""
    angle = np.linspace(0, np.pi / 2, samples)
    across, along = np.sin(angle) ** (2 / ARCH_POWER), np.cos(angle) ** (2 / ARCH_POWER)
    points = np.stack([arch.half_width * across, arch.front_z - arch.depth * (1 - along)], axis=1)
    points = np.concatenate([points, points[-1:] - [0.0, 0.01]])  # goes on straight behind it
    step = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.concatenate([[0], np.cumsum(step)]), points


def _on_curve(length: Points, points: Points, at: float) -> tuple[Points, Points]:
    """(x, z) of a place along the arch, and the unit tangent there, leading away from the middle."""

    def place(where: float) -> Points:
        mirrored = np.array([np.sign(where) or 1.0, 1.0])
        return mirrored * [np.interp(abs(where), length, points[:, axis]) for axis in (0, 1)]

    step = place(at + 1e-4) - place(at - 1e-4)
    return place(at), step / np.linalg.norm(step)


def _placed(arch: Arch) -> tuple[list[Points], list[Points], list[tuple[float, float, float]]]:
    """Crown centres, (3, 3) frames (rows: across, up, outward) and sizes of the 14 teeth."""
    length, points = _curve(arch)
    at = np.cumsum(arch.widths) - np.array(arch.widths) / 2
    centers, frames, sizes = [], [], []
    for side in (1.0, -1.0):
        for middle, width, height, thick in zip(at, arch.widths, arch.heights, arch.thickness, strict=True):
            (x, z), across = _on_curve(length, points, middle)
            outward = np.array([-across[1], 0, across[0]])
            front = np.array([x, arch.edge_y + arch.up * height / 2, z])
            centers.append((front - 0.5 * thick * outward) * [side, 1, 1])
            frames.append(np.array([[side * across[0], 0, across[1]], [0, 1, 0], outward * [side, 1, 1]]))
            if side < 0:
                frames[-1][0] *= -1
            sizes.append((width, height, thick))
    return centers, frames, sizes


def _crown(width: float, height: float, thick: float, up: float) -> tuple[Points, Points]:
    """A rounded block, thinner at the biting edge: (n, 3) across, up, outward; (n,) 1 at the edge to 0 at the neck."""

    def boxy(x: Points, power: float) -> Points:
        return np.sign(x) * np.abs(x) ** power

    rise = np.linspace(-np.pi / 2, np.pi / 2, TOOTH_ROWS) * 0.99999
    turn = np.arange(TOOTH_COLUMNS) * 2 * np.pi / TOOTH_COLUMNS + np.pi / TOOTH_COLUMNS
    r, t = (grid.ravel() for grid in np.meshgrid(rise, turn, indexing="ij"))
    toward_root = (boxy(np.sin(r), 0.7) + 1) / 2
    narrow = 0.90 + 0.10 * np.sin(np.pi * np.clip(toward_root * 0.9 + 0.1, 0, 1))
    thin = (0.45 + 0.55 * toward_root) if thick < 0.007 else np.ones_like(r)
    across = 0.495 * width * narrow * boxy(np.cos(r), 0.16) * boxy(np.cos(t), 0.50)
    outward = 0.5 * thick * boxy(np.cos(r), 0.28) * boxy(np.sin(t), 0.50)
    outward = outward * thin + 0.18 * thick * (thin - 1)
    vertical = up * height * (toward_root - 0.5)
    return np.stack([across, vertical, outward], axis=1), np.clip(1.25 - toward_root * 1.15, 0, 1)


def _gum(arch: Arch) -> Points:
    """A ridge along the arch, scalloped around each tooth's neck."""
    length, points = _curve(arch)
    reach = float(np.sum(arch.widths)) + 0.001
    borders = np.concatenate([[0], np.cumsum(arch.widths)])
    rows = []
    for place in np.linspace(-reach, reach, GUM_COLUMNS):
        side, along = (1.0 if place >= 0 else -1.0), abs(place)
        (x, z), across = _on_curve(length, points, along)
        outward = np.array([-across[1] * side, 0, across[0]])
        tooth = min(int(np.searchsorted(borders, along, side="right")) - 1, len(arch.widths) - 1)
        inside = np.clip((along - borders[tooth]) / arch.widths[tooth], 0, 1)
        papilla = 0.0011 * (1 - np.sin(np.pi * inside) ** 0.8)
        height = float(np.interp(along, np.cumsum(arch.widths) - np.array(arch.widths) / 2, arch.heights))
        thick = float(np.interp(along, np.cumsum(arch.widths) - np.array(arch.widths) / 2, arch.thickness))
        low = arch.edge_y + arch.up * (height * 0.80 - papilla)
        turn = np.arange(GUM_ROWS) * 2 * np.pi / GUM_ROWS + np.pi / 2
        half_height, half_thick = 0.0052 if arch.up > 0 else 0.0032, thick * 0.5 + 0.0004
        middle = np.array([x * side, low + arch.up * half_height, z]) - outward * thick * 0.5
        thickness = np.outer(np.cos(turn) * half_thick, outward)
        rows.append(middle + thickness - np.outer(np.sin(turn) * half_height * arch.up, [0, 1, 0]))
    return np.concatenate(rows)


def _darken(points: Points, colors: Points, arch: Arch) -> Points:
    """Back teeth stand in the mouth's shadow, which simple renderers do not compute."""
    back = np.clip((arch.front_z - 0.004 - points[:, 2]) / 0.034, 0, 1)[:, None] ** 0.8
    return colors * (1 - 0.72 * back) + DARK_RGB * 0.72 * back * 0.5


def _jaw_motion(base: BaseMesh, shape: str, points: Points) -> Points:
    """The affine motion of hm08's lower teeth under a shape, applied to ours."""
    group = np.unique(base.faces["helper-lower-teeth"])
    source = base.vertices[group]
    moved = source + base.deltas[shape][group]
    turn = _rotation(source - source.mean(axis=0), moved - moved.mean(axis=0))
    return np.asarray((points - source.mean(axis=0)) @ turn.T + moved.mean(axis=0) - points)


def _rotation(source: Points, target: Points) -> Points:
    """The rotation that best takes `source` to `target`, both centred (Kabsch 1976)."""
    left, _, right = np.linalg.svd(source.T @ target)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(right.T @ left.T))])
    return np.asarray(right.T @ flip @ left.T)


def _edge_vertex(points: Points, arch: Arch) -> int:
    """Vertex on the biting edge nearest the middle."""
    return int(np.linalg.norm(points - [0.0, arch.edge_y, arch.front_z - 0.002], axis=1).argmin())
