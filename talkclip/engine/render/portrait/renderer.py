"""PortraitRenderer: a portrait as a picture of any moment of a track.

Each frame, the fitted head is posed and drawn as a map of where every pixel's colour comes from in the portrait.
Outside the face the map goes on smoothly: hair and ears ride on a plane through the skull, and all of it fades to rest
at the edges. Behind the moving person stands the filled background. Lips, lids, eyes and the inside of the mouth are
drawn with several samples per pixel, the latter as shaded geometry, since no portrait shows it.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from talkclip.coefficients import ARKIT52, arkit_index
from talkclip.engine.render.kinds import EYE, SKIN, TEETH, WET
from talkclip.engine.render.portrait import kernels
from talkclip.engine.render.portrait.device import PROCESSOR, Device, painter_on
from talkclip.engine.render.portrait.flow import FlowField
from talkclip.engine.render.portrait.geometry import (
    EYE_BACK,
    SUPER,
    FrameGeometry,
    Patch,
    PatchGeometry,
    Scene,
    draw,
    ease,
    project,
)
from talkclip.engine.render.portrait.light import PortraitLight, estimate_light, mouth_colors
from talkclip.engine.render.portrait.person import Person, lip_seam, unfolding_lids
from talkclip.engine.render.portrait.plane import HairPlane
from talkclip.engine.render.portrait.plates import EYE_EDGES, MOUTH_EDGE, brightest, make_plates, mouth_open
from talkclip.engine.render.render_mesh import NECK_BENDS_FROM_M, NECK_BENDS_TO_M, PosedMesh, RenderMesh

# The mesh carries pixels as far back as this; behind it, hair and ears ride on the plane.
_FRONT_M, _SIDE_M = 0.026, 0.068
_CHIN_FROM_M, _CHIN_TO_M = 0.045, 0.075
_BLINKS = (arkit_index("eyeBlinkLeft"), arkit_index("eyeBlinkRight"))
# A blink from one weight to the other: the upper lid's skin unfolds; the lower lid is reached; the ball is gone.
_LID_RAMPS = ((0.05, 0.30), (0.35, 0.80), (0.78, 0.98))
# How much wider than the ball an eye may be drawn, on either side.
_DRAWN_EYES = 0.3
# Parted lips: what lies behind appears while the seam opens from the first to the second.
_SHUT_M, _PARTED_M = 0.0003, 0.0012
# The line between shut lips, which a mouth photographed open does not have: how dark, how wide; how much of it leaves
# while the lips part.
_RIM_DARK, _RIM_M, _RIM_LEAVES, _RIM_RAMP_M = 0.40, 0.0009, 0.65, (0.002, 0.006)
_RIM_STEP_M = 0.0012
# Of a photographed smile this much stays when the mouth should rest: its folds stay in the picture anyway.
_KEEP = 0.1
_KEPT = tuple(i for i, n in enumerate(ARKIT52) if n.startswith(("mouthSmile", "mouthDimple", "mouthStretch")))
_DARKEST, _NECK_FROM_M, _NECK_TO_M = 0.12, -0.075, -0.055
_MOUTH_PATCH_M, _EYE_PATCH_M, _COVER = 0.042, 0.024, 1.7


class PortraitRenderer:
    """Draws one portrait in any expression.

    Attributes:
        scene: what all its frames share.

    Args:
        person: the fitted portrait (`fit_person`).
        device: what pixels are painted on; geometry is always the processor's.

    Frames are pure functions of their arguments: equal coefficients give equal pictures. One renderer may be used by
    several threads at once.
    """

    def __init__(self, person: Person, device: Device = PROCESSOR) -> None:
        self.person = person
        self.size = person.image.shape[0]
        self.mesh = RenderMesh(person.head)
        self.mesh.follow(_follows(person.head.vertices))
        self._turn = person.pose.turn.astype(np.float32)
        offset = (person.source - person.head.blend(person.own)).astype(np.float32)
        shown = self.mesh.pose(person.own, np.zeros(6, np.float32), offset)
        screen = self._project(shown.points)
        self._source = np.ascontiguousarray(screen[:, :2])
        self._sort_triangles()
        ids = draw(screen, self._front, self.size, self.size)[1]
        gap = self._gap(screen) if mouth_open(person.landmarks) else None
        plates = make_plates(person.image, person.fine, person.landmarks, ids >= 0, gap)
        eyes = np.flatnonzero(self.mesh.side >= 0)
        self.scene = Scene(self.size, self._front, self._n_front, self._source, eyes, plates, tuple(self._patches))
        self._painter = painter_on(device, self.scene)
        self.light = self._estimate_light(shown, ids)
        self._before = self.light.brightness(self._normals(shown))
        # What the default head's hair and lips hide may be open here: a floor keeps the quotient calm.
        self._occlusion_before = shown.moving[:, 6] + _DARKEST
        self._shaded = ease((self.mesh.rest[:, 1] - _NECK_FROM_M) / (_NECK_TO_M - _NECK_FROM_M))
        self._plane = HairPlane(person.pose, self.size)
        self._still = np.zeros((2, len(self.mesh.rest)), np.float32)
        self._seam = lip_seam()
        self._kept = np.zeros(len(ARKIT52), np.float32)
        self._kept[list(_KEPT)] = _KEEP * np.clip(person.own[list(_KEPT)], 0, 1)
        rest = self._pose(np.zeros(len(ARKIT52), np.float32), None)[0].points
        self._rim = self._lip_rim(rest) if mouth_open(person.landmarks) else None
        self._seam_rest = np.linalg.norm(rest[self._seam[0]] - rest[self._seam[1]], axis=1)

    def frame(self, values: np.ndarray, head: np.ndarray | None = None) -> np.ndarray:
        """One picture -> uint8 (S, S, 3) sRGB.

        Args:
            values: (52,) ARKit weights in Apple's order; 0 is the person's face at rest, whatever the portrait shows.
            head: (6,) pose in the columns of HEAD6, relative to the portrait's; None: as in the portrait.
        """
        return self._painter.paint([self.geometry(values, head)])[0]

    def frame_rgba(self, values: np.ndarray, head: np.ndarray | None = None) -> np.ndarray:
        """The person alone -> uint8 (S, S, 4), straight alpha."""
        return self._painter.paint_alone([self.geometry(values, head)])[0]

    def frames(self, values: np.ndarray, head: np.ndarray, alpha: bool = False) -> list[np.ndarray]:
        """Several pictures at once, for values (B, 52) and poses (B, 6): what `frame` or `frame_rgba` gives of each."""
        geometry = [self.geometry(row, pose) for row, pose in zip(values, head, strict=True)]
        return self._painter.paint_alone(geometry) if alpha else self._painter.paint(geometry)

    def displacement(self, values: np.ndarray, head: np.ndarray | None = None) -> np.ndarray:
        """(S, S) how many pixels away each pixel's colour comes from."""
        flow = FlowField(self.scene).at(self.geometry(values, head))
        return np.asarray(np.hypot(flow[..., 0], flow[..., 1]))

    def effective(self, values: np.ndarray) -> np.ndarray:
        """(52,) what the head is given for asked values (52,): a photographed smile partly stays."""
        return np.asarray(values + self._kept * (1.0 - np.clip(values, 0, 1)), np.float32)

    def _pose(self, values: np.ndarray, head: np.ndarray | None) -> tuple[PosedMesh, np.ndarray]:
        values = np.asarray(values, np.float32)
        if values.shape != (len(ARKIT52),):
            raise ValueError(f"values have shape {values.shape}, not ({len(ARKIT52)},)")
        pose = np.zeros(6, np.float32) if head is None else np.asarray(head, np.float32)
        return self.mesh.pose(self.effective(values), pose), pose

    def geometry(self, values: np.ndarray, head: np.ndarray | None = None) -> FrameGeometry:
        """Where everything is in a frame: all that is left to do is to colour pixels. Arguments as of `frame`."""
        posed, pose = self._pose(values, head)
        normals = self._normals(posed)
        screen = self._project(posed.points)
        ids = draw(screen, self._front, self.size, self.size)[1]
        patches = []
        for patch in self._patches:
            blink = 0.0 if patch.eye < 0 else float(values[_BLINKS[patch.eye]])
            patches.append(self._patch_geometry(patch, blink, posed.points, screen))
        parted_m = self._parted_m(posed)
        return FrameGeometry(
            screen, ids, self._gain(posed, normals, parted_m), self._inside_colors(posed, normals),
            self._plane.motion(pose), _between(parted_m, _SHUT_M, _PARTED_M), tuple(patches),
        )  # fmt: skip

    def _closing(self, eye: int, blink: float) -> tuple[np.ndarray, float]:
        """What a blink does to the skin, closing and cover (2, V) of `Corners`; whether the ball is out of sight."""
        falling, reached, sealed = (_between(blink, *ramp) for ramp in _LID_RAMPS)
        upper, below, falls = (part[eye] for part in self._lids)
        covered = np.stack([upper * falling + below * reached, falls * falling + (1 - falls) * reached])
        return covered, sealed

    def _parted_m(self, posed: PosedMesh) -> float:
        """How far the lips are apart, less what the fit left of a slit at rest."""
        upper, lower = self._seam
        gap = np.linalg.norm(posed.points[upper] - posed.points[lower], axis=1)
        return float((gap - self._seam_rest).max())

    def _gain(self, posed: PosedMesh, normals: np.ndarray, parted_m: float) -> np.ndarray:
        """(V,) light now by light in the portrait; eyeballs only know the shade of the lids.

        parted_m: how far the lips are apart.
        """
        occluded = (posed.moving[:, 6] + _DARKEST) / self._occlusion_before
        gain = self.light.gain(normals, occluded, self._before)
        eyes = self.mesh.side >= 0
        gain[eyes] = np.clip(occluded[eyes], 0.75, 1.15) ** 0.45
        if self._rim is not None:
            gain = gain * (1.0 - (1.0 - _RIM_LEAVES * _between(parted_m, *_RIM_RAMP_M)) * self._rim)
        # The neck's shade is the portrait's own; the default head's would end at its edge.
        return (1.0 + self._shaded * (gain - 1.0)).astype(np.float32)

    def _inside_colors(self, posed: PosedMesh, normals: np.ndarray) -> np.ndarray:
        """(V, 3) colours of the mouth's parts, 0 elsewhere."""
        colors = np.zeros((len(normals), 3), np.float32)
        rows = self._inside
        occlusion = posed.moving[rows, 6] * self._depth
        colors[rows] = mouth_colors(self._inside_albedo, normals[rows], occlusion, self.light, self._wet)
        return colors

    def _patch_geometry(
        self, patch: Patch, blink: float, points: np.ndarray, screen: np.ndarray
    ) -> PatchGeometry | None:
        (closing, cover), sealed = self._closing(patch.eye, blink) if blink > 0 else (self._still, 0.0)
        part = screen[patch.vertices]
        low, high = part[:, :2].min(0), part[:, :2].max(0)
        # What is drawn of an eye may reach past the ball; only while it closes does it matter.
        margin = 2.0 + (_DRAWN_EYES * (high - low) if cover.any() else 0.0)
        left, top = (int(edge) for edge in np.maximum(0, np.floor(low - margin)))
        right, bottom = (int(edge) for edge in np.minimum(self.size, np.ceil(high + margin)))
        if right <= left or bottom <= top:
            return None
        fine = self._project(points, float(SUPER), float(left), float(top))
        fine[self.scene.eyes, 2] -= EYE_BACK
        # Skin that folds over in a strong scowl must still hide the eye behind it: both sides are drawn.
        _, ids = draw(fine, patch.triangles, (bottom - top) * SUPER, (right - left) * SUPER, both_sides=True)
        chosen = np.empty((bottom - top, right - left), np.uint8)
        kernels.choose_pixels(
            ids, patch.triangles, patch.kinds, self._source, closing, cover, self.scene.plates.zone, self.scene.fine,
            SUPER, chosen,
        )  # fmt: skip
        return PatchGeometry(left, top, ids, fine, chosen, closing, cover, sealed)

    def _project(self, points: np.ndarray, scale: float = 1.0, left: float = 0.0, top: float = 0.0) -> np.ndarray:
        return project(points, self._turn, self.person.pose, scale, left, top)

    def _normals(self, posed: PosedMesh) -> np.ndarray:
        return posed.moving[:, 3:6] @ self._turn.T

    def _sort_triangles(self) -> None:
        """Which triangles carry pixels, which hide them, and which belong to the patches."""
        mesh = self.mesh
        corners = mesh.rest[mesh.triangles]
        kind = mesh.kind
        front = (corners[..., 2].min(1) > _FRONT_M) & (np.abs(corners[..., 0]).max(1) < _SIDE_M)
        carries = (kind == SKIN) & front
        hides = np.isin(kind, (EYE, TEETH, WET))
        # Those that carry come first: `gather_flow` treats the numbers after them as uncovered.
        self._n_front = int(carries.sum())
        self._front = np.ascontiguousarray(np.concatenate([mesh.triangles[carries], mesh.triangles[hides]]))
        middles = corners.mean(1)
        mouth = mesh.head.landmark("lip_upper_inner")
        sample = np.full(len(kind), kernels.NOTHING, np.uint8)
        sample[kind == SKIN] = kernels.SKIN_SAMPLE
        sample[kind == EYE] = kernels.EYE_SAMPLE
        sample[np.isin(kind, (TEETH, WET))] = kernels.MOUTH_SAMPLE
        places: list[tuple[np.ndarray, float, tuple[int, ...]]] = [(mouth, _MOUTH_PATCH_M, (SKIN, TEETH, WET))]
        places += [(mesh.head.eye_centers[name], _EYE_PATCH_M, (SKIN, EYE)) for name in ("left", "right")]
        self._patches: list[Patch] = []
        for number, (center, reach, kinds) in enumerate(places):
            away = np.linalg.norm((middles - center) * [0.9, 1.1, 0.6], axis=1)
            # What is hidden reaches far too, or a turned head would look past it.
            chosen = np.isin(kind, kinds) & (away < _COVER * reach)
            # The other eye's ball reaches in, where no skin of this patch hides it.
            chosen = np.flatnonzero(chosen & ((kind != EYE) | (mesh.side[mesh.triangles[:, 0]] == number - 1)))
            triangles = np.ascontiguousarray(mesh.triangles[chosen])
            framed = kind[chosen] == EYE if kinds[1] == EYE else (kind[chosen] == SKIN) & (away[chosen] < 0.7 * reach)
            vertices = np.unique(triangles[framed])
            self._patches.append(Patch(triangles, sample[chosen], vertices, number - 1))
        self._lids = [mesh.subdivided(part.T).T.astype(np.float32) for part in unfolding_lids()]
        inside = np.unique(mesh.triangles[np.isin(kind, (TEETH, WET))])
        self._inside = inside
        skin = np.unique(mesh.triangles[kind == SKIN])
        cheek = self._connected_to(skin, inside)
        # The insides of the cheeks are dark a few millimetres behind the lips; teeth and tongue catch light.
        behind = np.maximum(0.0, mouth[2] - 0.004 - mesh.rest[inside, 2])
        self._depth = np.where(cheek, 0.30 * np.exp(-behind / 0.02), 1.0).astype(np.float32)
        self._wet = np.where(cheek, 0.25, 1.0).astype(np.float32)
        self._inside_albedo = mesh.paint[inside, 3:6].copy()

    def _gap(self, screen: np.ndarray) -> np.ndarray:
        """(F, F) bool: what the portrait shows between the lips of the fitted head."""
        fine = self.person.fine.shape[0]
        scaled = screen * np.array([fine / self.size, fine / self.size, 1.0], np.float32)
        ids = draw(scaled, self._front, fine, fine)[1]
        eyes = self.mesh.side[self._front[:, 0]] >= 0
        return (ids >= self._n_front) & ~eyes[np.maximum(ids, 0)]

    def _lip_rim(self, rest: np.ndarray) -> np.ndarray:
        """(V,) 0..1 how much the line between shut lips darkens a point, from what is seen of them at rest (V, 3) from
        the front: where they touch lies behind."""
        mesh = self.mesh
        skin, inside = np.unique(mesh.triangles[mesh.kind == SKIN]), np.unique(mesh.triangles[mesh.kind == WET])
        edge = rest[np.intersect1d(skin, inside)]
        beside = np.abs(edge[:, None, 0] - edge[None, :, 0]) < _RIM_STEP_M
        low, high = (
            pick(np.where(beside, edge[None, :, 1], fill), axis=1) for pick, fill in ((np.min, 1.0), (np.max, -1.0))
        )
        line = np.stack([edge[:, 0], (low + high) / 2], 1)
        away, _ = cKDTree(line).query(rest[:, :2])
        near = np.linalg.norm(rest - edge.mean(0), axis=1) < _MOUTH_PATCH_M
        return np.asarray(near * _RIM_DARK * np.exp(-((away / _RIM_M) ** 2)), np.float32)

    def _connected_to(self, start: np.ndarray, among: np.ndarray) -> np.ndarray:
        """(N,) bool: which of the vertices `among` hang together with those of `start`."""
        mesh = self.mesh
        edges = mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
        graph = coo_matrix((np.ones(len(edges), bool), edges.T), shape=(len(mesh.rest),) * 2)
        label = connected_components(graph, directed=False)[1]
        return np.isin(label[among], np.unique(label[start]))

    def _estimate_light(self, shown: PosedMesh, ids: np.ndarray) -> PortraitLight:
        image = self.person.image.astype(np.float32)
        seen = np.unique(ids[ids >= 0])
        rows = np.unique(self._front[seen[seen < self._n_front]])
        x, y = np.clip(self._source[rows].astype(int), 0, self.size - 1).T
        normals = self._normals(shown)
        rows, x, y = (values[normals[rows, 2] > 0.2] for values in (rows, x, y))
        albedo = np.median(self.mesh.paint[rows, 3:6], axis=0)
        whites = []
        for edge in EYE_EDGES:
            points = self.person.landmarks[list(edge)]
            whites.append(brightest(image, points))
        teeth = None
        if mouth_open(self.person.landmarks):
            teeth = brightest(image, self.person.landmarks[list(MOUTH_EDGE)])
        return estimate_light(image[y, x], normals[rows], albedo, np.mean(whites, axis=0), teeth)


def _between(value: float, start: float, end: float) -> float:
    """0 up to start, 1 from end, smooth between."""
    return float(ease(np.array((value - start) / (end - start))))


def _follows(vertices: np.ndarray) -> np.ndarray:
    """(V,) the neck bends as in the default head, but the chin, which the whole face ends in, does not lag."""
    ramp = np.clip((vertices[:, 1] - NECK_BENDS_FROM_M) / (NECK_BENDS_TO_M - NECK_BENDS_FROM_M), 0, 1)
    chin = np.clip((vertices[:, 2] - _CHIN_FROM_M) / (_CHIN_TO_M - _CHIN_FROM_M), 0, 1)
    return np.maximum(ease(ramp), ease(chin))
