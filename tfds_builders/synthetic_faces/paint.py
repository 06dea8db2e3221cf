"""The brush: antialiased shapes with sub-pixel outlines on an image, in a flat colour or with a map of shades.

Outlines are in float pixels with pixel centres at integers. Sharp edges are drawn at four times the resolution
and averaged, with the coordinates of `geometry.resize_matrix`: x' = (x + 0.5) 4 - 0.5. OpenCV fills all pixels
that an outline touches, so a sharp shape extends 0.1 to 0.2 pixels beyond its outline on all sides; its centre
is exact to 0.03 pixels.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence

import cv2
import numpy as np

Colour = tuple[float, float, float]  # RGB, 0 to 255
NORMAL_SHADE = 150  # the byte, of 255, of a surface of brightness 1
_SOFT, _VERY_SOFT = 0.8, 2.4  # pixels of feather
_SHIFT = 4  # fractional bits of cv2's drawing coordinates


@dataclasses.dataclass
class Canvas:
    """The image that is painted.

    Attributes:
      image: uint8 [size, size, 3] RGB.
      cover: uint8 [size, size], opacity of the objects in front of the face, 255 is opaque.
    """

    image: np.ndarray
    cover: np.ndarray

    @classmethod
    def blank(cls, size: int) -> "Canvas":
        """An empty square canvas, `size` pixels wide."""
        return cls(np.zeros((size, size, 3), np.uint8), np.zeros((size, size), np.uint8))

    @property
    def size(self) -> int:
        """Side in pixels."""
        return self.image.shape[0]

    def fill(
        self,
        outline: np.ndarray | Sequence[np.ndarray],
        colour: Colour | np.ndarray,
        *,
        shade: np.ndarray | None = None,
        opacity: float = 1.0,
        feather: float = 0.0,
        within: np.ndarray | Sequence[np.ndarray] | None = None,
        covers: bool = False,
    ) -> None:
        """Paints the inside of an outline, or of several at once.

        Args:
          outline: [points, 2] pixels, or a sequence of such outlines.
          colour: flat RGB, or an image uint8 [size, size, 3] that fills the outline.
          shade: uint8 [size, size] shades that light `colour`, see `ramp`; None for the colour itself.
          opacity: 0 to 1.
          feather: standard deviation of the soft edge in pixels; 0 is sharp.
          within: one or several outlines that limit the painted area; None for no limit.
          covers: whether the shape hides the face behind it.
        """
        outlines = _as_list(outline)
        window = _window(outlines, feather, self.size)
        if window is None:
            return
        alpha = coverage(outlines, window, feather)
        if within is not None:
            alpha = cv2.multiply(
                alpha, coverage(_as_list(within), window, _SOFT if feather >= _SOFT else 0.0)
            )
        self.blend(window, alpha, colour, shade=shade, opacity=opacity)
        if covers:
            hidden = self.cover[window]
            np.maximum(hidden, (alpha * (255 * opacity)).astype(np.uint8), out=hidden)

    def blend(
        self,
        window: tuple[slice, slice],
        alpha: np.ndarray,
        colour: Colour | np.ndarray,
        *,
        shade: np.ndarray | None = None,
        opacity: float = 1.0,
    ) -> None:
        """Paints `colour` with coverage `alpha`, float32 [rows, columns] from 0 to 1, into a window."""
        below = self.image[window]
        if shade is not None:
            paint = cv2.applyColorMap(np.ascontiguousarray(shade[window]), ramp(tuple(colour)))
        elif isinstance(colour, np.ndarray) and colour.ndim == 3:
            paint = np.ascontiguousarray(colour[window])
        else:
            paint = np.empty_like(below)
            paint[:] = colour
        alpha = alpha * np.float32(opacity) if opacity != 1.0 else alpha
        self.image[window] = cv2.blendLinear(np.ascontiguousarray(below), paint, 1 - alpha, alpha)


def _as_list(outline: np.ndarray | Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    return [outline] if isinstance(outline, np.ndarray) else outline


def coverage(outlines: Sequence[np.ndarray], window: tuple[slice, slice], feather: float = 0.0) -> np.ndarray:
    """Share of each pixel of a window inside any of the outlines, float32 [rows, columns].

    Args:
      outlines: outlines, each [points, 2] pixels.
      window: rows and columns of the image.
      feather: standard deviation of the soft edge in pixels. Soft edges need less resolution; very soft edges
        are drawn at half the resolution, and are accurate to half a pixel only.
    """
    rows, columns = window
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    if feather < _SOFT:
        fine = _rasterise(outlines, window, (shape[0] * 4, shape[1] * 4), 4.0)
        for factor in (2, 1):  # OpenCV halves much faster than it quarters
            fine = cv2.resize(fine, (shape[1] * factor, shape[0] * factor), interpolation=cv2.INTER_AREA)
        alpha = cv2.GaussianBlur(fine, (0, 0), feather) if feather else fine
    elif feather < _VERY_SOFT:
        alpha = cv2.GaussianBlur(_rasterise(outlines, window, shape, 1.0), (0, 0), feather)
    else:
        half = (shape[0] // 2 + 1, shape[1] // 2 + 1)
        small = cv2.GaussianBlur(_rasterise(outlines, window, half, 0.5), (0, 0), feather / 2)
        alpha = cv2.resize(small, (2 * half[1], 2 * half[0]))[: shape[0], : shape[1]]
    return alpha * np.float32(1 / 255)


def _rasterise(
    outlines: Sequence[np.ndarray], window: tuple[slice, slice], shape: tuple[int, int], scale: float
) -> np.ndarray:
    """The outlines filled with 255 on a window resized by `scale`: uint8 `shape`."""
    filled = np.zeros(shape, np.uint8)
    line = cv2.LINE_8 if scale > 1 else cv2.LINE_AA
    start, units = np.array([window[1].start, window[0].start]) - 0.5, 1 << _SHIFT
    for outline in outlines:
        local = ((outline - start) * scale - 0.5) * units
        cv2.fillPoly(filled, [np.rint(local).astype(np.int32)], 255, line, _SHIFT)
    return filled


def _window(outlines: Sequence[np.ndarray], feather: float, size: int) -> tuple[slice, slice] | None:
    """The pixels that the outlines touch; None if they are outside the image."""
    margin = 1 + 2.5 * feather
    points = outlines[0] if len(outlines) == 1 else np.concatenate(outlines)
    (x0, y0), (x1, y1) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    left, right = max(math.floor(x0 - margin), 0), min(math.ceil(x1 + margin) + 1, size)
    top, bottom = max(math.floor(y0 - margin), 0), min(math.ceil(y1 + margin) + 1, size)
    return (slice(top, bottom), slice(left, right)) if right > left and bottom > top else None


@functools.lru_cache(maxsize=256)
def ramp(colour: Colour) -> np.ndarray:
    """Colours of a material by shade, from dark to overexposed: uint8 [256, 1, 3]; `colour` at NORMAL_SHADE.

    Shadows become warmer, like light that has passed through skin; highlights become white.
    """
    light = np.arange(256)[:, None] / NORMAL_SHADE
    lit = np.array(colour) * np.minimum(light, 1) ** np.array([0.9, 1.05, 1.1])
    over = np.clip(light - 1, 0, None)
    lit = lit + (255 - lit) * (1 - np.exp(-1.1 * over))
    return np.clip(np.rint(lit), 0, 255).astype(np.uint8)[:, None]


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """The colour between `a` (share 0) and `b` (share 1)."""
    return tuple(float(x + (y - x) * share) for x, y in zip(a, b, strict=True))


def as_shade(brightness: np.ndarray) -> np.ndarray:
    """Converts a map of brightness, 1 is normal, to shades, uint8."""
    return np.clip(brightness * NORMAL_SHADE, 0, 255).astype(np.uint8)
