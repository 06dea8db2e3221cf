"""The parts of a face that are drawn on its skin: blemishes, folds, brows, beard, nose, mouth."""

import numpy as np

from tfds_builders.synthetic_faces.curves import circle, curve, dot, ribbon, taper
from tfds_builders.synthetic_faces.paint import Canvas, mix
from tfds_builders.synthetic_faces.portrait import Portrait
from tfds_builders.synthetic_faces.textures import cloud

DARK = (38, 18, 14)
# Offsets from the points 51-54 and 57 to the edge of a nose that is turned to the right, millimetres.
_NOSE_EDGE = np.array([[5.5, 0, -4], [6.5, 0, -5], [7.0, 0, -4], [7, 0, -3], [9, -1, -4]])
_CIRCLE = circle(12)


def draw_skin(canvas: Canvas, portrait: Portrait) -> None:
    """Draws the lit skin of face and forehead, redder on cheeks and nose, with rouge and freckles."""
    look, makeup = portrait.parameters.look, portrait.parameters.makeup
    rest = portrait.profile.strips if portrait.profile else [_nose_outline(portrait)]
    canvas.fill([portrait.outline, *rest], look.skin, shade=portrait.shade)
    red = mix(look.skin, (200, 60, 50), 0.6)
    patches = [((-44, 36), (17, 13)), ((44, 36), (17, 13)), ((0, 44), (11, 9))]
    rosy = portrait.on_skin(np.concatenate([np.array(centre) + _CIRCLE * radii for centre, radii in patches]))
    canvas.fill(np.split(rosy, 3), red, shade=portrait.shade, opacity=0.15, feather=5 * portrait.unit)
    if makeup is not None:
        cheeks = portrait.on_skin(np.concatenate([(side * 46, 33) + _CIRCLE * (16, 10) for side in (-1, 1)]))
        opacity = 0.34 * makeup.blush
        canvas.fill(
            np.split(cheeks, 2),
            (205, 80, 90),
            shade=portrait.shade,
            opacity=opacity,
            feather=5 * portrait.unit,
        )
    if look.freckles:
        places = portrait.on_skin(portrait.random.normal(size=(40, 2)) * (28, 9) + (0, 28))
        freckles = [centre + 0.7 * _CIRCLE for centre in places]
        canvas.fill(freckles, mix(look.skin, (90, 40, 20), 0.6), opacity=0.4 * look.freckles)


def _nose_outline(portrait: Portrait) -> np.ndarray:
    """Outline of the nose on the side away from the viewer, pixels [points, 2]; it may extend beyond the cheek."""
    head, side = portrait.head.points, np.sign(portrait.parameters.pose.yaw)
    edge = np.concatenate([head[51:55], head[57:58]]) + _NOSE_EDGE * (side, 1, 1)
    return np.concatenate([curve(portrait.place(edge)), portrait.points[[55 if side > 0 else 59]]])


def draw_folds(canvas: Canvas, portrait: Portrait) -> None:
    """Draws folds of age and expression: next to the mouth, under the eyes, on the forehead, between the brows."""
    look, expression, points = portrait.parameters.look, portrait.parameters.expression, portrait.head.points
    lines = []
    for side, ala, corner in ((-1, 55, 76), (1, 59, 82)):
        start, end = points[ala, :2] + (side * 5, -3), points[corner, :2] + (side * 8, 0)
        lines.append(curve(np.stack([start, (start + end) / 2 + (side * 5, -2), end])))
    smile = max(sum(expression.smile) / 2, 0)
    _creases(canvas, portrait, lines, 3.0, 0.03 + 0.26 * smile + 0.2 * look.age)
    bags = [
        points[eye, :2] + [(0, 3), (0, 6.5), (0, 7.5), (0, 6)] for eye in ([60, 67, 66, 65], [72, 73, 74, 75])
    ]
    _creases(canvas, portrait, [curve(line) for line in bags], 2.4, 0.06 + 0.22 * look.age)
    strength = 0.3 * max(look.age - 0.45, 0) + 0.14 * max(sum(expression.brow_raise) / 2 - 0.3, 0)
    if strength > 0.02:
        x = np.linspace(-1, 1, 9)
        sizes = portrait.random.uniform(18, 34, 3)
        lines = [
            np.stack([w * x, y + 3 * np.cos(2 * x)], axis=-1)
            for y, w in zip((-40, -47, -55), sizes, strict=True)
        ]
        _creases(canvas, portrait, lines, 2.6, strength)
    if expression.frown > 0.2:
        lines = [np.array([[x * 1.2, -24], [x * 1.1, -20], [x, -16], [x * 0.8, -9]]) for x in (-5, 5)]
        _creases(canvas, portrait, lines, 2.4, 0.4 * expression.frown)


def _creases(
    canvas: Canvas, portrait: Portrait, lines: list[np.ndarray], width: float, strength: float
) -> None:
    """Draws creases along lines on the skin, in millimetres, but not on the far side of a far turned head."""
    lines = [line for line in lines if portrait.far_side * line[:, 0].mean() < 15]
    if not lines:
        return
    pixels = portrait.on_skin(np.concatenate(lines), lift=1.0)
    crease(canvas, portrait, np.split(pixels, np.cumsum([len(line) for line in lines])[:-1]), width, strength)


def crease(
    canvas: Canvas, portrait: Portrait, lines: list[np.ndarray], width: float, strength: float
) -> None:
    """Draws soft dark lines [points, 2] in pixels, `width` millimetres wide, pointed at both ends."""
    colour = mix(portrait.parameters.look.skin, (30, 8, 4), 0.8)
    outlines = [ribbon(line, taper(len(line), width * portrait.unit)) for line in lines]
    canvas.fill(outlines, colour, opacity=min(strength, 1.0), feather=0.35 * width * portrait.unit)


def draw_brows(canvas: Canvas, portrait: Portrait) -> None:
    """Draws both brows, soft at the edge, with single hairs."""
    look, unit = portrait.parameters.look, portrait.unit
    colour = mix(mix(look.hair, (30, 20, 16), 0.45), look.skin, 0.08)
    brows = [portrait.points[33:42], portrait.points[42:51]]
    outlines = [curve(brow, closed=True, per_segment=4) for brow in brows]
    canvas.fill(outlines, colour, opacity=0.78 * look.brow_density, feather=0.55 * unit, within=portrait.edge)
    hairs = []
    for brow in brows:
        centre, across = brow.mean(axis=0), brow[4] - brow[0]
        roots = brow[portrait.random.integers(0, 9, 10)] * 0.6 + centre * 0.4
        tips = roots + across * portrait.random.uniform(-0.07, 0.07, (10, 1)) + portrait.up * 2.4 * unit
        hairs += [ribbon(np.stack(ends), 0.7) for ends in zip(roots, tips, strict=True)]
    canvas.fill(hairs, colour, opacity=0.4, within=portrait.edge)


def draw_beard(canvas: Canvas, portrait: Portrait) -> None:
    """Draws stubble or a beard along the jaw and over the lip."""
    look, head = portrait.parameters.look, portrait.head.points
    if not look.beard:
        return
    colour = mix(look.hair, DARK, 0.3)
    upper = np.array([(-65, 30), (-58, 58), (-36, 68), (-15, head[57, 1] + 3), (0, head[57, 1] + 5)])
    line = np.concatenate([upper, (upper * (-1, 1))[-2::-1]])
    outline = np.concatenate([curve(portrait.on_skin(line)), portrait.points[4:29][::-1]])
    row, column = portrait.random.integers(0, 512 - canvas.size, 2)
    speckle = cloud(0.8)[row : row + canvas.size, column : column + canvas.size]
    shade = np.clip(portrait.shade * (0.9 + 0.13 * speckle), 0, 255).astype(np.uint8)
    opacity = 0.32 * look.beard if look.beard < 0.7 else 0.85
    canvas.fill(
        outline, colour, shade=shade, opacity=opacity, feather=3 * portrait.unit, within=portrait.outline
    )


def draw_nose(canvas: Canvas, portrait: Portrait) -> None:
    """Draws nostrils, wings, and the far edge of a turned nose; the shading of the skin shows the rest."""
    head, yaw, pitch = portrait.head.points, portrait.parameters.pose.yaw, portrait.parameters.pose.pitch
    half = (head[59, 0] - head[55, 0]) / 2
    crease(canvas, portrait, [curve(portrait.points[55:60])], 2.4, 0.32)
    wings, holes = [], []
    for side, ala in ((-1, 55), (1, 59)):
        far = side * yaw
        if far < 24:
            wing = np.array([[-1, -7.5, 0], [1.6, -3.0, -2], [0, 1.0, 0], [-3.5, 3.0, 2]])
            wings.append(curve(portrait.place(head[ala] + wing * (side, 1, 1))))
        if far < 32:
            hole = np.array(
                [[0.22, -0.6, 0], [0.45, -2.6, 1], [0.78, -2.2, 0], [0.82, -0.6, -2], [0.5, 0.2, -1]]
            )
            hole = hole * (side * half, 1.0 + 0.04 * max(-pitch, 0), 1.0)
            holes.append(curve(portrait.place(head[57] + hole), closed=True))
    if wings:
        crease(canvas, portrait, wings, 1.8, 0.42)
    canvas.fill(holes, (40, 14, 10), opacity=0.7, feather=0.5 * portrait.unit)
    if abs(yaw) > 10 and not portrait.profile:
        crease(canvas, portrait, [_nose_outline(portrait)[:-1]], 1.8, min(0.5, (abs(yaw) - 10) / 40))


def draw_mouth(canvas: Canvas, portrait: Portrait) -> None:
    """Draws the lips, and the inside of an open mouth."""
    makeup, points, unit = portrait.parameters.makeup, portrait.points, portrait.unit
    upper, lower = curve(points[88:93]), curve(points[[88, 95, 94, 93, 92]])
    above, below = curve(points[76:83]), curve(points[[82, 83, 84, 85, 86, 87, 76]])
    colour, opacity = (portrait.parameters.look.lips, 0.85) if makeup is None else (makeup.lips, 0.8)
    outer = np.concatenate([above, below[1:-1]])
    canvas.fill(outer, colour, shade=portrait.shade, opacity=opacity, feather=0.4 * unit)
    canvas.fill(np.concatenate([above, upper[::-1]]), DARK, opacity=0.16, feather=0.4)
    if portrait.head.points[94, 1] - portrait.head.points[90, 1] > 2.2:
        _open_mouth(canvas, portrait, upper, lower)
    else:
        middle = (upper + lower) / 2
        canvas.fill(
            ribbon(middle, taper(len(middle), 1.4 * unit, 0.4)), (60, 14, 14), opacity=0.8, feather=0.35
        )
    corners = [dot(0.6 * points[a] + 0.4 * points[b], 1.3 * unit) for a, b in ((76, 88), (82, 92))]
    canvas.fill(corners, DARK, opacity=0.5, feather=0.6 * unit)


def _open_mouth(canvas: Canvas, portrait: Portrait, upper: np.ndarray, lower: np.ndarray) -> None:
    """Draws the dark inside, tongue and teeth between the inner edges of the lips [points, 2]."""
    unit, up = portrait.unit, portrait.up
    gap = portrait.head.points[94, 1] - portrait.head.points[90, 1]
    inner = np.concatenate([upper, lower[::-1]])
    canvas.fill(inner, (58, 16, 18))
    share = np.linspace(-1, 1, len(upper))[:, None]
    if gap > 14:
        tongue = np.concatenate([lower - up * unit, (lower + up * 0.34 * gap * unit * (1 - share**2))[::-1]])
        canvas.fill(
            tongue, (168, 74, 74), shade=portrait.shade, opacity=0.75, feather=1.4 * unit, within=inner
        )
    length = min(0.8 * gap, 7.5) * unit * (1 - np.abs(share) ** 4)
    teeth = np.concatenate([upper + up * unit, (upper - up * length)[::-1]])
    canvas.fill(teeth, (226, 216, 202), shade=portrait.shade, opacity=0.9, feather=0.4, within=inner)
    canvas.fill(ribbon(upper, taper(len(upper), 1.6 * unit)), DARK, opacity=0.5, feather=0.5 * unit)
