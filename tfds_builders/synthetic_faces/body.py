"""Neck, clothes and ears."""

import numpy as np

from tfds_builders.synthetic_faces.curves import curve, ribbon
from tfds_builders.synthetic_faces.paint import Canvas, as_shade
from tfds_builders.synthetic_faces.portrait import Portrait

_EAR = np.array([
    [70, 30, -54], [71, -8, -54], [76, -17, -62], [83, -12, -70], [84, 4, -72], [80, 20, -68], [77, 32, -64],
    [73, 41, -58],
])  # fmt: skip
# Outlines of neck and clothes, right half: x in half widths of the neck, y in millimetres below the neck's base.
_NECK = np.array([[0.98, -70], [0.97, -40], [1.0, -22], [1.12, -8], [1.35, 4], [1.75, 16], [1.8, 120]])
_CLOTHES = np.array([[0.62, 8], [1.2, -5], [1.45, 1], [2.1, 14], [2.75, 30], [3.2, 60], [3.5, 200]])


def draw_neck(canvas: Canvas, portrait: Portrait) -> None:
    """Draws the neck, with the shadow of the jaw, and the clothes."""
    random, unit, light = portrait.random, portrait.unit, portrait.parameters.light
    top, chin = portrait.place([[0, 18, -97 if portrait.far_side else -78]])[0], portrait.points[16]
    back = 1.0 if portrait.far_side else 0.75
    base = np.array(
        [
            back * top[0] + (1 - back) * portrait.parameters.pose.centre[0],
            chin[1] + random.uniform(28, 46) * unit,
        ]
    )
    half = random.uniform(50, 60) * unit * (1 + 0.04 * portrait.parameters.shape.face_width)

    across = np.clip((np.arange(canvas.size) - base[0]) / (1.12 * half), -0.96, 0.96)
    normals = np.stack([across, np.full(canvas.size, 0.12), np.sqrt(1 - across**2)], axis=-1).astype(
        np.float32
    )
    shade = np.repeat(as_shade(0.9 * light.shade(normals))[None], canvas.size, axis=0)
    neck = _both_sides(_NECK, base, half, unit)
    neck[[0, -1]] = top + np.array([[0.98, 0], [-0.98, 0]]) * half
    outline = curve(neck, per_segment=4)
    canvas.fill(outline, portrait.parameters.look.skin, shade=shade, feather=0.8)
    shadow = portrait.points[2:31] + np.array([0.0, 13.0]) * unit
    canvas.fill(shadow, (24, 8, 4), opacity=0.55, feather=5 * unit, within=outline)

    drop = random.uniform(-2, 26)
    clothes = np.concatenate([[(0.0, 6 + drop)], [(0.34, 3 + 0.7 * drop)], _CLOTHES])
    level = float(light.shade(np.array([0.0, -0.3, 0.95], np.float32)))
    folds = np.outer(np.linspace(level, 0.75 * level, canvas.size), 1 - 0.25 * np.abs(across)).astype(
        np.float32
    )
    cloth = tuple((random.uniform(20, 225) + random.normal(0, 28, 3)).clip(8, 245).tolist())
    canvas.fill(
        curve(_both_sides(clothes, base, half, unit), per_segment=4),
        cloth,
        shade=as_shade(folds),
        feather=0.8,
    )


def _both_sides(outline: np.ndarray, base: np.ndarray, half: float, unit: float) -> np.ndarray:
    right = outline * (half, unit)
    return base + np.concatenate([right, (right * (-1, 1))[::-1]])


def draw_ears(canvas: Canvas, portrait: Portrait) -> None:
    """Draws both ears, unless long hair hides them; the face is drawn over the far ear later."""
    look, unit = portrait.parameters.look, portrait.unit
    if look.hair_style == "long":
        return
    outline = _EAR * (1, 1, 1.9) + (0, 0, 0.9 * 54) if portrait.far_side else _EAR  # its whole width is seen
    ears = [
        portrait.place(outline * (side * portrait.head.points[31, 0] / 71.5, 1, 1) + portrait.ear_shift)
        for side in (-1, 1)
        if side != portrait.far_side
    ]
    canvas.fill([curve(ear, closed=True) for ear in ears], look.skin, shade=portrait.shade)
    inner = [curve(ear.mean(axis=0) + (ear - ear.mean(axis=0)) * (0.5, 0.6), closed=True) for ear in ears]
    canvas.fill(inner, (60, 18, 10), opacity=0.32, feather=1.6 * unit)
    rims = [ribbon(curve(ear[2:]), 1.2 * unit) for ear in ears]
    canvas.fill(rims, (50, 18, 10), opacity=0.25, feather=0.6)
