"""Face detectors: functions from an image to `Detections`.

In: uint8 [height, width, 3] RGB. Out: boxes around the expected landmarks in pixels of the image, left to right, and
scores and the five points of each face, if the detector has them.
"""

import pathlib
from collections.abc import Callable

from dsat_jax.errors import UserError
from dsat_jax.inference.detections import FindFaces

DEFAULT = "mtcnn"


def _mtcnn(threshold: float | None) -> FindFaces:
    from dsat_jax.inference.detectors import mtcnn

    return mtcnn.FaceDetector(mtcnn.THRESHOLD if threshold is None else threshold)


def _cascade(threshold: float | None) -> FindFaces:
    from dsat_jax.inference.detectors import cascade

    if threshold is not None:
        raise UserError("OpenCV's cascade has no scores, found a threshold: expected another detector")
    return cascade.FaceDetector()


DETECTORS: dict[str, Callable[[float | None], FindFaces]] = {"mtcnn": _mtcnn, "cascade": _cascade}


def make(name: str = DEFAULT, threshold: float | None = None) -> FindFaces:
    """Returns a face detector.

    Args:
      name: key of `DETECTORS`, or path of YuNet's .onnx file.
      threshold: least score of a face, from 0 to 1; None for the detector's default.

    Raises:
      FileNotFoundError: if the name is neither a key nor a file.
      UserError: if the file is not YuNet, or the threshold is not a score.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise UserError(f"the threshold of the face detector is {threshold}, expected a score from 0 to 1")
    if name in DETECTORS:
        return DETECTORS[name](threshold)
    path = pathlib.Path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f"{name} is neither a face detector ({', '.join(DETECTORS)}) nor a file, expected the .onnx file of YuNet"
        )
    from dsat_jax.inference.detectors import yunet

    return yunet.FaceDetector(path, yunet.THRESHOLD if threshold is None else threshold)
