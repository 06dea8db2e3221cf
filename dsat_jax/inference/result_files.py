"""The files that prediction writes for a picture: NAME.json, NAME.pts, NAME.face1.pts ..., NAME_landmarks.jpg.

And one for all pictures: landmarks.csv.
"""

import csv
import json
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Self, TextIO

import numpy as np

from dsat_jax import drawing
from dsat_jax.errors import UserError
from dsat_jax.inference.landmarks import Face
from dsat_jax.schemes import Scheme

TABLE_FILE = "landmarks.csv"


def write_points(path: pathlib.Path, points: np.ndarray) -> None:
    """Writes landmarks [points, 2] in the .pts form of 300W, whose coordinates count from 1."""
    lines = "\n".join(f"{x:.4f} {y:.4f}" for x, y in points + 1)
    path.write_text(f"version: 1\nn_points: {len(points)}\n{{\n{lines}\n}}\n")


def rounded(confidence: np.ndarray | None) -> list[float] | None:
    """Confidences as JSON has them."""
    return None if confidence is None else np.round(confidence.astype(np.float64), 4).tolist()


def _as_json(path: pathlib.Path, image: np.ndarray, faces: Sequence[Face], scheme: Scheme) -> str:
    contents = {
        "image": path.name,
        "width": image.shape[1],
        "height": image.shape[0],
        "scheme": scheme.name,
        "faces": [
            {
                "box": np.round(face.box, 3).tolist(),
                "landmarks": np.round(face.landmarks, 3).tolist(),
                "confidence": rounded(face.confidence),
                "open_channels": None if face.open_channels is None else int(face.open_channels.sum()),
            }
            for face in faces
        ],
    }
    return json.dumps(contents, indent=1) + "\n"


def _overlay(image: np.ndarray, faces: Sequence[Face], scheme: Scheme) -> np.ndarray:
    """The picture with the landmarks of its faces."""
    drawn = image.copy()
    for face in faces:
        extent = np.ptp(face.landmarks, axis=0).max()
        drawing.draw_landmarks(
            drawn, face.landmarks, scheme, drawing.PREDICTED, thickness=max(1, round(extent / 200))
        )
    return drawn


def check_folder(out: pathlib.Path) -> None:
    """Refuses a folder of results that could not be made or written to, before anything is predicted.

    Raises:
      OSError: naming what stands in the way.
    """
    there = next(path for path in (out, *out.parents) if path.is_symlink() or path.exists())
    if not there.is_dir():
        raise NotADirectoryError(f"{there} is no folder, expected one for the results {out}")
    if not os.access(there, os.W_OK | os.X_OK):
        raise PermissionError(f"{there} cannot be written to, expected a folder for the results {out}")


def common_folder(files: Sequence[pathlib.Path]) -> pathlib.Path:
    """The folder that holds all of some files, in itself or in folders below it."""
    return pathlib.Path(os.path.commonpath([_place(file).parent for file in files]))


def _place(file: pathlib.Path) -> pathlib.Path:
    """A file's absolute path by its own name, which may be that of a link."""
    return file.parent.resolve() / file.name


def output_stems(
    files: Sequence[pathlib.Path], out: pathlib.Path, common: pathlib.Path
) -> list[pathlib.Path]:
    """Where each file's results go, without suffix: the folders below the common one are kept.

    Args:
      files: pictures, or videos: one of each may have the same name.
      out: folder of the results.
      common: from `common_folder`.

    Raises:
      ValueError: if two pictures would write the same files, or a result would lie beside its picture, where it
        could take the place of an annotation.
    """
    stems = [out / _place(file).relative_to(common).with_suffix("") for file in files]
    seen: dict[pathlib.Path, pathlib.Path] = {}
    for stem, file in zip(stems, files, strict=True):
        if stem.resolve().parent == _place(file).parent:
            raise UserError(
                f"{out} is the folder of {file}, whose annotations would be overwritten: give another --out"
            )
        if stem in seen:
            raise UserError(
                f"{seen[stem]} and {file} would both write the results {stem}.*: predict them one by one"
            )
        seen[stem] = file
    for stem, file in seen.items():
        of_face = re.fullmatch(r"(.+)\.face\d+", stem.name)
        if of_face and stem.with_name(of_face[1]) in seen:
            raise UserError(
                f"{file} is called as a further face of {seen[stem.with_name(of_face[1])]}: predict them one by one"
            )
    return stems


def write_results(
    file: pathlib.Path,
    stem: pathlib.Path,
    image: np.ndarray,
    faces: Sequence[Face],
    scheme: Scheme,
) -> None:
    """Writes the results of a picture, in place of those of an earlier prediction.

    Args:
      file: the picture.
      stem: from `output_stems`.
      image: uint8 [height, width, 3] RGB.
      faces: from `predictor.Predictor`.
      scheme: of the landmarks.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    results = re.compile(rf"{re.escape(stem.name)}(\.face\d+)?(\.pts|_heatmaps\.png|_attention\.png)")
    for earlier in [path for path in stem.parent.iterdir() if results.fullmatch(path.name)]:
        earlier.unlink()
    stem.with_name(f"{stem.name}.json").write_text(_as_json(file, image, faces, scheme))
    for number, face in enumerate(faces):
        suffix = f".face{number}" if number else ""
        write_points(stem.with_name(f"{stem.name}{suffix}.pts"), face.landmarks)
    drawing.write_image(stem.with_name(f"{stem.name}_landmarks.jpg"), _overlay(image, faces, scheme))


class LandmarkTable:
    """landmarks.csv, with a line for each face of all pictures; to be used in a `with` statement.

    The first picture begins the file, in place of that of an earlier prediction. Columns: picture (its path below the
    folder that all pictures share), face (0 and up, as in NAME.json), the box x_min, y_min, x_max, y_max, and x0, y0,
    x1, y1, ... of the landmarks, in picture pixels that count from 0.

    Args:
      out: folder of the results.
      num_points: landmarks of a face.
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
        """Adds a picture's faces.

        Args:
          file: the picture.
          stem: from `output_stems`.
          faces: from `predictor.Predictor`.

        Raises:
          OSError: if the file cannot be written.
        """
        if self._file is None:
            self._file = self._begin()
        writer = csv.writer(self._file, lineterminator="\n")
        picture = stem.relative_to(self._out).with_name(file.name).as_posix()
        for number, face in enumerate(faces):
            values = np.concatenate([face.box, face.landmarks.reshape(-1)])  # [points, 2] -> [points * 2]
            writer.writerow([picture, number, *np.round(values, 3).tolist()])

    def _begin(self) -> TextIO:
        """The file with its heads."""
        self._out.mkdir(parents=True, exist_ok=True)
        file = (self._out / TABLE_FILE).open("w", newline="", encoding="utf-8")
        points = [f"{axis}{number}" for number in range(self._num_points) for axis in "xy"]
        heads = ["picture", "face", "x_min", "y_min", "x_max", "y_max", *points]
        csv.writer(file, lineterminator="\n").writerow(heads)
        return file
