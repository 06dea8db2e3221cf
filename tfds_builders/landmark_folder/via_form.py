"""Projects and exports of the VGG Image Annotator (VIA), versions 2 and 3, as JSON and CSV: regions that are points.

The attribute of a region that is called `name` (or `label`, `landmark`, `point`), or the only one, has the point's
name; one that is called `face` (or `group`) tells the faces of an image apart. Points without attributes are in the
order of the scheme.
"""

import csv
import dataclasses
import functools
import io
import pathlib
import reprlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from dsat_jax.errors import UserError
from dsat_jax.files.text_files import decode, parse_json
from dsat_jax.records import VISIBLE, DamagedRecord
from tfds_builders import BuildError
from tfds_builders.landmark_folder.annotation import Annotation, Face
from tfds_builders.landmark_folder.json_form import numbers_of
from tfds_builders.landmark_folder.point_names import NamedPoint, face_of, grouped

_NAMES = ("name", "label", "landmark", "point")
_FACES = ("face", "group")
_MARK = "an attribute `face` of the regions with another value for each face of an image"
_POINT = 1  # of VIA 3, which numbers its shapes
_HEADER_2, _HEADER_3 = "region_shape_attributes", "# CSV_HEADER = "
_ATTRIBUTES_3 = ("# ATTRIBUTE = ", "# ATTRIBUTES = ")


@dataclasses.dataclass(frozen=True)
class _Region:
    """A point of an image: its position, and the attribute values that the user has set."""

    picture: str
    position: object
    attributes: Mapping[str, str]


def fits(content: object) -> bool:
    """Whether decoded JSON is VIA's: a project of version 2 or 3, or an export of version 2."""
    if not isinstance(content, Mapping):
        return False
    if "_via_img_metadata" in content or {"project", "file", "metadata", "view"} <= set(content):
        return True
    entries = content.values()
    return bool(entries) and all(
        isinstance(x, Mapping) and {"filename", "regions"} <= set(x) for x in entries
    )


def fits_csv(data: bytes) -> bool:
    """Whether the content of a .csv file is an export of VIA."""
    first = data.split(b"\n", 1)[0]
    return _HEADER_2.encode() in first or b"VGG Image Annotator" in first


def annotations(content: Mapping[str, object], path: pathlib.Path, file: str) -> Iterator[Annotation]:
    """The faces of all images, in the order of the file.

    Args:
      content: decoded JSON.
      path: path of the file, for error messages.
      file: path relative to the folder, for messages.

    Raises:
      BuildError: if the content is not in VIA's form.
    """
    read = _regions_3 if "metadata" in content else _regions_2
    yield from _faces(_checked(read(content), path), file)


def csv_annotations(path: pathlib.Path, file: str) -> Iterator[Annotation]:
    """The faces of an export in CSV. Arguments and errors: see `annotations`."""
    try:
        lines = decode(path.read_bytes()).splitlines(keepends=True)
        read = _rows_2 if _HEADER_2 in lines[0] else _rows_3
        yield from _faces(_checked(read(lines), path), file)
    except UserError as error:
        raise error if isinstance(error, BuildError) else BuildError(f"{path}: {error}") from error


def _checked(regions: Iterable[_Region], path: pathlib.Path) -> list[_Region]:
    try:
        checked = list(regions)
        if not all(isinstance(region.picture, str) for region in checked):
            raise TypeError("the name of an image is not a text")
        return checked
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, csv.Error) as error:
        if isinstance(error, UserError):
            raise
        raise BuildError(f"{path}: not the form of VIA 2 or 3 ({error!r})") from error


def _regions_2(content: Mapping[str, object]) -> Iterator[_Region]:
    for entry in content.get("_via_img_metadata", content).values():
        regions = entry["regions"]
        for region in regions.values() if isinstance(regions, Mapping) else regions:
            yield from _region_2(entry["filename"], region["shape_attributes"], region["region_attributes"])


def _region_2(
    picture: str, shape: Mapping[str, object], attributes: Mapping[str, object]
) -> Iterator[_Region]:
    if shape.get("name") == "point":
        yield _Region(picture, [shape.get("cx"), shape.get("cy")], _set_values(attributes))


def _rows_2(lines: Sequence[str]) -> Iterator[_Region]:
    reader = csv.DictReader(io.StringIO("".join(lines).removeprefix("#"), newline=""))
    for row in reader:
        shape, attributes = (parse_json(row[name].encode()) for name in (_HEADER_2, "region_attributes"))
        yield from _region_2(row["filename"], shape, attributes)


def _regions_3(content: Mapping[str, object]) -> Iterator[_Region]:
    files = {view: fields["fid_list"] for view, fields in content["view"].items()}
    for entry in content["metadata"].values():
        (number,) = files[entry["vid"]]
        yield from _region_3(
            content["file"][str(number)]["fname"], entry["xy"], entry["av"], content["attribute"]
        )


def _rows_3(lines: Sequence[str]) -> Iterator[_Region]:
    notes = [line for line in lines if line.startswith("#")]
    header = next(line for line in [*notes, _HEADER_3] if line.startswith(_HEADER_3))
    columns = header.removeprefix(_HEADER_3).strip().split(",")
    stated = next((line.split(" = ", 1)[1] for line in notes if line.startswith(_ATTRIBUTES_3)), "{}")
    attributes = parse_json(stated.encode())
    rows = csv.DictReader(
        io.StringIO("".join(line for line in lines if not line.startswith("#")), newline=""), columns
    )
    for row in rows:
        names, shape, values = (
            parse_json(row[column].encode()) for column in ("file_list", "spatial_coordinates", "metadata")
        )
        (picture,) = names
        yield from _region_3(picture, shape, values, attributes)


def _region_3(
    picture: str, shape: Sequence[object], values: Mapping[str, object], attributes: Mapping[str, object]
) -> Iterator[_Region]:
    if not shape or shape[0] != _POINT:
        return
    named = {}
    for number, value in values.items():
        attribute = attributes.get(number, number)
        attribute = attribute if isinstance(attribute, Mapping) else {"aname": attribute}
        # The value of a list to choose from is the number of the option.
        named[attribute["aname"]] = attribute.get("options", {}).get(value, value)
    yield _Region(picture, list(shape[1:]), _set_values(named))


def _set_values(attributes: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in attributes.items() if value not in ("", None)}


def _faces(regions: Sequence[_Region], file: str) -> Iterator[Annotation]:
    for picture, of_image in grouped((region.picture, region) for region in regions).items():
        faces = grouped((_first(region.attributes, _FACES), region) for region in of_image)
        for number, points in enumerate(faces.values()):
            where = f"{file}, {picture}" if len(faces) == 1 else f"{file}, {picture}, face {number}"
            named = any(set(region.attributes) - set(_FACES) for region in points)
            read = functools.partial(_read, points, named, where)
            yield Annotation(picture, where, read, named)


def _first(attributes: Mapping[str, str], names: Sequence[str]) -> str:
    return next((attributes[name] for name in names if name in attributes), "")


def _read(regions: Sequence[_Region], named: bool, where: str) -> Face:
    positions = [numbers_of(region.position, (2,), f"{where}, point {i}") for i, region in enumerate(regions)]
    if not named:
        return Face(np.array(positions), np.full(len(regions), VISIBLE, np.uint8))
    points = [
        NamedPoint(_name_of(region, where), position, VISIBLE)
        for region, position in zip(regions, positions, strict=True)
    ]
    return face_of(points, where, _MARK)


def _name_of(region: _Region, where: str) -> str:
    others = sorted(set(region.attributes) - set(_FACES))
    if len(others) > 1 and not set(others) & set(_NAMES):
        raise DamagedRecord(
            f"{where}: found the attributes {reprlib.repr(others)}, expected the point's name in one called `name`"
        )
    return _first(region.attributes, _NAMES) or (region.attributes[others[0]] if others else "")
