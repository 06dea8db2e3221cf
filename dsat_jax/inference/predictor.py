"""Landmarks of the faces in an image, in a few lines.

from dsat_jax import Predictor

predictor = Predictor.pretrained()
for face in predictor("photo.jpg"):
    print(face.landmarks)
"""

import itertools
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from absl import logging

from dsat_jax.errors import UserError
from dsat_jax.files import locations
from dsat_jax.inference import detectors, face_crops
from dsat_jax.inference.detections import Detections, FindFaces
from dsat_jax.inference.face_network import FaceNetwork
from dsat_jax.inference.image_input import Image, as_boxes, as_image
from dsat_jax.inference.landmarks import CropForward, Face
from dsat_jax.runtime import compilation_cache
from dsat_jax.schemes import Scheme
from dsat_jax.weights import zoo

if TYPE_CHECKING:
    from dsat_jax.inference.trained_network import TrainedNetwork

LOOKS = 2  # the default number of runs of the network on a face at most
MIRROR = True  # whether the network by default also runs on each mirrored face
# One for all predictors, which may share a detector: OpenCV's detectors keep state during a call.
_DETECTING = threading.Lock()
_MISSING = object()


class Predictor:
    """A trained network as a function from images to faces.

    By default the network runs up to twice on each face: in the given box, and in the box around the landmarks of the
    first run, turned so that the face is upright. There is no second run if both crops are nearly the same. Because of
    the second run, an imprecise box and the roll of a face cost little accuracy. `looks=1` omits this refinement pass.
    With `mirror` each run averages the landmarks of the face and of its mirror image; `mirror=False` halves the time.

    Several threads may call one predictor at the same time.

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
        find_faces: FindFaces | None = None,
        devices: int = 1,
        least_confidence: float | None = None,
    ):
        """Builds a predictor from a forward pass; `from_run` builds one from a run folder.

        Args:
          forward: function from crops, uint8 [batch, size, size, 3], and whether to average with the mirrored crops, to
            `Landmarks` in input pixels. The batch is 1, 2, 4 or 8 crops, or the next multiple of `devices`.
          scheme: scheme of the landmarks.
          size: side of the network's input in pixels.
          enlarge: margin of the crop around a face box, as a share of the box.
          find_faces: function from an image, uint8 [height, width, 3] RGB, to `Detections`; None selects MTCNN.
          devices: number of devices of the forward pass.
          least_confidence: confidence below which a face is marked as doubtful; None marks none.
        """
        self.scheme = scheme
        self.enlarge = enlarge
        self._network = FaceNetwork(forward, scheme, size, enlarge, devices, least_confidence)
        self._find_faces = find_faces
        self._process = os.getpid()

    # These methods import Flax and the models only when called, because `load_exported` needs neither.
    @classmethod
    def from_run(
        cls, workdir: str | os.PathLike, find_faces: FindFaces | None = None, scheme: str | None = None
    ) -> "Predictor":
        """Returns the predictor of the best checkpoint of a run, or of a weights file.

        Args:
          workdir: run folder, or a weights file written by `--mode=export`.
          find_faces: face detector, see `__init__`.
          scheme: name of a landmark scheme that the network predicts; None for its first.

        Raises:
          FileNotFoundError: if the folder holds no run or no checkpoint.
          UserError: if all checkpoints, or the file, are damaged or of another version.
        """
        path = locations.locate(workdir)
        if zoo.is_shipped(path) and scheme is None:
            return cls._from_shipped(path.stem, find_faces)
        from dsat_jax.inference import trained_network

        return cls.from_network(trained_network.load(path, scheme), find_faces, zoo.least_confidence(path))

    @classmethod
    def from_network(
        cls,
        network: "TrainedNetwork",
        find_faces: FindFaces | None = None,
        least_confidence: float | None = None,
    ) -> "Predictor":
        """Returns the predictor of a network from `trained_network.load`; the other arguments are as in `__init__`."""
        from dsat_jax import schemes
        from dsat_jax.inference.forward import jit_forward

        config = network.config
        steps = {
            mirror: jit_forward(network.model, config, network.mesh, mirror=mirror)
            for mirror in (False, True)
        }
        return cls(
            lambda crops, mirror: steps[mirror](network.variables, crops),
            schemes.find(config.data.scheme),
            config.input.size,
            config.input.enlarge,
            find_faces,
            network.mesh.size,
            least_confidence,
        )

    @classmethod
    def pretrained(
        cls,
        name: str = zoo.DEFAULT,
        find_faces: FindFaces | None = None,
        cache: bool | str | os.PathLike = False,
    ) -> "Predictor":
        """Returns the predictor of a shipped network.

        Args:
          name: key of `zoo.PRETRAINED`.
          find_faces: face detector, see `__init__`.
          cache: folder in which JAX keeps the compiled programs of this process for the next one, or True for the
            folder that the command line uses; the first call of the predictor then takes less than a second. False
            changes no setting of JAX.

        Raises:
          UserError: if no shipped network has that name, or its file is damaged.
          OSError: if its file is missing.
        """
        if cache:
            compilation_cache.keep(None if cache is True else locations.locate(cache))
        return cls._from_shipped(name, find_faces)

    @classmethod
    def _from_shipped(cls, name: str, find_faces: FindFaces | None) -> "Predictor":
        from dsat_jax.inference import staged_network

        path = zoo.weights(name)
        try:
            forward, settings = staged_network.load_shipped(name)
            return cls(
                forward,
                settings.scheme,
                settings.size,
                settings.enlarge,
                find_faces,
                least_confidence=zoo.least_confidence(path),
            )
        except staged_network.UnreadableProgramError as error:
            logging.info("%s is traced again: %s", name, error)  # the same network, half a second later
        from dsat_jax.inference import trained_network

        return cls.from_network(trained_network.load(path), find_faces, zoo.least_confidence(path))

    def __call__(
        self, image: Image, boxes: np.ndarray | None = None, looks: int = LOOKS, mirror: bool = MIRROR
    ) -> list[Face]:
        """Returns the faces of an image.

        Args:
          image: file, or array uint8 [height, width, 3] RGB (not OpenCV's BGR), [height, width] grey, or
            [height, width, 4] RGBA.
          boxes: [faces, 4] x_min, y_min, x_max, y_max around the expected landmarks, pixels of the image; None runs
            the face detector.
          looks: number of runs of the network on a face at most, 1 or 2; 2 includes the refinement pass.
          mirror: whether each run averages the landmarks with those of the mirrored face.

        Raises:
          OSError: if there is no such file.
          UserError: if the file is not an image, the array has another shape or type, a box has no area or lies
            outside the image, or `looks` is neither 1 nor 2.
        """
        return next(self.predict_many([image], None if boxes is None else [boxes], looks, mirror))

    def predict_many(
        self,
        images: Iterable[Image],
        boxes: Iterable[np.ndarray | None] | None = None,
        looks: int = LOOKS,
        mirror: bool = MIRROR,
    ) -> Iterator[list[Face]]:
        """Yields the faces of each of many images, in their order; one batch holds faces of several images.

        Args:
          images: files or arrays as in `__call__`; files are read when needed, only a few in advance.
          boxes: boxes of each image as in `__call__`; None runs the face detector on every image.
          looks: number of runs of the network on a face at most, see `__call__`.
          mirror: whether to average with the mirrored face, see `__call__`.

        Raises:
          OSError, UserError: as in `__call__`, raised after the faces of all earlier images are yielded.
        """
        if isinstance(images, str | os.PathLike) or (isinstance(images, np.ndarray) and images.ndim < 4):
            raise UserError("predict_many takes many images, found one: call the predictor itself")
        yield from self.predict_pairs(self._prepared(images, boxes), looks, mirror)

    def predict_pairs(
        self, pairs: Iterable[tuple[np.ndarray, Detections]], looks: int = LOOKS, mirror: bool = MIRROR
    ) -> Iterator[list[Face]]:
        """Yields the faces of each of many images with known boxes, as `predict_many` does.

        Args:
          pairs: pixels uint8 [height, width, 3] RGB and detections of each image.
          looks: number of runs of the network on a face at most, see `__call__`.
          mirror: whether to average with the mirrored face, see `__call__`.

        Raises:
          UserError: if a box has no area, or `looks` is neither 1 nor 2.
        """
        if looks not in (1, 2):
            raise UserError(f"looks is {looks!r}, expected 1 or 2")
        for group in face_crops.groups(pairs):
            yield from self._predict(group, looks, mirror)

    def find_faces(self, image: np.ndarray) -> Detections:
        """Returns the faces that the detector finds in an image, uint8 [height, width, 3] RGB, left to right."""
        self._check_process()
        with _DETECTING:
            if self._find_faces is None:
                self._find_faces = detectors.make()
            detections = self._find_faces(image)
        if not isinstance(detections, Detections):
            raise UserError(f"the face detector returned {type(detections).__name__}, expected Detections")
        return detections

    def _prepared(
        self, images: Iterable[Image], boxes: Iterable[np.ndarray | None] | None
    ) -> Iterator[tuple[np.ndarray, Detections]]:
        pairs = (
            zip(images, itertools.repeat(None))
            if boxes is None
            else itertools.zip_longest(images, boxes, fillvalue=_MISSING)
        )
        for source, boxes_of_image in pairs:
            if source is _MISSING or boxes_of_image is _MISSING:
                raise UserError("found different numbers of images and boxes, expected boxes for each image")
            image = as_image(source)
            if boxes_of_image is None:
                yield image, self.find_faces(image)
            else:
                yield image, Detections(as_boxes(boxes_of_image, image))

    def _predict(
        self, group: Sequence[tuple[np.ndarray, Detections]], looks: int, mirror: bool
    ) -> Iterator[list[Face]]:
        """Yields the faces of each image of a group."""
        self._check_process()
        crops = [crop for image, detections in group for crop in face_crops.of_detections(image, detections)]
        faces = self._network.look(crops, mirror)
        if looks == 2:
            faces = self._network.look_again(crops, faces, mirror)
        remaining = iter(faces)
        for _, detections in group:
            yield list(itertools.islice(remaining, len(detections)))

    def _check_process(self) -> None:
        """Raises UserError in a process forked from the one that made the predictor: its threads are not in it."""
        if os.getpid() != self._process:
            raise UserError(
                f"this predictor was made in process {self._process} and is used in one that was forked from it; "
                "make it in each process, or start processes by the method 'spawn' or 'forkserver'"
            )
