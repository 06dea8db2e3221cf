"""Drawings of landmarks on images: single faces, a grid of crops, and a sheet of all schemes."""

import itertools
import pathlib
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from dsat_jax import geometry
from dsat_jax.files import locations
from dsat_jax.schemes import SCHEMES, Scheme

SAMPLES_FILE = "samples.png"
TRUTH = (80, 255, 80)  # RGB
PREDICTED = (255, 60, 60)
DOUBTFUL = (150, 150, 150)  # of landmarks that may not be those of a face
_SHIFT = 4  # fractional bits of OpenCV's drawing coordinates
TILE = 256  # side of each crop of the grid in pixels
_COLUMNS = 6
LEFT, MIDLINE, RIGHT = (80, 255, 80), (255, 255, 255), (255, 60, 60)


def draw_landmarks(
    image: np.ndarray, points: np.ndarray, scheme: Scheme, colour: Sequence[int], thickness: int = 1
) -> None:
    """Draws the scheme's lines and a dot for each landmark onto an image, in place.

    Args:
      image: image, uint8 [height, width, 3] RGB.
      points: landmarks [points, 2] in pixels of `image`; landmarks that are not finite are not drawn.
      scheme: scheme of the landmarks.
      colour: RGB colour, 0 to 255.
      thickness: thickness of the lines in pixels; the radius of the dots is half a pixel more.
    """
    known = np.isfinite(points).all(axis=-1)
    fixed = _fixed(np.where(known[:, None], points, 0))
    for line in scheme.lines:
        segments = [fixed[list(ends)] for ends in itertools.pairwise(line) if known[list(ends)].all()]
        cv2.polylines(image, segments, False, colour, thickness, cv2.LINE_AA, _SHIFT)
    _draw_dots(image, fixed[known], [colour] * int(known.sum()), thickness)


def draw_face(
    image: np.ndarray, points: np.ndarray, scheme: Scheme, text: str = "", doubtful: bool = False
) -> None:
    """Draws predicted landmarks with a text above them onto an image, in place.

    Args:
      image: image, uint8 [height, width, 3] RGB.
      points: landmarks [points, 2] in pixels of `image`.
      scheme: scheme of the landmarks.
      text: text above the landmarks.
      doubtful: whether they may not be those of a face; they are grey instead of red.
    """
    x_min, y_min, x_max, y_max = geometry.box_of_points(points)
    extent = min(max(x_max - x_min, y_max - y_min), max(image.shape))
    thickness, colour = max(1, round(extent / 200)), DOUBTFUL if doubtful else PREDICTED
    draw_landmarks(image, points, scheme, colour, thickness)
    corner = (max(round(x_min), 0), max(round(y_min - 0.05 * extent), 12))
    cv2.putText(image, text, corner, cv2.FONT_HERSHEY_SIMPLEX, extent / 250, colour, thickness, cv2.LINE_AA)


def draw_line(image: np.ndarray, points: np.ndarray, colour: Sequence[int]) -> None:
    """Draws a polyline and its vertices [points, 2] onto a uint8 RGB image, in place."""
    fixed = _fixed(points)
    cv2.polylines(image, [fixed.reshape(-1, 1, 2)], False, colour, 1, cv2.LINE_AA, _SHIFT)
    _draw_dots(image, fixed, [colour] * len(fixed), 1)


def _fixed(points: np.ndarray) -> np.ndarray:
    """Converts points [points, 2] to int32 with `_SHIFT` fractional bits, as OpenCV expects them."""
    return np.round(np.clip(points, -10_000, 10_000) * (1 << _SHIFT)).astype(np.int32)


def _draw_dots(
    image: np.ndarray, fixed: np.ndarray, colours: Sequence[Sequence[int]], thickness: int
) -> None:
    """Draws a dot in each colour at its point; points are int32 [points, 2], pixels with `_SHIFT` fractional bits."""
    radius = int((thickness + 0.5) * (1 << _SHIFT))
    for (x, y), colour in zip(fixed.tolist(), colours, strict=True):
        cv2.circle(image, (x, y), radius, colour, cv2.FILLED, cv2.LINE_AA, _SHIFT)


def draw_schemes(
    image: np.ndarray, landmarks: Mapping[str, np.ndarray], path: pathlib.Path, side: int = 400
) -> None:
    """Writes an image of a face with its landmarks in several schemes side by side, each above its mirror image.

    Landmarks of the left half of the face are green, those of the right half red. In the mirror image, colours and
    lines follow the indices of the mirrored landmarks, so that an error in the mirror table shows as a wrong colour or
    a tangled line.

    Args:
      image: image, uint8 [size, size, 3] RGB.
      landmarks: landmarks [points, 2] in pixels of `image` for each name of a scheme.
      path: image file to write.
      side: side of one face in pixels.
    """
    size = image.shape[1]
    columns = []
    for name, points in landmarks.items():
        scheme = SCHEMES[name]
        mirrored = geometry.mirror_points(points, size, scheme.mirror_permutation)
        to_partner = np.sign(points[scheme.mirror_permutation, 0] - points[:, 0]).astype(int)
        colours = [(MIDLINE, LEFT, RIGHT)[direction] for direction in to_partner]
        tiles = []
        for face, face_points in ((image, points), (image[:, ::-1], mirrored)):
            tile = (cv2.resize(face, (side, side)) * 0.6).astype(np.uint8)
            tile_points = geometry.resize_points(face_points, side / size)
            draw_landmarks(tile, tile_points, scheme, MIDLINE)
            _draw_dots(tile, _fixed(tile_points), colours, thickness=2)
            tiles.append(tile)
        cv2.putText(tiles[0], name, (10, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.7, MIDLINE, 1, cv2.LINE_AA)
        columns.append(np.concatenate(tiles))
    write_image(path, np.concatenate(columns, axis=1))


def sample_grid(sample: Mapping[str, np.ndarray], scheme: Scheme, rows: int = 3) -> np.ndarray:
    """Returns one image of several crops with their labels (green) and predictions (red).

    Args:
      sample: `image`, uint8 [faces, size, size, 3] RGB; `points` and `predicted`, [faces, points, 2] in input pixels.
      scheme: scheme of the landmarks.
      rows: largest number of rows of the grid.

    Returns:
      Image, uint8 [height, width, 3] RGB.
    """
    count = min(len(sample["image"]), rows * _COLUMNS)
    tiles = []
    for i in range(count):
        scale = TILE / sample["image"].shape[1]
        tile = cv2.resize(sample["image"][i], (TILE, TILE), interpolation=cv2.INTER_CUBIC)
        for name, colour in (("points", TRUTH), ("predicted", PREDICTED)):
            draw_landmarks(tile, geometry.resize_points(sample[name][i], scale), scheme, colour)
        tiles.append(tile)
    columns = min(count, _COLUMNS)
    tiles += [np.zeros_like(tiles[0])] * (-count % columns)
    return np.concatenate([np.concatenate(tiles[i : i + columns], 1) for i in range(0, len(tiles), columns)])


def draw_samples(sample: Mapping[str, np.ndarray], scheme: Scheme, path: pathlib.Path) -> None:
    """Writes the image of `sample_grid` to a file."""
    write_image(path, sample_grid(sample, scheme))


def write_image(path: pathlib.Path, image: np.ndarray) -> None:
    """Writes an image, uint8 [height, width, 3] RGB, in the format of the suffix of `path`.

    Raises:
      OSError: if the file cannot be written.
    """
    if locations.in_bucket(path):
        path.write_bytes(cv2.imencode(path.suffix, image[..., ::-1])[1].tobytes())
    elif not cv2.imwrite(str(path), image[..., ::-1]):
        raise OSError(f"{path} could not be written")
