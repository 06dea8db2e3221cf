"""Landmarks of the faces in a picture, in three lines.

from dsat_jax.errors import UserError
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

Picture = str | os.PathLike | np.ndarray
CropForward = Callable[[np.ndarray], Landmarks]
FindFaces = Callable[[np.ndarray], np.ndarray]

FACES_AT_ONCE = 8
_BYTES_AT_ONCE = 2**28  # of pictures that wait for a batch of faces to be full


class Predictor:
    """A trained network as a function from pictures to faces.

    The network sees each face twice: in the given box, then in the box around the landmarks that it found there, which
    is how it was trained where the dataset has no boxes of its own. So a sloppy box does little harm.

    Attributes:
      scheme: of the landmarks.
      enlarge: margin of the network's crop around a face box, as a share of the box.
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
        """Takes what a network is made of; see `from_run` for one that was trained here.

        Args:
          forward: from crops, uint8 [batch_size, size, size, 3], to `Landmarks` in their pixels.
          scheme: of the landmarks.
          size: side of the network's input.
          enlarge: margin of the crop around a face box, as a share of the box.
          batch_size: crops that the network takes at once; fewer faces are filled up with black ones, so that one
            compiled shape serves any picture.
          find_faces: from a picture, uint8 [height, width, 3] RGB, to boxes [faces, 4]; None for the bundled cascade.
        """
        self.scheme = scheme
        self.enlarge = enlarge
        self._forward = forward
        self._size = size
        self._batch_size = batch_size
        self._find_faces = find_faces

    @classmethod
    def from_run(cls, workdir: str | os.PathLike, find_faces: FindFaces | None = None) -> "Predictor":
        """The best checkpoint of a run.

        Args:
          workdir: the run's folder, or a file of weights that `--mode=export` wrote.
          find_faces: see `__init__`.

        Raises:
          FileNotFoundError: if the folder holds no run or no checkpoint.
          ValueError: if all checkpoints, or the file, are damaged or of another version.
        """
        from dsat_jax.inference import trained_network

        return cls.from_network(trained_network.load(pathlib.Path(workdir)), find_faces)

    @classmethod
    def from_network(cls, network: "TrainedNetwork", find_faces: FindFaces | None = None) -> "Predictor":
        """A network from `trained.load`; for the other argument see `__init__`."""
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
        """One of the networks that are shipped.

        Args:
          name: a key of `pretrained.PRETRAINED`.
          find_faces: see `__init__`.

        Raises:
          ValueError: if there is none of that name, or its file is damaged.
          OSError: if its file is missing.
        """
        return cls.from_run(zoo.weights(name), find_faces)

    def __call__(self, picture: Picture, boxes: np.ndarray | None = None) -> list[Face]:
        """The faces of a picture.

        Args:
          picture: a file, or an array uint8 [height, width, 3] RGB (not OpenCV's BGR), [height, width] grey, or
            [height, width, 4] RGBA.
          boxes: [faces, 4] x_min, y_min, x_max, y_max around where the landmarks are expected, picture pixels; None
            looks for faces.

        Raises:
          OSError: if there is no such file.
          ValueError: if the file is not a picture, the array not of that form, or a box has no area or lies outside
            the picture.
        """
        return next(self.predict_many([picture], None if boxes is None else [boxes]))

    def predict_many(
        self, pictures: Iterable[Picture], boxes: Iterable[np.ndarray | None] | None = None
    ) -> Iterator[list[Face]]:
        """The faces of each of many pictures, in their order; the network takes faces of several pictures at once.

        Args:
          pictures: as in `__call__`; read as they are needed, a few ahead.
          boxes: for each picture as in `__call__`; None looks for faces in all of them.

        Raises:
          OSError, ValueError: as `__call__`, after the faces of all pictures before.
        """
        if isinstance(pictures, str | os.PathLike) or (
            isinstance(pictures, np.ndarray) and pictures.ndim < 4
        ):
            raise UserError("predict_many takes many pictures, found one: call the predictor itself")
        given = itertools.repeat(None) if boxes is None else boxes
        yield from self.predict_pairs(self._prepared(pictures, given, strict=boxes is not None))

    def predict_pairs(self, pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[list[Face]]:
        """The faces of each of many pictures whose boxes are known; see `predict_many`.

        Args:
          pairs: pixels uint8 [height, width, 3] RGB and boxes [faces, 4] of each picture.

        Raises:
          ValueError: if a box has no area.
        """
        for group in self._groups(pairs):
            yield from self._predict(group)

    def _groups(
        self, pairs: Iterable[tuple[np.ndarray, np.ndarray]]
    ) -> Iterator[list[tuple[np.ndarray, np.ndarray]]]:
        """Pictures whose faces fill a batch; those before one that cannot be read come before the error."""
        waiting: list[tuple[np.ndarray, np.ndarray]] = []
        try:
            for image, boxes in pairs:
                waiting.append((image, boxes))
                faces = sum(len(boxes) for _, boxes in waiting)
                held = sum(image.nbytes for image, _ in waiting)
                if not 0 < faces < self._batch_size or held > _BYTES_AT_ONCE:
                    yield waiting
                    waiting = []
        except (UserError, OSError):
            yield waiting
            raise
        yield waiting

    def _prepared(
        self, pictures: Iterable[Picture], boxes: Iterable[np.ndarray | None], strict: bool
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for picture, given in zip(pictures, boxes, strict=strict):
            is_file = isinstance(picture, str | os.PathLike)
            image = read_picture(pathlib.Path(picture)) if is_file else _as_rgb(np.asarray(picture))
            yield image, self.find_faces(image) if given is None else _as_boxes(given, image)

    def find_faces(self, image: np.ndarray) -> np.ndarray:
        """Boxes float64 [faces, 4] of the faces in a picture, uint8 [height, width, 3] RGB, left to right."""
        if self._find_faces is None:
            self._find_faces = FaceDetector()
        return self._find_faces(image)

    def _predict(self, pictures: Sequence[tuple[np.ndarray, np.ndarray]]) -> Iterator[list[Face]]:
        """The faces of each picture, from its pixels and the boxes [faces, 4]."""
        images = [image for image, boxes in pictures for _ in boxes]
        given = [box for _, boxes in pictures for box in boxes]
        first = self._predict_faces(images, given)
        second = self._predict_faces(images, [box_again(face) for face in first])
        faces = (dataclasses.replace(face, box=box) for box, face in zip(given, second, strict=True))
        for _, boxes in pictures:
            yield list(itertools.islice(faces, len(boxes)))

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
        found = jax.device_get(self._forward(crops))
        return [
            Face(
                box=np.asarray(box, np.float64),
                landmarks=geometry.transform_points(
                    geometry.invert(matrix), found.points[row].astype(np.float64)
                ),
                confidence=None if found.confidence is None else found.confidence[row],
                open_channels=None if found.gates is None else found.gates[row] > 0,
            )
            for row, (box, matrix) in enumerate(zip(boxes, matrices, strict=True))
        ]


def read_picture(path: pathlib.Path) -> np.ndarray:
    """A picture as viewers show it (its EXIF orientation applied), uint8 [height, width, 3] RGB.

    Raises:
      OSError: if there is no such file, or it cannot be read.
      ValueError: see `picture_files.read_bytes` and `picture_files.decode`.
    """
    try:
        return image_files.decode(image_files.read_bytes(path), upright=True)
    except UserError as error:
        raise UserError(f"{path} is not a picture that can be read: {error}") from error


def _as_rgb(array: np.ndarray) -> np.ndarray:
    """A picture uint8 [height, width, 3] of an array that may be grey, or have an opacity, which is left out."""
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or channels not in (1, 3, 4) or not array.size:
        raise UserError(
            f"found an array {array.dtype}{list(array.shape)}, expected a picture uint8 [height, width, 3] RGB"
        )
    return np.repeat(array.reshape(*array.shape[:2], 1), 3, axis=2) if channels == 1 else array[..., :3]


def _as_boxes(given: np.ndarray, image: np.ndarray) -> np.ndarray:
    boxes = np.asarray(given, np.float64)
    if boxes.size and (boxes.ndim != 2 or boxes.shape[1] != 4):
        raise UserError(f"found boxes of the shape {list(boxes.shape)}, expected [faces, 4]")
    boxes = boxes.reshape(-1, 4)
    face_boxes.check_inside(boxes, image, "boxes")
    return boxes


def box_again(face: Face) -> np.ndarray:
    """The box [4] around a face's landmarks, or the face's own box where they have collapsed to a line."""
    box = geometry.box_of_points(face.landmarks)
    return box if (box[2:] - box[:2] > 1).all() else face.box
