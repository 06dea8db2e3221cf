"""The story of `--mode=predict`: picture files to landmarks, with .json, .pts and overlays on disk."""

import collections
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tqdm

from dsat_jax import box_files, landmark_files, picture_files
from dsat_jax.predictor import Predictor, read_picture

FindBoxes = Callable[[Predictor, pathlib.Path, np.ndarray], np.ndarray]


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


def whole_image_box(image: np.ndarray, enlarge: float) -> np.ndarray:
    """The face box [4] whose crop, enlarged, is the whole picture."""
    height, width = image.shape[:2]
    margin_x, margin_y = (enlarge / (1 + 2 * enlarge) * (side - 1) for side in (width, height))
    return np.array([margin_x, margin_y, width - 1 - margin_x, height - 1 - margin_y])


def _box_finder(boxes_file: str | None, whole_image: bool, files: Sequence[pathlib.Path]) -> FindBoxes:
    """Where the boxes of a picture come from: a file, the picture's own frame, or the detector."""
    if boxes_file is not None and whole_image:
        raise ValueError("--boxes and --whole-image exclude each other")
    if whole_image:
        return lambda predictor, path, image: whole_image_box(image, predictor.enlarge)[None]
    if boxes_file is None:
        return lambda predictor, path, image: predictor.find_faces(image)
    given = box_files.boxes_for(pathlib.Path(boxes_file), files)

    def find(predictor: Predictor, path: pathlib.Path, image: np.ndarray) -> np.ndarray:
        del predictor
        boxes = given.get(path.name, np.empty((0, 4)))
        box_files.check_inside(boxes, image, f"{boxes_file}, {path.name}")
        return boxes

    return find


class _Pictures:
    """The readable ones of some files, one after the other, with their boxes.

    Attributes:
      unreadable: how many were not, so far.
      waiting: file, stem of its results and pixels of those whose faces have not come back yet.
    """

    def __init__(
        self,
        files: Sequence[pathlib.Path],
        stems: Sequence[pathlib.Path],
        find_boxes: Callable[[pathlib.Path, np.ndarray], np.ndarray],
    ):
        self.unreadable = 0
        self.waiting: collections.deque[tuple[pathlib.Path, pathlib.Path, np.ndarray]] = collections.deque()
        self._files = files
        self._stems = stems
        self._find_boxes = find_boxes

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for file, stem in zip(tqdm.tqdm(self._files, unit="picture"), self._stems, strict=True):
            try:
                image = read_picture(file)
            except (ValueError, OSError) as error:
                tqdm.tqdm.write(f"skipped: {error}")
                self.unreadable += 1
                if self.unreadable == len(self._files):
                    raise ValueError(
                        f"none of the {len(self._files)} pictures could be read: {error}"
                    ) from error
                continue
            boxes = self._find_boxes(file, image)
            self.waiting.append((file, stem, image))
            yield image, boxes


def predict_files(
    workdir: pathlib.Path,
    patterns: Sequence[str],
    out: pathlib.Path,
    boxes_file: str | None = None,
    whole_image: bool = False,
) -> int:
    """Pictures in, landmarks out: NAME.json, NAME.pts, NAME_landmarks.jpg.

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
    find_boxes = _box_finder(boxes_file, whole_image, files)
    predictor = Predictor.from_run(workdir)
    pictures = _Pictures(files, stems, lambda file, image: find_boxes(predictor, file, image))
    counts = {"faces": 0, "without a face": 0}
    for faces in predictor.predict_pairs(pictures):
        file, stem, image = pictures.waiting.popleft()
        if not faces:
            tqdm.tqdm.write(f"{file}: no face found; --boxes or --whole-image say where it is")
            counts["without a face"] += 1
        counts["faces"] += len(faces)
        landmark_files.write_results(file, stem, image, faces, predictor.scheme)
    counts["unreadable"] = pictures.unreadable
    summary = ", ".join(f"{count} {what}" for what, count in counts.items() if count or what == "faces")
    print(f"{len(files)} pictures: {summary}; results in {out}")
    return counts["faces"]
