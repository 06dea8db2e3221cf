"""Eyes: balls, irises, pupils, lids, lashes, and the makeup around them."""

import numpy as np

from tfds_builders.synthetic_faces.curves import curve, dot, ribbon, taper
from tfds_builders.synthetic_faces.features import DARK, crease
from tfds_builders.synthetic_faces.paint import Canvas, mix
from tfds_builders.synthetic_faces.portrait import Portrait

_EYES = ((60, 96, 64), (68, 97, 68))  # first landmark of the lids, pupil and inner corner
_IRIS = 6.4  # radius in millimetres, a little larger than in reality, since small irises look like a stare


def draw_eyes(canvas: Canvas, portrait: Portrait) -> None:
    """Draws both eyes, from the ball outwards."""
    points = portrait.points
    visible = [
        eye for eye in _EYES if not portrait.far_side or portrait.hidden[eye[0] : eye[0] + 8].mean() < 0.5
    ]
    uppers = [curve(points[first : first + 5]) for first, _, _ in visible]
    lowers = [curve(points[[first, first + 7, first + 6, first + 5, first + 4]]) for first, _, _ in visible]
    _shadow_lids(canvas, portrait, uppers)
    middle = len(uppers[0]) // 2
    seen = [
        (upper, lower, points[pupil], points[inner])
        for upper, lower, (_, pupil, inner) in zip(uppers, lowers, visible, strict=True)
        if (upper - lower)[middle] @ portrait.up > 0.8 * portrait.unit
    ]
    if seen:
        _balls(canvas, portrait, *map(list, zip(*seen, strict=True)))
    _lashes(canvas, portrait, uppers, lowers)


def _shadow_lids(canvas: Canvas, portrait: Portrait, uppers: list[np.ndarray]) -> None:
    makeup, unit = portrait.parameters.makeup, portrait.unit
    if makeup is not None:
        lids = [np.concatenate([upper + portrait.up * 6.5 * unit, upper[::-1]]) for upper in uppers]
        canvas.fill(lids, makeup.eyes, opacity=0.5, feather=1.8 * unit)


def _balls(
    canvas: Canvas,
    portrait: Portrait,
    uppers: list[np.ndarray],
    lowers: list[np.ndarray],
    pupils: list[np.ndarray],
    inners: list[np.ndarray],
) -> None:
    """Draws the eyeballs between the lids [points, 2]; `inners` are the corners at the nose."""
    parameters, unit, up = portrait.parameters, portrait.unit, portrait.up
    iris = parameters.look.iris
    openings = [np.concatenate([upper, lower[::-1]]) for upper, lower in zip(uppers, lowers, strict=True)]
    canvas.fill(openings, (222, 212, 206), shade=portrait.shade)
    ducts = [
        dot(inner + 0.12 * (pupil - inner), 1.8 * unit) for inner, pupil in zip(inners, pupils, strict=True)
    ]
    canvas.fill(ducts, (190, 110, 100), opacity=0.6, feather=0.5, within=openings)
    radius = _IRIS * unit
    narrow = max(np.cos(np.deg2rad(parameters.pose.yaw)), 0.35)
    for colour, size in ((mix(iris, (10, 8, 8), 0.6), 1.0), (iris, 0.82), ((8, 6, 8), 0.4)):
        rings = [dot(pupil, radius * size, narrow) for pupil in pupils]
        canvas.fill(rings, colour, feather=0.3, within=openings)
    shadows = [np.concatenate([upper + up * unit, (upper - up * 2.6 * unit)[::-1]]) for upper in uppers]
    canvas.fill(shadows, DARK, opacity=0.5, feather=0.8 * unit, within=openings)
    glint = np.array([np.sign(parameters.light.direction[0] + 1e-6) * 0.32, -0.28]) * radius
    glints = [dot(pupil + glint, 1.1 * unit) for pupil in pupils]
    canvas.fill(glints, (250, 250, 250), opacity=0.8, within=openings)


def _lashes(canvas: Canvas, portrait: Portrait, uppers: list[np.ndarray], lowers: list[np.ndarray]) -> None:
    """Draws lashes, liner, and the fold above the lids."""
    makeup, unit, up = portrait.parameters.makeup, portrait.unit, portrait.up
    liner, count = 1.0 + (0.8 * makeup.liner if makeup is not None else 0.0), len(uppers[0])
    lashes = [ribbon(upper + up * 0.3 * unit, taper(count, 1.7 * unit * liner, 0.5)) for upper in uppers]
    canvas.fill(lashes, DARK, opacity=0.85, feather=0.3, within=portrait.edge)
    edges = [ribbon(lower, taper(count, 1.0 * unit * liner, 0.5)) for lower in lowers]
    canvas.fill(edges, mix(portrait.parameters.look.skin, DARK, 0.75), opacity=0.6, feather=0.35)
    arch = taper(count, 0.16, 1.0)[:, None]
    folds = [upper + up * (0.3 * unit + arch * np.linalg.norm(upper[-1] - upper[0])) for upper in uppers]
    crease(canvas, portrait, folds, 1.6, 0.5)
