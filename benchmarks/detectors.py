"""Face detectors on annotated images: recall, false detections, and time.

python -m benchmarks.detectors FOLDER... [--detectors=mtcnn,cascade] [--crowded=200] [--turn=90]

A folder contains images and their landmarks, NAME.jpg or NAME.png with NAME.pts, as in 300W. With `--crowded`, images
of 1,024 x 768 px are composed of 1 to 20 faces of the folders, whose landmarks have a longest side of 20 to 300 px, on
a background of noise. A face counts as found if the intersection over union of a detection with the box of its
landmarks is at least `LEAST_OVERLAP`; a detection with less than `SOME_OVERLAP` with every labelled face is false, but
it may be a face without labels, of which photographs have some. A found face is upright in its crop if the roll of the
detection differs from that of the landmarks by less than `MOST_ROLL` degrees. With `--turn`, the images of the folders
are turned by that many degrees.
"""

import argparse
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks import peers_figures
from dsat_jax import five_points, geometry
from dsat_jax.errors import UserError
from dsat_jax.files import locations
from dsat_jax.inference import detectors
from dsat_jax.inference.detections import FindFaces
from dsat_jax.inference.image_input import read_image
from dsat_jax.schemes import W300_68

LEAST_OVERLAP = 0.5
SOME_OVERLAP = 0.2
MOST_ROLL = 25
_CROWDED_SIZE = (768, 1024)  # height and width in pixels
_SMALLEST, _LARGEST = 20, 300  # longest side of the landmarks of a face in a crowded image, in pixels
_MOST_FACES = 20
_MARGIN = 0.4  # part of a face around its landmarks that is copied, as a share of their longest side
_TRIES = 30  # random places that are tried for a face


class Labelled(NamedTuple):
    """An image, uint8 [height, width, 3] RGB, and its 68 landmarks [faces, 68, 2]."""

    image: np.ndarray
    landmarks: np.ndarray

    @property
    def boxes(self) -> np.ndarray:
        """Boxes of the landmarks, [faces, 4]."""
        return geometry.box_of_points(self.landmarks)

    @property
    def rolls(self) -> np.ndarray:
        """Rolls of the faces in radians, [faces]."""
        points = [five_points.of_landmarks(face, W300_68) for face in self.landmarks]
        return np.array([five_points.roll_of(each) for each in points])


def read_folder(folder: pathlib.Path) -> list[Labelled]:
    """Returns the annotated images of a folder, see `peers_figures.read_folder`."""
    annotated = peers_figures.read_folder(folder)
    return [Labelled(read_image(face.image), face.landmarks[None]) for face in annotated]


def turned(labelled: Labelled, degrees: float) -> Labelled:
    """Returns an image turned clockwise about its centre, on a black square that contains it."""
    size = np.array(labelled.image.shape[1::-1])
    side = int(np.ceil(np.hypot(*size)))
    matrix = geometry.roll_matrix(np.deg2rad(degrees), (size - 1) / 2)
    matrix[:, 2] += (side - size) / 2
    image = cv2.warpAffine(labelled.image, matrix, (side, side), flags=cv2.INTER_LINEAR)
    return Labelled(image, geometry.transform_points(matrix, labelled.landmarks))


def crowded(faces: Sequence[Labelled], count: int, seed: int = 0) -> Iterator[Labelled]:
    """Yields images of 1 to 20 faces of different sizes, which do not overlap.

    Args:
      faces: images of one face each.
      count: number of images.
      seed: seed of the random choices.
    """
    random = np.random.default_rng(seed)
    height, width = _CROWDED_SIZE
    for _ in range(count):
        coarse = random.integers(60, 200, (6, 8, 3)).astype(np.uint8)
        image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        image = np.clip(image + 6 * random.standard_normal((height, width, 1)), 0, 255).astype(np.uint8)
        covered = np.zeros((height, width), bool)
        placed = []
        for _ in range(random.integers(1, _MOST_FACES + 1)):
            side = np.exp(random.uniform(np.log(_SMALLEST), np.log(_LARGEST)))
            patch, landmarks = _patch(faces[random.integers(len(faces))], side)
            corner = _free_corner(covered, patch.shape[:2], random)
            if corner is not None:
                y, x = corner
                image[y : y + patch.shape[0], x : x + patch.shape[1]] = patch
                covered[y : y + patch.shape[0], x : x + patch.shape[1]] = True
                placed.append(landmarks + np.array([x, y]))
        yield Labelled(image, np.array(placed).reshape(-1, W300_68.num_points, 2))


def _patch(face: Labelled, side: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns a face, cut out and resized to the given longest side of its landmarks, and its landmarks [68, 2]."""
    box = face.boxes[0]
    longest = (box[2:] - box[:2]).max()
    limit = np.array(face.image.shape[1::-1])
    low = np.clip(np.floor(box[:2] - _MARGIN * longest), 0, limit - 1).astype(int)
    high = np.clip(np.ceil(box[2:] + _MARGIN * longest) + 1, low + 1, limit).astype(int)
    size = np.maximum(np.round((high - low) * side / longest), 1).astype(int)
    way = cv2.INTER_AREA if side < longest else cv2.INTER_CUBIC
    patch = cv2.resize(
        face.image[low[1] : high[1], low[0] : high[0]], tuple(size.tolist()), interpolation=way
    )
    return patch, geometry.resize_points(face.landmarks[0] - low, size / (high - low))


def _free_corner(
    covered: np.ndarray, size: Sequence[int], random: np.random.Generator
) -> tuple[int, int] | None:
    """Returns the top left corner (y, x) of a place of a size (height, width) that is not covered; None without one."""
    room = np.subtract(covered.shape, size)
    if (room < 0).any():
        return None
    for _ in range(_TRIES):
        y, x = (int(random.integers(0, most + 1)) for most in room)
        if not covered[y : y + size[0], x : x + size[1]].any():
            return y, x
    return None


class Counts(NamedTuple):
    """Numbers of labelled faces, found ones, upright ones, and false detections; milliseconds of each image."""

    faces: int
    found: int
    upright: int
    false: int
    milliseconds: list[float]


def count(find_faces: FindFaces, images: Sequence[Labelled]) -> Counts:
    """Runs a detector on labelled images."""
    faces = found = upright = false = 0
    times = []
    for labelled in images:
        started = time.perf_counter()
        detections = find_faces(labelled.image)
        times.append(1e3 * (time.perf_counter() - started))
        overlaps = geometry.box_overlaps(labelled.boxes, detections.bounds)  # [faces, detections]
        matched = overlaps.max(axis=1, initial=0) >= LEAST_OVERLAP
        faces += len(matched)
        found += int(matched.sum())
        false += int((overlaps.max(axis=0, initial=0) < SOME_OVERLAP).sum())
        if matched.any():
            rolls = detections.angles[overlaps.argmax(axis=1)] - labelled.rolls
            errors = np.abs(np.angle(np.exp(1j * rolls)))  # differences of angles, from 0 to pi
            upright += int((matched & (errors < np.deg2rad(MOST_ROLL))).sum())
    return Counts(faces, found, upright, false, times)


def main(arguments: Sequence[str] | None = None, make: Callable[[str], FindFaces] = detectors.make) -> None:
    """Prints a table of all detectors and sets of images."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=locations.locate)
    parser.add_argument(
        "--detectors", default=",".join(detectors.DETECTORS), help="names or YuNet's .onnx file"
    )
    parser.add_argument("--crowded", type=int, default=0, help="number of composed images")
    parser.add_argument("--turn", type=float, default=0.0, help="degrees, clockwise")
    parsed = parser.parse_args(arguments)
    try:
        sets = {str(folder): read_folder(folder) for folder in parsed.folders}
        found = {name: make(name) for name in parsed.detectors.split(",")}
    except (UserError, OSError) as error:
        parser.error(str(error))
    if parsed.turn:
        sets = {name: [turned(image, parsed.turn) for image in images] for name, images in sets.items()}
    if parsed.crowded:
        faces = [image for images in sets.values() for image in images]
        sets["crowded"] = list(crowded(faces, parsed.crowded))
    print("| images | faces | detector | found % | upright % | false | ms |\n|---|---|---|---|---|---|---|")
    for title, images in sets.items():
        for name, find_faces in found.items():
            counts = count(find_faces, images)
            found_share, upright_share = (100 * n / counts.faces for n in (counts.found, counts.upright))
            print(
                f"| {title}, {len(images)} | {counts.faces} | {name} | {found_share:.1f} "
                f"| {upright_share:.1f} | {counts.false} "
                f"| {np.median(counts.milliseconds):.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
