"""Deferred shading: what light each visible point of the head sends to the camera, in linear RGB.

Skin is a wrapped diffuse term whose terminator shifts to red, spread over the picture like light under the skin
(`diffuse_under_skin`), under two GGX lobes (B. Walter et al., "Microfacet models for refraction through rough
surfaces", 2007; Fresnel after C. Schlick, 1994). Eyes are drawn, not textured: iris, pupil, limbal ring and the wet
highlight of the cornea follow the point's rest position on the eyeball.
"""

from __future__ import annotations

import math

import numpy as np

from talkclip.engine.render.raster import barycentric, inline, jit
from talkclip.engine.render.render_mesh import BROWS, EYE, HAIR, LASHES, SKIN, TEETH, WET

# Rows of the light table: direction x y z (towards the light), radiance r g b, wrap.
LIGHT_COLUMNS = 7
KEY, FILL, RIM_LEFT, RIM_RIGHT = range(4)

# Subsurface colour of the terminator: how much further each colour of light reaches around.
_WRAP_RED, _WRAP_GREEN, _WRAP_BLUE = 1.0, 0.45, 0.3
_IRIS_ANGLE = 0.405
_PUPIL_SHARE = 0.40


@inline
def _ggx(n_h, n_v, n_l, v_h, roughness, f0):
    """Reflected share times cosine for one light (GGX, Smith-Schlick visibility, Schlick Fresnel)."""
    alpha = roughness * roughness
    a2 = alpha * alpha
    d = n_h * n_h * (a2 - 1.0) + 1.0
    k = 0.5 * alpha
    visible = 0.25 / ((n_v * (1.0 - k) + k) * (n_l * (1.0 - k) + k))
    one = 1.0 - v_h
    fresnel = f0 + (1.0 - f0) * one * one * one * one * one
    return a2 / (math.pi * d * d) * visible * fresnel * n_l


@inline
def _smooth(low, high, x):
    t = min(1.0, max(0.0, (x - low) / (high - low)))
    return t * t * (3.0 - 2.0 * t)


@inline
def _noise(volume, x, y, z):
    """Trilinear look-up in a tiling (S, S, S, 4) volume: gradient x y z and height."""
    size = volume.shape[0]
    fx, fy, fz = math.floor(x), math.floor(y), math.floor(z)
    tx, ty, tz = x - fx, y - fy, z - fz
    x0, y0, z0 = int(fx) % size, int(fy) % size, int(fz) % size
    x1, y1, z1 = (x0 + 1) % size, (y0 + 1) % size, (z0 + 1) % size
    r0 = r1 = r2 = r3 = 0.0
    for corner in range(8):
        ix, wx = (x1, tx) if corner & 1 else (x0, 1.0 - tx)
        iy, wy = (y1, ty) if corner & 2 else (y0, 1.0 - ty)
        iz, wz = (z1, tz) if corner & 4 else (z0, 1.0 - tz)
        w = wx * wy * wz
        r0 += w * volume[ix, iy, iz, 0]
        r1 += w * volume[ix, iy, iz, 1]
        r2 += w * volume[ix, iy, iz, 2]
        r3 += w * volume[ix, iy, iz, 3]
    return r0, r1, r2, r3


@inline
def _key_visible(shadow, scale, center, right, up, toward, px, py, pz):
    """0 (shadow) .. 1: a 4 x 4 tent filter over the key's depth map, soft in depth as well."""
    size = shadow.shape[0]
    u = center + scale * (px * right[0] + py * right[1] + pz * right[2]) - 0.5
    v = center - scale * (px * up[0] + py * up[1] + pz * up[2]) - 0.5
    here = px * toward[0] + py * toward[1] + pz * toward[2]
    u0, v0 = int(math.floor(u)), int(math.floor(v))
    tu, tv = u - u0, v - v0
    lit = 0.0
    total = 0.0
    for j in range(-2, 4):
        wv = 3.0 - abs(j - tv)
        if wv <= 0.0:
            continue
        for i in range(-2, 4):
            wu = 3.0 - abs(i - tu)
            if wu <= 0.0:
                continue
            w = wu * wv
            total += w
            x, y = u0 + i, v0 + j
            if 0 <= x < size and 0 <= y < size:
                behind = shadow[y, x] - here
                lit += w * min(1.0, max(0.0, 1.0 - (behind - 0.0015) / 0.003))
            else:
                lit += w
    return lit / total


@jit
def shade(  # noqa: PLR0913 - one kernel, every buffer it reads
    ids, screen, triangles, kinds, points, normals, light_in, rest, albedo, gloss, side,
    eye_centers, eye_axes, eye_position, lights, sky, ground,
    shadow, shadow_scale, shadow_center, shadow_right, shadow_up,
    volume, iris_color, skin_light, skin_color, skin_cover, direct, distance,
):  # fmt: skip
    """Shade every pixel of 2 x 2 samples. Writes:

    skin_light (H, W, 3) irradiance on skin, skin_color (H, W, 3) its albedo times cover, skin_cover (H, W);
    direct (H, W, 4) everything else (highlights, eyes, mouth) and the total cover; distance (H, W) metres.
    """
    height, width = skin_cover.shape
    seen_ids = np.empty(4, np.int64)
    for py in range(height):
        for px in range(width):
            covered = 0
            for s in range(4):
                t = ids[2 * py + (s >> 1), 2 * px + (s & 1)]
                if t >= 0:
                    seen_ids[covered] = t
                    covered += 1
            if covered == 0:
                continue
            # Samples of one material at one depth share one evaluation at the first one's triangle.
            done = 0
            for first in range(covered):
                if done & (1 << first):
                    continue
                t = seen_ids[first]
                kind = kinds[t]
                near = screen[triangles[t, 0], 2]
                count = 0
                for other in range(first, covered):
                    if done & (1 << other):
                        continue
                    u = seen_ids[other]
                    if kinds[u] == kind and abs(1.0 / screen[triangles[u, 0], 2] - 1.0 / near) < 0.006:
                        done |= 1 << other
                        count += 1
                cover = 0.25 * count
                _shade_point(
                    px, py, cover, t, kind, screen, triangles, points, normals, light_in, rest, albedo, gloss, side,
                    eye_centers, eye_axes, eye_position, lights, sky, ground,
                    shadow, shadow_scale, shadow_center, shadow_right, shadow_up,
                    volume, iris_color, skin_light, skin_color, skin_cover, direct, distance,
                )  # fmt: skip


@jit
def _shade_point(  # noqa: PLR0913
    px, py, cover, t, kind, screen, triangles, points, normals, light_in, rest, albedo, gloss, side,
    eye_centers, eye_axes, eye_position, lights, sky, ground,
    shadow, shadow_scale, shadow_center, shadow_right, shadow_up,
    volume, iris_color, skin_light, skin_color, skin_cover, direct, distance,
):  # fmt: skip
    a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
    wa, wb, wc = barycentric(screen, a, b, c, 2.0 * px + 1.0, 2.0 * py + 1.0)
    x = wa * points[a, 0] + wb * points[b, 0] + wc * points[c, 0]
    y = wa * points[a, 1] + wb * points[b, 1] + wc * points[c, 1]
    z = wa * points[a, 2] + wb * points[b, 2] + wc * points[c, 2]
    nx = wa * normals[a, 0] + wb * normals[b, 0] + wc * normals[c, 0]
    ny = wa * normals[a, 1] + wb * normals[b, 1] + wc * normals[c, 1]
    nz = wa * normals[a, 2] + wb * normals[b, 2] + wc * normals[c, 2]
    rx = wa * rest[a, 0] + wb * rest[b, 0] + wc * rest[c, 0]
    ry = wa * rest[a, 1] + wb * rest[b, 1] + wc * rest[c, 1]
    rz = wa * rest[a, 2] + wb * rest[b, 2] + wc * rest[c, 2]
    ao = wa * light_in[a] + wb * light_in[b] + wc * light_in[c]
    red = wa * albedo[a, 0] + wb * albedo[b, 0] + wc * albedo[c, 0]
    green = wa * albedo[a, 1] + wb * albedo[b, 1] + wc * albedo[c, 1]
    blue = wa * albedo[a, 2] + wb * albedo[b, 2] + wc * albedo[c, 2]
    lip = wa * gloss[a] + wb * gloss[b] + wc * gloss[c]

    vx, vy, vz = -x, -y, eye_position - z
    away = math.sqrt(vx * vx + vy * vy + vz * vz)
    vx, vy, vz = vx / away, vy / away, vz / away
    inv = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
    nx, ny, nz = nx * inv, ny * inv, nz * inv
    if nx * vx + ny * vy + nz * vz < 0.0 and (kind == LASHES or kind == BROWS or kind == HAIR):
        nx, ny, nz = -nx, -ny, -nz

    roughness, f0, wrap, spec_gain = 0.46, 0.028, 1.0, 1.0
    if kind == SKIN or kind == BROWS:
        # Pores and mottling: fine noise tilts the normal, coarse noise tints.
        g0, g1, g2, h = _noise(volume, rx * 900.0, ry * 900.0, rz * 900.0)
        bump = 0.055 * (1.0 - lip)
        nx, ny, nz = nx - bump * g0, ny - bump * g1, nz - bump * g2
        if lip > 0.02:
            # Lips crease from inside out: noise stretched across them.
            g0, g1, g2, h2 = _noise(volume, rx * 1300.0, ry * 260.0, rz * 260.0)
            nx -= 0.10 * lip * g0
        q0, q1, q2, m = _noise(volume, rx * 110.0 + 7.0, ry * 110.0, rz * 110.0)
        red *= 1.0 + 0.05 * m
        green *= 1.0 - 0.05 * m + 0.03 * h
        blue *= 1.0 - 0.05 * m + 0.03 * h
        roughness = 0.50 - 0.20 * lip
        spec_gain = 1.0 + 0.6 * lip
    elif kind == TEETH:
        roughness, f0, wrap = 0.25, 0.04, 0.6
    elif kind == WET:
        roughness, f0, wrap = 0.30, 0.035, 0.8
        g0, g1, g2, h = _noise(volume, rx * 700.0, ry * 700.0, rz * 700.0)
        nx, ny, nz = nx - 0.12 * g0, ny - 0.12 * g1, nz - 0.12 * g2
    elif kind == LASHES or kind == HAIR:
        roughness, f0, wrap, spec_gain = 0.55, 0.02, 0.4, 0.5
    # The normal the highlight sees; the cornea bulges where the iris lies flat.
    hx, hy, hz = nx, ny, nz
    if kind == EYE:
        eye = side[a]
        roughness, f0, wrap = 0.12, 0.03, 0.5
        ex, ey, ez = rx - eye_centers[eye, 0], ry - eye_centers[eye, 1], rz - eye_centers[eye, 2]
        inv = 1.0 / math.sqrt(ex * ex + ey * ey + ez * ez)
        ex, ey, ez = ex * inv, ey * inv, ez * inv
        angle = math.acos(min(1.0, max(-1.0, ez)))
        axis_x, axis_y, axis_z = eye_axes[eye, 0], eye_axes[eye, 1], eye_axes[eye, 2]
        along = nx * axis_x + ny * axis_y + nz * axis_z
        tx, ty, tz = nx - along * axis_x, ny - along * axis_y, nz - along * axis_z
        r = angle / _IRIS_ANGLE
        iris = 1.0 - _smooth(0.96, 1.05, r)
        # Bloodshot towards the corners.
        edge = _smooth(0.5, 1.2, angle)
        red, green, blue = 0.74 - 0.10 * edge, 0.70 - 0.22 * edge, 0.66 - 0.24 * edge
        if iris > 0.0:
            turn = math.atan2(ey, ex)
            q0, q1, q2, fibre = _noise(volume, 9.0 * math.cos(turn), 9.0 * math.sin(turn), 2.2 * r + 11.0 * eye)
            q0, q1, q2, fine = _noise(volume, 22.0 * math.cos(turn), 22.0 * math.sin(turn), 3.0 * r + 5.0)
            tone = 1.0 + 0.55 * fibre + 0.35 * fine
            ring = _smooth(0.72, 1.0, r)
            collar = 1.0 - _smooth(0.42, 0.62, r)
            pupil = 1.0 - _smooth(_PUPIL_SHARE - 0.035, _PUPIL_SHARE + 0.035, r)
            shade_ring = (1.0 - 0.80 * ring) * (1.0 - pupil)
            ir = (iris_color[0] * tone + 0.09 * collar) * shade_ring + 0.004
            ig = (iris_color[1] * tone + 0.045 * collar) * shade_ring + 0.004
            ib = (iris_color[2] * tone + 0.004 * collar) * shade_ring + 0.004
            red += (ir - red) * iris
            green += (ig - green) * iris
            blue += (ib - blue) * iris
            # The iris is a bowl behind the cornea: it is bright on the side away from the light.
            nx, ny, nz = nx - 1.7 * iris * tx, ny - 1.7 * iris * ty, nz - 1.7 * iris * tz
            hx, hy, hz = hx + 0.9 * iris * tx, hy + 0.9 * iris * ty, hz + 0.9 * iris * tz
            roughness = 0.12 - 0.05 * iris
        spec_gain = 1.0
    inv = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz)
    nx, ny, nz = nx * inv, ny * inv, nz * inv
    inv = 1.0 / math.sqrt(hx * hx + hy * hy + hz * hz)
    hx, hy, hz = hx * inv, hy * inv, hz * inv

    visible = _key_visible(
        shadow, shadow_scale, shadow_center, shadow_right, shadow_up, lights[KEY], x + 0.002 * nx, y + 0.002 * ny,
        z + 0.002 * nz,
    )  # fmt: skip
    hemi = 0.5 + 0.5 * ny
    # Light that bounces between close surfaces takes their colour: crevices go red, not grey.
    ao_r, ao_g, ao_b = ao, ao, ao
    if kind == SKIN or kind == WET or kind == BROWS:
        ao_r, ao_g, ao_b = ao ** 0.72, ao ** 0.95, ao ** 1.05
    er = (ground[0] + (sky[0] - ground[0]) * hemi) * ao_r
    eg = (ground[1] + (sky[1] - ground[1]) * hemi) * ao_g
    eb = (ground[2] + (sky[2] - ground[2]) * hemi) * ao_b
    sr = sg = sb = 0.0
    n_v = max(0.02, hx * vx + hy * vy + hz * vz)
    for i in range(lights.shape[0]):
        lx, ly, lz = lights[i, 0], lights[i, 1], lights[i, 2]
        n_l = nx * lx + ny * ly + nz * lz
        open_r = open_g = open_b = 1.0
        if i == KEY:
            open_r, open_g, open_b = visible ** 0.8, visible, visible
        else:
            open_r = open_g = open_b = min(1.0, 1.35 * ao * ao + 0.05)
        w = lights[i, 6] * wrap
        if kind == SKIN or kind == BROWS or kind == WET:
            wr, wg, wb2 = w * _WRAP_RED, w * _WRAP_GREEN, w * _WRAP_BLUE
        else:
            wr, wg, wb2 = 0.3 * w, 0.3 * w, 0.3 * w
        dr, dg, db = max(0.0, n_l + wr) / (1.0 + wr), max(0.0, n_l + wg) / (1.0 + wg), max(0.0, n_l + wb2) / (1.0 + wb2)
        # Squared wrap keeps the energy of the lit side (no flat look).
        er += lights[i, 3] * dr * (dr * wr + 1.0 - wr) * open_r if wr > 0.0 else lights[i, 3] * dr * open_r
        eg += lights[i, 4] * dg * (dg * wg + 1.0 - wg) * open_g if wg > 0.0 else lights[i, 4] * dg * open_g
        eb += lights[i, 5] * db * (db * wb2 + 1.0 - wb2) * open_b if wb2 > 0.0 else lights[i, 5] * db * open_b
        n_l = hx * lx + hy * ly + hz * lz
        if n_l > 0.0:
            mx, my, mz = lx + vx, ly + vy, lz + vz
            inv = 1.0 / math.sqrt(mx * mx + my * my + mz * mz + 1e-12)
            mx, my, mz = mx * inv, my * inv, mz * inv
            n_h = max(0.0, hx * mx + hy * my + hz * mz)
            v_h = max(0.0, vx * mx + vy * my + vz * mz)
            shine = _ggx(n_h, n_v, n_l, v_h, roughness, f0)
            if kind == SKIN or kind == BROWS:
                shine = 0.65 * shine + 0.35 * _ggx(n_h, n_v, n_l, v_h, 0.62 * roughness, f0)
            shine *= spec_gain * math.pi * open_g
            sr += lights[i, 3] * shine
            sg += lights[i, 4] * shine
            sb += lights[i, 5] * shine
    # The sky mirrored at grazing angles.
    one = 1.0 - n_v
    grazing = (f0 + (1.0 - f0) * one ** 5 * (1.0 - roughness)) * ao * ao * spec_gain
    up = 0.5 + 0.5 * (2.0 * n_v * hy - vy)
    sr += grazing * (ground[0] + (sky[0] - ground[0]) * up)
    sg += grazing * (ground[1] + (sky[1] - ground[1]) * up)
    sb += grazing * (ground[2] + (sky[2] - ground[2]) * up)

    if kind == SKIN or kind == BROWS:
        skin_light[py, px, 0] += cover * er
        skin_light[py, px, 1] += cover * eg
        skin_light[py, px, 2] += cover * eb
        skin_color[py, px, 0] += cover * red
        skin_color[py, px, 1] += cover * green
        skin_color[py, px, 2] += cover * blue
        skin_cover[py, px] += cover
        direct[py, px, 0] += cover * sr
        direct[py, px, 1] += cover * sg
        direct[py, px, 2] += cover * sb
    else:
        direct[py, px, 0] += cover * (red * er + sr)
        direct[py, px, 1] += cover * (green * eg + sg)
        direct[py, px, 2] += cover * (blue * eb + sb)
    direct[py, px, 3] += cover
    distance[py, px] = away


@jit
def diffuse_under_skin(light, cover, distance, reach_px, channel, out):
    """Spread one colour of skin irradiance by `reach_px` (standard deviation), along rows, skin to near skin only.

    Args:
        light: (H, W, 3) irradiance times cover; `channel` is read.
        out: (W, H) the result, transposed, so that a second call runs along columns.
    """
    height, width = cover.shape
    radius = int(math.ceil(2.2 * reach_px))
    kernel = np.empty(radius + 1, np.float32)
    for i in range(radius + 1):
        kernel[i] = math.exp(-0.5 * (i / reach_px) ** 2)
    for y in range(height):
        for x in range(width):
            if cover[y, x] <= 0.0:
                out[x, y] = 0.0
                continue
            total, weight = 0.0, 0.0
            for i in range(max(0, x - radius), min(width, x + radius + 1)):
                w = kernel[abs(i - x)] * cover[y, i]
                if w > 0.0 and abs(distance[y, i] - distance[y, x]) < 0.012:
                    weight += w
                    total += kernel[abs(i - x)] * light[y, i, channel]
            out[x, y] = cover[y, x] * total / weight if weight > 0.0 else light[y, x, channel]


@jit
def develop(skin_light, skin_color, skin_cover, direct, background, exposure, out):
    """Join the layers over the background and turn linear light into sRGB bytes (filmic shoulder, ordered dither)."""
    height, width = skin_cover.shape
    for y in range(height):
        for x in range(width):
            cover = direct[y, x, 3]
            inv = 1.0 / max(skin_cover[y, x], 1e-6)
            # A four by four Bayer pattern from bit-interleaving: hides the steps of a soft background.
            q = x ^ y
            bayer = ((q & 1) << 3) | ((y & 1) << 2) | ((q & 2)) | ((y & 2) >> 1)
            for k in range(3):
                v = direct[y, x, k] + skin_light[y, x, k] * skin_color[y, x, k] * inv
                v = v * exposure
                # Linear up to the shoulder, then rolls off to white.
                if v > 0.6 * max(cover, 1e-6):
                    over = v / max(cover, 1e-6) - 0.6
                    v = cover * (0.6 + 0.4 * (1.0 - math.exp(-over / 0.4)))
                v += (1.0 - cover) * background[y, x, k]
                v = 12.92 * v if v <= 0.0031308 else 1.055 * v ** (1.0 / 2.4) - 0.055
                out[y, x, k] = np.uint8(min(255.0, max(0.0, v * 255.0 + (bayer + 0.5) / 16.0)))
