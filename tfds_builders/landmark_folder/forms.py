"""Points in the supported forms, by the suffix and the content of a file; a face is read when its record is made."""

import functools
import pathlib
import reprlib
from collections.abc import Iterator

from dsat_jax.errors import UserError
from dsat_jax.files.text_files import parse_json
from dsat_jax.records import DamagedRecord
from tfds_builders import BuildError
from tfds_builders.landmark_folder import (
    coco_form,
    csv_form,
    json_form,
    label_studio_form,
    labelme_form,
    ljson_form,
    text_form,
    via_form,
    xml_form,
)
from tfds_builders.landmark_folder.annotation import Annotation, refuse
from tfds_builders.raw_files import read_file

# JSON of one image and of all images: the first form that fits the content is read.
_JSON_OF_ONE = (labelme_form, ljson_form)
_JSON_OF_ALL = (coco_form, label_studio_form, via_form)
_TEXT = (".pts", ".txt")


def beside(root: pathlib.Path, picture: str, file: str) -> Iterator[Annotation]:
    """The annotations of an image in its own file.

    Args:
      root: the folder.
      picture: path of the image, relative to the folder.
      file: path of the points, relative to the folder.
    """
    if file.lower().endswith(_TEXT):
        yield text_form.beside(root, picture, file)
        return
    try:
        content = _read_json(root, file)
    except DamagedRecord as damage:
        yield Annotation(picture, file, functools.partial(refuse, str(damage)))
        return
    form = next((form for form in _JSON_OF_ONE if form.fits(content)), json_form)
    yield from form.annotations(picture, content, file)


def in_one_file(root: pathlib.Path, file: str) -> Iterator[Annotation]:
    """The annotations of a .csv, .json or .xml file, in the order of the file.

    Args:
      root: the folder.
      file: path of the points, relative to the folder.

    Raises:
      BuildError: if the file as a whole is not in one of the forms.
    """
    path = root / file
    if not path.is_file():
        raise BuildError(f"{path}: no such file of points")
    if file.lower().endswith(".xml"):
        yield from xml_form.annotations(path, file)
        return
    if file.lower().endswith(".csv"):
        form = via_form.csv_annotations if via_form.fits_csv(path.read_bytes()) else csv_form.annotations
        yield from form(path, file)
        return
    try:
        content = parse_json(path.read_bytes())
    except UserError as error:
        raise BuildError(f"{path}: {error}") from error
    for form in _JSON_OF_ALL:
        if form.fits(content):
            yield from form.annotations(content, path, file)
            return
    if not isinstance(content, dict):
        raise BuildError(
            f"{path}: found {reprlib.repr(content)}, expected COCO's form or an object from images to points"
        )
    for picture, value in content.items():
        shown = picture if picture.isprintable() else repr(picture)
        yield from json_form.annotations(picture, value, f"{file}, {shown}")


def is_coco(path: pathlib.Path) -> bool:
    """Whether a file is JSON in COCO's form."""
    try:
        return coco_form.fits(parse_json(path.read_bytes()))
    except UserError:
        return False


def _read_json(root: pathlib.Path, file: str) -> object:
    data = read_file(root, file)
    try:
        return parse_json(data)
    except UserError as error:
        raise DamagedRecord(f"{file}: {error}") from error
