"""Portraits of people who do not exist: `python -m talkclip_training.portraits.make --out DIR`.

Heads are shaped by the tracker's identity basis (CC0), drawn by our renderer, and then painted, inked or sketched by
the code below; one face is built of flat shapes alone. Everything is ours, so the pictures may be used for anything.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from talkclip.engine.render.head_renderer import Camera, HeadRenderer, Lighting
from talkclip.engine.render.kinds import BROWS, HAIR, SKIN
from talkclip.engine.render.render_mesh import RenderMesh
from talkclip.engine.tracking.identity import identity_basis, shaped_head
from talkclip.exits import explained

SIZE = 640
_SUPER = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, picture in portraits().items():
        cv2.imwrite(str(out / f"{name}.jpg"), picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
        print(out / f"{name}.jpg")


def portraits() -> dict[str, np.ndarray]:
    """Name -> uint8 (SIZE, SIZE, 3) sRGB."""
    ada = head(11, skin=(0.95, 0.98, 1.02), yaw=0.0)
    bela = head(4, skin=(0.42, 0.36, 0.33), yaw=-0.10, light=_evening(), backdrop=(52, 60, 58))
    return {
        "render_a": ada,
        "render_b": bela,
        "painted": painted(head(21, skin=(1.0, 0.92, 0.80), yaw=0.14, light=_window(), backdrop=(70, 58, 44))),
        "inked": inked(head(8, skin=(0.85, 0.72, 0.6), yaw=0.05)),
        "pencil": pencil(head(15, yaw=-0.06)),
        "flat": flat(),
    }


def head(
    seed: int, *, skin: tuple[float, float, float] = (1, 1, 1), yaw: float = 0.0, light: Lighting | None = None,
    backdrop: tuple[int, int, int] | None = None, amount: float = 0.75,
) -> np.ndarray:  # fmt: skip
    """A rendered person; `skin` multiplies the linear colour of the skin."""
    basis = identity_basis()
    rng = np.random.default_rng(seed)
    mesh = RenderMesh(shaped_head(basis.skin_offsets(amount * rng.standard_normal(basis.n_components))))
    mesh.follow(np.maximum(mesh.head.vertices[:, 2] > 0.03, mesh.head.vertices[:, 1] > -0.06))
    tint = np.array(skin, np.float32)
    rows = np.unique(mesh.triangles[np.isin(mesh.kind, (SKIN, BROWS, HAIR))])
    mesh.paint[rows, 3:6] = np.clip(mesh.paint[rows, 3:6] * tint, 0, 1)
    renderer = HeadRenderer(SIZE, mesh=mesh, lighting=light, camera=Camera(focal_mm=74.0, center_y_m=0.030))
    values, pose = np.zeros(52, np.float32), np.array([0, yaw, 0, 0, 0, 0], np.float32)
    picture = renderer.frame(values, pose)
    if backdrop is not None:
        cover = np.clip(renderer.coverage(values, pose), 0, 1)[..., None]
        y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
        vignette = 1.25 - 0.9 * np.hypot(x - 0.5, y - 0.42)[..., None]
        mottled = cv2.GaussianBlur(rng.standard_normal((SIZE, SIZE)), (0, 0), 12)[..., None] * 90
        behind = np.array(backdrop) * vignette + mottled
        picture = np.clip(picture * cover + behind * (1 - cover), 0, 255).astype(np.uint8)
    return picture


def _window() -> Lighting:
    return Lighting(
        lights=((-0.8, 0.45, 0.5, 1.25, 1.12, 0.92, 0.4), (0.8, 0.0, 0.6, 0.08, 0.08, 0.1, 0.6)),
        sky=(0.16, 0.15, 0.14), ground=(0.07, 0.055, 0.045),
    )  # fmt: skip


def _evening() -> Lighting:
    return Lighting(
        lights=((0.6, 0.5, 0.7, 1.5, 1.4, 1.3, 0.4), (-0.85, 0.3, -0.5, 0.9, 0.8, 0.7, 0.15)),
        sky=(0.3, 0.3, 0.33), ground=(0.14, 0.12, 0.11), exposure=1.15,
    )  # fmt: skip


def painted(picture: np.ndarray, seed: int = 3) -> np.ndarray:
    """Oil: strokes of four brush sizes along the edges, coarse first, fine only where there is detail."""
    rng = np.random.default_rng(seed)
    canvas = np.full_like(picture, (96, 78, 58))
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    smooth = cv2.GaussianBlur(grey, (0, 0), 5)
    gx, gy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    detail = cv2.GaussianBlur(np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 4)), (0, 0), 3)
    for width, count, need in ((22, 2200, 0.0), (10, 7000, 0.0), (5, 16000, 0.6), (2, 42000, 1.6)):
        source = cv2.GaussianBlur(picture, (0, 0), width / 4 + 0.3)
        places = rng.integers(0, SIZE, (count, 2))
        for x, y in places:
            if detail[y, x] < need:
                continue
            angle = np.arctan2(gy[y, x], gx[y, x]) + np.pi / 2 + rng.normal(0, 0.25)
            reach = width * rng.uniform(0.8, 1.6)
            dx, dy = reach * np.cos(angle), reach * np.sin(angle)
            color = np.clip(source[y, x] + rng.normal(0, 4.5) + rng.normal(0, 2.5, 3), 0, 255)
            ends = [(int(16 * (x - dx)), int(16 * (y - dy))), (int(16 * (x + dx)), int(16 * (y + dy)))]
            cv2.line(canvas, *ends, color.tolist(), max(1, int(width * 0.8)), cv2.LINE_AA, 4)
    weave = cv2.GaussianBlur(rng.standard_normal((SIZE, SIZE)), (0, 0), 0.8)[..., None] * 5
    return np.clip(canvas + weave, 0, 255).astype(np.uint8)


def _lines(picture: np.ndarray, sigma: float, gain: float) -> np.ndarray:
    """(H, W) 0 ink .. 1 paper: extended difference of Gaussians (H. Winnemoeller, 2011)."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    sharp = (1 + gain) * cv2.GaussianBlur(grey, (0, 0), sigma) - gain * cv2.GaussianBlur(grey, (0, 0), 1.6 * sigma)
    return np.where(sharp > 0.36, 1.0, 1.0 + np.tanh(9 * (sharp - 0.36))).clip(0, 1)


def inked(picture: np.ndarray) -> np.ndarray:
    """Comic: few flat colours under ink."""
    flat_colors = picture
    for _ in range(4):
        flat_colors = cv2.bilateralFilter(flat_colors, 9, 28, 7)
    lab = cv2.cvtColor(flat_colors, cv2.COLOR_RGB2LAB).astype(np.float32)
    steps = 26.0
    lab[..., 0] = steps * (np.floor(lab[..., 0] / steps) + 0.5 + 0.5 * np.tanh(5 * (lab[..., 0] / steps % 1 - 0.5)))
    colors = cv2.cvtColor(np.clip(lab, 0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB)
    return np.clip(colors * (0.12 + 0.88 * _lines(picture, 1.3, 13.0)[..., None]), 0, 255).astype(np.uint8)


def pencil(picture: np.ndarray, seed: int = 5) -> np.ndarray:
    """Graphite on paper: lines, and hatching that thickens in the dark."""
    rng = np.random.default_rng(seed)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    tone = cv2.createCLAHE(2.0, (4, 4)).apply((grey * 255).astype(np.uint8)).astype(np.float32) / 255
    paper = np.ones((SIZE, SIZE), np.float32)
    for angle, level in ((0.7, 0.62), (-0.5, 0.42), (1.3, 0.26)):
        grain = rng.standard_normal((SIZE * 2, SIZE * 2)).astype(np.float32)
        kernel = np.zeros((25, 25), np.float32)
        cv2.line(kernel, (2, 12), (22, 12), 1.0, 1, cv2.LINE_AA)
        turn = cv2.getRotationMatrix2D((12, 12), np.degrees(angle), 1.0)
        kernel = cv2.warpAffine(kernel, turn, (25, 25))
        strokes = cv2.filter2D(grain, -1, kernel / kernel.sum())[:SIZE, :SIZE]
        strokes = strokes / strokes.std()
        much = np.clip((level - tone) / 0.35, 0, 1)
        paper -= 0.30 * much * np.clip(0.9 + 0.55 * strokes, 0, 1.6)
    paper = np.minimum(paper, 1 - 0.75 * (1 - _lines(picture, 1.1, 16.0)))
    tooth = cv2.GaussianBlur(rng.standard_normal((SIZE, SIZE)).astype(np.float32), (0, 0), 0.9) * 0.035
    sheet = np.clip(0.12 + 0.88 * np.clip(paper, 0.05, 1) + tooth, 0, 1)[..., None]
    return np.clip(sheet * np.array([246, 241, 230]), 0, 255).astype(np.uint8)


def flat() -> np.ndarray:
    """A face of flat shapes with soft shading, no mesh behind it."""
    n = SIZE * _SUPER
    canvas = np.full((n, n, 3), (196, 214, 208), np.uint8)

    def at(x: float, y: float) -> tuple[int, int]:
        return round(x * n), round(y * n)

    def oval(x: float, y: float, a: float, b: float, color: tuple[int, int, int], turn: float = 0.0) -> None:
        cv2.ellipse(canvas, at(x, y), (round(a * n), round(b * n)), turn, 0, 360, color, -1, cv2.LINE_AA)

    def shape(points: list[tuple[float, float]], color: tuple[int, int, int]) -> None:
        cv2.fillPoly(canvas, [np.array([at(*p) for p in _smooth(points)])], color, cv2.LINE_AA)

    hair, skin, shade = (84, 48, 40), (236, 190, 158), (219, 164, 134)
    oval(0.5, 0.44, 0.262, 0.315, hair)
    shape([(0.235, 0.42), (0.24, 0.70), (0.33, 0.80), (0.67, 0.80), (0.76, 0.70), (0.765, 0.42)], hair)
    shape([(0.43, 0.70), (0.42, 0.84), (0.30, 0.92), (0.28, 1.02), (0.72, 1.02), (0.70, 0.92), (0.58, 0.84),
           (0.57, 0.70)], shade)  # fmt: skip
    shape([(0.16, 1.04), (0.2, 0.94), (0.36, 0.885), (0.5, 0.95), (0.64, 0.885), (0.8, 0.94), (0.84, 1.04)],
          (60, 92, 128))  # fmt: skip
    shape([(0.29, 0.40), (0.295, 0.55), (0.335, 0.68), (0.42, 0.765), (0.5, 0.785), (0.58, 0.765), (0.665, 0.68),
           (0.705, 0.55), (0.71, 0.40), (0.66, 0.24), (0.5, 0.20), (0.34, 0.24)], skin)  # fmt: skip
    shape([(0.27, 0.44), (0.30, 0.30), (0.42, 0.235), (0.56, 0.27), (0.70, 0.33), (0.735, 0.44), (0.72, 0.22),
           (0.5, 0.13), (0.28, 0.22)], hair)  # fmt: skip
    for side in (-1, 1):

        def s(x: float, side: int = side) -> float:
            return 0.5 + side * x

        shape([(s(0.045), 0.452), (s(0.09), 0.424), (s(0.14), 0.428), (s(0.168), 0.458), (s(0.12), 0.478),
               (s(0.075), 0.474)], (250, 248, 244))  # fmt: skip
        oval(s(0.107), 0.450, 0.0255, 0.0265, (86, 122, 92))
        oval(s(0.107), 0.450, 0.0115, 0.0120, (24, 22, 22))
        oval(s(0.107) + 0.008, 0.441, 0.0045, 0.0045, (255, 255, 255))
        lid = [(s(0.040), 0.455), (s(0.085), 0.4185), (s(0.14), 0.4215), (s(0.176), 0.455), (s(0.14), 0.4295),
               (s(0.09), 0.4265)]  # fmt: skip
        shape(lid, (58, 34, 30))
        shape([(s(0.035), 0.385), (s(0.10), 0.358), (s(0.175), 0.375), (s(0.10), 0.373)], (70, 42, 34))
        oval(s(0.13), 0.585, 0.045, 0.028, (240, 172, 148))
    shape([(0.478, 0.45), (0.472, 0.53), (0.452, 0.575), (0.47, 0.592), (0.5, 0.600), (0.53, 0.592), (0.548, 0.575),
           (0.535, 0.57), (0.5, 0.585), (0.475, 0.57), (0.488, 0.53)], shade)  # fmt: skip
    for side in (-1, 1):
        oval(0.5 + side * 0.022, 0.590, 0.010, 0.0045, (168, 104, 88))
    shape([(0.418, 0.668), (0.465, 0.650), (0.5, 0.657), (0.535, 0.650), (0.582, 0.668), (0.54, 0.698), (0.5, 0.704),
           (0.46, 0.698)], (204, 98, 96))  # fmt: skip
    seam = np.array([at(*p) for p in _smooth([(0.418, 0.668), (0.46, 0.669), (0.5, 0.672), (0.54, 0.669),
                                              (0.582, 0.668)], closed=False)])  # fmt: skip
    cv2.polylines(canvas, [seam], False, (128, 50, 54), round(0.0045 * n), cv2.LINE_AA)
    soft = cv2.GaussianBlur(canvas, (0, 0), 0.004 * n)
    mixed = cv2.addWeighted(canvas, 0.75, soft, 0.25, 0)
    return np.asarray(cv2.resize(mixed, (SIZE, SIZE), interpolation=cv2.INTER_AREA))


def _smooth(points: list[tuple[float, float]], closed: bool = True) -> list[tuple[float, float]]:
    """Chaikin's corner cutting (1974), four times."""
    curve = np.array(points, float)
    for _ in range(4):
        following = np.roll(curve, -1, 0) if closed else curve[1:]
        before = curve if closed else curve[:-1]
        cut = np.stack([0.75 * before + 0.25 * following, 0.25 * before + 0.75 * following], 1).reshape(-1, 2)
        curve = cut if closed else np.concatenate([curve[:1], cut, curve[-1:]])
    return [(float(x), float(y)) for x, y in curve]


if __name__ == "__main__":
    explained(main)
