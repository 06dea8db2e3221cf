"""The hair: its shading, and its parts behind the head and over the forehead."""

import cv2
import numpy as np

from tfds_builders.synthetic_faces.curves import curve, ribbon
from tfds_builders.synthetic_faces.paint import Canvas, as_shade
from tfds_builders.synthetic_faces.portrait import Portrait
from tfds_builders.synthetic_faces.textures import cloud, strands

_HAIRLINE = np.array([[-70, -19], [-69, -32], [-62, -48], [-52, -64], [-30, -73], [0, -76]])
# Least and greatest thickness of the hair over the skull, millimetres.
_VOLUMES = {"bald": (0, 0), "short": (2, 7), "parted": (5, 14), "volume": (10, 24), "long": (5, 14)}


def hair_shade(portrait: Portrait) -> np.ndarray:
    """Shades of the hair, with strands from the crown downwards, or of a bald skull: uint8 [size, size]."""
    light, size = portrait.parameters.light, portrait.shade.shape[0]
    glow = light.shade(_skull_normals(portrait))
    if portrait.parameters.look.hair_style == "bald":
        return as_shade(cv2.resize(glow, (size, size)))
    crown = portrait.place([[14 * portrait.parameters.look.parting, -112, -80]])[0]
    turn = cv2.getRotationMatrix2D((255.5, 255.5), float(portrait.random.uniform(0, 360)), 1.0)
    turn[:, 2] += crown - 255.5
    flow = cv2.warpAffine(strands(), turn, (size, size), borderMode=cv2.BORDER_REFLECT)
    glow = np.minimum(0.9 * glow, 1.2)
    return cv2.multiply(as_shade(cv2.resize(glow, (size, size))), flow, scale=1 / 128)


def _skull_normals(portrait: Portrait) -> np.ndarray:
    """Unit normals of a sphere around the head at an eighth of the resolution: float32 [rows, columns, 3]."""
    size = portrait.shade.shape[0]
    centre, radius = portrait.place([[0, -15, -60]])[0], 108 * portrait.unit
    y, x = np.mgrid[: size // 8, : size // 8].astype(np.float32) * 8 + 3.5
    across, down = (x - np.float32(centre[0])) / radius, (y - np.float32(centre[1])) / radius
    out = np.sqrt(np.maximum(1 - across**2 - down**2, 0.05))
    normals = np.stack([across, down, out], axis=-1).astype(np.float32)
    return normals / np.linalg.norm(normals, axis=-1, keepdims=True)


def draw_behind(canvas: Canvas, portrait: Portrait, shade: np.ndarray) -> None:
    """Draws the part of long hair that is behind neck and shoulders."""
    look = portrait.parameters.look
    if look.hair_style != "long":
        return
    volume = _volume(portrait)
    top = portrait.skull(np.arange(-180, 1, 12), volume)
    length, spread = portrait.random.uniform(110, 200), portrait.random.uniform(0, 16)
    sides = [
        portrait.place([[s * (77 + volume), 40, -70], [s * (74 + volume + spread), length, -70]])
        for s in (1, -1)
    ]
    outline = curve(np.concatenate([top, sides[0], sides[1][::-1]]), closed=True)
    canvas.fill(outline, look.hair, shade=shade, feather=0.8)


def draw_on_skull(canvas: Canvas, portrait: Portrait, shade: np.ndarray) -> None:
    """Draws the hair, or the bare skin, of the back of the head and the temples."""
    look = portrait.parameters.look
    if look.hair_style == "bald":
        canvas.fill(portrait.skull(np.arange(0, 360, 8), 0.0), look.skin, shade=shade)
        return
    if portrait.far_side and look.hair_style == "long":
        canvas.fill(_curtain(portrait), look.hair, shade=shade, feather=0.8)
    angles = np.arange(-270, 90, 8)
    if portrait.far_side:  # from the forehead over the back to the neck
        angles = np.linspace(portrait.front_angle, -90 - 180 * portrait.far_side, 36)
    canvas.fill(_ruffled(portrait, angles), look.hair, shade=shade, feather=0.8)


def _curtain(portrait: Portrait) -> np.ndarray:
    """Outline of long hair beside the neck of a far turned head, pixels [points, 2]."""
    near, volume = -portrait.far_side, _volume(portrait)
    length = portrait.random.uniform(110, 200)
    ear = portrait.ear_shift[2] - 50
    front = portrait.place([[near * 78, length, ear - 16], [near * 78, 60, ear - 4], [near * 75, -20, ear]])
    back = portrait.place([[0, 30, -180 - volume], [0, length, -176 - volume]])
    top = portrait.skull(-90 - portrait.far_side * np.arange(0, 91, 15), volume)
    return curve(np.concatenate([top, back, front]), closed=True)


def draw_in_front(canvas: Canvas, portrait: Portrait, shade: np.ndarray) -> None:
    """Draws the hair over the forehead and temples, or the scalp; a fringe hides the brows."""
    look = portrait.parameters.look
    hairline = _hairline(portrait)
    angles = np.arange(10, -191, -8)
    if portrait.far_side:  # the hair of the far half is hidden
        front = portrait.front_angle
        angles = np.linspace(front, -191, 26) if portrait.far_side > 0 else np.linspace(10, front, 26)
    outline = np.concatenate([hairline, _ruffled(portrait, angles)])
    if look.hair_style == "bald":
        skull = portrait.skull(np.arange(0, 360, 8), 0.0)
        canvas.fill(outline, look.skin, shade=shade, feather=7 * portrait.unit, within=skull)
        return
    canvas.fill(ribbon(hairline, 7 * portrait.unit), (20, 10, 6), opacity=0.35, feather=2.7 * portrait.unit)
    outlines = [outline]
    if portrait.profile and portrait.parameters.occluder == "fringe":
        forehead = portrait.profile.far_outline[portrait.profile.heights < -16]
        outlines.append(ribbon(forehead, 12 * portrait.unit))
    canvas.fill(outlines, look.hair, shade=shade, feather=1.0, covers=True)


def _volume(portrait: Portrait) -> float:
    least, most = _VOLUMES[portrait.parameters.look.hair_style]
    return least + (most - least) * portrait.parameters.look.hair_volume


def _ruffled(portrait: Portrait, angles: np.ndarray) -> np.ndarray:
    """The skull's outline between two angles with hair of uneven thickness, pixels [points, 2]."""
    volume, phase = _volume(portrait), portrait.parameters.texture_seed % 7
    wave = sum(np.sin(np.deg2rad(angles * k) + phase * k) / k for k in (3, 5, 9))
    below = np.abs(angles + 90) - 66  # degrees below the upper part, on both sides
    ends = 1 - 0.9 * np.clip(below / 40, 0, 1) ** 2
    if portrait.far_side:  # the hair begins at the forehead
        ends *= np.clip(np.abs(angles - portrait.front_angle) / 30, 0.1, 1)
    bare, haired = portrait.skull(angles, 0.0), portrait.skull(angles, volume + 1)
    return curve(bare + (haired - bare) * (ends * (1 + 0.12 * wave))[:, None], per_segment=3)


def _hairline(portrait: Portrait) -> np.ndarray:
    """Pixels [points, 2] of the edge of the hair on the forehead, left to right."""
    look, random = portrait.parameters.look, portrait.random
    fringe = portrait.parameters.occluder == "fringe"
    line = np.concatenate([_HAIRLINE, (_HAIRLINE * (-1, 1))[-2::-1]]).astype(float)
    x = line[:, 0] / 70
    line[:, 0] *= portrait.head.points[31, 0] / 71.5
    middle = np.clip(1 - np.abs(x), 0, 1) ** 0.5
    if fringe:
        line[:, 1] += random.uniform(52, 72) * middle * (1 + 0.25 * look.parting * x)
    else:
        line[:, 1] -= 6 * look.hairline * middle
        if look.hair_style in ("parted", "long"):
            parted = np.exp(-(((x - 0.6 * look.parting) / 0.25) ** 2))
            line[:, 1] += (14 * (1 - parted) - 4) * middle
    fine = curve(line, per_segment=6)
    teeth = cloud(1.0)[int(random.integers(512)), : len(fine)] * (3.0 if fringe else 1.6)
    fine[:, 1] += teeth * np.clip(1 - np.abs(fine[:, 0]) / 70, 0, 1) ** 0.5
    visible = fine[:, 0] * portrait.far_side <= 0
    return portrait.on_skin(fine[visible], lift=1.0)
