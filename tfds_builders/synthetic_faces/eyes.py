"""Eyes: balls, irises, pupils, lids, lashes, and the makeup around them."""

import numpy as np

from tfds_builders.synthetic_faces.features import DARK, crease
from tfds_builders.synthetic_faces.paint import Canvas, curve, dot, mix, ribbon, taper
from tfds_builders.synthetic_faces.portrait import Portrait

_IRIS = 6.4  # millimetres, a little larger than life, since small ones seem to stare


def draw_eyes(canvas: Canvas, portrait: Portrait) -> None:
    """Both eyes."""
    look, makeup, unit, up = portrait.parameters.look, portrait.parameters.makeup, portrait.unit, portrait.up
    lids = []
    for first, pupil, inner in ((60, 96, 64), (68, 97, 68)):
        upper = curve(portrait.points[first : first + 5])
        lower = curve(portrait.points[[first, first + 7, first + 6, first + 5, first + 4]])
        lids.append((upper, lower))
        if makeup is not None:
            lid = np.concatenate([upper + up * 6.5 * unit, upper[::-1]])
            canvas.fill(lid, makeup.eyes, opacity=0.5, feather=1.8 * unit)
        height = (upper - lower)[len(upper) // 2] @ up
        if height > 0.8 * unit:
            _ball(canvas, portrait, upper, lower, portrait.points[pupil], portrait.points[inner])
    liner = 1.0 + (0.8 * makeup.liner if makeup is not None else 0.0)
    lashes = [upper + up * 0.3 * unit for upper, _ in lids]
    thick = taper(len(lashes[0]), 1.7 * unit * liner, 0.5)
    canvas.fill([ribbon(line, thick) for line in lashes], DARK, opacity=0.85, feather=0.3, within=portrait.outline)
    thin = taper(len(lashes[0]), 1.0 * unit * liner, 0.5)
    canvas.fill([ribbon(lower, thin) for _, lower in lids], mix(look.skin, DARK, 0.75), opacity=0.6, feather=0.35)
    arch = np.sin(np.linspace(0.25, np.pi - 0.25, len(lashes[0])))[:, None]
    folds = [upper + up * arch * 0.16 * np.linalg.norm(upper[-1] - upper[0]) for upper, _ in lids]
    crease(canvas, portrait, folds, 1.6, 0.5)


def _ball(
    canvas: Canvas, portrait: Portrait, upper: np.ndarray, lower: np.ndarray, pupil: np.ndarray, inner: np.ndarray
) -> None:
    """What shows between the lids [points, 2]; `inner` is the corner at the nose."""
    parameters, unit, up = portrait.parameters, portrait.unit, portrait.up
    iris = parameters.look.iris
    opening = np.concatenate([upper, lower[::-1]])
    canvas.fill(opening, (222, 212, 206), shade=portrait.shade)
    canvas.fill(dot(inner + 0.12 * (pupil - inner), 1.8 * unit), (190, 110, 100), opacity=0.6, feather=0.5, within=opening)
    radius = _IRIS * unit
    narrow = max(np.cos(np.deg2rad(parameters.pose.yaw)), 0.35)
    rings = ((mix(iris, (10, 8, 8), 0.6), 1.0), (iris, 0.82), ((8, 6, 8), 0.4))
    for colour, size in rings:
        canvas.fill(dot(pupil, radius * size, narrow), colour, feather=0.3, within=opening)
    shadow = np.concatenate([upper + up * unit, (upper - up * 2.6 * unit)[::-1]])
    canvas.fill(shadow, DARK, opacity=0.5, feather=0.8 * unit, within=opening)
    towards_light = np.array([np.sign(parameters.light.direction[0] + 1e-6) * 0.32, -0.28])
    canvas.fill(dot(pupil + towards_light * radius, 1.1 * unit), (250, 250, 250), opacity=0.8, within=opening)
