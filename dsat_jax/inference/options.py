"""Options of the mode predict, and which of them fit together."""

import dataclasses

from dsat_jax.errors import UserError
from dsat_jax.inference import label_files
from dsat_jax.inference.file_patterns import Inputs


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of a prediction.

    Attributes:
      scheme: name of a landmark scheme that the network predicts; None selects its first.
      boxes: JSON file of face boxes in the format of `face_boxes.read_boxes`; None runs the detector.
      whole_image: whether each image is treated as one face, without detection.
      detector: name or file of the face detector, as `detectors.make` takes it; None selects the default.
      threshold: least score of a face; None selects the detector's default.
      min_confidence: least confidence of a face; None keeps all faces.
      largest_first: whether to order the faces of an image by size instead of from left to right.
      looks: largest number of runs of the network on a face; None selects 2 for images, and 1 for the tracked faces of
        videos.
      mirror: whether to average with the mirrored face; None selects yes for images, and no for tracked faces.
      smooth: whether to smooth the landmarks of videos.
      show: port of the page that shows the frames of videos, 0 for a free one; None serves no page.
      explain: whether to draw heatmaps or attention for each face of an image.
      format: key of `label_files.FORMATS`, in which the faces of images are written; None writes NAME.json, NAME.pts
        and landmarks.csv.
    """

    scheme: str | None = None
    boxes: str | None = None
    whole_image: bool = False
    detector: str | None = None
    threshold: float | None = None
    min_confidence: float | None = None
    largest_first: bool = False
    looks: int | None = None
    mirror: bool | None = None
    smooth: bool = False
    show: int | None = None
    explain: bool = False
    format: str | None = None


def check(options: Options, inputs: Inputs) -> None:
    """Refuses options that exclude each other, and options without an effect on the inputs.

    Raises:
      UserError: if an option is of these.
    """
    for_images = {"--boxes": options.boxes is not None, "--whole-image": options.whole_image}
    finding = {"--detector": options.detector, "--threshold": options.threshold}
    box_flags = for_images | {flag: value is not None for flag, value in finding.items()}
    conflicting = [flag for flag, is_set in box_flags.items() if is_set]
    if options.largest_first:
        conflicting += ["--largest-first"] if conflicting and not set(conflicting) <= set(finding) else []
    if len(conflicting) > 1 and not set(conflicting) <= set(finding):
        raise UserError(f"{' and '.join(conflicting)} exclude each other")
    if options.looks not in (None, 1, 2):
        raise UserError(f"--looks={options.looks}: expected 1 or 2")
    videos = inputs.videos_and_cameras
    only_images = for_images | {
        "--explain": options.explain,
        "--largest-first": options.largest_first,
        "--min-confidence": options.min_confidence is not None,
        "--format": options.format is not None,
    }
    for flag, is_set in only_images.items():
        if is_set and videos:
            raise UserError(f"{flag} is for images, and {videos[0]} is a video: predict videos without it")
    for flag, is_set in {"--smooth": options.smooth, "--show": options.show is not None}.items():
        if is_set and not videos:
            raise UserError(f"{flag} is for videos and cameras, found only images")
    if options.format is not None:
        _check_format(options.format, inputs)


def _check_format(label_format: str, inputs: Inputs) -> None:
    """Refuses an unknown format, and images that a labelling program could not open by a name in its file."""
    if label_format not in label_files.FORMATS:
        raise UserError(f"--format={label_format}: expected {', '.join(label_files.FORMATS)}")
    if inputs.has_stdin:
        raise UserError("--format needs image files, found an image from standard input")
    unwritable = [str(file) for file in inputs.images if not str(file).isprintable()]
    if unwritable:
        raise UserError(f"{unwritable[0]!r}: the name has characters that --format cannot write, rename it")
