"""`--mode=predict`: landmarks of images and videos, written as files and overlays."""

import collections
import dataclasses
import pathlib
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tqdm

from dsat_jax.errors import UserError
from dsat_jax.inference import (
    detectors,
    explain,
    face_boxes,
    face_crops,
    file_patterns,
    result_files,
    tracking,
    trained_network,
    video,
)
from dsat_jax.inference.detections import Detections
from dsat_jax.inference.face_crops import FaceCrop
from dsat_jax.inference.image_input import read_image
from dsat_jax.inference.one_euro import OneEuro
from dsat_jax.inference.predictor import LOOKS, MIRROR, Predictor

FindBoxes = Callable[[Predictor, pathlib.Path, np.ndarray], Detections]


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of a prediction.

    Attributes:
      boxes: JSON file of face boxes in the format of `face_boxes.read_boxes`; None runs the detector.
      whole_image: whether each image is treated as one face, without detection.
      detector: name or file of the face detector, as `detectors.make` takes it; None selects the default.
      threshold: least score of a face; None selects the detector's default.
      largest_first: whether to order the faces of an image by size instead of from left to right.
      looks: number of runs of the network on a face; None selects 2 for images, and 1 for the tracked faces of videos.
      mirror: whether to average with the mirrored face; None selects yes for images, and no for tracked faces.
      smooth: whether to smooth the landmarks of videos.
      explain: whether to draw heatmaps or attention for each face of an image.
    """

    boxes: str | None = None
    whole_image: bool = False
    detector: str | None = None
    threshold: float | None = None
    largest_first: bool = False
    looks: int | None = None
    mirror: bool | None = None
    smooth: bool = False
    explain: bool = False


def predict_files(
    workdir: pathlib.Path, patterns: Sequence[str], out: pathlib.Path, options: Options
) -> collections.Counter[str]:
    """Predicts the landmarks of images and videos and writes the results.

    The results are NAME.json, NAME.pts and NAME_landmarks.jpg for each image, landmarks.csv for all images together,
    and NAME.jsonl and NAME_landmarks.mp4 for each video. A file that cannot be read is reported and skipped.

    Args:
      workdir: run folder or weights file.
      patterns: files, folders and patterns, as `file_patterns.list_files` takes them.
      out: folder of the results.
      options: options of the prediction.

    Returns:
      Numbers of 'faces', of images 'without a face', and of 'unreadable' files.

    Raises:
      OSError: if a pattern matches nothing, the folder contains no run, or the results cannot be written.
      UserError: if the options do not fit the files or each other, or no file could be read.
    """
    files = file_patterns.list_files(patterns)
    image_files = [file for file in files if not file_patterns.is_video(file)]
    videos = [file for file in files if file_patterns.is_video(file)]
    _check(options, videos)
    result_files.check_folder(out)
    common = result_files.common_folder(files)
    stems, video_stems = (result_files.output_stems(each, out, common) for each in (image_files, videos))
    find_boxes = _box_finder(options, image_files)
    network = trained_network.load(workdir)
    detector = detectors.make(options.detector or detectors.DEFAULT, options.threshold)
    predictor = Predictor.from_network(network, detector)
    explainer = explain.Explainer(network) if options.explain else None
    counts = collections.Counter[str]()
    if image_files:
        with tqdm.tqdm(total=len(image_files), unit="image", dynamic_ncols=True) as bar:
            images = _Images(
                image_files,
                stems,
                lambda file, image: find_boxes(predictor, file, image),
                _without_face(options),
                bar,
            )
            counts += _predict_images(predictor, images, out, explainer, options)
    for file, stem in zip(videos, video_stems, strict=True):
        counts += _predict_video(predictor, file, stem.parent, options)
    if counts["unreadable"] == len(files):
        raise UserError(f"none of the {len(files)} files could be read")
    return counts


def _check(options: Options, videos: Sequence[pathlib.Path]) -> None:
    """Refuses options that exclude each other, and options without an effect on the files."""
    for_images = {"--boxes": options.boxes is not None, "--whole-image": options.whole_image}
    finding = {"--detector": options.detector, "--threshold": options.threshold}
    box_flags = for_images | {flag: value is not None for flag, value in finding.items()}
    conflicting = [flag for flag, is_set in box_flags.items() if is_set]
    if len(conflicting) > 1 and not set(conflicting) <= set(finding):
        raise UserError(f"{' and '.join(conflicting)} exclude each other")
    for flag, is_set in (for_images | {"--explain": options.explain}).items():
        if is_set and videos:
            raise UserError(f"{flag} is for images, and {videos[0]} is a video: predict videos without it")
    if options.smooth and not videos:
        raise UserError("--smooth is for videos, and --images names none")


def _without_face(options: Options) -> str:
    """Returns the message about an image without a face."""
    if options.boxes is not None:
        return f"no box for it in {options.boxes}"
    return "no face found; give its box with --boxes, or use --whole-image"


def _box_finder(options: Options, files: Sequence[pathlib.Path]) -> FindBoxes:
    """Returns the function that finds the boxes of an image: from a file, from its size, or by a detector."""
    if options.whole_image:
        return lambda predictor, path, image: Detections(whole_image_boxes(image, predictor.enlarge))
    if options.boxes is None:
        return lambda predictor, path, image: _detected(predictor, image, options)
    boxes_by_name = face_boxes.boxes_for(pathlib.Path(options.boxes), files)

    def find(predictor: Predictor, path: pathlib.Path, image: np.ndarray) -> Detections:
        del predictor
        boxes = boxes_by_name.get(path.name, np.empty((0, 4)))
        face_boxes.check_inside(boxes, image, f"{options.boxes}, {path.name}")
        return Detections(boxes)

    return find


def _detected(predictor: Predictor, image: np.ndarray, options: Options) -> Detections:
    detections = predictor.find_faces(image)
    return detections.largest_first() if options.largest_first else detections


def whole_image_boxes(image: np.ndarray, enlarge: float) -> np.ndarray:
    """Returns the face box [1, 4] that, with the margin of the crop, covers the whole image.

    If the image is not square, the square crop leaves out the ends of its long side. An image of one row or column has
    no box: the result is [0, 4].
    """
    height, width = image.shape[:2]
    if min(height, width) == 1:
        return np.empty((0, 4))
    margin_x, margin_y = (enlarge / (1 + 2 * enlarge) * (side - 1) for side in (width, height))
    return np.array([[margin_x, margin_y, width - 1 - margin_x, height - 1 - margin_y]])


@dataclasses.dataclass
class _Images:
    """Iterator over the readable images of some files, with their face boxes.

    Attributes:
      files: image files.
      stems: paths of their results, without suffix.
      find_boxes: function from a file and its pixels to detections.
      without_face: message about an image without a face.
      bar: progress bar, advanced here for each unreadable file.
      unreadable: number of unreadable files so far.
      waiting: file, stem and pixels of each image that is not yet predicted.
    """

    files: Sequence[pathlib.Path]
    stems: Sequence[pathlib.Path]
    find_boxes: Callable[[pathlib.Path, np.ndarray], Detections]
    without_face: str
    bar: tqdm.tqdm
    unreadable: int = 0
    waiting: collections.deque[tuple[pathlib.Path, pathlib.Path, np.ndarray]] = dataclasses.field(
        default_factory=collections.deque
    )

    def __iter__(self) -> Iterator[tuple[np.ndarray, Detections]]:
        for file, stem in zip(self.files, self.stems, strict=True):
            try:
                image = read_image(file)
            except (UserError, OSError) as error:
                self.bar.write(f"skipped: {error}")
                self.bar.update()
                self.unreadable += 1
                continue
            detections = self.find_boxes(file, image)
            self.waiting.append((file, stem, image))
            yield image, detections


def _predict_images(
    predictor: Predictor,
    images: _Images,
    out: pathlib.Path,
    explainer: explain.Explainer | None,
    options: Options,
) -> collections.Counter[str]:
    """Writes the results of images, and prints a summary."""
    counts, started = collections.Counter[str](), time.monotonic()
    with result_files.LandmarkTable(out, predictor.scheme.num_points) as table:
        looks = LOOKS if options.looks is None else options.looks
        mirror = MIRROR if options.mirror is None else options.mirror
        for faces in predictor.predict_pairs(images, looks, mirror):
            file, stem, image = images.waiting.popleft()
            if not faces:
                images.bar.write(f"{file}: {images.without_face}")
            counts.update({"faces": len(faces), "without a face": int(not faces)})
            result_files.write_results(file, stem, image, faces, predictor.scheme)
            table.add(file, stem, faces)
            if explainer is not None:
                crops = [face_crops.refined(FaceCrop(image, face.box, face.roll), face) for face in faces]
                explain.write(explainer, crops, stem)
            images.bar.update()
    counts["unreadable"] = images.unreadable
    summary = ", ".join(f"{kind}: {count}" for kind, count in counts.items() if count or kind == "faces")
    seconds = time.monotonic() - started
    images.bar.write(f"images: {len(images.files)}, {summary}; {seconds:.1f} s; results in {out}")
    return counts


def _predict_video(
    predictor: Predictor, file: pathlib.Path, out: pathlib.Path, options: Options
) -> collections.Counter[str]:
    """Writes the results of a video, and prints a summary."""
    try:
        results = video.predict_video(
            predictor,
            file,
            out,
            OneEuro() if options.smooth else None,
            looks=tracking.LOOKS if options.looks is None else options.looks,
            mirror=tracking.MIRROR if options.mirror is None else options.mirror,
        )
    except UserError as error:
        tqdm.tqdm.write(f"skipped: {error}")
        return collections.Counter({"unreadable": 1})
    print(
        f"{file}: {results.frames} frames, {results.tracks} different faces; {results.video} and {results.landmarks}"
    )
    return collections.Counter({"faces": results.faces})
