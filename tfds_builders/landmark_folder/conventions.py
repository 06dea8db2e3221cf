"""What the numbers of a folder's annotations mean: their unit, points without a position, turned images.

A folder states it in landmarks.json. Numbers that contradict its statements or the defaults are refused before the
build, because the dataset would have wrong landmarks.
"""

import collections
import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from dsat_jax.errors import UserError, counted
from dsat_jax.files import image_files
from dsat_jax.records import UNKNOWN, DamagedRecord
from tfds_builders import BuildError
from tfds_builders.landmark_folder.annotation import Annotation, Face
from tfds_builders.landmark_folder.options import FILE, PIXEL, SHOWN, STORED, UNITS, Options

# A position that this share of all faces has for the same point is no measurement.
_REPEATED = 0.5
_FEW = 3  # faces; fewer ones may agree by chance
_HEADER_BYTES = 2**18


@dataclasses.dataclass(frozen=True)
class Conventions:
    """How the numbers of an annotation become pixels of an image, with pixel centres at integers.

    Attributes:
      first_pixel: coordinate of the top left pixel's centre, for numbers in pixels.
      unit: key of `UNITS`.
      missing: positions that mean that a point has none.
      orientation: STORED or SHOWN, the image that the numbers refer to.
    """

    first_pixel: int
    unit: str
    missing: Sequence[tuple[float, float]]
    orientation: str

    def in_pixels(self, face: Face, size: Sequence[int]) -> Face:
        """Returns a face in pixels, its points without a position marked as UNKNOWN.

        Args:
          face: unchanged numbers of an annotation.
          size: width and height of the image that they refer to.
        """
        visibility = np.where(self.are_missing(face.landmarks), UNKNOWN, face.visibility).astype(np.uint8)
        box = None if face.box is None else self._pixels(face.box.reshape(2, 2), size).reshape(4)
        return Face(self._pixels(face.landmarks, size), visibility, box)

    def are_missing(self, landmarks: np.ndarray) -> np.ndarray:
        """Returns which points are at a position that means that they have none: [points, 2] -> bool [points]."""
        positions = np.array(self.missing, np.float64).reshape(-1, 2)
        return (landmarks[:, None] == positions).all(axis=2).any(axis=1)

    def _pixels(self, points: np.ndarray, size: Sequence[int]) -> np.ndarray:
        whole = UNITS[self.unit]
        # A share counts from the left or upper border of the image, half a pixel before the first pixel's centre.
        return points - self.first_pixel if whole is None else points / whole * size - 0.5

    def as_text(self) -> str:
        """Returns the unit and the first pixel for the report of a build."""
        if self.unit == PIXEL:
            return f"pixels count from {self.first_pixel}"
        return f"in {self.unit}s of the images' sides"


def decide(
    root: pathlib.Path,
    points: Sequence[str],
    options: Options,
    annotations: Iterable[Annotation],
    pictures: Iterable[str],
) -> tuple[Conventions, list[str]]:
    """Returns the conventions of a folder, and notes for the report of the build.

    Args:
      root: the folder.
      points: the files of points, as in `Options.points`.
      options: choices of the folder.
      annotations: annotations of all faces; damaged ones are ignored.
      pictures: paths of their images, relative to the folder; unreadable ones are ignored.

    Raises:
      BuildError: if the numbers contradict the conventions and no option says that they are meant so.
    """
    first_pixel = options.first_pixel
    if first_pixel is None:
        first_pixel = 1 if "*.pts" in points else 0
    faces = [(annotation.source, face) for annotation in annotations if (face := readable(annotation))]
    unit = _unit(root, options, faces)
    conventions = Conventions(first_pixel, unit, options.missing or (), options.orientation or STORED)
    if options.missing is None:
        _check_positions(root, faces)
    if options.points_unit is None and unit == PIXEL:
        _check_unit(root, faces)
    turned = sorted(picture for picture in pictures if _is_turned(root / picture))
    if turned and options.orientation is None:
        raise BuildError(
            f"{root}: {_count(len(turned), 'image')} turned by EXIF, {turned[0]} for example; add "
            f'"orientation": "{SHOWN}" to {FILE} if the points refer to the images as viewers and labelling programs '
            f'show them, or "orientation": "{STORED}" if they refer to the images as they are stored'
        )
    notes = []
    if missing := sum(int(conventions.are_missing(face.landmarks).sum()) for _, face in faces):
        notes.append(f"{_count(missing, 'point')} at a place in `missing`, without a position.")
    if turned and options.orientation == SHOWN:
        notes.append(f"{_count(len(turned), 'image')} turned upright as EXIF says.")
    return conventions, notes


def readable(annotation: Annotation) -> Face | None:
    """The points of an annotation; None if it is damaged."""
    try:
        return annotation.read()
    except DamagedRecord:
        return None


def _unit(root: pathlib.Path, options: Options, faces: Sequence[tuple[str, Face]]) -> str:
    """The unit that the form fixes, or else that of the options; refuses options that contradict the form."""
    fixed = next(((source, face.unit) for source, face in faces if face.unit is not None), None)
    if fixed is None:
        return options.points_unit or PIXEL
    source, unit = fixed
    if options.points_unit not in (None, unit) or options.first_pixel is not None:
        raise BuildError(
            f"{root / FILE}: the points of {source} are in {unit} of the image's sides, expected neither another "
            "points_unit nor first_pixel"
        )
    return unit


def _check_unit(root: pathlib.Path, faces: Sequence[tuple[str, Face]]) -> None:
    """Refuses faces whose points are between 0 and 1, which are shares of the image's sides and no pixels."""
    positions = {source: [place for _, *place in _known_points(face)] for source, face in faces}
    small = [
        source for source, places in positions.items() if len(places) > 1 and np.max(np.abs(places)) <= 1
    ]
    if len(small) > len(faces) / 2:
        raise BuildError(
            f"{root}: all points of {_count(len(small), 'face')} between 0 and 1, those of {small[0]} for example, "
            f'expected pixels; add "points_unit": "share" to {FILE} if they are shares of the image\'s width and '
            f'height, else "points_unit": "{PIXEL}"'
        )


def _check_positions(root: pathlib.Path, faces: Sequence[tuple[str, Face]]) -> None:
    """Refuses positions that labelling programs write for points without a position."""
    counts = collections.Counter((x, y) for _, face in faces for _, x, y in _known_points(face))
    suspects = {place for place in counts if max(place) <= 0 and all(value.is_integer() for value in place)}
    different = {face.landmarks.tobytes(): face for _, face in faces}  # copies of an image repeat all points
    repeated = collections.Counter(point for face in different.values() for point in _known_points(face))
    enough = max(_FEW, _REPEATED * len(different))
    suspects |= {(x, y) for (_, x, y), count in repeated.items() if count >= enough}
    if suspects:
        x, y = worst = max(suspects, key=lambda place: (counts[place], place))
        example = next(
            f"point {point} of {source}"
            for source, face in faces
            for point, *place in _known_points(face)
            if tuple(place) == worst
        )
        raise BuildError(
            f"{root}: {_count(counts[worst], 'point')} at ({x:g}, {y:g}), {example} for example; add "
            f'"missing": [{x:g}, {y:g}] to {FILE} if a point there has no position, or "missing": [] if it is there'
        )


def _known_points(face: Face) -> Iterator[tuple[int, float, float]]:
    """The number and the position of each point that has one."""
    for point in np.flatnonzero(face.visibility != UNKNOWN).tolist():
        x, y = face.landmarks[point].tolist()
        yield point, x, y


def _is_turned(path: pathlib.Path) -> bool:
    """Whether EXIF turns an image; it is mostly in the first bytes, and in few formats at the end."""
    if not path.is_file():  # reading a pipe may never end
        return False
    try:
        with path.open("rb") as file:
            start = file.read(_HEADER_BYTES)
        try:
            return image_files.is_turned(start)
        except UserError:
            return image_files.is_turned(image_files.read_bytes(path))
    except (OSError, UserError):
        return False  # logged as damaged when its record is made


def _count(number: int, name: str) -> str:
    """Returns a number of things with its verb."""
    return f"{counted(number, name)} {'is' if number == 1 else 'are'}"
