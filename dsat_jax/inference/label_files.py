"""Predicted landmarks in the formats of labelling programs, to correct them there: labelme, CVAT, COCO."""

import dataclasses
import itertools
import json
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Self
from xml.etree import ElementTree

import numpy as np

from dsat_jax.files import atomic_files
from dsat_jax.inference.landmarks import Face
from dsat_jax.schemes import Scheme

_LABELME_VERSION = "5.5.0"  # the version whose fields are written; later ones read them
_FACE = "face"  # label of a face in CVAT, and COCO's category
_VISIBLE = 2  # COCO's visibility


@dataclasses.dataclass(frozen=True)
class LabelledImage:
    """An image with its predicted faces.

    Attributes:
      file: image file.
      stem: path of its results without suffix.
      name: path of the image relative to the common folder of all images.
      width: width in pixels of the image as viewers show it.
      height: its height in pixels.
      faces: float64 [points, 2] for each face, in pixels of this image, rounded.
    """

    file: pathlib.Path
    stem: pathlib.Path
    name: str
    width: int
    height: int
    faces: Sequence[np.ndarray]


def _labelme(images: Sequence[LabelledImage], out: pathlib.Path, scheme: Scheme) -> dict[pathlib.Path, str]:
    """NAME.json for each image: a point for each landmark, whose label is its number, and whose group is its face."""
    del out, scheme
    return {
        image.stem.with_name(f"{image.stem.name}.json"): json.dumps(_labelme_content(image), indent=2) + "\n"
        for image in images
    }


def _labelme_content(image: LabelledImage) -> dict[str, object]:
    return {
        "version": _LABELME_VERSION,
        "flags": {},
        "shapes": [
            {
                "label": str(number),
                "points": [point],
                "group_id": face,
                "description": "",
                "shape_type": "point",
                "flags": {},
                "mask": None,
            }
            for face, landmarks in enumerate(image.faces)
            for number, point in enumerate(landmarks.tolist())
        ],
        "imagePath": os.path.relpath(
            image.file.parent.resolve() / image.file.name, image.stem.parent.resolve()
        ),
        "imageData": None,  # labelme reads the image itself
        "imageHeight": image.height,
        "imageWidth": image.width,
    }


def _cvat(images: Sequence[LabelledImage], out: pathlib.Path, scheme: Scheme) -> dict[pathlib.Path, str]:
    """annotations.xml of CVAT for images 1.1: a `<points>` element for each face."""
    del scheme
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(
        ElementTree.SubElement(root, "meta"), "task"
    )  # readers expect the task's labels
    label = ElementTree.SubElement(ElementTree.SubElement(task, "labels"), "label")
    ElementTree.SubElement(label, "name").text = _FACE
    ElementTree.SubElement(label, "attributes")
    for number, image in enumerate(images):
        size = {"width": str(image.width), "height": str(image.height)}
        element = ElementTree.SubElement(root, "image", {"id": str(number), "name": image.name, **size})
        for landmarks in image.faces:
            points = ";".join(f"{x},{y}" for x, y in landmarks.tolist())
            fields = {"label": _FACE, "source": "auto", "occluded": "0", "points": points, "z_order": "0"}
            ElementTree.SubElement(element, "points", fields)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    return {out / "annotations.xml": f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'}


def _coco(images: Sequence[LabelledImage], out: pathlib.Path, scheme: Scheme) -> dict[pathlib.Path, str]:
    """annotations.json with COCO's keypoints: an annotation for each face, whose box is that of its points."""
    names = [str(number) for number in range(scheme.num_points)]
    # COCO's points count from 1 in the edges of the skeleton.
    edges = [[a + 1, b + 1] for line in scheme.lines for a, b in itertools.pairwise(line)]
    faces = [(number, landmarks) for number, image in enumerate(images, 1) for landmarks in image.faces]
    content = {
        "images": [
            {"id": number, "file_name": image.name, "width": image.width, "height": image.height}
            for number, image in enumerate(images, 1)
        ],
        "annotations": [
            _coco_annotation(number, image, landmarks) for number, (image, landmarks) in enumerate(faces, 1)
        ],
        "categories": [{"id": 1, "name": _FACE, "supercategory": "", "keypoints": names, "skeleton": edges}],
    }
    return {out / "annotations.json": json.dumps(content) + "\n"}


def _coco_annotation(number: int, image: int, landmarks: np.ndarray) -> dict[str, object]:
    (x, y), (width, height) = landmarks.min(axis=0).tolist(), np.round(np.ptp(landmarks, axis=0), 3).tolist()
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "keypoints": [value for point in landmarks.tolist() for value in (*point, _VISIBLE)],
        "num_keypoints": len(landmarks),
        "bbox": [x, y, width, height],
        "area": round(width * height, 3),
        "iscrowd": 0,
    }


FORMATS: Mapping[str, Callable[[Sequence[LabelledImage], pathlib.Path, Scheme], dict[pathlib.Path, str]]] = {
    "labelme": _labelme,
    "cvat": _cvat,
    "coco": _coco,
}


class LabelFiles:
    """Context manager that collects the faces of all images and writes them at its end, each file atomically.

    Args:
      out: folder of the results.
      scheme: scheme of the landmarks.
      label_format: key of `FORMATS`.
    """

    def __init__(self, out: pathlib.Path, scheme: Scheme, label_format: str):
        self._out = out
        self._scheme = scheme
        self._format = FORMATS[label_format]
        self._images: list[LabelledImage] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Writes the files, also of the images before an interruption; none if no image was read."""
        if not self._images:
            return
        for path, text in self._format(self._images, self._out, self._scheme).items():
            atomic_files.write_text(path, text)

    def add(self, file: pathlib.Path, stem: pathlib.Path, image: np.ndarray, faces: Sequence[Face]) -> None:
        """Adds an image with its faces.

        Args:
          file: image file.
          stem: path of the results without suffix, from `result_files.output_stems`.
          image: uint8 [height, width, 3] RGB.
          faces: faces of the image, from `predictor.Predictor`.
        """
        name = stem.relative_to(self._out).with_name(file.name).as_posix()
        landmarks = [np.round(face.landmarks.astype(np.float64), 3) for face in faces]
        self._images.append(LabelledImage(file, stem, name, image.shape[1], image.shape[0], landmarks))
