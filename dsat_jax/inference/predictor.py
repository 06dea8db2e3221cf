"""Landmarks of the faces in an image, in a few lines.

from dsat_jax import Predictor

predictor = Predictor.pretrained()
for face in predictor("photo.jpg"):
    print(face.landmarks)
"""

import dataclasses
import itertools
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import jax
import numpy as np

from dsat_jax import geometry
from dsat_jax.errors import UserError
from dsat_jax.files import image_files
from dsat_jax.inference import face_boxes
from dsat_jax.inference.detectors.cascade import FaceDetector
from dsat_jax.inference.landmarks import Face, Landmarks
from dsat_jax.schemes import Scheme
from dsat_jax.warp import warp
from dsat_jax.weights import zoo

if TYPE_CHECKING:
    from dsat_jax.inference.trained_network import TrainedNetwork

Image = str | os.PathLike | np.ndarray
CropForward = Callable[[np.ndarray], Landmarks]
FindFaces = Callable[[np.ndarray], np.ndarray]

FACES_AT_ONCE = 8
LOOKS = 2  # the default number of runs of the network on each face
_MISSING = object()
_BYTES_AT_ONCE = 2**28  # limit for the images that wait until their faces fill a batch


class Predictor:
    """A trained network as a function from images to faces.

    By default the network runs twice on each face: in the given box, and in the box around the landmarks of the first
    run. The network was trained on boxes around landmarks if its dataset has no face boxes. Because of the second run,
    an imprecise box costs little accuracy. `looks=1` omits this refinement pass.

    Attributes:
      scheme: scheme of the landmarks.
      enlarge: margin of the crop around a face box, as a share of the box.
    """

    def __init__(
        self,
        forward: CropForward,
        scheme: Scheme,
        size: int,
        enlarge: float,
        batch_size: int = FACES_AT_ONCE,
        find_faces: FindFaces | None = None,
    ):
        """Builds a predictor from a forward pass; `from_run` builds one from a run folder.

        Args:
          forward: function from crops, uint8 [batch_size, size, size, 3], to `Landmarks` in input pixels.
          scheme: scheme of the landmarks.
          size: side of the network's input in pixels.
          enlarge: margin of the crop around a face box, as a share of the box.
          batch_size: number of crops in each call of `forward`; if there are fewer faces, black crops fill the batch,
            so that `forward` compiles for one shape only.
          find_faces: function from an image, uint8 [height, width, 3] RGB, to boxes [faces, 4]; None selects
            OpenCV's bundled cascade.
        """
        self.scheme = scheme
        self.enlarge = enlarge
        self._forward = forward
        self._size = size
        self._batch_size = batch_size
        self._find_faces = find_faces

    # These methods import Flax and the models only when called, because `load_exported` needs neither.
    @classmethod
    def from_run(cls, workdir: str | os.PathLike, find_faces: FindFaces | None = None) -> "Predictor":
        """Returns the predictor of the best checkpoint of a run, or of a weights file.

        Args:
          workdir: run folder, or a weights file written by `--mode=export`.
          find_faces: face detector, see `__init__`.

        Raises:
          FileNotFoundError: if the folder holds no run or no checkpoint.
          UserError: if all checkpoints, or the file, are damaged or of another version.
        """
        from dsat_jax.inference import trained_network

        return cls.from_network(trained_network.load(pathlib.Path(workdir)), find_faces)

    @classmethod
    def from_network(cls, network: "TrainedNetwork", find_faces: FindFaces | None = None) -> "Predictor":
        """Returns the predictor of a network from `trained_network.load`, with `find_faces` as in `__init__`."""
        from dsat_jax import schemes
        from dsat_jax.inference.forward import jit_forward
        from dsat_jax.runtime import sharding

        config = network.config
        step = jit_forward(network.model, config, network.mesh)
        return cls(
            lambda crops: step(network.variables, crops),
            schemes.find(config.data.scheme),
            config.input.size,
            config.input.enlarge,
            sharding.spread(FACES_AT_ONCE),
            find_faces,
        )

    @classmethod
    def pretrained(cls, name: str = zoo.DEFAULT, find_faces: FindFaces | None = None) -> "Predictor":
        """Returns the predictor of a shipped network.

        Args:
          name: key of `zoo.PRETRAINED`.
          find_faces: face detector, see `__init__`.

        Raises:
          UserError: if no shipped network has that name, or its file is damaged.
          OSError: if its file is missing.
        """
        return cls.from_run(zoo.weights(name), find_faces)

    def __call__(self, image: Image, boxes: np.ndarray | None = None, looks: int = LOOKS) -> list[Face]:
        """Returns the faces of an image.

        Args:
          image: file, or array uint8 [height, width, 3] RGB (not OpenCV's BGR), [height, width] grey, or
            [height, width, 4] RGBA.
          boxes: [faces, 4] x_min, y_min, x_max, y_max around the expected landmarks, pixels of the image; None runs
            the face detector.
          looks: number of runs of the network on each face, 1 or 2; 2 includes the refinement pass.

        Raises:
          OSError: if there is no such file.
          UserError: if the file is not an image, the array has another shape or type, a box has no area or lies
            outside the image, or `looks` is neither 1 nor 2.
        """
        return next(self.predict_many([image], None if boxes is None else [boxes], looks))

    def predict_many(
        self, images: Iterable[Image], boxes: Iterable[np.ndarray | None] | None = None, looks: int = LOOKS
    ) -> Iterator[list[Face]]:
        """Yields the faces of each of many images, in their order; one batch holds faces of several images.

        Args:
          images: files or arrays as in `__call__`; files are read when needed, only a few in advance.
          boxes: boxes of each image as in `__call__`; None runs the face detector on every image.
          looks: number of predictions per face, see `__call__`.

        Raises:
          OSError, UserError: as in `__call__`, raised after the faces of all earlier images are yielded.
        """
        if isinstance(images, str | os.PathLike) or (isinstance(images, np.ndarray) and images.ndim < 4):
            raise UserError("predict_many takes many images, found one: call the predictor itself")
        yield from self.predict_pairs(self._prepared(images, boxes), looks)

    def predict_pairs(
        self, pairs: Iterable[tuple[np.ndarray, np.ndarray]], looks: int = LOOKS
    ) -> Iterator[list[Face]]:
        """Yields the faces of each of many images with known boxes, as `predict_many` does.

        Args:
          pairs: pixels uint8 [height, width, 3] RGB and boxes [faces, 4] of each image.
          looks: number of predictions per face, see `__call__`.

        Raises:
          UserError: if a box has no area, or `looks` is neither 1 nor 2.
        """
        if looks not in (1, 2):
            raise UserError(f"looks is {looks!r}, expected 1 or 2")
        for group in self._groups(pairs):
            yield from self._predict(group, looks)

    def _groups(
        self, pairs: Iterable[tuple[np.ndarray, np.ndarray]]
    ) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
        """Yields groups of images whose faces fill a batch; an unreadable image raises after those before it."""
        waiting: list[tuple[np.ndarray, np.ndarray]] = []
        try:
            for image, boxes in pairs:
                waiting.append((image, boxes))
                faces = sum(len(boxes) for _, boxes in waiting)
                held = sum(image.nbytes for image, _ in waiting)
                if not 0 < faces < self._batch_size or held > _BYTES_AT_ONCE:
                    yield waiting
                    waiting = []
        except Exception:  # of the iterables that a caller gives
            yield waiting
            raise
        yield waiting

    def _prepared(
        self, images: Iterable[Image], boxes: Iterable[np.ndarray | None] | None
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        pairs = (
            zip(images, itertools.repeat(None))
            if boxes is None
            else itertools.zip_longest(images, boxes, fillvalue=_MISSING)
        )
        for source, boxes_of_image in pairs:
            if source is _MISSING or boxes_of_image is _MISSING:
                raise UserError("found different numbers of images and boxes, expected boxes for each image")
            is_file = isinstance(source, str | os.PathLike)
            image = read_image(pathlib.Path(source)) if is_file else _as_rgb(np.asarray(source))
            yield (
                image,
                self.find_faces(image) if boxes_of_image is None else _as_boxes(boxes_of_image, image),
            )

    def find_faces(self, image: np.ndarray) -> np.ndarray:
        """Returns face boxes, float64 [faces, 4], of an image, uint8 [height, width, 3] RGB, left to right."""
        if self._find_faces is None:
            self._find_faces = FaceDetector()
        return self._find_faces(image)

    def _predict(self, group: Sequence[tuple[np.ndarray, np.ndarray]], looks: int) -> Iterator[list[Face]]:
        """Yields the faces of each image of a group, from its pixels and its boxes [faces, 4]."""
        images = [image for image, boxes in group for _ in boxes]
        first_boxes = [box for _, boxes in group for box in boxes]
        faces = self._predict_faces(images, first_boxes)
        if looks == 2:
            refined = self._predict_faces(images, [refined_box(face) for face in faces])
            faces = [
                dataclasses.replace(face, box=np.asarray(box, np.float64))
                for box, face in zip(first_boxes, refined, strict=True)
            ]
        remaining = iter(faces)
        for _, boxes in group:
            yield list(itertools.islice(remaining, len(boxes)))

    def _predict_faces(self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray]) -> list[Face]:
        faces = []
        for start in range(0, len(boxes), self._batch_size):
            chosen = slice(start, start + self._batch_size)
            faces += self._predict_batch(images[chosen], boxes[chosen])
        return faces

    def _predict_batch(self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray]) -> list[Face]:
        matrices = [geometry.crop_matrix(box, self._size, self.enlarge) for box in boxes]
        crops = np.zeros((self._batch_size, self._size, self._size, 3), np.uint8)
        for row, (image, matrix) in enumerate(zip(images, matrices, strict=True)):
            crops[row] = warp(image, matrix, self._size)
        landmarks = jax.device_get(self._forward(crops))
        return [
            Face(
                box=np.asarray(box, np.float64),
                landmarks=geometry.transform_points(
                    geometry.invert(matrix), landmarks.points[row].astype(np.float64)
                ),
                confidence=None if landmarks.confidence is None else landmarks.confidence[row],
                open_channels=None if landmarks.gates is None else landmarks.gates[row] > 0,
            )
            for row, (box, matrix) in enumerate(zip(boxes, matrices, strict=True))
        ]


def read_image(path: pathlib.Path) -> np.ndarray:
    """Returns an image, uint8 [height, width, 3] RGB, as viewers show it, with its EXIF orientation applied.

    Raises:
      OSError: if there is no such file, or it cannot be read.
      UserError: see `image_files.read_bytes` and `image_files.decode`.
    """
    try:
        return image_files.decode(image_files.read_bytes(path), upright=True)
    except ValueError as error:  # also of a path with a NUL
        raise UserError(f"{path} is not an image that can be read: {error}") from error


def _as_rgb(array: np.ndarray) -> np.ndarray:
    """Returns an image uint8 [height, width, 3] from an array that may be grey or RGBA; the opacity is dropped."""
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or channels not in (1, 3, 4) or not array.size:
        raise UserError(
            f"found an array {array.dtype}{list(array.shape)}, expected an image uint8 [height, width, 3] RGB"
        )
    return np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2) if channels == 1 else array[..., :3]


def _as_boxes(array: np.ndarray, image: np.ndarray) -> np.ndarray:
    try:
        boxes = np.asarray(array, np.float64)
    except (ValueError, TypeError) as error:
        raise UserError(f"found boxes that are not numbers [faces, 4]: {error}") from error
    if boxes.size and (boxes.ndim != 2 or boxes.shape[1] != 4):
        raise UserError(f"found boxes of shape {list(boxes.shape)}, expected [faces, 4]")
    boxes = boxes.reshape(-1, 4)
    face_boxes.check_inside(boxes, image, "boxes")
    return boxes


def refined_box(face: Face) -> np.ndarray:
    """Returns the box [4] around a face's landmarks, or its face box if the landmarks have collapsed to a line."""
    box = geometry.box_of_points(face.landmarks)
    return box if (box[2:] - box[:2] > 1).all() else face.box
