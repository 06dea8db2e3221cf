"""XML of labelling programs: the program is recognised by the name of the outermost element."""

import pathlib
from collections.abc import Iterator
from xml.etree import ElementTree

from tfds_builders import BuildError
from tfds_builders.landmark_folder import cvat_form, imglab_form
from tfds_builders.landmark_folder.annotation import Annotation

_FORMS = {"annotations": cvat_form.annotations, "dataset": imglab_form.annotations}


def annotations(path: pathlib.Path, file: str) -> Iterator[Annotation]:
    """The annotations of a file, in its order.

    Args:
      path: path of the file.
      file: path relative to the folder, for messages.

    Raises:
      BuildError: if the file is not XML, or not that of a known program.
    """
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # the last two: unknown encodings
        raise BuildError(f"{path}: not XML: {error}") from error
    if root.tag not in _FORMS:
        raise BuildError(
            f"{path}: found <{root.tag[:40]}>, expected <annotations> of CVAT for images 1.1, or <dataset> of dlib's "
            "imglab"
        )
    yield from _FORMS[root.tag](root, path, file)
