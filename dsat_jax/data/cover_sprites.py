"""Drawn objects that cover parts of a face, in the frame of `five_points.TEMPLATE`.

Each is drawn once in shades of grey. A colour is given to it when it is placed on a face (`covers`).
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

SIDE = 256  # side of a sprite in pixels, one for each pixel of the template
MARGIN = 72  # position of the template's origin in the sprite, in both axes
_FINE = 2  # drawn pixels for each pixel of a sprite, along both axes
_SHIFT = 4  # fractional bits of the coordinates that OpenCV draws
_EYES = ((38.3, 51.6), (73.5, 51.6))
_MIDDLE = 56.0


class Sprite(NamedTuple):
    """One drawn object.

    Attributes:
      kind: key of `_DRAWINGS`.
      pixels: uint8 [SIDE, SIDE, 2], the shade multiplied by the opacity, and the opacity; 255 is white and opaque.
    """

    kind: str
    pixels: np.ndarray


class _Canvas:
    """Shades and opacity in [0, 1], float32 [side, side], that outlines are painted on."""

    def __init__(self) -> None:
        side = SIDE * _FINE
        self.shade = np.zeros((side, side), np.float32)
        self.opacity = np.zeros((side, side), np.float32)

    def fill(
        self,
        outline: np.ndarray,
        shade: float | np.ndarray,
        opacity: float = 1.0,
        feather: float = 0.0,
        inside: bool = False,
    ) -> None:
        """Paints a polygon.

        Args:
          outline: corners [corners, 2] in pixels of the template.
          shade: shade from 0 to 1, or shades of all pixels.
          opacity: opacity of the paint.
          feather: standard deviation of a blur of the polygon's edge, in pixels of the template.
          inside: whether the paint changes only what has been painted before.
        """
        corners = (np.asarray(outline) + MARGIN) * _FINE
        reach = 3 * feather * _FINE + 2
        low = np.maximum(corners.min(axis=0) - reach, 0).astype(int)
        high = np.maximum(corners.max(axis=0) + reach, low + 1).astype(int)
        region = (
            slice(low[1], high[1]),
            slice(low[0], high[0]),
        )  # a whole canvas for each strand of hair is slow
        mask = np.zeros_like(self.shade[region], np.uint8)
        fixed = np.round((corners - low) * 2**_SHIFT).astype(np.int32)
        cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, _SHIFT)
        if feather:
            mask = cv2.GaussianBlur(mask, (0, 0), feather * _FINE)
        paint = mask.astype(np.float32) * (opacity / 255)
        below = self.opacity[region]
        if inside:
            paint *= below
        shades = np.broadcast_to(np.float32(shade), self.shade.shape)[region]
        self.shade[region] = self.shade[region] * (1 - paint) + shades * paint  # multiplied by the opacity
        if not inside:
            self.opacity[region] = below * (1 - paint) + paint

    def sprite(self, kind: str, shadow: float = 0.35) -> Sprite:
        """Returns the painted object, with a soft shadow on what is behind it."""
        down = np.float32([[1, 0, 0], [0, 1, 3 * _FINE]])
        dark = cv2.warpAffine(cv2.GaussianBlur(self.opacity, (0, 0), 3.0 * _FINE), down, self.opacity.shape)
        opacity = self.opacity + (1 - self.opacity) * shadow * dark
        pixels = np.stack([self.shade, opacity], axis=-1)
        pixels = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        return Sprite(kind, np.round(255 * pixels.clip(0, 1)).astype(np.uint8))


def _ellipse(centre: np.ndarray, radii: tuple[float, float], power: float = 1.0) -> np.ndarray:
    """Returns the outline [48, 2] of an ellipse; a power below 1 makes it more rectangular."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    unit = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    return centre + np.sign(unit) * np.abs(unit) ** power * radii


def _curve(corners: np.ndarray, count: int = 24) -> np.ndarray:
    """Returns a smooth line [count, 2] through positions [corners, 2]: cubic interpolation (Catmull-Rom)."""
    corners = np.asarray(corners, float)
    ends = np.concatenate([2 * corners[:1] - corners[1:2], corners, 2 * corners[-1:] - corners[-2:-1]])
    place = np.linspace(0, len(corners) - 1, count)
    start = np.minimum(place.astype(int), len(corners) - 2)
    t = (place - start)[:, None]
    a, b, c, d = (ends[start + i] for i in range(4))
    return b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def _ribbon(line: np.ndarray, width: float | np.ndarray) -> np.ndarray:
    """Returns the outline [2 * points, 2] of a line [points, 2] drawn with a width, one or one for each point."""
    along = np.gradient(line, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=-1) / np.linalg.norm(along, axis=-1, keepdims=True)
    half = normal * np.broadcast_to(np.asarray(width) / 2, (len(line),))[:, None]
    return np.concatenate([line + half, (line - half)[::-1]])


def _texture(rng: np.random.Generator, size: float, strength: float) -> np.ndarray:
    """Returns a random factor of the shade for each pixel, of mean 1; `size` is the width of its spots."""
    side = SIDE * _FINE
    coarse = rng.normal(0, strength, (max(round(SIDE / size), 2),) * 2).astype(np.float32)
    return 1 + cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def _slope(from_y: float, to_y: float, first: float, last: float) -> np.ndarray:
    """Returns shades [side, 1] that change from `first` to `last` between two heights of the template."""
    rows = (np.arange(SIDE * _FINE) + 0.5) / _FINE - 0.5 - MARGIN
    return np.interp(rows, (from_y, to_y), (first, last)).astype(np.float32)[:, None]


def _sunglasses(canvas: _Canvas, rng: np.random.Generator) -> None:
    power, height, drop = rng.uniform(0.6, 1.0), rng.uniform(10, 14.5), rng.uniform(1, 4)
    frame, rim = rng.uniform(0.1, 0.9), rng.uniform(1.2, 3.0)
    lens = _slope(36, 68, rng.uniform(0.1, 0.25), rng.uniform(0.15, 0.6))
    for side, (x, y) in zip((-1, 1), _EYES, strict=True):
        hinge = (x + side * 15, y - 2)
        canvas.fill(_ribbon(np.linspace(hinge, (x + side * 40, y - 4), 4), 4.0), frame)
        outline = _ellipse((x + side * 1.5, y + drop), (rng.uniform(15.8, 16.2), height), power)
        canvas.fill(outline, lens, opacity=rng.uniform(0.88, 1.0))
        canvas.fill(
            _ellipse((x - 5, y - 3), (6, 3)), 0.95, opacity=rng.uniform(0.0, 0.3), feather=2.5, inside=True
        )
        closed = np.concatenate([outline, outline[:2]])
        canvas.fill(_ribbon(closed, rim), frame)
    bridge = _curve([(_EYES[0][0] + 16, 50), (_MIDDLE, 47.5), (_EYES[1][0] - 16, 50)])
    canvas.fill(_ribbon(bridge, rng.uniform(2.0, 4.0)), frame)


def _mask(canvas: _Canvas, rng: np.random.Generator) -> None:
    top = rng.uniform(58, 72)
    upper = _curve([(12, top + 8), (34, top + 4), (_MIDDLE, top), (78, top + 4), (100, top + 8)])
    lower = _curve([(97, 100), (84, 120), (_MIDDLE, 133), (28, 120), (15, 100)])
    for side in (-1, 1):
        x = _MIDDLE + side * 42
        for start, end in ((top + 9, top - 6), (102, 78)):
            canvas.fill(_ribbon(np.linspace((x, start), (x + side * 16, end), 4), 1.6), 0.85)
    columns = np.abs((np.arange(SIDE * _FINE) + 0.5) / _FINE - 0.5 - MARGIN - _MIDDLE)
    shade = np.interp(columns, (0, 25, 48), (0.95, 0.88, 0.6))[None] * _slope(top, 130, 1.0, 0.8)
    canvas.fill(np.concatenate([upper, lower]), (shade * _texture(rng, 8, 0.015)).astype(np.float32))
    for share in np.sort(rng.uniform(0.2, 0.8, rng.integers(0, 4))):
        fold = _ribbon(upper * (1 - share) + lower[::-1] * share, 1.6)
        canvas.fill(fold, 0.45, opacity=0.4, feather=0.6, inside=True)
    canvas.fill(_ribbon(upper, 2.0), 0.7, opacity=0.6, feather=0.5, inside=True)


def _hand(canvas: _Canvas, rng: np.random.Generator) -> None:
    """Paints a hand with four fingers that point up; its middle is in the middle of the mouth."""
    x, y = _MIDDLE, 92.0
    skin = _texture(rng, 10, 0.04) * _slope(30, 180, 0.98, 0.82)
    wrist = _curve([(x + 6, y + 110), (x + 3, y + 60), (x, y + 20), (x, y - 4)])
    canvas.fill(_ribbon(wrist, np.interp(np.arange(24), (0, 8, 14, 23), (36, 36, 50, 46))), skin)
    spread = rng.uniform(0.6, 1.4)
    thumb = _curve([(x - 20, y + 34), (x - 34, y + 16), (x - 38 - 4 * spread, y - 4)])
    _finger(canvas, thumb, 14.0, skin)
    for offset, length in zip((-17.5, -6, 6, 17), (40, 48, 45, 34), strict=True):
        root = np.array([x + offset, y + 6])
        tip = root + np.array([offset * 0.45 * spread, -length - 8])
        bend = rng.normal(0, 1.2)
        _finger(canvas, _curve([root, (root + tip) / 2 + (bend, 0), tip]), 11.6, skin)
    for offset in (-12, 0, 12):  # knuckles
        canvas.fill(_ellipse((x + offset, y + 10), (3, 4)), 0.55, opacity=0.25, feather=2.0, inside=True)


def _finger(canvas: _Canvas, line: np.ndarray, width: float, skin: np.ndarray) -> None:
    """Paints a finger along a line [points, 2] from its root to its tip, darker towards its edges."""
    outline, tip = _ribbon(line, np.linspace(width, 0.84 * width, len(line))), line[-1]
    canvas.fill(_ellipse(tip, (0.42 * width, 0.5 * width)), skin * 0.92)
    canvas.fill(outline, skin * 0.86)
    along = line[-1] - line[-2]
    canvas.fill(_ribbon(line, 0.8 * width), skin * 1.02, opacity=0.8, feather=1.2, inside=True)
    for side in (-1, 1):
        normal = side * np.array([-along[1], along[0]]) / np.linalg.norm(along) * 0.48 * width
        canvas.fill(_ribbon(line + normal, 1.6), 0.3, opacity=0.45, feather=0.6, inside=True)
    nail = tip + along / np.linalg.norm(along) * 0.1 * width
    canvas.fill(_ellipse(nail, (0.26 * width, 0.32 * width)), skin * 1.12, opacity=0.6, feather=0.4)
    for share in (0.38, 0.68):  # joints
        joint = line[round(share * (len(line) - 1))]
        canvas.fill(_ellipse(joint, (0.3 * width, 0.9)), 0.4, opacity=0.35, feather=0.6, inside=True)


def _hair(canvas: _Canvas, rng: np.random.Generator) -> None:
    """Paints strands from above the forehead, to the brows or, on one side, over an eye."""
    lowest, parting, slant = rng.uniform(40, 66), rng.uniform(20, 92), rng.uniform(-0.5, 0.5)
    canvas.fill(_ellipse((_MIDDLE, -18), (58, 34)), 0.45 * _texture(rng, 3, 0.15), feather=3.0)
    for root in rng.permutation(np.linspace(2, 110, 230)):
        length = lowest + rng.normal(0, 7) - 0.35 * abs(root - parting) * rng.uniform(0.2, 1.2)
        aside = (root - parting) * rng.uniform(0.05, 0.35) + slant * 40 * rng.uniform(0.5, 1.0)
        top = np.array([_MIDDLE + (root - _MIDDLE) * 0.75, -30 + 0.004 * (root - _MIDDLE) ** 2])
        tip = np.array([root + aside, length])
        middle = (top + tip) / 2 + (rng.normal(0, 2) - slant * 8, 0)
        width = np.interp(np.arange(24), (0, 14, 23), (3.0, 2.4, 0.2)) * rng.uniform(0.6, 1.3)
        canvas.fill(_ribbon(_curve([top, middle, tip]), width), rng.uniform(0.35, 1.0), opacity=0.85)


def _object(canvas: _Canvas, rng: np.random.Generator) -> None:
    """Paints a rounded solid with stripes and light from one side, about as large as the lower half of a face."""
    radii = rng.uniform(18, 34, 2)
    outline = _ellipse((_MIDDLE, 72.0), radii, rng.uniform(0.35, 1.0))
    canvas.fill(outline, _slope(40, 104, rng.uniform(0.5, 1), rng.uniform(0.3, 0.8)) * _texture(rng, 5, 0.08))
    angle = rng.uniform(0, np.pi)
    along = 60 * np.array([np.cos(angle), np.sin(angle)])
    for _ in range(rng.integers(1, 6)):
        middle = (_MIDDLE, 72.0) + rng.uniform(-0.8, 0.8) * np.array([-along[1], along[0]]) / 2
        stripe = _ribbon(np.linspace(middle - along, middle + along, 4), rng.uniform(1, 9))
        canvas.fill(stripe, rng.uniform(0, 1), opacity=0.7, feather=0.3, inside=True)
    canvas.fill(
        _ellipse((_MIDDLE - radii[0] / 2, 72 - radii[1] / 2), radii / 3), 1.0, 0.35, feather=5.0, inside=True
    )


_DRAWINGS: dict[str, Callable[[_Canvas, np.random.Generator], None]] = {
    "sunglasses": _sunglasses,
    "mask": _mask,
    "hand": _hand,
    "hair": _hair,
    "object": _object,
}
_FORMS = 6  # sprites of each kind


@functools.cache
def sprites() -> tuple[Sprite, ...]:
    """Returns all sprites, the same ones in each process."""
    drawn = []
    for number, (kind, draw) in enumerate(_DRAWINGS.items()):
        for form in range(_FORMS):
            canvas = _Canvas()
            draw(canvas, np.random.default_rng((number, form)))
            drawn.append(canvas.sprite(kind))
    return tuple(drawn)
