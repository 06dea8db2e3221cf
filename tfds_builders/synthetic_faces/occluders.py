"""Objects in front of a face."""

import cv2
import numpy as np

from tfds_builders.synthetic_faces.curves import curve, dot, ribbon
from tfds_builders.synthetic_faces.paint import NORMAL_SHADE, Canvas
from tfds_builders.synthetic_faces.portrait import Portrait


def draw_occluder(canvas: Canvas, portrait: Portrait) -> None:
    """Draws the occluder that the parameters name; a fringe is drawn with the hair."""
    draw = {"sunglasses": _sunglasses, "mask": _mask, "hand": _hand, "scarf": _scarf, "object": _object}
    name = portrait.parameters.occluder
    if name in draw:
        draw[name](canvas, portrait)


def _sunglasses(canvas: Canvas, portrait: Portrait) -> None:
    random, unit, head = portrait.random, portrait.unit, portrait.head.points
    lens = tuple(random.uniform(4, 50, 3).tolist())
    height, round_ = random.uniform(16, 21), random.uniform(0.7, 1.0)
    for side, outer, inner in ((-1, 60, 64), (1, 72, 68)):
        if side == portrait.far_side:
            continue
        centre = (head[outer] + head[inner]) / 2 + (side * 2, 4, 10)
        angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        ring = np.stack(
            [
                np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** round_ * 27,
                np.sin(angle) * height,
                -6 * np.abs(np.cos(angle)),
            ],
            -1,
        )
        outline = portrait.place(centre + ring)
        canvas.fill(outline, lens, covers=True)
        glare = portrait.place(centre + ring * (0.5, 0.4, 1) + (-4, -6, 0))
        canvas.fill(glare, (150, 170, 190), opacity=0.25, feather=3 * unit)
        canvas.fill(ribbon(np.concatenate([outline, outline[:1]]), 2.2 * unit), (18, 16, 18), covers=True)
        arm = portrait.place(
            [centre + np.array([side * 26, -6, -6]), np.array([side * 76, -8, -70]) + portrait.ear_shift]
        )
        if side * portrait.parameters.pose.yaw < 12:
            canvas.fill(ribbon(np.linspace(*arm, 6), 3.2 * unit), (18, 16, 18), covers=True)
    bridge = portrait.place(np.array([[-9, 2, 16], [0, -1, 20], [9, 2, 16]]))
    canvas.fill(ribbon(curve(bridge), 2.6 * unit), (18, 16, 18), covers=True)


def _mask(canvas: Canvas, portrait: Portrait) -> None:
    random, points = portrait.random, portrait.points
    colour = ((170, 200, 220), (235, 235, 238), (30, 30, 34), (120, 150, 130))[random.integers(4)]
    top = portrait.place(portrait.head.points[[52, 53]].mean(axis=0)[None] + [0, 0, 3])
    left, right = points[7], points[25]
    upper = curve(
        np.stack(
            [left, portrait.on_skin([[-34, 34]], 3)[0], top[0], portrait.on_skin([[34, 34]], 3)[0], right]
        )
    )
    chin = points[8:25] + (points[16] - points[51]) * 0.03
    outline = np.concatenate([upper, chin[::-1]])
    if portrait.far_side:  # the mask is stretched over nose and lips
        tip = portrait.place(portrait.head.points[[54, 57, 79, 85]] + [0, 0, 4])
        outline = cv2.convexHull(np.concatenate([outline, tip]).astype(np.float32))[:, 0].astype(float)
    canvas.fill(outline, colour, shade=portrait.shade, covers=True)
    for share in (0.35, 0.55, 0.75):
        fold = upper * (1 - share) + curve(points[[8, 12, 16, 20, 24]]) * share
        canvas.fill(ribbon(fold[3:-3], 1.6 * portrait.unit), (20, 20, 30), opacity=0.22, feather=0.8)
    for start, side in ((left, -1), (right, 1)):
        if side == portrait.far_side:
            continue
        ear = np.array([side * 76, 10, -66])
        canvas.fill(
            ribbon(np.linspace(start, portrait.place([ear + portrait.ear_shift])[0], 5), 1.4 * portrait.unit),
            (225, 225, 228),
        )


def _hand(canvas: Canvas, portrait: Portrait) -> None:
    """Draws a palm from below or from the side, with four fingers over part of the face."""
    random, unit = portrait.random, portrait.unit
    side = random.choice([-1, 1])
    palm = portrait.place([[side * random.uniform(20, 60), random.uniform(85, 110), 20]])[0]
    target = portrait.place([[side * random.uniform(-5, 35), random.uniform(15, 60), 20]])[0]
    away = (target - palm) / np.linalg.norm(target - palm)
    aside = np.array([-away[1], away[0]])
    skin = portrait.parameters.look.skin
    wrist = palm - away * 120 * unit
    canvas.fill(
        ribbon(curve(np.stack([wrist, palm - away * 40 * unit, palm])), np.linspace(56, 74, 13) * unit),
        skin,
        shade=_flat(canvas, portrait, 0.8),
        covers=True,
    )
    for length, start in zip((58, 70, 66, 50), (-27, -9, 9, 27), strict=True):
        root = palm + aside * start * unit - away * 8 * unit
        spread = aside * start * 0.18 * unit
        tip = root + away * length * unit + spread
        finger = ribbon(
            curve(np.stack([root, (root + tip) / 2 + aside * random.normal(0, 1.5), tip])), 18.5 * unit
        )
        cap = dot(tip, 9.25 * unit)
        canvas.fill(cap, skin, shade=_flat(canvas, portrait, 0.86), covers=True)
        canvas.fill(finger, skin, shade=_flat(canvas, portrait, 0.86), covers=True)
        for edge in (-8.4, 8.4):
            line = np.stack([root, tip]) + aside * edge * unit
            canvas.fill(
                ribbon(np.linspace(*line, 5), 2.0 * unit), (60, 20, 10), opacity=0.35, feather=0.8 * unit
            )
        nail = dot(tip + away * 4 * unit, 4.2 * unit)
        canvas.fill(nail, tuple(min(c * 1.06 + 6, 255) for c in skin), opacity=0.6, feather=0.5)


def _flat(canvas: Canvas, portrait: Portrait, factor: float) -> np.ndarray:
    light = portrait.parameters.light
    value = float(light.shade(np.array([0.0, -0.2, 0.98], np.float32))) * factor
    return np.full((canvas.size, canvas.size), np.clip(NORMAL_SHADE * value, 0, 255), np.uint8)


def _scarf(canvas: Canvas, portrait: Portrait) -> None:
    """Draws cloth up to the nose or the lips."""
    random, unit = portrait.random, portrait.unit
    colour = tuple((random.uniform(30, 200) + random.normal(0, 35, 3)).clip(8, 240).tolist())
    height = random.uniform(52, 72)
    top = portrait.on_skin(
        [[-66, height - 7], [-36, height + 1], [0, height], [36, height + 1], [66, height - 7]], 8
    )
    right = portrait.parameters.pose.picture_right * 9 * unit
    top = np.concatenate([top[:1] - right, top, top[-1:] + right])
    chin = portrait.points[16]
    bottom = chin + np.array([[100, 60], [60, 84], [0, 92], [-60, 84], [-100, 60]]) * unit
    canvas.fill(curve(np.concatenate([top, bottom]), closed=True), colour, shade=portrait.shade, covers=True)
    ends = top[1:-1]
    folds = []
    for share in np.sort(random.uniform(0.08, 0.8, 5)):
        line = ends + (bottom[::-1] - ends) * (share + random.normal(0, 0.05, (5, 1)))
        folds.append(ribbon(curve(line), 5 * unit))
    canvas.fill(folds, (10, 8, 8), opacity=0.22, feather=1.8 * unit)


def _object(canvas: Canvas, portrait: Portrait) -> None:
    """Draws a flat object in front of the face: a polygon with a stripe."""
    random, unit = portrait.random, portrait.unit
    centre = portrait.points[[54, 60, 72, 16, 76, 82]][random.integers(6)] + random.normal(0, 10, 2) * unit
    corners = int(random.integers(4, 8))
    angle = (np.arange(corners) + random.uniform(-0.3, 0.3, corners)) * 2 * np.pi / corners
    radius = random.uniform(22, 46) * unit
    outline = centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1) * random.uniform(
        0.6, 1.4, (1, 2)
    )
    if random.random() < 0.5:
        outline = curve(outline, closed=True)
    colours = (random.uniform(20, 235, (2, 1)) + random.normal(0, 35, (2, 3))).clip(0, 255).tolist()
    canvas.fill(outline, tuple(colours[0]), covers=True)
    stripe = centre + np.array([[-1, -0.2], [1, 0.2]]) * radius
    canvas.fill(ribbon(np.linspace(*stripe, 3), 9 * unit), tuple(colours[1]), within=outline)
