"""The default head becomes the person of a portrait: identity, exact outline of the features, lids and lips that close.

Two shapes come out. `source` lies on the picture as it is, with whatever expression it shows; `head` is the same person
at rest, with lips that touch and lids that meet, and is what the coefficients move.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from scipy.interpolate import RBFInterpolator
from scipy.spatial import cKDTree

from talkclip.coefficients import ARKIT52, arkit_index
from talkclip.engine.render.portrait.plates import mouth_open
from talkclip.engine.tracking.face_model import face_model
from talkclip.engine.tracking.fit import FaceFit, HeadPose, fit_face
from talkclip.engine.tracking.identity import identity_basis, shaped_head
from talkclip.engine.tracking.landmarks import Landmarks, locate
from talkclip.errors import InputError
from talkclip_rigs.head import DefaultHead

# Colours are read from a picture so many times as large as the result, up to this size of the result.
FINE, _FINE_TO_PX = 2, 768
# The crop is this many times as high as the face from brow line to chin ...
_CROP_FACES = 2.5
# ... and its middle lies this far above the face's, in crops.
_CROP_UP = 0.02
FOREHEAD, CHIN = 10, 152
# Beyond these the far half of the face is not in the picture.
_MAX_YAW_RAD, _MAX_PITCH_RAD = 0.60, 0.55
# The landmark warp fades out this far from the last landmark.
_FADE_FROM_M, _FADE_OVER_M = 0.008, 0.030
_SEAM_REACH_M = 0.007
_TOUCHING_M, _LID_REACH_M = 0.0012, 0.024
_LASHES_M, _BELOW_LASHES_M = 0.0011, 0.0035
# Shapes that a portrait's own amount of belongs to the person: heavy lids and raised brows are looks, not acting.
_LOOKS = tuple(
    n for n in ARKIT52
    if n.startswith(("eye", "brow", "cheek", "nose", "mouthLeft", "mouthRight", "jawLeft", "jawRight", "mouthRoll"))
)  # fmt: skip
# Mouth shapes fitted to shut lips of resting faces reach the first value (measured on faces that do rest).
_NO_ACTING, _ACTING = 0.25, 0.5
# Teeth are scaled and moved with the lips, and a little more: a smile shows teeth up to its corners.
_ARCH_WIDER = 1.10


@dataclasses.dataclass(frozen=True)
class Crop:
    """A square of the picture: left, top, side in its pixels."""

    left: int
    top: int
    side: int


@dataclasses.dataclass(frozen=True)
class Person:
    """A portrait and the head that fits it.

    Attributes:
        image: (S, S, 3) uint8 sRGB, the crop at working size.
        fine: (F, F, 3) uint8, the same with `FINE` pixels per pixel and axis: reading from it does not soften.
        crop: where it was cut out.
        landmarks: (468, 2) pixels of `image`.
        pose: of the portrait's head, in pixels of `image`.
        head: the person at rest; its `deltas` are the person's own.
        source: (V, 3) metres: the head's vertices as the picture shows them.
        own: (52,) the expression the picture shows, without looks that belong to the person.
    """

    image: np.ndarray
    fine: np.ndarray
    crop: Crop
    landmarks: np.ndarray
    pose: HeadPose
    head: DefaultHead
    source: np.ndarray
    own: np.ndarray


def fit_person(picture: np.ndarray, size: int, number: int | None = None, name: str = "portrait") -> Person:
    """Find the face of a picture uint8 (H, W, 3) and fit the head to it.

    Args:
        size: pixels of the working crop.
        number: which face from the left, from 1; None: the only one.
        name: what errors call the picture.

    Raises:
        InputError: no face, several, too small, hidden, or turned too far.
    """
    marks = locate(picture, number, name)
    crop = _crop_for(marks, picture.shape)
    fine = _resampled(picture, crop, size * (FINE if size <= _FINE_TO_PX else 1))
    # Averaged and rounded as frames are, so that what rests comes back to the bit.
    image = (cv2.resize(fine.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA) + 0.5).astype(np.uint8)
    points = marks.points.copy()
    points[:, :2] -= (crop.left, crop.top)
    points *= size / crop.side
    fit = fit_face(points)
    pitch, yaw, _ = fit.pose.angles
    if abs(yaw) > _MAX_YAW_RAD or abs(pitch) > _MAX_PITCH_RAD:
        raise InputError(
            f"{name}: the face is turned away ({np.degrees(yaw):.0f} degrees sideways, {np.degrees(pitch):.0f} down).",
            "Give a picture that shows it from the front, within about 30 degrees.",
        )
    return _person(image, fine, crop, points, fit)


def _acted(shown: np.ndarray, is_open: bool) -> np.ndarray:
    """(52,) of the shown expression what is acting: the rest belongs to the person, or is the fit's own noise."""
    own = shown.copy()
    own[[arkit_index(name) for name in _LOOKS]] = 0.0
    if not is_open:
        # Shut lips that hardly act are how this person looks: at rest the portrait shall come back as it is.
        share = np.clip((own - _NO_ACTING) / (_ACTING - _NO_ACTING), 0, 1)
        own *= share * share * (3 - 2 * share)
    return own


def _crop_for(marks: Landmarks, shape: tuple[int, ...]) -> Crop:
    top, chin = marks.points[FOREHEAD, :2], marks.points[CHIN, :2]
    side = int(min(_CROP_FACES * float(np.linalg.norm(chin - top)), shape[0], shape[1]))
    middle = (top + chin) / 2 - np.array([0.0, _CROP_UP * side])
    left, upper = np.clip(middle - side / 2, 0, np.array([shape[1], shape[0]]) - side).round().astype(int)
    return Crop(int(left), int(upper), side)


def _resampled(picture: np.ndarray, crop: Crop, size: int) -> np.ndarray:
    part = picture[crop.top : crop.top + crop.side, crop.left : crop.left + crop.side, :3]
    if crop.side == size:
        return np.ascontiguousarray(part)
    method = cv2.INTER_AREA if crop.side > size else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(np.ascontiguousarray(part), (size, size), interpolation=method))


def _person(image: np.ndarray, fine: np.ndarray, crop: Crop, points: np.ndarray, fit: FaceFit) -> Person:
    basis = identity_basis()
    shown = fit.values.copy()
    own = _acted(shown, mouth_open(points[:, :2]))
    mean = shaped_head(basis.skin_offsets(fit.person))
    posed = mean.blend(shown)
    warp = _landmark_warp(points, fit, posed[basis.skin_rows])
    looks_only = shown - own
    # What the picture shows is the truth; at rest the expression is taken out of it again.
    source = _eyes_fitted(posed + basis.on_head(warp))
    if not mouth_open(points[:, :2]):
        # The line between shut lips is part of the lips, not a gap: it must not vanish.
        source = _lips_shut(source, posed)
    rest = source - np.tensordot(own, mean.deltas, 1)
    looked = mean.vertices + np.tensordot(looks_only, mean.deltas, 1)
    rest = _teeth_fitted(_lips_shut(rest, looked))
    moved = dataclasses.replace(shaped_head(basis.skin_offsets(fit.person)), vertices=rest.astype(np.float32))
    head = dataclasses.replace(moved, deltas=_own_deltas(moved), eye_centers=_eye_centers(moved, mean))
    return Person(image, fine, crop, points[:, :2].astype(np.float32), fit.pose, head, source.astype(np.float32), own)


def _landmark_warp(points: np.ndarray, fit: FaceFit, skin: np.ndarray) -> np.ndarray:
    """(S, 3) metres: what moves the fitted skin (S, 3) exactly under the landmarks, across the line of sight."""
    model = face_model()
    at = np.einsum("lkc,lk->lc", skin[model.corners].astype(np.float64), model.shares)
    predicted = fit.pose.project(model.points(np.tensordot(fit.person, model.identity, 1), fit.values))
    away = (points[:, :2] - predicted) * np.array([1.0, -1.0]) / fit.pose.scale
    shift = np.concatenate([away, np.zeros((len(away), 1))], 1) @ fit.pose.turn
    # Several landmarks may share a place; a spline wants them apart.
    _, first = np.unique(at.round(4), axis=0, return_index=True)
    spline = RBFInterpolator(at[first], shift[first], kernel="thin_plate_spline", smoothing=2e-4, neighbors=64)
    distance, _ = cKDTree(at).query(skin)
    fade = np.exp(-((np.maximum(0.0, distance - _FADE_FROM_M) / _FADE_OVER_M) ** 2))
    return np.asarray(spline(skin) * fade[:, None])


def _lips_shut(rest: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Rest shape (V, 3) whose lips meet as they do in `like`: landmarks of a photographed smile leave a gap."""
    head = DefaultHead.load()
    upper, lower = _lips(head)
    return rest + _meeting(rest, like, head.vertices, head.vertices, upper, lower, (0.5, 0.5), _SEAM_REACH_M)


def _meeting(
    shape: np.ndarray, like: np.ndarray, touching: np.ndarray, places: np.ndarray, upper: np.ndarray,
    lower: np.ndarray, shares: tuple[float, float], reach_m: float,
) -> np.ndarray:  # fmt: skip
    """(V, 3) what brings two edges of `shape` together as they are in `like`.

    Args:
        touching: (V, 3) the default head in a state in which the edges touch: says who meets whom.
        places: (V, 3) the default head at rest: says who is near an edge and moves along.
        upper, lower: vertices on both sides; shares: how much of the way each side goes.
    """
    distance, partner = cKDTree(touching[lower]).query(touching[upper])
    near = distance < _TOUCHING_M
    a, b = upper[near], lower[partner[near]]
    gap = (shape[a] - shape[b]) - (like[a] - like[b])
    gap[:, 0] = 0.0
    out = np.zeros_like(shape)
    for rows, seam, share in ((upper, a, -shares[0]), (lower, b, shares[1])):
        away, nearest = cKDTree(places[seam]).query(places[rows], k=3)
        fall = np.exp(-((away[:, 0] / reach_m) ** 2))
        out[rows] += share * fall[:, None] * gap[nearest].mean(1)
    return out


def _eyes_fitted(shape: np.ndarray) -> np.ndarray:
    """Shape (V, 3) with eyeballs as large as these eyes are wide, their fronts where they were."""
    head = DefaultHead.load()
    out = shape.copy()
    for side in ("left", "right"):
        inner, outer = head.landmarks[f"eye_inner_{side}"], head.landmarks[f"eye_outer_{side}"]
        usual = np.linalg.norm(head.vertices[inner] - head.vertices[outer])
        larger = float(np.clip(np.linalg.norm(shape[inner] - shape[outer]) / usual, 0.85, 1.5))
        rows = np.flatnonzero(head.part == head.part_names.index(f"{side}_eye"))
        front = shape[rows[shape[rows, 2].argmax()]]
        out[rows] = front + larger * (shape[rows] - front)
    return out


def _teeth_fitted(rest: np.ndarray) -> np.ndarray:
    """Rest shape (V, 3) with the dental arches as wide as this mouth asks for."""
    head = DefaultHead.load()
    corners = [head.landmarks[f"mouth_corner_{side}"] for side in ("left", "right")]
    wider = np.linalg.norm(rest[corners[0]] - rest[corners[1]]) / np.linalg.norm(
        head.vertices[corners[0]] - head.vertices[corners[1]]
    )
    names = ("upper_teeth", "lower_teeth", "tongue")
    rows = np.flatnonzero(np.isin(head.part, [head.part_names.index(name) for name in names]))
    out = rest.copy()
    middle = rest[corners].mean(0)
    out[rows, 0] = middle[0] + (rest[rows, 0] - middle[0]) * _ARCH_WIDER * float(np.clip(wider, 0.8, 1.25))
    return out


def _lips(head: DefaultHead) -> tuple[np.ndarray, np.ndarray]:
    """Skin vertices around the mouth that belong to the upper and to the lower lip: the lower ones go with the jaw."""
    middle = (head.landmark("mouth_corner_left") + head.landmark("mouth_corner_right")) / 2
    near = (np.linalg.norm((head.vertices - middle) * [0.6, 1.0, 0.8], axis=1) < 0.025) & (
        head.part == head.part_names.index("skin")
    )
    drop = -head.deltas[arkit_index("jawOpen"), :, 1]
    lower = near & (drop > 0.35 * drop[head.landmarks["lip_lower_inner"]])
    return np.flatnonzero(near & ~lower), np.flatnonzero(lower)


def _own_deltas(head: DefaultHead) -> np.ndarray:
    """The default head's shapes, with blinks that bring this person's lids together and gazes as large as the eyes."""
    deltas = np.array(head.deltas)
    default = DefaultHead.load()
    for side in ("left", "right"):
        rows = head.part == head.part_names.index(f"{side}_eye")
        deltas[:, rows] *= np.ptp(head.vertices[rows, 0]) / np.ptp(default.vertices[rows, 0])
        shape = arkit_index(f"eyeBlink{side.title()}")
        upper, lower = head.landmarks[f"lid_upper_{side}"], head.landmarks[f"lid_lower_{side}"]
        open_m = head.vertices[upper, 1] - head.vertices[lower, 1]
        usual_m = default.vertices[upper, 1] - default.vertices[lower, 1]
        deltas[shape] *= float(np.clip(open_m / usual_m, 0.3, 2.5))
        shut = default.vertices + default.deltas[shape]
        falls, stays = _lid_sides(side)
        deltas[shape] += _meeting(
            head.vertices + deltas[shape], shut, shut, default.vertices, falls, stays, (0.9, 0.1), _SEAM_REACH_M / 2
        )
    return deltas


def _lid_sides(side: str) -> tuple[np.ndarray, np.ndarray]:
    """Skin vertices of the default head around an eye that fall with a blink, and those that stay."""
    head = DefaultHead.load()
    drop = -head.deltas[arkit_index(f"eyeBlink{side.title()}"), :, 1]
    near = np.linalg.norm(head.vertices - head.eye_centers[side], axis=1) < _LID_REACH_M
    near &= head.part == head.part_names.index("skin")
    return np.flatnonzero(near & (drop > 0.45 * drop.max())), np.flatnonzero(near & (drop < 0.15 * drop.max()))


def unfolding_lids() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of the left and the right eye, each (2, V) 0..1: skin that only a closed lid shows, the strip below the lashes
    that the drawn or photographed eye may reach into, and how far a point falls with the upper lid.

    The first is the upper lid between its crease and its lashes.
    """
    head = DefaultHead.load()
    out = np.zeros((3, 2, len(head.vertices)), np.float32)
    for number, side in enumerate(("left", "right")):
        delta = head.deltas[arkit_index(f"eyeBlink{side.title()}")]
        falls, _ = _lid_sides(side)
        upper_edge, lower_edge = _lid_edges(side)
        drop = -delta[:, 1] / -delta[:, 1].min()
        lid = np.clip((drop - 0.12) / 0.25, 0, 1)
        to_lashes, _ = cKDTree(head.vertices[upper_edge]).query(head.vertices)
        to_lower, _ = cKDTree(head.vertices[lower_edge]).query(head.vertices)
        below = np.exp(-((to_lower / _BELOW_LASHES_M) ** 4))
        below[falls] = 0.0
        out[:, number] = lid * (1 - np.exp(-((to_lashes / _LASHES_M) ** 2))), below, lid
    return out[0], out[1], out[2]


def lip_seam() -> tuple[np.ndarray, np.ndarray]:
    """Vertices of the upper and of the lower lip that touch each other when the mouth is shut."""
    head = DefaultHead.load()
    upper, lower = _lips(head)
    distance, partner = cKDTree(head.vertices[lower]).query(head.vertices[upper])
    near = distance < _TOUCHING_M
    return upper[near], lower[partner[near]]


def _lid_edges(side: str) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of the upper and of the lower lid that touch each other in a blink."""
    head = DefaultHead.load()
    shut = head.vertices + head.deltas[arkit_index(f"eyeBlink{side.title()}")]
    falls, stays = _lid_sides(side)
    distance, partner = cKDTree(shut[stays]).query(shut[falls])
    near = distance < _TOUCHING_M
    return falls[near], stays[partner[near]]


def _eye_centers(head: DefaultHead, mean: DefaultHead) -> dict[str, np.ndarray]:
    centers = {}
    for name in ("left", "right"):
        rows = head.part == head.part_names.index(f"{name}_eye")
        # A ball is its own middle, whatever its size.
        offset = mean.eye_centers[name] - mean.vertices[rows].mean(0)
        centers[name] = (head.vertices[rows].mean(0) + offset).astype(np.float32)
    return centers
