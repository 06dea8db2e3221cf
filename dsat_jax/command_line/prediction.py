"""Flags of the mode predict, and the mode itself."""

import pathlib
from collections.abc import Sequence

from absl import flags

from dsat_jax.errors import UserError
from dsat_jax.files import locations

_PORT = 8000  # of the live page


class _PortParser(flags.ArgumentParser):
    """Parser of `--show` and `--show=PORT`; absl passes 'true' for a flag without a value, and 'false' for --noshow."""

    def parse(self, argument: str) -> int | None:
        if argument in ("true", "false"):
            return _PORT if argument == "true" else None
        if not (argument.isdecimal() and int(argument) < 2**16):
            raise ValueError(f"found {argument!r}, expected a port from 0 to {2**16 - 1}")
        return int(argument)


class _PortFlag(flags.Flag):
    """Flag with the value of `_PortParser`, None by default."""

    def __init__(self, name: str, help_string: str):
        super().__init__(_PortParser(), flags.ArgumentSerializer(), name, None, help_string, boolean=True)


_IMAGES = flags.DEFINE_list(
    "images",
    [],
    "predict: images, videos, folders, patterns, a camera (camera:0), the address of a stream (rtsp://, http://, "
    "https://), or - for an image from standard input, separated by commas. Without the flag, the words after the mode "
    "are these names.",
)
_BOXES = flags.DEFINE_string(
    "boxes", None, 'predict: .json file of face boxes: {"a.jpg": [[x_min, y_min, x_max, y_max], ...], ...}.'
)
_WHOLE_IMAGE = flags.DEFINE_bool(
    "whole-image", False, "predict: treat each image as one face, without detection."
)
_DETECTOR = flags.DEFINE_string(
    "detector",
    None,
    "predict: face detector: mtcnn, cascade (OpenCV's), or the .onnx file of YuNet. Default: mtcnn.",
)
_THRESHOLD = flags.DEFINE_float(
    "threshold", None, "predict: least score of a face, from 0 to 1. Default: 0.7."
)
_MIN_CONFIDENCE = flags.DEFINE_float(
    "min-confidence",
    None,
    "predict: leave out the faces of an image in which the network has less confidence. Default: they are kept, and "
    "marked as doubtful below the limit of a shipped network.",
)
_LARGEST_FIRST = flags.DEFINE_bool(
    "largest-first", False, "predict: order the faces of an image by size, not from left to right."
)
_LOOKS = flags.DEFINE_integer(
    "looks",
    None,
    "predict: runs of the network on a face at most, 1 or 2. Default: 2 for images, 1 for the tracked faces of videos.",
)
_MIRROR = flags.DEFINE_bool(
    "mirror",
    None,
    "predict: average with the mirrored face. Default: yes for images, no for the tracked faces of videos.",
)
_SMOOTH = flags.DEFINE_bool(
    "smooth", False, "predict: smooth the landmarks of videos with a One-Euro filter."
)
_SHOW = flags.DEFINE_flag(
    _PortFlag(
        "show",
        f"predict: show the frames of a video or camera with their landmarks on a page at http://127.0.0.1:{_PORT} "
        "while it runs; --show=PORT selects another port, 0 a free one.",
    )
)
_EXPLAIN = flags.DEFINE_bool(
    "explain", False, "predict: draw the attention or the heatmaps of the network for each face."
)
_FORMAT = flags.DEFINE_string(
    "format",
    None,
    "predict: write the faces of images for a labelling program, labelme, cvat or coco, in place of NAME.json, "
    "NAME.pts and landmarks.csv.",
)

FLAGS = tuple(
    flag.name
    for flag in (
        _IMAGES,
        _BOXES,
        _WHOLE_IMAGE,
        _DETECTOR,
        _THRESHOLD,
        _MIN_CONFIDENCE,
        _LARGEST_FIRST,
        _LOOKS,
        _MIRROR,
        _SMOOTH,
        _SHOW,
        _EXPLAIN,
        _FORMAT,
    )
)


def predict(network: pathlib.Path, scheme: str | None, words: Sequence[str], out: pathlib.Path) -> None:
    """Predicts the landmarks of the images and videos that the command line names.

    Args:
      network: run folder or weights file.
      scheme: name of a scheme that the network predicts; None for its first.
      words: arguments that are not flags, which name images instead of `--images`.
      out: folder of the results.

    Raises:
      OSError, UserError: see `predict_files.predict_files`; UserError if words and `--images` name images.
    """
    from dsat_jax.inference import predict_files

    if words and flags.FLAGS["images"].present:
        raise UserError(
            f"--images and the arguments {' '.join(words)} both name images, expected one of them"
        )
    if locations.in_bucket(out):
        raise UserError(f"--out={out}: predictions are written to local folders, found one in a bucket")
    remote = [name for name in (words or _IMAGES.value) if locations.in_bucket(name)]
    if remote:
        raise UserError(f"{remote[0]}: images and videos are read from local folders, found one in a bucket")
    ports = [word for word in words if word.isdecimal()]
    if _SHOW.value is not None and ports and not pathlib.Path(ports[0]).exists():
        raise UserError(
            f"{ports[0]} is not a file; the port of the page is --show={ports[0]}, without a space"
        )
    options = predict_files.Options(
        scheme=scheme,
        boxes=_BOXES.value,
        whole_image=_WHOLE_IMAGE.value,
        detector=_DETECTOR.value,
        threshold=_THRESHOLD.value,
        min_confidence=_MIN_CONFIDENCE.value,
        largest_first=_LARGEST_FIRST.value,
        looks=_LOOKS.value,
        mirror=_MIRROR.value,
        smooth=_SMOOTH.value,
        show=_SHOW.value,
        explain=_EXPLAIN.value,
        format=_FORMAT.value,
    )
    predict_files.predict_files(network, words or _IMAGES.value, out, options)
