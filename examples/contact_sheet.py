"""A sheet of synthetic faces: `python -m examples.contact_sheet --out=FILE`."""

import argparse
import pathlib
import sys
from collections.abc import Sequence

import cv2
import numpy as np

from dsat_jax import drawing, geometry, schemes
from tfds_builders.synthetic_faces.drawing import VISIBLE, Drawing, draw_face
from tfds_builders.synthetic_faces.other_schemes import landmarks_in
from tfds_builders.synthetic_faces.workers import draw_faces

_SCALE = 2.0  # landmarks are drawn on an enlarged face
_VISIBLE_COLOUR, _OCCLUDED_COLOUR, _LINE_COLOUR = (90, 255, 90), (255, 70, 60), (255, 255, 255)


def contact_sheet(drawings: Sequence[Drawing], columns: int, annotated: int, side: int) -> np.ndarray:
    """Returns a sheet of drawings, some of them with their landmarks.

    Args:
      drawings: drawn faces; their number is a multiple of `columns`.
      columns: number of faces per row.
      annotated: interval of faces with landmarks: 3 marks the third, the sixth, ...; 0 marks none.
      side: side of one face on the sheet, pixels.

    Returns:
      uint8 [rows * side, columns * side, 3] RGB; occluded landmarks are red.
    """
    tiles = []
    for number, face in enumerate(drawings, start=1):
        image = face.image
        if annotated and number % annotated == 0:
            image = annotate(face)
        tiles.append(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA))
    rows = [np.hstack(tiles[first : first + columns]) for first in range(0, len(tiles), columns)]
    return np.vstack(rows)


def annotate(face: Drawing) -> np.ndarray:
    """Returns the enlarged image with lines and landmarks: uint8 [height, width, 3] RGB."""
    image = cv2.resize(face.image, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_CUBIC)
    points = geometry.transform_points(geometry.resize_matrix(_SCALE), face.points)
    fixed = np.rint(points * 16).astype(np.int32)  # four fractional bits
    for line in schemes.WFLW_98.lines:
        cv2.polylines(image, [fixed[list(line)]], False, _LINE_COLOUR, 1, cv2.LINE_AA, 4)
    for point, visibility in zip(fixed.tolist(), face.visibility, strict=True):
        colour = _VISIBLE_COLOUR if visibility == VISIBLE else _OCCLUDED_COLOUR
        cv2.circle(image, point, 40, colour, -1, cv2.LINE_AA, 4)
    return image


def write_schemes(face: Drawing, path: pathlib.Path, side: int) -> None:
    """Writes an image of a face in every scheme; see `drawing.draw_schemes`."""
    landmarks = {scheme.name: landmarks_in(face.points, scheme) for scheme in schemes.SCHEMES.values()}
    drawing.draw_schemes(face.image, landmarks, path, side)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(description="Draws a sheet of synthetic faces.")
    parser.add_argument("--out", required=True, help="file to write, .jpg or .png")
    parser.add_argument("--columns", type=int, default=6)
    parser.add_argument("--rows", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--side", type=int, default=200, help="side of one face, pixels")
    parser.add_argument(
        "--annotated", type=int, default=3, help="mark the landmarks of every n-th face; 0: none"
    )
    parser.add_argument(
        "--schemes",
        action="store_true",
        help="draw one face in every landmark scheme instead, and its mirror image",
    )
    options = parser.parse_args(arguments)
    if options.schemes:
        write_schemes(draw_face(options.seed, split=0, index=0), pathlib.Path(options.out), options.side)
        return 0
    drawings = list(draw_faces(options.seed, 0, range(options.columns * options.rows)))
    sheet = contact_sheet(drawings, options.columns, options.annotated, options.side)
    if not cv2.imwrite(options.out, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
        print(f"error: {options.out}: cannot be written", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
