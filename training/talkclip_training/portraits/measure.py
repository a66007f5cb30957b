"""Do portraits do what they are told? `python -m talkclip_training.portraits.measure --portraits DIR --json FILE`.

Each portrait acts the same 72 frames: speech with open vowels, smiles, frowns, blinks and brows. Reported:

    retrack      correlation of what a judge sees in the pictures with what the coefficients asked of the fitted head:
                 mouth opening, mouth width, eyes, brows. The network that fitted the portrait always judges; with
                 `--face-api FILE` and `--dlib FILE` two strangers do as well (see `judges`)
    ceiling      the same of heads drawn by our renderer, whose motion is known to the vertex: what the judge misses
                 there, no portrait can show it
    skin_ssim    structural similarity between the portrait and its loudest frame, over the skin that this frame
                 leaves where it was (displaced by less than half a pixel, away from eyes and mouth)
    flicker      largest change of any pixel between frames of equal coefficients
    cpbd         sharpness of the portrait (see `sharpness`); cpbd_ratio: that of the acting frames, mean of every
                 fourth, over it; cpbd_rest: that of the face at rest over it
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from talkclip.coefficients import arkit_index
from talkclip.engine.render.head_renderer import Camera, HeadRenderer
from talkclip.engine.render.portrait.person import Person, fit_person
from talkclip.engine.render.portrait.plates import EYE_EDGES, LIPS_EDGE
from talkclip.engine.render.portrait.renderer import PortraitRenderer
from talkclip.engine.render.portrait.video import read_picture
from talkclip.engine.render.render_mesh import RenderMesh
from talkclip.engine.tracking.face_model import face_model
from talkclip.engine.tracking.identity import identity_basis, shaped_head
from talkclip.exits import explained
from talkclip.files import check_writable
from talkclip_rigs.head import DefaultHead
from talkclip_training.arguments import at_least, files_in
from talkclip_training.portraits.judges import FEATURES, Judge, dlib_judge, face_api_judge, features, fitting_judge
from talkclip_training.portraits.sharpness import cpbd

N_FRAMES = 72
# Heads for the ceiling: seeds of their bone structure, pixels of a picture.
_CEILING_HEADS, _CEILING_PX = (4, 8, 11, 21), 384
# Landmarks at the corners of the mouth, right and left of the person.
_CORNERS = {61: "mouth_corner_right", 291: "mouth_corner_left"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--json", type=check_writable, help="also write the figures to this file")
    parser.add_argument("--face-api", type=Path, help="face_landmark_68_model.bin, its manifest beside it")
    parser.add_argument("--dlib", type=Path, help="shape_predictor_68_face_landmarks.dat")
    parser.add_argument("--size", type=at_least(128), default=256)
    arguments = parser.parse_args()
    pictures = files_in(arguments.portraits, "*.jpg")
    judges: dict[str, Judge] = {"fitting": fitting_judge}
    if arguments.face_api:
        judges["face-api"] = face_api_judge(arguments.face_api)
    if arguments.dlib:
        judges["dlib"] = dlib_judge(arguments.dlib)
    highest = ceiling(judges)
    print("ceiling", json.dumps(highest))
    portraits = {}
    for path in pictures:
        portraits[path.stem] = measure(read_picture(path), arguments.size, judges)
        print(path.stem, json.dumps(portraits[path.stem]), flush=True)
    report = {"size_px": arguments.size, "frames": N_FRAMES, "ceiling": highest, "portraits": portraits}
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def measure(picture: np.ndarray, size: int, judges: Mapping[str, Judge]) -> dict[str, object]:
    """All figures of one portrait."""
    person = fit_person(picture, size)
    renderer = PortraitRenderer(person)
    values = acting()
    frames = [renderer.frame(row) for row in values]
    asked = np.array([features(commanded(renderer, row)) for row in values])
    figures: dict[str, object] = {name: agreement(asked, frames, judge) for name, judge in judges.items()}
    loudest = int(values[:, arkit_index("jawOpen")].argmax())
    still = renderer.displacement(values[loudest]) < 0.5
    figures["skin_ssim"] = round(skin_ssim(person, frames[loudest], still), 4)
    figures["flicker"] = float(np.abs(renderer.frame(values[5]).astype(int) - frames[5].astype(int)).max())
    own = cpbd(person.image)
    figures["cpbd"] = round(own, 3)
    figures["cpbd_ratio"] = round(float(np.mean([cpbd(frame) for frame in frames[::4]])) / max(own, 1e-6), 3)
    figures["cpbd_rest"] = round(cpbd(renderer.frame(np.zeros_like(values[0]))) / max(own, 1e-6), 3)
    return figures


def agreement(asked: np.ndarray, frames: list[np.ndarray], judge: Judge) -> dict[str, float]:
    """Correlation of asked (N, 4) with what a judge sees in N frames, by feature."""
    seen = np.array([features(judge(frame)) for frame in frames])
    return {name: round(float(np.corrcoef(asked[:, k], seen[:, k])[0, 1]), 3) for k, name in enumerate(FEATURES)}


def ceiling(judges: Mapping[str, Judge]) -> dict[str, dict[str, float]]:
    """Judge -> mean agreement on heads that our renderer draws."""
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in judges}
    basis, values = identity_basis(), acting()
    for seed in _CEILING_HEADS:
        chosen = 0.75 * np.random.default_rng(seed).standard_normal(basis.n_components)
        head = shaped_head(basis.skin_offsets(chosen))
        renderer = HeadRenderer(
            _CEILING_PX, mesh=RenderMesh(head), camera=Camera(focal_mm=74.0, center_y_m=0.030)
        )  # fmt: skip
        frames = [renderer.frame(row, np.zeros(6, np.float32)) for row in values]
        asked = np.array([features(landmark_places(head, row) * [1, -1, 1]) for row in values])
        for name, judge in judges.items():
            rows[name].append(agreement(asked, frames, judge))
    return {
        name: {feature: round(float(np.mean([row[feature] for row in found])), 3) for feature in FEATURES}
        for name, found in rows.items()
    }


def acting() -> np.ndarray:
    """(72, 52) a face that speaks while its mood changes."""
    t = np.arange(N_FRAMES) / 25.0
    values = np.zeros((N_FRAMES, 52), np.float32)

    def wave(hertz: float, phase: float, power: int = 1) -> np.ndarray:
        return np.asarray((0.5 - 0.5 * np.cos(2 * np.pi * hertz * t + phase)) ** power, np.float32)

    values[:, arkit_index("jawOpen")] = 0.55 * wave(1.9, 0.0)
    values[:, arkit_index("mouthPucker")] = 0.6 * wave(0.8, 2.2, 3)
    values[:, arkit_index("browInnerUp")] = 0.8 * wave(0.4, 0.0)
    for side in ("Left", "Right"):
        values[:, arkit_index(f"mouthSmile{side}")] = 0.7 * wave(0.35, 3.3)
        values[:, arkit_index(f"mouthFrown{side}")] = 0.6 * wave(0.35, 0.2, 3)
        values[:, arkit_index(f"eyeBlink{side}")] = wave(0.7, 1.0, 6)
        values[:, arkit_index(f"browOuterUp{side}")] = 0.8 * wave(0.4, 0.0)
        values[:, arkit_index(f"browDown{side}")] = 0.8 * wave(0.4, np.pi, 3)
    return values


def commanded(renderer: PortraitRenderer, values: np.ndarray) -> np.ndarray:
    """(468, 2) pixels where the fitted head's landmarks are for the coefficients, without any picture."""
    person = renderer.person
    return person.pose.project(landmark_places(person.head, renderer.effective(values)))


def landmark_places(head: DefaultHead, values: np.ndarray) -> np.ndarray:
    """(468, 3) metres where landmarks lie on a head; the corners of the mouth are its own."""
    model = face_model()
    shape = head.blend(values)
    skin = shape[identity_basis().skin_rows]
    points = np.einsum("lkc,lk->lc", skin[model.corners].astype(np.float64), model.shares)
    for landmark, name in _CORNERS.items():
        points[landmark] = shape[head.landmarks[name]]
    return points


def skin_ssim(person: Person, frame: np.ndarray, still: np.ndarray) -> float:
    """Mean SSIM (Wang 2004, Gaussian window of 1.5 pixels) over the face's skin where `still` (S, S)."""
    grey = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY).astype(np.float64) for p in (person.image, frame)]
    mask = np.zeros(grey[0].shape, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(person.landmarks.astype(np.int32)), 1)
    for edge in (*EYE_EDGES, LIPS_EDGE):
        hull = cv2.convexHull(person.landmarks[list(edge)].astype(np.int32))
        cv2.fillConvexPoly(mask, hull, 0)
        cv2.polylines(mask, [hull], True, 0, max(3, mask.shape[0] // 24))
    mask &= still.astype(np.uint8)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5))

    a, b = grey
    ma, mb = mean(a), mean(b)
    va, vb, ab = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similar = (2 * ma * mb + c1) * (2 * ab + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2))
    return float(similar[mask > 0].mean())


if __name__ == "__main__":
    explained(main)
