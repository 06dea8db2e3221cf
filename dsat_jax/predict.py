"""Prediction: faces of a picture to landmarks in its pixels, with .json, .pts and overlays on disk."""

import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
import tqdm

from dsat_jax import (
    box_files,
    config as run_config,
    evaluate,
    geometry,
    inputs,
    landmark_files,
    mesh as meshes,
    models,
    picture_files,
    schemes,
)
from dsat_jax.detect import FaceDetector

_FACES_AT_ONCE = 8  # every batch is filled up to this size, so that one compiled shape serves any picture

FindBoxes = Callable[[pathlib.Path, np.ndarray], np.ndarray]


class Landmarker:
    """A trained run as a function from face boxes to landmarks.

    Args:
      workdir: the run's folder.

    Attributes:
      scheme: of the landmarks.
      enlarge: margin of the network's crop around a face box, as a share of the box.

    Raises:
      FileNotFoundError: if the folder holds no run or no checkpoint.
    """

    def __init__(self, workdir: pathlib.Path):
        config = run_config.load(workdir)
        self.scheme = schemes.find(config.data.scheme)
        self.enlarge = config.input.enlarge
        self._size = config.input.size
        model = models.build_for(config)
        mesh = meshes.make_mesh()
        self._variables = evaluate.restored(config, model, mesh, workdir)
        self._forward = evaluate.make_evaluation_step(model, config, mesh)
        self._batch_size = meshes.spread(_FACES_AT_ONCE)

    def __call__(self, image: np.ndarray, boxes: np.ndarray) -> list[dict[str, Any]]:
        """Landmarks of each face.

        The network sees each face twice: in the given box, then in the box around the landmarks that it found there,
        which is how it was trained where the dataset has no boxes of its own. So a sloppy box does little harm.

        Args:
          image: uint8 [height, width, 3] RGB.
          boxes: [faces, 4] x_min, y_min, x_max, y_max around where the landmarks are expected, picture pixels.

        Returns:
          For each face: box [4], landmarks float64 [points, 2] in picture pixels, confidence [points] or None, and
          gates [channels] or None.

        Raises:
          ValueError: if a box has no area.
        """
        first = self._predict(image, boxes)
        second = self._predict(image, np.array([_box_again(face) for face in first]).reshape(-1, 4))
        return [face | {"box": given["box"]} for face, given in zip(second, first, strict=True)]

    def _predict(self, image: np.ndarray, boxes: np.ndarray) -> list[dict[str, Any]]:
        faces = []
        for start in range(0, len(boxes), self._batch_size):
            faces += self._predict_batch(image, boxes[start : start + self._batch_size])
        return faces

    def _predict_batch(self, image: np.ndarray, boxes: np.ndarray) -> list[dict[str, Any]]:
        crops = [geometry.crop_matrix(box, self._size, self.enlarge) for box in boxes]
        images = np.zeros((self._batch_size, self._size, self._size, 3), np.uint8)
        for row, crop in enumerate(crops):
            images[row] = inputs.warp(image, crop, self._size)
        output = jax.device_get(self._forward(self._variables, images))
        faces = []
        for row, (box, crop) in enumerate(zip(boxes, crops, strict=True)):
            points = geometry.transform_points(geometry.invert(crop), output.points[row].astype(np.float64))
            faces.append(
                {
                    "box": np.asarray(box, np.float64),
                    "landmarks": points,
                    "confidence": None if output.confidence is None else output.confidence[row],
                    "gates": None if output.gates is None else output.gates[row],
                }
            )
        return faces


def _box_again(face: Mapping[str, Any]) -> np.ndarray:
    """The box [4] around a face's landmarks, or the face's own box where they have collapsed to a line."""
    box = geometry.box_of_points(face["landmarks"])
    return box if (box[2:] - box[:2] > 1).all() else face["box"]


def list_images(patterns: Sequence[str]) -> list[pathlib.Path]:
    """The picture files that files, folders and patterns name, sorted and without repetition.

    Raises:
      FileNotFoundError: if one of them matches nothing.
      ValueError: if one of them is empty or no pattern, or a picture's name is not in UTF-8.
    """
    if not patterns:
        raise FileNotFoundError("no pictures were named: give --images=FILE, FOLDER or 'PATTERN*.jpg'")
    files = set()
    for pattern in patterns:
        matches = _matches(pattern)
        if not matches:
            raise FileNotFoundError(f"{pattern} matches no picture")
        files.update(matches)
    for file in files:
        try:
            str(file).encode()
        except UnicodeEncodeError as error:  # nothing could be printed about it
            raise ValueError(f"the name of the picture {str(file)!r} is not in UTF-8; rename it") from error
    return sorted(files)


def _matches(pattern: str) -> list[pathlib.Path]:
    if not pattern:  # which is a path, too: that of this folder
        raise ValueError("--images has an empty name between its commas")
    path = pathlib.Path(pattern)
    if path.is_dir():
        return [
            file
            for file in path.iterdir()
            if file.suffix.lower() in picture_files.SUFFIXES and file.is_file()
        ]
    if path.exists():
        return [path]
    anchor = pathlib.Path(path.anchor)
    try:
        return [file for file in anchor.glob(str(path.relative_to(anchor))) if file.is_file()]
    except ValueError as error:
        raise ValueError(f"{pattern} is no pattern of pictures: {error}") from error


def read_image(path: pathlib.Path) -> np.ndarray:
    """A picture as viewers show it (its EXIF orientation applied), uint8 [height, width, 3] RGB.

    Raises:
      OSError: if there is no such file, or it cannot be read.
      ValueError: see `picture_files.read_bytes` and `picture_files.decode`.
    """
    try:
        return picture_files.decode(picture_files.read_bytes(path), upright=True)
    except ValueError as error:
        raise ValueError(f"{path} is not a picture that can be read: {error}") from error


def whole_image_box(image: np.ndarray, enlarge: float) -> np.ndarray:
    """The face box [4] whose crop, enlarged, is the whole picture."""
    height, width = image.shape[:2]
    margin_x, margin_y = (enlarge / (1 + 2 * enlarge) * (side - 1) for side in (width, height))
    return np.array([margin_x, margin_y, width - 1 - margin_x, height - 1 - margin_y])


def _box_finder(
    boxes_file: str | None, whole_image: bool, enlarge: float, files: Sequence[pathlib.Path]
) -> FindBoxes:
    """Where the boxes of a picture come from: a file, the picture's own frame, or the detector."""
    if boxes_file is not None and whole_image:
        raise ValueError("--boxes and --whole-image exclude each other")
    if whole_image:
        return lambda path, image: whole_image_box(image, enlarge)[None]
    if boxes_file is not None:
        given = box_files.boxes_for(pathlib.Path(boxes_file), files)

        def find(path: pathlib.Path, image: np.ndarray) -> np.ndarray:
            boxes = given.get(path.name, np.empty((0, 4)))
            box_files.check_inside(boxes, image, f"{boxes_file}, {path.name}")
            return boxes

        return find
    detector = FaceDetector()
    return lambda path, image: detector(image)


def predict_files(
    workdir: pathlib.Path,
    patterns: Sequence[str],
    out: pathlib.Path,
    boxes_file: str | None = None,
    whole_image: bool = False,
) -> int:
    """The story of `--mode=predict`: pictures in, landmarks out: NAME.json, NAME.pts, NAME_landmarks.jpg.

    Args:
      workdir: the run's folder.
      patterns: files, folders or patterns of pictures.
      out: folder of the results.
      boxes_file: see `box_files.read_boxes`; None finds faces with the bundled cascade.
      whole_image: take each picture as one face.

    Returns:
      The number of faces.

    Raises:
      OSError: if a pattern matches nothing, the folder holds no run, or the results cannot be written.
      ValueError: if the boxes do not fit the pictures, or no picture could be read.
    """
    files = list_images(patterns)
    landmark_files.check_folder(out)
    stems = landmark_files.output_stems(files, out)
    enlarge = run_config.load(workdir).input.enlarge
    find_boxes = _box_finder(boxes_file, whole_image, enlarge, files)
    landmarker = Landmarker(workdir)
    counts = {"faces": 0, "without a face": 0, "unreadable": 0}
    for file, stem in zip(tqdm.tqdm(files, unit="picture"), stems, strict=True):
        try:
            image = read_image(file)
        except (ValueError, OSError) as error:
            tqdm.tqdm.write(f"skipped: {error}")
            counts["unreadable"] += 1
            if counts["unreadable"] == len(files):
                raise ValueError(f"none of the {len(files)} pictures could be read: {error}") from error
            continue
        faces = landmarker(image, find_boxes(file, image))
        if not faces:
            tqdm.tqdm.write(f"{file}: no face found; --boxes or --whole-image say where it is")
            counts["without a face"] += 1
        counts["faces"] += len(faces)
        landmark_files.write_results(file, stem, image, faces, landmarker.scheme)
    summary = ", ".join(f"{count} {what}" for what, count in counts.items() if count or what == "faces")
    print(f"{len(files)} pictures: {summary}; results in {out}")
    return counts["faces"]
