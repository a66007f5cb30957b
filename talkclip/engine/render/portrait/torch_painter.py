"""TorchPainter: what `painter.ArrayPainter` does, in torch and many frames at once, for graphics cards.

The steps and their names are the same; pictures differ by what float32 rounds, one level of 255 here and there.

Pictures are float32 (B, C, H, W) for B frames; lists of pixels and samples run over all frames.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from talkclip.engine.render.portrait import kernels
from talkclip.engine.render.portrait.device import USE_CPU
from talkclip.engine.render.portrait.flow import FADE_MOTIONS, FADE_SHARE, LOCAL, SEAM_SHARE, outside, resting_edge
from talkclip.engine.render.portrait.geometry import EYE_BACK, SUPER, FrameGeometry, PatchGeometry, Scene
from talkclip.errors import InputError

_N_SAMPLES = SUPER * SUPER
# Where the plates lie in the table that patches read from.
_SKIN, _EYES, _LIDS = range(3)
_PYRAMID = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)


def find_card() -> str:
    """The name of the graphics card that torch computes on.

    Raises:
        InputError: there is none, or torch cannot use it.
    """
    try:
        if torch.cuda.is_available():
            # A card that torch knows may still be one that it was not built for.
            torch.zeros(1, device="cuda").add_(1.0).item()
            return torch.cuda.get_device_name()
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"There is no CUDA here: torch cannot use the card ({reason}).", USE_CPU) from None
    if torch.version.cuda is None:
        text = f"There is no CUDA here: torch {torch.__version__} was built without it."
        raise InputError(text, f"Install the one for CUDA (pytorch.org says how). {USE_CPU}")
    text = f"There is no CUDA here: torch {torch.__version__} finds no graphics card."
    raise InputError(text, f"Look at its driver with nvidia-smi. {USE_CPU}")


class TorchPainter:
    """Paints by torch.

    Args:
        scene: the portrait.
        device: of torch, such as "cuda" or "cpu".

    Raises:
        InputError: the device has too little memory, for the portrait or for the frames to paint.

    Frames on the device at the same time need its memory: threads paint one after the other.
    """

    def __init__(self, scene: Scene, device: str) -> None:
        self._scene, self._device = scene, torch.device(device)
        self._turns = threading.Lock()
        with self._enough_memory():
            self._bring()

    def _bring(self) -> None:
        """What all frames share, onto the device."""
        scene, plates = self._scene, self._scene.plates
        self._triangles = self._put(scene.triangles).long()
        self._source = self._put(scene.source)
        self._eyes = self._put(scene.eyes).long()
        self._edge = self._put(resting_edge(scene.size))
        self._person = self._put(plates.person).permute(2, 0, 1)
        self._background = self._put(plates.background)
        self._table = self._put(np.stack([plates.skin, plates.eyes, plates.lids])).reshape(-1, 3)
        self._zone = self._put(plates.zone)
        self._patches = [(self._put(p.triangles).long(), self._put(p.kinds)) for p in scene.patches]
        blur = scene.size * SEAM_SHARE
        # As wide as OpenCV makes it.
        self._blur = self._put(cv2.getGaussianKernel(round(8 * blur + 1) | 1, blur, cv2.CV_32F)[:, 0])
        self._halving = self._put(
            cv2.resize(
                np.eye(scene.size, dtype=np.float32), (scene.size, scene.size // 2), interpolation=cv2.INTER_AREA
            )
        )
        self._pyramid = torch.tensor(_PYRAMID, device=self._device)

    def paint(self, frames: Sequence[FrameGeometry]) -> list[np.ndarray]:
        """See `Painter.paint`."""
        with self._work():
            person = self._persons(frames, self._person)
            return list(_bytes(person[..., :3] + (1.0 - person[..., 3:]) * self._background))

    def paint_alone(self, frames: Sequence[FrameGeometry]) -> list[np.ndarray]:
        """See `Painter.paint_alone`."""
        with self._work():
            person = self._persons(frames, self._alone)
            color = person[..., :3] / person[..., 3:].clamp(min=1e-3)
            return list(_bytes(torch.cat([color, 255.0 * person[..., 3:]], -1)))

    @contextlib.contextmanager
    def _work(self) -> Iterator[None]:
        """The device is ours, and computes in full precision and always the same."""
        exact = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
        with self._enough_memory(), self._turns, torch.inference_mode(), exact:
            yield

    @contextlib.contextmanager
    def _enough_memory(self) -> Iterator[None]:
        try:
            yield
        except torch.OutOfMemoryError:
            raise InputError(
                f"The graphics card has too little memory for portraits of {self._scene.size} pixels.",
                "Use --device cpu, or a smaller --size.",
            ) from None

    @functools.cached_property
    def _alone(self) -> torch.Tensor:
        return self._put(self._scene.plates.alone()).permute(2, 0, 1)

    def _put(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self._device)

    def _persons(self, frames: Sequence[FrameGeometry], plate: torch.Tensor) -> torch.Tensor:
        """(B, S, S, 4) what stands before the background: colour times alpha, and alpha."""
        size = self._scene.size
        screen = self._put(np.stack([frame.screen for frame in frames]))
        gain = self._put(np.stack([frame.gain for frame in frames]))
        flow = self._flow(frames, screen, gain)
        person = self._read(plate, flow)
        person[:, :3] *= 1.0 + flow[:, 2:]
        person[:, 3].clamp_(0, 1)
        pixels = person.permute(0, 2, 3, 1).reshape(-1, 4)
        screen[:, self._eyes, 2] -= EYE_BACK
        for number in range(len(self._patches)):
            self._paint_patch(number, frames, screen, gain, pixels)
        return pixels.reshape(-1, size, size, 4)

    def _flow(self, frames: Sequence[FrameGeometry], screen: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        """(B, 3, S, S): source minus target in pixels, and the change of light."""
        size = self._scene.size
        ids = np.stack([frame.ids for frame in frames])
        covered = (ids >= 0) & (ids < self._scene.n_front)
        pixel = np.flatnonzero(covered)
        plane = self._put(np.stack([frame.plane for frame in frames])).permute(0, 3, 1, 2)
        plane = F.interpolate(plane, (size, size), mode="bicubic", align_corners=False)
        own = self._own(self._put(pixel), self._put(ids.ravel()[pixel]), screen, gain)
        shape = (len(frames), size, size, 4)
        drawn = torch.zeros(shape, device=self._device).flatten(0, 2)
        drawn[self._put(pixel)] = own
        drawn = drawn.view(shape).permute(0, 3, 1, 2)
        drawn[:, :2] -= plane * drawn[:, 3:]
        total = torch.where(drawn[:, 3:] > 0, drawn[:, :3], self._around(drawn, covered))
        # At the mesh's outline the two maps meet: a soft seam, or hair beside it would tear.
        outline = _filtered(self._put((ids >= 0).astype(np.float32))[:, None], self._blur)
        seam = (4 * outline * (1 - outline)).clamp(0, 1)
        total = total + seam * (_filtered(total, self._blur) - total)
        total[:, :2] += plane
        return total * self._edge

    def _own(
        self, pixel: torch.Tensor, triangle: torch.Tensor, screen: torch.Tensor, gain: torch.Tensor
    ) -> torch.Tensor:
        """(N, 4) of the pixels that the face covers: source minus target, change of light, 1."""
        frame, x, y = self._places(pixel)
        brought = torch.cat([self._source.expand(len(gain), -1, -1), gain[..., None]], -1)
        values = _interpolated(brought, screen, frame, self._triangles[triangle.long()], x + 0.5, y + 0.5)
        place = torch.stack([x + 0.5, y + 0.5, torch.ones_like(x)], -1)
        return torch.cat([values - place, torch.ones_like(x)[:, None]], -1)

    def _around(self, drawn: torch.Tensor, covered: np.ndarray) -> torch.Tensor:
        """(B, 3, S, S) what is drawn, continued past the mesh, and gone a little further out."""
        size, half = self._scene.size, self._scene.size // 2
        small = F.avg_pool2d(drawn, 2) if size % 2 == 0 else self._halving @ drawn @ self._halving.T
        filled = _filled(small, LOCAL, self._pyramid)
        shrunk = [cv2.resize(c.astype(np.float32), (half, half), interpolation=cv2.INTER_AREA) for c in covered]
        away = self._put(np.stack([outside(weight) for weight in shrunk]))[:, None]
        motion = torch.hypot(small[:, :1], small[:, 1:2]).amax((1, 2, 3), keepdim=True) / 2
        reach = FADE_SHARE * half + FADE_MOTIONS * motion
        return F.interpolate(filled * _ease(1.0 - away / reach), (size, size), mode="bilinear", align_corners=False)

    def _read(self, plate: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
        """(B, C, S, S) of a plate (C, F, F): read with its finer pixels and then averaged."""
        fine, times = plate.shape[-1], self._scene.fine
        moved = F.interpolate(flow[:, :2], (fine, fine), mode="bilinear", align_corners=False) * times
        at = torch.arange(fine, device=self._device, dtype=torch.float32) + 0.5
        grid = torch.stack([at + moved[:, 0], at[:, None] + moved[:, 1]], -1) * (2 / fine) - 1
        read = F.grid_sample(plate.expand(len(flow), -1, -1, -1), grid, "bicubic", "border", align_corners=False)
        return F.avg_pool2d(read, times)

    def _paint_patch(
        self, number: int, frames: Sequence[FrameGeometry], screen: torch.Tensor, gain: torch.Tensor,
        pixels: torch.Tensor,
    ) -> None:  # fmt: skip
        """Lips, lids, eyes and the inside of the mouth (`kernels.shade_patch`); `pixels` (B S S, 4) in and out."""
        patches = {k: frame.patches[number] for k, frame in enumerate(frames)}
        seen = [_chosen(k, patch, self._scene.size) for k, patch in patches.items() if patch is not None]
        if not seen:
            return
        pixel, ids, share = (self._put(np.concatenate(part)) for part in zip(*seen, strict=True))
        triangles, kinds = self._patches[number]
        frame, x, y = self._places(pixel[:, None])
        step = torch.arange(_N_SAMPLES, device=self._device)
        x, y = x + (step % SUPER + 0.5) / SUPER, y + (step // SUPER + 0.5) / SUPER
        triangle = ids.clamp(min=0).long()
        lids = self._put(np.stack([_closing(patch, gain.shape[1]) for patch in patches.values()]))
        colors = self._put(np.stack([each.colors for each in frames]))
        brought = torch.cat([self._source.expand(len(frames), -1, -1), gain[..., None], lids, colors], -1)
        values = _interpolated(brought, screen, frame.expand_as(x), triangles[triangle], x, y)
        kind = kinds[triangle]
        before, alpha = pixels[pixel, None, :3], pixels[pixel, None, 3:]
        sealed = self._put(np.array([0.0 if p is None else p.sealed for p in patches.values()], np.float32))[frame]
        surface = self._surface(values, kind == kernels.EYE_SAMPLE, sealed, any(map(_closes, patches.values())))
        shown = self._put(np.array([each.shown for each in frames], np.float32))[frame][..., None]
        mouth = shown * alpha * values[..., 5:] + (1 - shown) * before
        color = torch.where((kind == kernels.MOUTH_SAMPLE)[..., None], mouth, alpha * surface)
        color = torch.where((ids < 0)[..., None], before, color)
        pixels[pixel, :3] = (share[..., None] * color).sum(1).clamp(0, 255)

    def _surface(self, values: torch.Tensor, eye: torch.Tensor, sealed: torch.Tensor, closes: bool) -> torch.Tensor:
        """(P, n, 3) lit colour of skin and eyes for values (P, n, 8): source, gain, closing, cover, colour."""
        x, y = self._scene.fine * values[..., 0], self._scene.fine * values[..., 1]
        color = self._sampled(torch.where(eye, _EYES, _SKIN), x, y)
        if closes:
            last = len(self._zone) - 1
            zone = self._zone[y.long().clamp(0, last), x.long().clamp(0, last)]
            lid = torch.where(eye, sealed, torch.maximum(values[..., 3], values[..., 4] * zone))[..., None]
            color = color + lid * (self._sampled(torch.full_like(eye, _LIDS, dtype=torch.long), x, y) - color)
        return values[..., 2:3] * color

    def _sampled(self, plate: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """(..., 3) bicubic colour (Catmull-Rom) of plates at positions, edges repeated."""
        side = len(self._zone)
        left, top = torch.floor(x - 0.5), torch.floor(y - 0.5)
        across, down = _cubic(x - 0.5 - left), _cubic(y - 0.5 - top)
        columns = [(left.long() + k).clamp(0, side - 1) for k in (-1, 0, 1, 2)]
        rows = [(plate * side + (top.long() + k).clamp(0, side - 1)) * side for k in (-1, 0, 1, 2)]
        total = torch.zeros((*x.shape, 3), device=self._device)
        for row, high in zip(rows, down, strict=True):
            for column, wide in zip(columns, across, strict=True):
                total += (high * wide)[..., None] * self._table[row + column]
        return total

    def _places(self, pixel: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Frame, and float x and y of the corner, of numbers of pixels over all frames."""
        size = self._scene.size
        return pixel // (size * size), (pixel % size).float(), (pixel // size % size).float()


def _chosen(frame: int, patch: PatchGeometry, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels (P,) of a patch that are drawn, numbered over all frames; triangles (P, n) and shares of their samples."""
    rows, columns = np.nonzero(patch.chosen)
    height, width = patch.chosen.shape
    samples = patch.ids.reshape(height, SUPER, width, SUPER).transpose(0, 2, 1, 3)[rows, columns]
    middle = np.zeros(_N_SAMPLES, np.float32)
    middle[_N_SAMPLES // 2] = 1.0
    alone = patch.chosen[rows, columns] == kernels.MIDDLE_SAMPLE
    share = np.where(alone[:, None], middle, np.float32(1 / _N_SAMPLES))
    return (frame * size + patch.top + rows) * size + patch.left + columns, samples.reshape(-1, _N_SAMPLES), share


def _closing(patch: PatchGeometry | None, n_vertices: int) -> np.ndarray:
    """(V, 2) closing and cover."""
    if patch is None:
        return np.zeros((n_vertices, 2), np.float32)
    return np.stack([patch.closing, patch.cover], -1)


def _closes(patch: PatchGeometry | None) -> bool:
    return patch is not None and bool(patch.sealed > 0 or patch.closing.any() or patch.cover.any())


def _interpolated(
    brought: torch.Tensor, screen: torch.Tensor, frame: torch.Tensor, corners: torch.Tensor, x: torch.Tensor,
    y: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """(..., K) what the vertices (B, V, K) bring to positions in triangles (`raster.barycentric`).

    Args:
        screen: (B, V, 3); frame: (...) which of B; corners: (..., 3) vertices of the triangle; x, y: (...) pixels.
    """
    row = corners + (frame * screen.shape[1])[..., None]
    at = screen.flatten(0, 1)[row]
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (corner.unbind(-1) for corner in at.unbind(-2))
    area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    area = torch.where(area.abs() < 1e-12, torch.inf, area)
    wb = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
    wc = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
    weights = torch.stack([(1 - wb - wc).clamp(min=0) * az, wb.clamp(min=0) * bz, wc.clamp(min=0) * cz], -1)
    weights = weights / (weights.sum(-1, keepdim=True) + 1e-30)
    return (weights[..., None] * brought.flatten(0, 1)[row]).sum(-2)


def _filled(small: torch.Tensor, local: float, taps: torch.Tensor) -> torch.Tensor:
    """(B, 3, H, W) of values times weight, and weight (B, 4, H, W): continued where that is 0 (`plates.fill`)."""
    levels = [small]
    while min(levels[-1].shape[-2:]) > 2:
        levels.append(_filtered(levels[-1], taps, 2))
    out = levels[-1][:, :3] / levels[-1][:, 3:].clamp(min=1e-6)
    for level in reversed(levels[:-1]):
        weight = level[:, 3:]
        up = F.interpolate(out, level.shape[-2:], mode="bilinear", align_corners=False)
        known = (local * weight).clamp(max=1.0)
        near = torch.where(weight > 1e-4, level[:, :3] / weight.clamp(min=1e-4), 0.0)
        out = near * known + up * (1 - known)
    return out


def _filtered(values: torch.Tensor, taps: torch.Tensor, step: int = 1) -> torch.Tensor:
    """(B, C, H, W) averaged with taps (n,) along both axes, mirrored at the edges; every `step`-th pixel of it."""
    channels, reach = values.shape[1], len(taps) // 2
    padded = F.pad(values, (reach,) * 4, mode="reflect")
    across = F.conv2d(padded, taps.expand(channels, 1, 1, -1), stride=(1, step), groups=channels)
    return F.conv2d(across, taps[:, None].expand(channels, 1, -1, -1), stride=(step, 1), groups=channels)


def _cubic(t: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Catmull-Rom weights of four neighbours at share t."""
    t2, t3 = t * t, t * t * t
    return -0.5 * t + t2 - 0.5 * t3, 1.0 - 2.5 * t2 + 1.5 * t3, 0.5 * t + 2.0 * t2 - 1.5 * t3, -0.5 * t2 + 0.5 * t3


def _ease(share: torch.Tensor) -> torch.Tensor:
    share = share.clamp(0, 1)
    return share * share * (3 - 2 * share)


def _bytes(values: torch.Tensor) -> np.ndarray:
    return np.asarray((values + 0.5).clamp(0, 255).to(torch.uint8).cpu().numpy())
