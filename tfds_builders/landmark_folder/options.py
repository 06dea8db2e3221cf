"""Options of a folder of images with landmarks, from its optional file landmarks.json."""

import dataclasses
import pathlib
import reprlib
from collections.abc import Sequence

from dsat_jax.errors import UserError
from dsat_jax.files.image_files import read_bytes
from dsat_jax.files.text_files import parse_json
from dsat_jax.schemes import Scheme, read_scheme
from tfds_builders import BuildError
from tfds_builders.raw_files import stays_inside

FILE = "landmarks.json"
ONE_FILE = (".csv", ".json", ".xml")  # suffixes of files with the points of all images
BESIDE = (".pts", ".json", ".ljson", ".txt")  # suffixes of files with the points of one image
PIXEL = "pixel"
# Units of coordinates, with the value at the right and at the lower border of an image; None for pixels.
UNITS = {PIXEL: None, "share": 1.0, "percent": 100.0}
STORED, SHOWN = ORIENTATIONS = ("stored", "shown")


@dataclasses.dataclass(frozen=True)
class Options:
    """The fields of landmarks.json.

    Attributes:
      points: one of `*.pts`, `*.json`, `*.ljson` and `*.txt` for a file per image, or the path of a .csv, .json or .xml
        file with the points of all images, or a list of such paths; None means whichever of these the folder contains.
      first_pixel: coordinate of the top left pixel's centre, 0 or 1; None means 1 for `*.pts` and 0 otherwise.
      points_unit: key of `UNITS`; None means pixels, unless the numbers contradict.
      missing: positions that mean that a point has none; None means that there are none, unless the numbers contradict.
      orientation: STORED if the points refer to the images as they are stored, SHOWN if to the images as viewers show
        them, turned by EXIF; None if no image is turned.
      scheme: scheme of the points; None means the built-in scheme with the same number of points.
      names: names of the points in the order of the scheme, for forms whose points have names; None means the order of
        the numbers in the names.
      check_mirror: whether to compare the scheme's mirror pairs with the mean face; None means yes.
      box_points: points whose box is the face box of faces that have none, for schemes with points on the hair; None
        means all points.
      train: path of a list of training images; None means all images that are not for testing.
      test: path of a list of test images, or their share of all images (only if `train` is None). None means all images
        that are not in `train`; if both are None, a tenth of the images.
    """

    points: str | Sequence[str] | None = None
    first_pixel: int | None = None
    points_unit: str | None = None
    missing: Sequence[tuple[float, float]] | None = None
    orientation: str | None = None
    scheme: Scheme | None = None
    names: Sequence[str] | None = None
    check_mirror: bool | None = None
    box_points: Sequence[int] | None = None
    train: str | None = None
    test: str | float | None = None


def read_options(root: pathlib.Path) -> Options:
    """Reads landmarks.json of a folder; without the file, all options are None.

    Raises:
      UserError: if the file is not a JSON object, or a field is unknown or has an invalid value.
    """
    if not (root / FILE).exists():
        return Options()
    try:
        values = parse_json(read_bytes(root / FILE))
    except UserError as error:
        raise BuildError(f"{root / FILE}: {error}") from error
    known = [field.name for field in dataclasses.fields(Options)]
    if not isinstance(values, dict) or not set(values) <= set(known):
        unknown = (
            ", ".join(sorted(set(values) - set(known))) if isinstance(values, dict) else reprlib.repr(values)
        )
        raise BuildError(
            f"{root / FILE}: found {unknown}, expected an object with some of {', '.join(known)}"
        )
    if "scheme" in values:
        values["scheme"] = read_scheme(values["scheme"], f"{root / FILE}: scheme")
    options = Options(**values)
    _check(options, str(root / FILE))
    _check_conventions(options, str(root / FILE))
    if options.missing and not isinstance(options.missing[0], list):  # a single position
        options = dataclasses.replace(options, missing=[options.missing])
    return options


def _check(options: Options, where: str) -> None:
    if options.points is not None:
        files = options.points if isinstance(options.points, list) and options.points else [options.points]
        for file in files:
            words = () if len(files) > 1 else tuple(f"*{suffix}" for suffix in BESIDE)
            _check_path(file, f"{where}: points", ONE_FILE, words)
    if options.train is not None:
        _check_path(options.train, f"{where}: train", (".txt",))
    if isinstance(options.test, str):
        _check_path(options.test, f"{where}: test", (".txt",))
    elif options.test is not None:
        if type(options.test) not in (int, float) or not 0 <= options.test <= 1:
            shown = reprlib.repr(options.test)
            raise BuildError(f"{where}: test is {shown}, expected a list (.txt) or a share from 0 to 1")
        if options.train is not None:
            raise BuildError(
                f"{where}: test is the share {options.test} although train is a list, expected a list (.txt), or no "
                "test: all images that are not in train are then for testing"
            )
    if options.box_points is not None and not _are_points(options.box_points):
        shown = reprlib.repr(options.box_points)
        raise BuildError(f"{where}: box_points is {shown}, expected a list of at least two points, from 0")
    if options.check_mirror is not None and not isinstance(options.check_mirror, bool):
        shown = reprlib.repr(options.check_mirror)
        raise BuildError(f"{where}: check_mirror is {shown}, expected true or false")
    if options.names is not None and not _are_names(options.names):
        shown = reprlib.repr(options.names)
        raise BuildError(f"{where}: names is {shown}, expected a list of different names, in quotation marks")


def _check_conventions(options: Options, where: str) -> None:
    if options.first_pixel not in (None, 0, 1) or isinstance(options.first_pixel, bool):
        raise BuildError(f"{where}: first_pixel is {reprlib.repr(options.first_pixel)}, expected 0 or 1")
    for name, value, expected in (
        ("points_unit", options.points_unit, UNITS),
        ("orientation", options.orientation, ORIENTATIONS),
    ):
        if value is not None and (not isinstance(value, str) or value not in expected):
            raise BuildError(f"{where}: {name} is {reprlib.repr(value)}, expected {' or '.join(expected)}")
    if options.points_unit not in (None, PIXEL) and options.first_pixel is not None:
        raise BuildError(
            f"{where}: first_pixel is for points in pixels, found points_unit {options.points_unit}"
        )
    missing = options.missing
    if missing is not None and not (_is_position(missing) or _are_positions(missing)):
        raise BuildError(
            f"{where}: missing is {reprlib.repr(missing)}, expected a position [x, y], or a list of them"
        )


def _is_position(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(x) in (int, float) for x in value)


def _are_positions(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_position, value))


def _are_points(value: object) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(type(i) is int and i >= 0 for i in value)


def _are_names(value: object) -> bool:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return False
    return 0 < len(value) == len(set(value))


def _check_path(value: object, where: str, suffixes: tuple[str, ...], words: tuple[str, ...] = ()) -> None:
    if value in words:
        return
    fits = isinstance(value, str) and stays_inside(value) and value.lower().endswith(suffixes)
    if not fits:
        expected = " or ".join([*words, *(f"a {suffix} file" for suffix in suffixes)])
        raise BuildError(f"{where} is {reprlib.repr(value)}, expected {expected} below the folder")
