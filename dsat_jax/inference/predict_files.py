"""The story of `--mode=predict`: pictures and videos to landmarks, with files of them and overlays on disk."""

import collections
import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tqdm

from dsat_jax.errors import UserError
from dsat_jax.inference import explain, face_boxes, file_patterns, result_files, trained_network, video
from dsat_jax.inference.detectors.yunet import YuNetDetector
from dsat_jax.inference.one_euro import OneEuro
from dsat_jax.inference.predictor import Predictor, box_again, read_picture

FindBoxes = Callable[[Predictor, pathlib.Path, np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Options:
    """How faces are found, and what is made of them.

    Attributes:
      boxes: file of face boxes, see `box_files.read_boxes`; None looks for faces.
      whole_image: take each picture as one face.
      detector: .onnx file of YuNet; None for the bundled cascade.
      smooth: steady the landmarks of videos.
      explain: draw where the network looks at each face of a picture.
    """

    boxes: str | None = None
    whole_image: bool = False
    detector: str | None = None
    smooth: bool = False
    explain: bool = False


def predict_files(
    workdir: pathlib.Path, patterns: Sequence[str], out: pathlib.Path, options: Options
) -> collections.Counter[str]:
    """Pictures and videos in, landmarks out.

    Of a picture NAME.json, NAME.pts and NAME_landmarks.jpg, of all pictures landmarks.csv, of a video NAME.jsonl and
    NAME_landmarks.mp4. A file that cannot be read is named and left out.

    Args:
      workdir: the run's folder, or a file of weights.
      patterns: see `input_files.list_files`.
      out: folder of the results.
      options: see `Options`.

    Returns:
      How many 'faces' there were, how many pictures 'without a face', and how many files were 'unreadable'.

    Raises:
      OSError: if a pattern matches nothing, the folder holds no run, or the results cannot be written.
      ValueError: if the options do not fit the files or each other, or no file could be read.
    """
    files = file_patterns.list_files(patterns)
    photographs = [file for file in files if not file_patterns.is_video(file)]
    films = [file for file in files if file_patterns.is_video(file)]
    _check(options, photographs, films)
    result_files.check_folder(out)
    common = result_files.common_folder(files)
    stems, film_stems = (result_files.output_stems(some, out, common) for some in (photographs, films))
    find_boxes = _box_finder(options, photographs)
    network = trained_network.load(workdir)
    detector = None if options.detector is None else YuNetDetector(pathlib.Path(options.detector))
    predictor = Predictor.from_network(network, detector)
    explainer = explain.Explainer(network) if options.explain else None
    counts = collections.Counter[str]()
    if photographs:
        with tqdm.tqdm(total=len(photographs), unit="picture", dynamic_ncols=True) as bar:
            pictures = _Pictures(
                photographs,
                stems,
                lambda file, image: find_boxes(predictor, file, image),
                _without_face(options),
                bar,
            )
            counts += _predict_pictures(predictor, pictures, out, explainer)
    for file, stem in zip(films, film_stems, strict=True):
        counts += _predict_film(predictor, file, stem.parent, OneEuro() if options.smooth else None)
    if counts["unreadable"] == len(files):
        raise UserError(f"none of the {len(files)} files could be read")
    return counts


def _check(options: Options, photographs: Sequence[pathlib.Path], films: Sequence[pathlib.Path]) -> None:
    """Refuses options that exclude each other, or that the files would pass over."""
    of_pictures = {"--boxes": options.boxes is not None, "--whole-image": options.whole_image}
    places = of_pictures | {"--detector": options.detector is not None}
    given = [flag for flag, is_given in places.items() if is_given]
    if len(given) > 1:
        raise UserError(f"{' and '.join(given)} exclude each other")
    for flag, is_given in (of_pictures | {"--explain": options.explain}).items():
        if is_given and films:
            raise UserError(f"{flag} is for pictures, and {films[0]} is a video: predict videos without it")
    if options.smooth and not films:
        raise UserError("--smooth is for videos, and --images names none")


def _without_face(options: Options) -> str:
    """What to say of a picture without a face."""
    if options.boxes is not None:
        return f"no box for it in {options.boxes}"
    return "no face found; --boxes or --whole-image say where it is"


def _box_finder(options: Options, files: Sequence[pathlib.Path]) -> FindBoxes:
    """Where the boxes of a picture come from: a file, the picture's own frame, or a detector."""
    if options.whole_image:
        return lambda predictor, path, image: whole_image_boxes(image, predictor.enlarge)
    if options.boxes is None:
        return lambda predictor, path, image: predictor.find_faces(image)
    given = face_boxes.boxes_for(pathlib.Path(options.boxes), files)

    def find(predictor: Predictor, path: pathlib.Path, image: np.ndarray) -> np.ndarray:
        del predictor
        boxes = given.get(path.name, np.empty((0, 4)))
        face_boxes.check_inside(boxes, image, f"{options.boxes}, {path.name}")
        return boxes

    return find


def whole_image_boxes(image: np.ndarray, enlarge: float) -> np.ndarray:
    """The face box [1, 4] whose crop, enlarged, is the whole picture, but for the ends of a long one.

    A picture of one row or column has no box: the result is [0, 4].
    """
    height, width = image.shape[:2]
    if min(height, width) == 1:
        return np.empty((0, 4))
    margin_x, margin_y = (enlarge / (1 + 2 * enlarge) * (side - 1) for side in (width, height))
    return np.array([[margin_x, margin_y, width - 1 - margin_x, height - 1 - margin_y]])


@dataclasses.dataclass
class _Pictures:
    """The readable ones of some files, one after the other, with their boxes.

    Attributes:
      files: the files.
      stems: of their results.
      find_boxes: from a file and its pixels to the boxes.
      without_face: what to say of one without a face.
      bar: of the progress, which moves on for each file that cannot be read.
      unreadable: how many, so far.
      waiting: file, stem of its results and pixels of those whose faces have not come back yet.
    """

    files: Sequence[pathlib.Path]
    stems: Sequence[pathlib.Path]
    find_boxes: Callable[[pathlib.Path, np.ndarray], np.ndarray]
    without_face: str
    bar: tqdm.tqdm
    unreadable: int = 0
    waiting: collections.deque[tuple[pathlib.Path, pathlib.Path, np.ndarray]] = dataclasses.field(
        default_factory=collections.deque
    )

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for file, stem in zip(self.files, self.stems, strict=True):
            try:
                image = read_picture(file)
            except (UserError, OSError) as error:
                self.bar.write(f"skipped: {error}")
                self.bar.update()
                self.unreadable += 1
                continue
            boxes = self.find_boxes(file, image)
            self.waiting.append((file, stem, image))
            yield image, boxes


def _predict_pictures(
    predictor: Predictor, pictures: _Pictures, out: pathlib.Path, explainer: explain.Explainer | None
) -> collections.Counter[str]:
    """Writes the results of pictures, and prints how many there were of each kind."""
    counts, started = collections.Counter[str](), time.monotonic()
    with result_files.LandmarkTable(out, predictor.scheme.num_points) as table:
        for faces in predictor.predict_pairs(pictures):
            file, stem, image = pictures.waiting.popleft()
            if not faces:
                pictures.bar.write(f"{file}: {pictures.without_face}")
            counts.update({"faces": len(faces), "without a face": int(not faces)})
            result_files.write_results(file, stem, image, faces, predictor.scheme)
            table.add(file, stem, faces)
            if explainer is not None:
                explain.write(explainer, image, [box_again(face) for face in faces], stem)
            pictures.bar.update()
    counts["unreadable"] = pictures.unreadable
    summary = ", ".join(f"{what}: {count}" for what, count in counts.items() if count or what == "faces")
    seconds = time.monotonic() - started
    pictures.bar.write(f"pictures: {len(pictures.files)}, {summary}; {seconds:.1f} s; results in {out}")
    return counts


def _predict_film(
    predictor: Predictor, file: pathlib.Path, out: pathlib.Path, smooth: OneEuro | None
) -> collections.Counter[str]:
    """Writes the results of a video, and prints what it showed."""
    try:
        results = video.predict_video(predictor, file, out, smooth)
    except UserError as error:
        tqdm.tqdm.write(f"skipped: {error}")
        return collections.Counter({"unreadable": 1})
    print(
        f"{file}: {results.frames} frames, {results.tracks} different faces; {results.video} and {results.landmarks}"
    )
    return collections.Counter({"faces": results.faces})
