"""How the portrait is lit, and what its light does when the face moves."""

from __future__ import annotations

import dataclasses

import numpy as np

from talkclip.engine.render.render_mesh import linear_to_srgb, srgb_to_linear

# Light may change this much where the surface turns; more would show the fit's errors.
_LEAST, _MOST = 0.66, 1.14
# Creases darken; what opens up was lit well enough to be seen in the portrait.
_OCCLUDED = (0.45, 1.04)
# Cosine to the camera below which the light is left alone.
_GRAZING = 0.15
_TRIALS = 4
# Linear albedo of teeth; how much of the colour cast of white surfaces is believed.
_TOOTH, _WHITE_COLOR = 0.68, 0.6
# (max - min) / max of the sRGB colour of skin in a colour photograph.
_USUAL_SATURATION = 0.22


@dataclasses.dataclass(frozen=True)
class PortraitLight:
    """Brightness of the portrait's skin as ambient + direct . normal, in linear light, and the colour of its white.

    Attributes:
        ambient: > 0. direct: (3,) camera axes (+x right, +y up, +z to the camera).
        white: (3,) linear 0..1, how a white surface under this light would look.
        saturation: 0 (a drawing in grey) .. 1, how colourful the portrait is.
    """

    ambient: float
    direct: np.ndarray
    white: np.ndarray
    saturation: float

    def brightness(self, normals: np.ndarray) -> np.ndarray:
        """(V,) for unit normals (V, 3)."""
        return np.maximum(self.ambient + normals @ self.direct, 0.15 * self.ambient)

    def gain(self, normals: np.ndarray, occluded: np.ndarray, before: np.ndarray) -> np.ndarray:
        """(V,) factor on sRGB values: light now by light in the portrait.

        Args:
            normals: (V, 3) now; before: (V,) brightness in the portrait.
            occluded: (V,) share of the surroundings' light that arrives now by that in the portrait.
        """
        ratio = self.brightness(normals) / np.maximum(before, 1e-4) * np.clip(occluded, *_OCCLUDED)
        # Seen from the side, a small error of the fit is a large one of the normal.
        steep = np.clip((normals[:, 2] - _GRAZING) / 0.35, 0, 1)
        # sRGB is nearly a power of 1 / 2.2 of light.
        return 1.0 + steep * (np.clip(ratio, _LEAST**2.2, _MOST**2.2) ** (1 / 2.2) - 1.0)


def estimate_light(
    colors: np.ndarray, normals: np.ndarray, albedo: np.ndarray, eye_white: np.ndarray, teeth: np.ndarray | None = None
) -> PortraitLight:
    """Fit the light to skin.

    Args:
        colors: (N, 3) sRGB 0..255 of skin points in the portrait; normals: (N, 3) theirs, in camera axes.
        albedo: (3,) linear colour of usual skin.
        eye_white: (3,) sRGB 0..255 of the brightest part of the eyes; teeth: (3,) the same of an open mouth.
    """
    linear = srgb_to_linear(colors / 255.0)
    bright = linear @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    matrix = np.concatenate([np.ones((len(normals), 1)), normals], 1)
    weight = np.ones(len(bright))
    answer = np.zeros(4)
    for _ in range(_TRIALS):
        # A pull towards even light, and less trust in points that fit badly (moles, stubble, shadows).
        normal = matrix.T @ (weight[:, None] * matrix) + np.diag([0.0, 1.0, 1.0, 1.0]) * 0.02 * len(bright)
        answer = np.linalg.solve(normal, matrix.T @ (weight * bright))
        off = np.abs(bright - matrix @ answer)
        weight = 1.0 / np.maximum(off, 0.5 * np.median(off) + 1e-4)
        weight /= weight.max()
    direct = answer[1:]
    strength = float(np.linalg.norm(direct))
    ambient = float(max(answer[0], 0.3 * strength, 0.02))
    skin_white = np.median(linear, axis=0) / np.maximum(albedo, 0.02)
    seen_white = srgb_to_linear(eye_white / 255.0) * 1.25
    # Dark skin is not dim light: whichever says brighter is nearer to the truth.
    white = np.maximum(seen_white, np.minimum(skin_white, 1.6 * seen_white))
    if teeth is not None:
        white = np.maximum(white, srgb_to_linear(teeth / 255.0) / _TOOTH)
    mean = np.median(colors, axis=0)
    saturation = float(np.clip((mean.max() - mean.min()) / max(mean.max(), 1.0) / _USUAL_SATURATION, 0, 1))
    # The eye's white borrows colour from lids and lashes, and in a grey drawing nothing has colour.
    white = white.mean() + _WHITE_COLOR * saturation * (white - white.mean())
    return PortraitLight(ambient, direct.astype(np.float32), np.clip(white, 0.05, 1.1).astype(np.float32), saturation)


def mouth_colors(
    albedo: np.ndarray, normals: np.ndarray, occlusion: np.ndarray, light: PortraitLight, shine: np.ndarray
) -> np.ndarray:
    """(V, 3) sRGB 0..255 of teeth, gums, tongue and cheeks' insides.

    Args:
        albedo: (V, 3) linear; normals: (V, 3) camera axes; occlusion: (V,) 0..1; shine: (V,) 0..1 wet.
    """
    toward = light.direct / max(float(np.linalg.norm(light.direct)), 1e-6) + np.array([0.0, 0.15, 1.2], np.float32)
    toward /= np.linalg.norm(toward)
    diffuse = 0.6 + 0.4 * np.clip(normals @ toward, 0, 1)
    # The renderer's mouth is lit for a studio; a portrait's light reaches further in.
    occlusion = occlusion**0.55
    half = toward + np.array([0.0, 0.0, 1.0], np.float32)
    half /= np.linalg.norm(half)
    glint = np.clip(normals @ half, 0, 1) ** 40
    grey = albedo.mean(1, keepdims=True)
    albedo = grey + light.saturation * (albedo - grey)
    linear = light.white * (albedo * (diffuse * occlusion)[:, None] + (0.22 * shine * glint * occlusion)[:, None])
    return np.asarray(255.0 * linear_to_srgb(np.clip(linear, 0, 1)), np.float32)
