"""Predictors of exported runs. Neither `dsat_jax.models` nor Flax is imported."""

import os

from dsat_jax.files import locations
from dsat_jax.inference import staged_network
from dsat_jax.inference.detections import FindFaces
from dsat_jax.inference.predictor import Predictor


def load_exported(path: str | os.PathLike, find_faces: FindFaces | None = None) -> Predictor:
    """Returns the predictor of an exported run.

    Args:
      path: file written by `--mode=export`.
      find_faces: function from an image, uint8 [height, width, 3] RGB, to `Detections`; None selects MTCNN.

    Raises:
      OSError: if the file does not exist or cannot be read.
      UserError: if the file is not an export, is damaged, is too old or too new for this JAX, or does not run
        on this platform.
    """
    forward, settings = staged_network.load(locations.locate(path))
    return Predictor(forward, settings.scheme, settings.size, settings.enlarge, find_faces)
