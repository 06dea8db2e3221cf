"""The results that the page of `examples/demo.py` shows: faces, drawings, tables and files. It needs no Gradio."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from dsat_jax import Predictor, drawing
from dsat_jax.errors import UserError
from dsat_jax.inference import detectors, face_crops, result_files, trained_network
from dsat_jax.inference.detections import FindFaces
from dsat_jax.inference.explain import Explainer
from dsat_jax.inference.face_crops import FaceCrop
from dsat_jax.inference.image_input import read_image
from dsat_jax.inference.landmarks import Face
from dsat_jax.weights import zoo

_CELL = 24  # side of a channel's square in the image of the gate, in pixels
_LABEL_WIDTH = 84  # width of the text before the squares, in pixels
_OPEN, _CLOSED, _TEXT = (250, 170, 60), (60, 60, 60), (255, 255, 255)

# Text of a face for each column of the table.
COLUMNS: dict[str, Callable[[Face], str]] = {
    "detector's score": lambda face: "-" if face.score is None else f"{face.score:.3f}",
    "roll": lambda face: f"{face.head_pose().roll:.1f}°",
    "yaw": lambda face: f"{face.head_pose().yaw:.1f}°",
    "pitch": lambda face: f"{face.head_pose().pitch:.1f}°",
    "width and height": lambda face: " x ".join(f"{side:.0f}" for side in np.ptp(face.landmarks, axis=0)),
    "confidence": lambda face: (
        "-" if face.confidence is None else f"{face.confidence:.2f}" + (", doubtful" if face.doubtful else "")
    ),
    "open channels": lambda face: (
        "-" if face.open_channels is None else f"{face.open_channels.sum()} of {len(face.open_channels)}"
    ),
}


@dataclasses.dataclass(frozen=True)
class Network:
    """A shipped network, ready to predict.

    Attributes:
      predictor: function from images to faces.
      explainer: function from the crop of a face to the sheet of its heatmaps or its attention.
    """

    predictor: Predictor
    explainer: Explainer


@dataclasses.dataclass(frozen=True)
class Analysis:
    """The faces of an image.

    Attributes:
      image: uint8 [height, width, 3] RGB.
      faces: faces from left to right.
      name: name of the shipped network.
    """

    image: np.ndarray
    faces: list[Face]
    name: str


@functools.cache
def network(name: str) -> Network:
    """Returns a shipped network; it is loaded once.

    Args:
      name: key of `zoo.PRETRAINED`.

    Raises:
      UserError: if no shipped network has that name, or its file is damaged.
    """
    trained = trained_network.load(zoo.weights(name))
    return Network(Predictor.from_network(trained, _detector()), Explainer(trained))


@functools.cache
def _detector() -> FindFaces:
    return detectors.make()


def analyse(file: str | None, name: str) -> tuple[str, Analysis | None]:
    """Returns the sentence about an image file, and its faces; None without a face.

    Args:
      file: path of the image; None before one is chosen.
      name: key of `zoo.PRETRAINED`.
    """
    if file is None:
        return "", None
    path = pathlib.Path(file)
    try:
        image = read_image(path)
    except (UserError, OSError) as error:
        return str(error).replace(str(path), path.name), None  # the folder on the server is no help
    faces = network(name).predictor(image)
    return summary(faces), Analysis(image, faces, name) if faces else None


def summary(faces: Sequence[Face]) -> str:
    """Returns the sentence about the faces of an image."""
    if not faces:
        return "No face was found: try an image in which a face is larger, brighter or turned more to the camera."
    landmarks = f"{len(faces[0].landmarks)} landmarks"
    return f"1 face with {landmarks}." if len(faces) == 1 else f"{len(faces)} faces with {landmarks} each."


def table(faces: Sequence[Face]) -> list[list[str]]:
    """Returns a row for each face: its number, as in the result files, and the texts of `COLUMNS`."""
    return [[str(number), *(text(face) for text in COLUMNS.values())] for number, face in enumerate(faces)]


def draw_faces(image: np.ndarray, faces: Sequence[Face]) -> np.ndarray:
    """Returns a copy of an image with the landmarks of its faces, and their numbers if there are several.

    Args:
      image: uint8 [height, width, 3] RGB.
      faces: faces of the image.
    """
    drawn = image.copy()
    for number, face in enumerate(faces):
        extent = float(np.ptp(face.landmarks, axis=0).max())
        thickness = max(1, round(extent / 120))
        colour = drawing.DOUBTFUL if face.doubtful else drawing.PREDICTED
        drawing.draw_landmarks(drawn, face.landmarks, face.scheme, colour, thickness)
        if len(faces) > 1:
            x, y = face.landmarks.min(axis=0)
            _write(drawn, str(number), (round(x), round(y) - 4), max(0.5, extent / 200))
    return drawn


def explain(analysis: Analysis, number: int) -> tuple[np.ndarray, str]:
    """Returns the sheet of a face, uint8 [height, width, 3] RGB, and its content, 'heatmaps' or 'attention'.

    Args:
      analysis: faces of an image.
      number: number of the face, from 0.
    """
    face = analysis.faces[number]
    crop = face_crops.refined(FaceCrop(analysis.image, face.box, face.roll), face)
    explainer = network(analysis.name).explainer
    return explainer(crop), explainer.kind


def draw_gate(faces: Sequence[Face]) -> np.ndarray | None:
    """Returns an image of the channels that the gate opens, uint8 [height, width, 3] RGB.

    Args:
      faces: faces of an image; each has a row of squares, one per channel.

    Returns:
      None if there is no face, or the network has no gate.
    """
    rows = [face.open_channels for face in faces if face.open_channels is not None]
    if not rows:
        return None
    height, width = len(rows) * _CELL, _LABEL_WIDTH + len(rows[0]) * _CELL
    drawn = np.zeros((height, width, 3), np.uint8)
    for number, channels in enumerate(rows):
        top = number * _CELL
        _write(drawn, f"face {number}", (8, top + _CELL - 7), 0.5)
        for channel, is_open in enumerate(channels):
            left = _LABEL_WIDTH + channel * _CELL
            corner, opposite = (left + 2, top + 2), (left + _CELL - 3, top + _CELL - 3)
            cv2.rectangle(drawn, corner, opposite, _OPEN if is_open else _CLOSED, cv2.FILLED)
    return drawn


def _write(image: np.ndarray, text: str, corner: tuple[int, int], size: float) -> None:
    """Writes white text with a black outline onto an image, in place; `corner` is its lower left one."""
    thickness = max(1, round(2 * size))
    for colour, width in (((0, 0, 0), 3 * thickness), (_TEXT, thickness)):
        cv2.putText(image, text, corner, cv2.FONT_HERSHEY_SIMPLEX, size, colour, width, cv2.LINE_AA)


def write_files(analysis: Analysis, file: pathlib.Path, folder: pathlib.Path) -> list[str]:
    """Writes the results of an image.

    Args:
      analysis: faces of the image.
      file: image file, whose name begins the names of the results.
      folder: folder of the results.

    Returns:
      Paths of NAME.json, and of NAME.pts, NAME.face1.pts, ... in the order of the faces.
    """
    scheme = network(analysis.name).predictor.scheme
    result_files.write_results(file, folder / file.stem, analysis.image, analysis.faces, scheme)
    points = [
        folder / (f"{file.stem}.face{number}.pts" if number else f"{file.stem}.pts")
        for number in range(len(analysis.faces))
    ]
    return [str(path) for path in (folder / f"{file.stem}.json", *points)]


def draw_frame(frame: np.ndarray | None, name: str) -> tuple[np.ndarray | None, str]:
    """Returns a frame of the webcam with its landmarks, and the sentence about it.

    The network runs once on each face, without mirror averaging, so that the drawing follows the camera.

    Args:
      frame: uint8 [height, width, 3] RGB; None if the camera is off.
      name: key of `zoo.PRETRAINED`.
    """
    if frame is None:
        return None, ""
    faces = network(name).predictor(frame, looks=1, mirror=False)
    return draw_faces(frame, faces), summary(faces)
