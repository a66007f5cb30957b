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
    for j in range(-1, 3):
        wv = 2.0 - abs(j - tv)
        for i in range(-1, 3):
            w = (2.0 - abs(i - tu)) * wv
            total += w
            x, y = u0 + i, v0 + j
            if 0 <= x < size and 0 <= y < size:
                behind = shadow[y, x] - here
                lit += w * min(1.0, max(0.0, 1.0 - (behind - 0.0015) / 0.003))
            else:
                lit += w
    return lit / total


@jit
def gather_fragments(ids, screen, triangles, kinds, pixel, triangle, cover):
    """List what is to be shaded: samples of a pixel that show one material at one depth share one fragment.

    Args:
        ids: (2 H, 2 W) front-most triangles, -1 for none.
        pixel, triangle, cover: (4 H W,) out: pixel number, triangle, share of the pixel.

    Returns:
        The number of fragments.
    """
    height, width = ids.shape[0] // 2, ids.shape[1] // 2
    n = 0
    for y in range(height):
        for x in range(width):
            start = n
            for s in range(4):
                t = ids[2 * y + (s >> 1), 2 * x + (s & 1)]
                if t < 0:
                    continue
                kind, away = kinds[t], 1.0 / screen[triangles[t, 0], 2]
                known = False
                for other in range(start, n):
                    u = triangle[other]
                    if u == t or (kinds[u] == kind and abs(1.0 / screen[triangles[u, 0], 2] - away) < 0.006):
                        cover[other] += 0.25
                        known = True
                        break
                if not known:
                    pixel[n], triangle[n], cover[n] = y * width + x, t, 0.25
                    n += 1
    return n


@jit
def shade(
    n_fragments, pixel, triangle, covers, screen, triangles, kinds, moving, paint, side, eye_centers, eye_axes, eye_position, lights, sky, ground,
    shadow, shadow_scale, shadow_center, shadow_right, shadow_up,
    volume, palette, skin_light, skin_color, skin_cover, direct, distance,
):  # fmt: skip
    """Shade the fragments of `gather_fragments`.

    Args:
        moving: (V, 8) position, normal, arriving light, 0.
        paint: (V, 8) rest position, linear albedo, share of lip (or of hair over skin), presence (0: faded away).
        palette: (3, 3) linear colours of brows, hair, iris.
        side, eye_centers, eye_axes: which eye a vertex belongs to, its centre at rest, where it looks now.

    Adds to:

    skin_light (3, H, W) irradiance on skin times cover, skin_color (H, W, 3) its albedo times cover, skin_cover (H, W);
    direct (H, W, 4) everything else (highlights, eyes, mouth) and the total cover; distance (H, W) metres.
    """
    width = skin_cover.shape[1]
    for fragment in range(n_fragments):
        py, px = pixel[fragment] // width, pixel[fragment] % width
        cover, t = covers[fragment], triangle[fragment]
        kind = kinds[t]
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        wa, wb, wc = barycentric(screen, a, b, c, 2.0 * px + 1.0, 2.0 * py + 1.0)
        x = wa * moving[a, 0] + wb * moving[b, 0] + wc * moving[c, 0]
        y = wa * moving[a, 1] + wb * moving[b, 1] + wc * moving[c, 1]
        z = wa * moving[a, 2] + wb * moving[b, 2] + wc * moving[c, 2]
        nx = wa * moving[a, 3] + wb * moving[b, 3] + wc * moving[c, 3]
        ny = wa * moving[a, 4] + wb * moving[b, 4] + wc * moving[c, 4]
        nz = wa * moving[a, 5] + wb * moving[b, 5] + wc * moving[c, 5]
        ao = wa * moving[a, 6] + wb * moving[b, 6] + wc * moving[c, 6]
        rx = wa * paint[a, 0] + wb * paint[b, 0] + wc * paint[c, 0]
        ry = wa * paint[a, 1] + wb * paint[b, 1] + wc * paint[c, 1]
        rz = wa * paint[a, 2] + wb * paint[b, 2] + wc * paint[c, 2]
        red = wa * paint[a, 3] + wb * paint[b, 3] + wc * paint[c, 3]
        green = wa * paint[a, 4] + wb * paint[b, 4] + wc * paint[c, 4]
        blue = wa * paint[a, 5] + wb * paint[b, 5] + wc * paint[c, 5]
        lip = wa * paint[a, 6] + wb * paint[b, 6] + wc * paint[c, 6]
        cover *= wa * paint[a, 7] + wb * paint[b, 7] + wc * paint[c, 7]

        vx, vy, vz = -x, -y, eye_position - z
        away = math.sqrt(vx * vx + vy * vy + vz * vz)
        vx, vy, vz = vx / away, vy / away, vz / away
        inv = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-20)
        nx, ny, nz = nx * inv, ny * inv, nz * inv
        if nx * vx + ny * vy + nz * vz < 0.0 and (kind == LASHES or kind == BROWS or kind == HAIR):
            nx, ny, nz = -nx, -ny, -nz

        is_skin = kind == SKIN or kind == BROWS or kind == HAIR
        in_mouth = kind == TEETH or kind == WET
        roughness, f0, wrap, spec_gain = 0.46, 0.028, 1.0, 1.0
        hair = 0.0
        if kind == BROWS or kind == HAIR:
            # `lip` is here the share of hair over skin: strands decide where it is seen.
            if kind == BROWS:
                out = abs(rx)
                across, along = 0.86 * out - 0.5 * ry, 0.5 * out + 0.86 * ry
                g0, g1, g2, strand = _noise(volume, across * 1500.0, along * 170.0, rz * 170.0)
            else:
                # Strands leave a crown towards all sides.
                turn, height = math.atan2(rx, rz + 0.035), ry
                g0, g1, g2, strand = _noise(volume, turn * 75.0, height * 110.0, 90.0 * math.sqrt(rx * rx + rz * rz))
                q0, q1, q2, clump = _noise(volume, turn * 17.0, height * 45.0, 31.0)
                strand = 0.75 * strand + 0.5 * clump
            hair = _smooth(0.22, 0.66, lip + 0.42 * strand * (1.0 - 0.6 * lip))
            tone = 1.0 + 0.8 * strand
            row = 0 if kind == BROWS else 1
            red += (palette[row, 0] * tone - red) * hair
            green += (palette[row, 1] * tone - green) * hair
            blue += (palette[row, 2] * tone - blue) * hair
            if kind == HAIR:
                nx, nz = nx + 0.30 * hair * g0, nz + 0.15 * hair * g1
            roughness, spec_gain = 0.56, 0.72 - 0.45 * hair
        elif kind == SKIN:
            # Pores: fine noise tilts the normal.
            g0, g1, g2, h = _noise(volume, rx * 900.0, ry * 900.0, rz * 900.0)
            bump = 0.03 * (1.0 - lip)
            nx, ny, nz = nx - bump * g0, ny - bump * g1, nz - bump * g2
            if lip > 0.02:
                # Lips crease from inside out: noise stretched across them.
                g0, g1, g2, h2 = _noise(volume, rx * 1300.0, ry * 260.0, rz * 260.0)
                nx -= 0.10 * lip * g0
            green *= 1.0 + 0.03 * h
            blue *= 1.0 + 0.03 * h
            roughness = 0.56 - 0.20 * lip
            spec_gain = 0.72 + 0.6 * lip
        elif kind == TEETH:
            roughness, f0, wrap, spec_gain = 0.30, 0.04, 0.8, 0.7
        elif kind == WET:
            roughness, f0, wrap = 0.30, 0.035, 0.8
            g0, g1, g2, h = _noise(volume, rx * 700.0, ry * 700.0, rz * 700.0)
            nx, ny, nz = nx - 0.12 * g0, ny - 0.12 * g1, nz - 0.12 * g2
        elif kind == LASHES:
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
                ir = (palette[2, 0] * tone + 0.09 * collar) * shade_ring + 0.004
                ig = (palette[2, 1] * tone + 0.045 * collar) * shade_ring + 0.004
                ib = (palette[2, 2] * tone + 0.004 * collar) * shade_ring + 0.004
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
        if kind != EYE and kind != LASHES:
            ao_r = 1.4 * ao / (ao + 0.4)
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
                # Past the terminator the wrapped light fades by itself; the map would cut it off in a hard line.
                shut = _smooth(-0.08, 0.30, n_l)
                visible = 1.0 - shut + shut * visible
                if in_mouth:
                    visible *= ao
                open_r, open_g, open_b = 1.35 * visible / (visible + 0.35), visible, visible
            else:
                open_r = open_g = open_b = min(1.0, 1.35 * ao * ao + 0.05)
                if in_mouth and lz < 0.0:
                    continue
            w = lights[i, 6] * wrap
            if kind != EYE and kind != LASHES:
                wr, wg, wb2 = w * _WRAP_RED, w * _WRAP_GREEN, w * _WRAP_BLUE
            else:
                wr, wg, wb2 = 0.3 * w, 0.3 * w, 0.3 * w
            dr, dg, db = (
                max(0.0, n_l + wr) / (1.0 + wr),
                max(0.0, n_l + wg) / (1.0 + wg),
                max(0.0, n_l + wb2) / (1.0 + wb2),
            )
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
                if is_skin:
                    shine = 0.65 * shine + 0.35 * _ggx(n_h, n_v, n_l, v_h, 0.66 * roughness, f0)
                shine *= spec_gain * math.pi * open_g * (1.0 if lz > 0.0 else 0.5)
                sr += lights[i, 3] * shine
                sg += lights[i, 4] * shine
                sb += lights[i, 5] * shine
        if kind == EYE:
            # The key is a soft box: its reflection is a window with soft edges, not a point.
            toward = 2.0 * (hx * vx + hy * vy + hz * vz)
            mx, my, mz = toward * hx - vx, toward * hy - vy, toward * hz - vz
            lx, ly, lz = lights[KEY, 0], lights[KEY, 1], lights[KEY, 2]
            ahead = max(1e-3, mx * lx + my * ly + mz * lz)
            u = abs(mx * shadow_right[0] + my * shadow_right[1] + mz * shadow_right[2]) / ahead
            w = abs(mx * shadow_up[0] + my * shadow_up[1] + mz * shadow_up[2]) / ahead
            window = (1.0 - _smooth(0.20, 0.30, u)) * (1.0 - _smooth(0.26, 0.38, w)) * visible * 0.75
            sr, sg, sb = sr + window, sg + window, sb + window
        # The sky mirrored at grazing angles.
        one = 1.0 - n_v
        grazing = (f0 + (1.0 - f0) * one**5 * (1.0 - roughness)) * ao * ao * spec_gain
        up = 0.5 + 0.5 * (2.0 * n_v * hy - vy)
        sr += grazing * (ground[0] + (sky[0] - ground[0]) * up)
        sg += grazing * (ground[1] + (sky[1] - ground[1]) * up)
        sb += grazing * (ground[2] + (sky[2] - ground[2]) * up)

        if is_skin:
            skin_light[0, py, px] += cover * er
            skin_light[1, py, px] += cover * eg
            skin_light[2, py, px] += cover * eb
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
def diffuse_under_skin(light, cover, distance, reach_px, out):
    """Spread one colour of skin irradiance along rows, from skin to near skin only.

    Args:
        light: (H, W) irradiance times cover.
        cover: (H, W) 0..1.
        distance: (H, W) metres from the camera; a step of 12 mm is another surface.
        reach_px: standard deviation.
        out: (H, W).
    """
    height, width = cover.shape
    radius = int(math.ceil(2.1 * reach_px))
    total, weight = np.empty(width, np.float32), np.empty(width, np.float32)
    for y in range(height):
        first, last = 0, width
        while first < last and cover[y, first] <= 0.0:
            first += 1
        while last > first and cover[y, last - 1] <= 0.0:
            last -= 1
        out[y, :first] = 0.0
        out[y, last:] = 0.0
        total[first:last] = 0.0
        weight[first:last] = 0.0
        # Taps outside, pixels inside: the inner loop has no branch and runs in vector registers.
        for tap in range(-radius, radius + 1):
            k = np.float32(math.exp(-0.5 * (tap / reach_px) ** 2))
            low, high = max(first, first - tap), min(last, last - tap)
            here, there = distance[y, low:high], distance[y, low + tap : high + tap]
            lit, has = light[y, low + tap : high + tap], cover[y, low + tap : high + tap]
            sum_light, sum_weight = total[low:high], weight[low:high]
            for i in range(here.shape[0]):
                near = k if abs(there[i] - here[i]) < np.float32(0.012) else np.float32(0.0)
                sum_light[i] += near * lit[i]
                sum_weight[i] += near * has[i]
        for x in range(first, last):
            out[y, x] = cover[y, x] * total[x] / weight[x] if weight[x] > 0.0 else light[y, x]


@jit
def develop(skin_light, skin_color, skin_cover, direct, background, exposure, curve, out):
    """Join the layers over the background and turn linear light into sRGB bytes (filmic shoulder, ordered dither).

    Args:
        background: (H, W, 3) float32 sRGB, 0..255, and linear light in its last three planes: (H, W, 6).
        curve: (N,) sRGB 0..255 of linear light 0..1.
    """
    height, width = skin_cover.shape
    steps = curve.shape[0] - 1
    for y in range(height):
        for x in range(width):
            cover = min(1.0, direct[y, x, 3])
            # A four by four Bayer pattern from bit-interleaving: hides the steps of a soft background.
            q = x ^ y
            bayer = ((q & 1) << 3) | ((y & 1) << 2) | (q & 2) | ((y & 2) >> 1)
            dither = (bayer + 0.5) / 16.0
            if cover <= 0.0:
                for k in range(3):
                    out[y, x, k] = np.uint8(min(255.0, background[y, x, k] + dither))
                continue
            inv = 1.0 / max(skin_cover[y, x], 1e-6)
            for k in range(3):
                v = (direct[y, x, k] + skin_light[k, y, x] * skin_color[y, x, k] * inv) * exposure / cover
                if v > 0.55:
                    # Linear up to the shoulder, then rolls off to white.
                    v = 0.55 + 0.45 * (1.0 - math.exp((0.55 - v) / 0.45))
                v = cover * v + (1.0 - cover) * background[y, x, 3 + k]
                out[y, x, k] = np.uint8(min(255.0, curve[int(min(1.0, max(0.0, v)) * steps)] + dither))
