"""Result files of a prediction.

The files of an image are NAME.json, NAME.pts, NAME.face1.pts ... and NAME_landmarks.jpg. The file landmarks.csv lists
the faces of all images.
"""

import collections
import csv
import json
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Self, TextIO

import numpy as np

from dsat_jax import drawing, five_points
from dsat_jax.errors import UserError
from dsat_jax.files import locations
from dsat_jax.inference.landmarks import Face
from dsat_jax.schemes import Scheme

TABLE_FILE = "landmarks.csv"


def write_points(path: pathlib.Path, points: np.ndarray) -> None:
    """Writes landmarks [points, 2] in the .pts format of 300W, whose coordinates start at 1."""
    lines = "\n".join(f"{x:.4f} {y:.4f}" for x, y in points + 1)
    path.write_text(f"version: 1\nn_points: {len(points)}\n{{\n{lines}\n}}\n", encoding="utf-8")


def rounded(value: float | None) -> float | None:
    """Returns a score or a confidence for JSON, rounded to four decimals."""
    return None if value is None else round(value, 4)


def _as_json(path: pathlib.Path, image: np.ndarray, faces: Sequence[Face], scheme: Scheme) -> str:
    contents = {
        "image": path.name,
        "width": image.shape[1],
        "height": image.shape[0],
        "scheme": scheme.name,
        "faces": [
            {
                "box": np.round(face.bounds, 3).tolist(),
                "roll": round(float(np.rad2deg(_roll(face))), 2),
                "score": rounded(face.score),
                "landmarks": np.round(face.landmarks, 3).tolist(),
                "confidence": rounded(face.confidence),
                "doubtful": face.doubtful,
                "open_channels": None if face.open_channels is None else int(face.open_channels.sum()),
            }
            for face in faces
        ],
    }
    return json.dumps(contents, indent=1) + "\n"


def _roll(face: Face) -> float:
    """Returns the roll of a face's landmarks in radians, or of its box if the scheme has no five points."""
    points = five_points.of_landmarks(face.landmarks, face.scheme)
    return face.roll if points is None else five_points.roll_of(points)


def _overlay(image: np.ndarray, faces: Sequence[Face], scheme: Scheme) -> np.ndarray:
    """Returns a copy of the image with the landmarks of its faces."""
    drawn = image.copy()
    for face in faces:
        drawing.draw_face(drawn, face.landmarks, scheme, "doubtful" if face.doubtful else "", face.doubtful)
    return drawn


def check_folder(out: pathlib.Path) -> None:
    """Refuses a folder for results that cannot be created or written to, before anything is predicted.

    Raises:
      OSError: if the folder, or the nearest existing parent, is not a folder with write permission.
    """
    if locations.in_bucket(out):  # whose folders need not exist
        return
    existing = next(path for path in (out, *out.parents) if path.is_symlink() or path.exists())
    if not existing.is_dir():
        raise NotADirectoryError(f"{existing} is not a folder, expected one for the results {out}")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise PermissionError(f"{existing} is not writable, expected a folder for the results {out}")


def common_folder(files: Sequence[pathlib.Path]) -> pathlib.Path:
    """Returns the deepest folder that contains all files, directly or in subfolders."""
    return pathlib.Path(os.path.commonpath([_absolute(file).parent for file in files]))


def _absolute(file: pathlib.Path) -> pathlib.Path:
    """Returns the absolute path of a file; links are resolved in its folder, but not in its name."""
    return file.parent.resolve() / file.name


def output_stems(
    files: Sequence[pathlib.Path], out: pathlib.Path, common: pathlib.Path
) -> list[pathlib.Path]:
    """Returns the path of each file's results, without suffix; subfolders of the common folder are kept.

    Files of one folder with one name and different suffixes, such as a.jpg and a.png, keep their suffix in the names of
    their results: a.jpg.json and a.png.json.

    Args:
      files: only images or only videos, because an image and a video may have the same name.
      out: folder of the results.
      common: folder that contains all files, from `common_folder`.

    Raises:
      UserError: if two files would have the same results, or the results would be in the folder of their file, where
        they could overwrite annotations.
    """
    names = [_absolute(file).relative_to(common) for file in files]
    uses = collections.Counter(name.with_suffix("") for name in names)
    stems = [out / (name if uses[name.with_suffix("")] > 1 else name.with_suffix("")) for name in names]
    seen: dict[pathlib.Path, pathlib.Path] = {}
    for stem, file in zip(stems, files, strict=True):
        if stem.resolve().parent == _absolute(file).parent:
            raise UserError(
                f"{out} is the folder of {file}, where annotations could be overwritten: expected another --out"
            )
        if stem in seen:
            raise UserError(
                f"{seen[stem]} and {file} would both write the results {stem}.*: predict them separately"
            )
        seen[stem] = file
    for stem, file in seen.items():
        of_face = re.fullmatch(r"(.+)\.face\d+", stem.name)
        if of_face and stem.with_name(of_face[1]) in seen:
            raise UserError(
                f"{file} has the name of a further face of {seen[stem.with_name(of_face[1])]}: predict them separately"
            )
    return stems


def overlay_file(stem: pathlib.Path) -> pathlib.Path:
    """Returns the path of NAME_landmarks.jpg for the path of an image's results without suffix."""
    return stem.with_name(f"{stem.name}_landmarks.jpg")


def write_results(
    file: pathlib.Path,
    stem: pathlib.Path,
    image: np.ndarray,
    faces: Sequence[Face],
    scheme: Scheme,
) -> None:
    """Writes the results of an image and removes those of an earlier prediction.

    Args:
      file: image file.
      stem: path of the results without suffix, from `output_stems`.
      image: uint8 [height, width, 3] RGB.
      faces: faces of the image, from `predictor.Predictor`.
      scheme: scheme of the landmarks.
    """
    _remove_earlier(stem, (".pts",))
    stem.with_name(f"{stem.name}.json").write_text(_as_json(file, image, faces, scheme), encoding="utf-8")
    for number, face in enumerate(faces):
        suffix = f".face{number}" if number else ""
        write_points(stem.with_name(f"{stem.name}{suffix}.pts"), face.landmarks)
    drawing.write_image(overlay_file(stem), _overlay(image, faces, scheme))


def write_overlay(stem: pathlib.Path, image: np.ndarray, faces: Sequence[Face], scheme: Scheme) -> None:
    """Writes NAME_landmarks.jpg alone and removes all results of an earlier prediction.

    Arguments: see `write_results`.
    """
    _remove_earlier(stem, (".pts", ".json"))
    drawing.write_image(overlay_file(stem), _overlay(image, faces, scheme))


def _remove_earlier(stem: pathlib.Path, suffixes: Sequence[str]) -> None:
    """Creates the folder of an image's results, or removes results of an earlier prediction from it."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    endings = "|".join(map(re.escape, (*suffixes, "_heatmaps.png", "_attention.png")))
    results = re.compile(rf"{re.escape(stem.name)}(\.face\d+)?({endings})")
    for earlier in [path for path in stem.parent.iterdir() if results.fullmatch(path.name)]:
        earlier.unlink()


class LandmarkTable:
    """Context manager that writes landmarks.csv, with a row for each face of all images.

    The first image creates the file, which replaces that of an earlier prediction. Columns: image (path of the image
    relative to the common folder of all files), face (number from 0, as in NAME.json), the box x_min, y_min, x_max,
    y_max, and x0, y0, x1, y1, ... of the landmarks, in image pixels that start at 0.

    Args:
      out: folder of the results.
      num_points: number of landmarks of a face.
    """

    def __init__(self, out: pathlib.Path, num_points: int):
        self._out = out
        self._num_points = num_points
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, file: pathlib.Path, stem: pathlib.Path, faces: Sequence[Face]) -> None:
        """Adds the faces of an image.

        Args:
          file: image file.
          stem: path of the results without suffix, from `output_stems`.
          faces: faces of the image, from `predictor.Predictor`.

        Raises:
          OSError: if the file cannot be written.
        """
        if self._file is None:
            self._file = self._create()
        writer = csv.writer(self._file, lineterminator="\n")
        image_path = stem.relative_to(self._out).with_name(file.name).as_posix()
        for number, face in enumerate(faces):
            values = np.concatenate([face.bounds, face.landmarks.reshape(-1)])  # [points, 2] -> [points * 2]
            writer.writerow([image_path, number, *np.round(values, 3).tolist()])

    def _create(self) -> TextIO:
        """Creates the file with its header."""
        self._out.mkdir(parents=True, exist_ok=True)
        file = (self._out / TABLE_FILE).open("w", newline="", encoding="utf-8")
        points = [f"{axis}{number}" for number in range(self._num_points) for axis in "xy"]
        header = ["image", "face", "x_min", "y_min", "x_max", "y_max", *points]
        csv.writer(file, lineterminator="\n").writerow(header)
        return file
