"""Matching the default head to the user's FLAME head, so that each ARKit shape can be asked of FLAME's vertices.

The default head's skin is laid onto FLAME's template: by a similarity over landmarks, then by a smooth warp towards
the closest points, from coarse to fine (in the manner of non-rigid ICP). "Closest" counts position, surface normal
and, around the mouth, whether a point follows the jaw, which keeps upper and lower lip apart although they touch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from talkclip.engine.flame_landmarks import Face, Points, geometric_landmarks
from talkclip.errors import InputError
from talkclip_rigs.flame import JAW, LEFT_EYE, RIGHT_EYE, FlameModel
from talkclip_rigs.head import DefaultHead

# A normal turned by a right angle, and a point of the other lip, count as this far away.
NORMAL_M, LIP_M = 0.006, 0.012
# How far from the seam of the lips a point still belongs to one of them.
LIP_REACH_M = 0.012
# Smoothness of the warp, from first to last step.
COARSE_M, FINE_M, STEPS = 0.035, 0.005, 16
LANDMARK_WEIGHT = 8.0
# A chin has no one point; the rule only says where to begin.
CHIN_WEIGHT = 1.0
SAMPLES: Final = 60_000
# Matched vertices farther than this from the warped skin count little.
TRUST_M: Final = 0.003


@dataclass(frozen=True)
class FaceMatch:
    """What each FLAME vertex should do, in FLAME's own coordinates. V vertices of the model."""

    wanted: NDArray[np.float32]
    """(52, V, 3) displacement in metres for each ARKit shape at 1.0, in Apple's order."""
    weight: Points
    """(V,) >= 0: how much a vertex counts; 0 for eyeballs and where the heads do not correspond."""
    fit_mm: float
    """Median distance of the face's vertices from the warped default head."""
    landmarks: tuple[str, ...]
    """The landmarks that were used."""


def model_face(model: FlameModel) -> Face:
    """The user's model as the landmark rules see it.

    Raises:
        InputError: no eyeballs, or a head that does not stand as FLAME's does.
    """
    joints = model.joints()
    balls = [np.flatnonzero(model.skinning[:, joint] > 0.5) for joint in (LEFT_EYE, RIGHT_EYE)]
    if min(len(ball) for ball in balls) < 8:
        raise InputError("FLAME model: no vertex follows the eye joints.", "Use the unmodified model.")
    centres = np.stack([joints[LEFT_EYE], joints[RIGHT_EYE]])
    apart = centres[0] - centres[1]
    if not (0.03 < apart[0] < 0.12 and np.linalg.norm(apart[1:]) < 0.4 * apart[0]):
        raise InputError(
            f"FLAME model: the eyes stand {np.round(apart, 3)} m apart; FLAME's are about (0.06, 0, 0).",
            "Use the unmodified model: metres, +Y up, +Z forward.",
        )
    template = model.template.astype(np.float64)
    is_eye = np.zeros(len(template), dtype=bool)
    is_eye[np.concatenate(balls)] = True
    distance = [np.linalg.norm(template[ball] - centre, axis=1) for ball, centre in zip(balls, centres, strict=True)]
    return Face(
        vertices=template,
        triangles=model.triangles[~is_eye[model.triangles].any(axis=1)].astype(np.int64),
        jawness=model.skinning[:, JAW].astype(np.float64),
        eye_centers=centres,
        eye_radius=float(np.median(np.concatenate(distance))),
    )


def default_face(head: DefaultHead) -> Face:
    """The default head as the landmark rules see it."""
    is_skin = head.part == head.part_names.index("skin")
    centres = np.stack([head.eye_centers["left"], head.eye_centers["right"]]).astype(np.float64)
    ball = head.vertices[head.part == head.part_names.index("left_eye")]
    return Face(
        vertices=head.vertices.astype(np.float64),
        triangles=head.triangles[is_skin[head.triangles].all(axis=1)].astype(np.int64),
        jawness=_jawness(head, is_skin),
        eye_centers=centres,
        eye_radius=float(np.median(np.linalg.norm(ball - centres[0], axis=1))),
    )


def match_faces(head: DefaultHead, model: FlameModel, embedded: dict[str, Points] | None = None) -> FaceMatch:
    """Lay the default head onto the model's template.

    Args:
        head: the default head.
        model: the user's model.
        embedded: landmarks of the model under the names of `DefaultHead.landmarks`; None finds them by shape.

    Raises:
        InputError: the model's face cannot be found.
    """
    source, target = default_face(head), model_face(model)
    names, from_points, to_points = _landmark_pairs(head, source, target, embedded)
    scale, turn, shift = _similarity(from_points, to_points)
    placed = scale * source.vertices @ turn.T + shift
    marks = scale * from_points @ turn.T + shift
    sides = _Sides(_lip_side(source, from_points, names), _lip_side(target, to_points, names))
    mark_weight = np.array([CHIN_WEIGHT if name == "chin" else LANDMARK_WEIGHT for name in names])
    warped = _warped(placed, source, target, sides, marks, to_points, mark_weight)
    skin = source.skin
    stretch = _local_stretch(placed[skin], warped[skin])
    turned = scale * head.deltas[:, skin].astype(np.float64) @ turn.T
    moved = np.zeros((len(head.names), len(source.vertices), 3))
    moved[:, skin] = np.einsum("vij,svj->svi", stretch, turned)
    wanted, weight, fit_mm = _transferred(moved, warped, source, target, sides)
    return FaceMatch(wanted, weight, fit_mm, names)


def _landmark_pairs(
    head: DefaultHead, source: Face, target: Face, embedded: dict[str, Points] | None
) -> tuple[tuple[str, ...], Points, Points]:
    from_marks, to_marks = geometric_landmarks(source), geometric_landmarks(target)
    if embedded:
        eyes = ("eye_left", "eye_right", "chin")
        from_marks = {n: p for n, p in from_marks.items() if n in eyes}
        to_marks = {n: p for n, p in to_marks.items() if n in eyes}
        from_marks |= {name: head.vertices[head.landmarks[name]].astype(np.float64) for name in embedded}
        to_marks |= embedded
    names = tuple(name for name in from_marks if name in to_marks)
    if len(names) < 4:
        raise InputError(
            "FLAME model: its face cannot be found.", "Use the unmodified model: metres, +Y up, +Z forward."
        )
    return names, np.stack([from_marks[n] for n in names]), np.stack([to_marks[n] for n in names])


@dataclass(frozen=True)
class _Sides:
    """(V,) of each face: 0 on the upper lip and away from the mouth, 1 on the lower lip."""

    source: Points
    target: Points


def _lip_side(face: Face, marks: Points, names: tuple[str, ...]) -> Points:
    """Upper or lower lip by what follows the jaw. The two heads' jaws fade out differently over the cheeks, so this
    counts near the seam only, and sharply."""
    place = dict(zip(names, marks, strict=True))
    middle = place.get("lips", place.get("lip_upper_inner"))
    if middle is None or "mouth_corner_left" not in place or "mouth_corner_right" not in place:
        return np.zeros(len(face.vertices))
    along = np.linspace(0, 1, 12)[:, None]
    corners = [place["mouth_corner_left"], place["mouth_corner_right"]]
    seam = np.concatenate([(1 - along) * middle + along * corner for corner in corners])
    distance, _ = cKDTree(seam).query(face.vertices)
    sharp = np.clip((face.jawness - 0.25) / 0.5, 0, 1)
    return np.asarray(sharp * np.exp(-((distance / LIP_REACH_M) ** 2)))


def _similarity(source: Points, target: Points) -> tuple[float, Points, Points]:
    """Scale, rotation, shift that bring (N, 3) points closest to others (Umeyama, IEEE TPAMI 13(4), 1991)."""
    from_mean, to_mean = source.mean(axis=0), target.mean(axis=0)
    centred, aimed = source - from_mean, target - to_mean
    left, sizes, right = np.linalg.svd(aimed.T @ centred)
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    turn = left @ sign @ right
    scale = float(np.trace(np.diag(sizes) @ sign) / np.sum(centred**2))
    return scale, turn, to_mean - scale * turn @ from_mean


def _jawness(head: DefaultHead, is_skin: NDArray[np.bool_]) -> Points:
    """(V,) how far each vertex follows the rigid turn that the chin makes in jawOpen, 0..1."""
    moved = head.deltas[head.names.index("jawOpen")].astype(np.float64)
    rest = head.vertices.astype(np.float64)
    size = np.linalg.norm(moved, axis=1)
    chin = is_skin & (size > 0.7 * size[is_skin].max())
    turn, shift = _rigid(rest[chin], (rest + moved)[chin])
    follow = rest @ turn.T + shift - rest
    share = np.sum(moved * follow, axis=1) / np.maximum(np.sum(follow**2, axis=1), 1e-8)
    return np.where(size > 2e-4, np.clip(share, 0.0, 1.0), 0.0)


def _rigid(source: Points, target: Points) -> tuple[Points, Points]:
    """Rotation and shift between (N, 3) points (Kabsch)."""
    from_mean, to_mean = source.mean(axis=0), target.mean(axis=0)
    left, _, right = np.linalg.svd((target - to_mean).T @ (source - from_mean))
    turn = left @ np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))]) @ right
    return turn, to_mean - turn @ from_mean


@dataclass(frozen=True)
class _Samples:
    """Points spread evenly over a face's skin."""

    triangle: NDArray[np.int64]  # (N, 3) vertex indices
    share: Points  # (N, 3) barycentric weights

    def of(self, values: Points) -> Points:
        """(V, ...) per vertex -> (N, ...) per sample."""
        return np.asarray(np.einsum("nk,nk...->n...", self.share, values[self.triangle]))


def _samples(face: Face, vertices: Points) -> _Samples:
    corner = vertices[face.triangles]
    area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    rng = np.random.default_rng(0)
    chosen = face.triangles[rng.choice(len(area), SAMPLES, p=area / area.sum())]
    share = rng.dirichlet((1.0, 1.0, 1.0), SAMPLES)
    return _Samples(chosen, share)


def _normals(triangles: NDArray[np.int64], vertices: Points) -> Points:
    """(V, 3) unit vertex normals, area-weighted; zero where no triangle is."""
    corner = vertices[triangles]
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    total = np.zeros_like(vertices)
    for side in range(3):
        np.add.at(total, triangles[:, side], normal)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-20))


def _features(points: Points, normals: Points, side: Points) -> Points:
    """(N, 7) so that plain distance means "corresponds badly", in metres."""
    return np.concatenate([points, NORMAL_M * normals, LIP_M * side[:, None]], axis=1)


def _warped(
    placed: Points, source: Face, target: Face, sides: _Sides, marks: Points, aims: Points, mark_weight: Points
) -> Points:
    """Move the placed source vertices smoothly onto the target's skin; landmarks go to their aims."""
    current, marks = placed.copy(), marks.copy()
    target_normals = _normals(target.triangles, target.vertices)
    spread = _samples(target, target.vertices)
    aim_points, aim_normals = spread.of(target.vertices), spread.of(target_normals)
    aim_tree = cKDTree(_features(aim_points, aim_normals, spread.of(sides.target)))
    own, theirs = source.skin, target.skin
    for width in np.geomspace(COARSE_M, FINE_M, STEPS):
        stride = max(1, int(width / 0.006))
        normals = _normals(source.triangles, current)
        features = _features(current, normals, sides.source)
        ask = own[::stride]
        _, hit = aim_tree.query(features[ask])
        pull = aim_points[hit] - current[ask]
        agree = np.clip(np.sum(normals[ask] * aim_normals[hit], axis=1), 0, 1)
        answer = theirs[::stride]
        _, back = cKDTree(features[own]).query(_features(target.vertices, target_normals, sides.target)[answer])
        back_pull = target.vertices[answer] - current[own[back]]
        back_agree = np.clip(np.sum(normals[own[back]] * target_normals[answer], axis=1), 0, 1)
        where = np.concatenate([current[ask], current[own[back]], marks])
        shifts = np.concatenate([pull, back_pull, aims - marks])
        trust = np.concatenate([agree, back_agree]) * np.exp(
            -np.sum(shifts[: -len(marks)] ** 2, axis=1) / (2 * width) ** 2
        )
        trust = np.concatenate([trust, mark_weight])
        moved = _smoothed(np.concatenate([current[own], marks]), where, shifts, trust, width)
        current[own] += moved[: len(own)]
        marks += moved[len(own) :]
    return current


def _smoothed(at: Points, where: Points, shifts: Points, trust: Points, width: float) -> Points:
    """(N, 3) the Gaussian mean of trusted shifts around each point; fades to zero where there are none."""
    near = cKDTree(at).sparse_distance_matrix(cKDTree(where), 2.5 * width, output_type="coo_matrix").tocsr()
    near.data = np.exp(-(near.data**2) / (2 * width**2))
    return np.asarray((near @ (trust[:, None] * shifts)) / (near @ trust + 0.5)[:, None])


def _local_stretch(before: Points, after: Points, width: float = 0.008) -> Points:
    """(N, 3, 3) how the warp stretches space around each point: weighted least squares, pulled towards no change."""
    tree = cKDTree(before)
    near = tree.sparse_distance_matrix(tree, 2.5 * width, output_type="coo_matrix").tocsr()
    near.data = np.exp(-(near.data**2) / (2 * width**2))
    total = np.asarray(near.sum(axis=1)).ravel()
    mean_before, mean_after = (near @ before) / total[:, None], (near @ after) / total[:, None]

    def covariance(left: Points, right: Points, mean_left: Points, mean_right: Points) -> Points:
        products = np.einsum("ni,nj->nij", left, right).reshape(len(left), 9)
        mean = ((near @ products) / total[:, None]).reshape(-1, 3, 3)
        return np.asarray(mean - np.einsum("ni,nj->nij", mean_left, mean_right))

    own = covariance(before, before, mean_before, mean_before)
    cross = covariance(after, before, mean_after, mean_before)
    pull = (0.25 * width) ** 2 * np.eye(3)
    return (cross + pull) @ np.linalg.inv(own + pull)


def _transferred(
    moved: Points, warped: Points, source: Face, target: Face, sides: _Sides
) -> tuple[NDArray[np.float32], Points, float]:
    """FLAME skin vertices take the displacements of the closest points of the warped skin -> wanted, weight, fit_mm."""
    spread = _samples(source, warped)
    points, normals = spread.of(warped), spread.of(_normals(source.triangles, warped))
    tree = cKDTree(_features(points, normals, spread.of(sides.source)))
    skin = target.skin
    target_normals = _normals(target.triangles, target.vertices)
    far, hits = tree.query(_features(target.vertices, target_normals, sides.target)[skin], k=6)
    share = np.exp(-((far / np.maximum(far[:, :1] + 5e-4, 1e-9)) ** 2))
    share /= share.sum(axis=1, keepdims=True)
    matched = np.einsum("vk,vkc->vc", share, points[hits])
    distance = np.linalg.norm(matched - target.vertices[skin], axis=1)
    agree = np.clip(np.sum(np.einsum("vk,vkc->vc", share, normals[hits]) * target_normals[skin], axis=1), 0, 1)
    wanted = np.zeros((len(moved), len(target.vertices), 3), dtype=np.float32)
    for shape, field in enumerate(moved):
        wanted[shape, skin] = np.einsum("vk,vkc->vc", share, spread.of(field)[hits])
    weight = np.zeros(len(target.vertices))
    weight[skin] = agree * np.exp(-((distance / TRUST_M) ** 2))
    moving = np.linalg.norm(wanted, axis=2).max(axis=0)[skin] > 1e-3
    if not moving.any():
        raise InputError("FLAME model: the default head could not be laid onto its face.", "Use the unmodified model.")
    return wanted, weight, float(np.median(distance[moving]) * 1e3)
