"""Prediction of image files and of an image from standard input: result files, and a printed line for each face."""

import collections
import contextlib
import dataclasses
import functools
import pathlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import tqdm

from dsat_jax.errors import UserError
from dsat_jax.files import image_files, locations
from dsat_jax.inference import face_boxes, face_crops, label_files, media_kinds, result_files, terminal
from dsat_jax.inference.detections import Detections
from dsat_jax.inference.face_crops import FaceCrop
from dsat_jax.inference.image_input import read_image
from dsat_jax.inference.landmarks import Face
from dsat_jax.inference.media_kinds import Kind
from dsat_jax.inference.options import Options
from dsat_jax.inference.predictor import LOOKS, MIRROR, Predictor
from dsat_jax.schemes import Scheme

if TYPE_CHECKING:
    from dsat_jax.inference.explain import Explainer

FindBoxes = Callable[[Predictor, pathlib.Path, np.ndarray], Detections]
ResultWriter = Callable[["Source", np.ndarray, Sequence[Face]], None]
_LARGE = 60.0  # pixels; a face of this width is missed by nobody who looks at the image
_STDIN = pathlib.Path("stdin")  # the image from standard input, in names of results and in messages


@dataclasses.dataclass(frozen=True)
class Source:
    """An image to predict.

    Attributes:
      file: image file, or `stdin`.
      stem: path of its results, without suffix.
      read: function that returns the pixels, uint8 [height, width, 3] RGB.
    """

    file: pathlib.Path
    stem: pathlib.Path
    read: Callable[[], np.ndarray]


def sources(
    files: Sequence[pathlib.Path], has_stdin: bool, out: pathlib.Path, common: pathlib.Path
) -> list[Source]:
    """Returns the images of a prediction.

    Args:
      files: image files.
      has_stdin: whether an image comes from standard input.
      out: folder of the results.
      common: folder that contains all files, from `result_files.common_folder`.

    Raises:
      UserError: if two images would have the same results, or as in `result_files.output_stems`.
    """
    stems = result_files.output_stems(files, out, common)
    images = [
        Source(file, stem, functools.partial(read_image, file))
        for file, stem in zip(files, stems, strict=True)
    ]
    if not has_stdin:
        return images
    if out / _STDIN in stems:
        file = files[stems.index(out / _STDIN)]
        raise UserError(
            f"{file} and standard input would both write the results {out / _STDIN}.*: predict them separately"
        )
    return [*images, Source(_STDIN, out / _STDIN, _read_stdin)]


def _read_stdin() -> np.ndarray:
    """Returns the image from standard input.

    Raises:
      UserError: if standard input is a terminal or a video, or its bytes are not an image.
    """
    if sys.stdin.isatty():
        raise UserError("standard input is a terminal, expected an image: cat photo.jpg | dsat-jax predict -")
    data = sys.stdin.buffer.read(image_files.MOST_BYTES + 1)
    if media_kinds.by_content(data) is Kind.VIDEO:
        raise UserError(
            "standard input is a video, expected an image: save the video as a file and predict that"
        )
    try:
        if len(data) > image_files.MOST_BYTES:
            raise UserError(f"found more than {image_files.MOST_BYTES} bytes")
        return image_files.decode(data, upright=True)
    except UserError as error:
        raise UserError(f"standard input is not an image that can be read: {error}") from error


def box_finder(options: Options, images: Sequence[Source]) -> FindBoxes:
    """Returns the function that finds the faces of an image: from a file, from its size, or by the detector.

    Raises:
      OSError, UserError: see `face_boxes.boxes_for`.
    """
    if options.whole_image:
        return lambda predictor, path, image: Detections(
            face_boxes.whole_image_boxes(image, predictor.enlarge)
        )
    if options.boxes is None:
        return lambda predictor, path, image: _detected(predictor, image, options)
    boxes_by_name = face_boxes.boxes_for(locations.locate(options.boxes), [image.file for image in images])

    def find(predictor: Predictor, path: pathlib.Path, image: np.ndarray) -> Detections:
        del predictor
        boxes = boxes_by_name.get(path.name, np.empty((0, 4)))
        face_boxes.check_inside(boxes, image, f"{options.boxes}, {path.name}")
        return Detections(boxes)

    return find


def _detected(predictor: Predictor, image: np.ndarray, options: Options) -> Detections:
    detections = predictor.find_faces(image)
    return detections.largest_first() if options.largest_first else detections


@dataclasses.dataclass
class _Readable:
    """Iterator over the readable images with valid face boxes.

    Attributes:
      images: all images.
      find_boxes: function from a file and its pixels to detections.
      bar: progress bar, advanced here for each unreadable image.
      unreadable: number of unreadable images so far.
      smallest: for each image with many pixels, the width of the smallest face that was looked for, in pixels.
      waiting: each image that is not yet predicted, and its pixels.
    """

    images: Sequence[Source]
    find_boxes: Callable[[pathlib.Path, np.ndarray], Detections]
    bar: tqdm.tqdm
    unreadable: int = 0
    smallest: list[float] = dataclasses.field(default_factory=list)
    waiting: collections.deque[tuple[Source, np.ndarray]] = dataclasses.field(
        default_factory=collections.deque
    )

    def __iter__(self) -> Iterator[tuple[np.ndarray, Detections]]:
        for source in self.images:
            try:
                image = source.read()
                detections = self.find_boxes(source.file, image)
            except (UserError, OSError) as error:
                terminal.note(f"skipped: {error}")
                self.bar.update()
                self.unreadable += 1
                continue
            self.waiting.append((source, image))
            if detections.smallest is not None and detections.smallest > _LARGE:
                self.smallest.append(detections.smallest)
            yield image, detections


def predict_images(
    predictor: Predictor,
    images: Sequence[Source],
    find_boxes: FindBoxes,
    out: pathlib.Path,
    options: Options,
    explainer: "Explainer | None",
) -> collections.Counter[str]:
    """Predicts images, writes their results, and prints a line for each face and a summary.

    Args:
      predictor: predictor of the faces.
      images: images, from `sources`.
      find_boxes: function from `box_finder`.
      out: folder of the results.
      options: options of the prediction.
      explainer: drawer of heatmaps or attention; None draws none.

    Returns:
      Numbers of 'faces', of images 'without a face', and of 'unreadable' images.
    """
    counts, started = collections.Counter[str](), time.monotonic()
    looks = LOOKS if options.looks is None else options.looks
    mirror = MIRROR if options.mirror is None else options.mirror
    with (
        terminal.bar(len(images), "image") as bar,
        _result_writer(out, predictor.scheme, options.format) as write,
    ):
        readable = _Readable(images, lambda file, image: find_boxes(predictor, file, image), bar)
        for faces in predictor.predict_pairs(readable, looks, mirror):
            source, image = readable.waiting.popleft()
            faces = _confident(faces, options.min_confidence)
            write(source, image, faces)
            if explainer is not None:
                _explain(explainer, image, faces, source.stem)
            _print(source, faces, options)
            counts.update({"faces": len(faces), "without a face": int(not faces)})
            bar.update()
    counts["unreadable"] = readable.unreadable
    if readable.smallest:
        terminal.note(
            f"{len(readable.smallest)} of {len(images)} images are large: faces of less than "
            f"{max(readable.smallest):.0f} pixels were not looked for; cut an image into parts to find smaller ones"
        )
    summary = ", ".join(f"{kind}: {count}" for kind, count in counts.items() if count or kind == "faces")
    seconds = time.monotonic() - started
    terminal.note(f"images: {len(images)}, {summary}; {seconds:.1f} s; results in {out}")
    return counts


def _confident(faces: Sequence[Face], least: float | None) -> list[Face]:
    """Returns the faces with at least a confidence; all if it is None.

    Raises:
      UserError: if the network has no confidence.
    """
    if least is None:
        return list(faces)
    if any(face.confidence is None for face in faces):
        raise UserError("--min-confidence is for networks with heatmaps, and this one has no confidence")
    return [face for face in faces if face.confidence >= least]


@contextlib.contextmanager
def _result_writer(out: pathlib.Path, scheme: Scheme, label_format: str | None) -> Iterator[ResultWriter]:
    """Yields the function that writes an image's results; files of all images are complete after the block."""
    if label_format is None:
        with result_files.LandmarkTable(out, scheme.num_points) as table:

            def write(source: Source, image: np.ndarray, faces: Sequence[Face]) -> None:
                result_files.write_results(source.file, source.stem, image, faces, scheme)
                table.add(source.file, source.stem, faces)

            yield write
        return
    with label_files.LabelFiles(out, scheme, label_format) as labels:

        def write_labels(source: Source, image: np.ndarray, faces: Sequence[Face]) -> None:
            result_files.write_overlay(source.stem, image, faces, scheme)
            labels.add(source.file, source.stem, image, faces)

        yield write_labels


def _explain(explainer: "Explainer", image: np.ndarray, faces: Sequence[Face], stem: pathlib.Path) -> None:
    from dsat_jax.inference import explain

    crops = [face_crops.refined(FaceCrop(image, face.box, face.roll), face) for face in faces]
    explain.write(explainer, crops, stem)


def _print(source: Source, faces: Sequence[Face], options: Options) -> None:
    for number, face in enumerate(faces):
        terminal.result(terminal.face_line(source.file, number, face, result_files.overlay_file(source.stem)))
    if faces:
        return
    if options.boxes is None:
        terminal.note(f"{source.file}: no face found; give its box with --boxes, or use --whole-image")
    else:
        terminal.note(f"{source.file}: no box for it in {options.boxes}")
