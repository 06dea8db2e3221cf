"""The mode predict: landmarks of images, videos and cameras, written as files and overlays."""

import collections
import contextlib
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsat_jax.errors import UserError, counted
from dsat_jax.inference import detectors, file_patterns, predict_images, result_files, terminal
from dsat_jax.inference.options import Options, check
from dsat_jax.inference.predictor import Predictor
from dsat_jax.weights import zoo

# Videos and explanations are imported where they are used, because an image needs neither.
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dsat_jax.inference import video
    from dsat_jax.inference.explain import Explainer


def predict_files(
    workdir: pathlib.Path, patterns: Sequence[str], out: pathlib.Path, options: Options
) -> collections.Counter[str]:
    """Predicts the landmarks of images, videos and cameras, writes the results, and prints a line for each face.

    The results are NAME.json, NAME.pts and NAME_landmarks.jpg for each image, landmarks.csv for all images together,
    NAME.jsonl and NAME_landmarks.mp4 for each video, and NAME.jsonl for a camera or stream. A file that cannot be read
    is reported and skipped. With `options.format`, the files of `label_files` take the place of NAME.json, NAME.pts and
    landmarks.csv.

    Args:
      workdir: run folder or weights file.
      patterns: names as `file_patterns.read_inputs` takes them.
      out: folder of the results.
      options: options of the prediction.

    Returns:
      Numbers of 'faces', of images 'without a face', and of 'unreadable' files.

    Raises:
      OSError: if a pattern matches nothing, the folder contains no run, or the results cannot be written.
      UserError: if the options do not fit the inputs or each other, no file could be read, or a camera or stream cannot
        be opened.
    """
    inputs = file_patterns.read_inputs(patterns)
    check(options, inputs)
    result_files.check_folder(out)
    if inputs.passed_over:
        names = ", ".join(str(file) for file in inputs.passed_over)
        terminal.note(
            f"passed over {counted(len(inputs.passed_over), 'image')} in a format that is not read: {names}"
        )
    files = [*inputs.images, *inputs.videos]
    common = result_files.common_folder(files) if files else out
    images = predict_images.sources(inputs.images, inputs.has_stdin, out, common)
    video_stems = result_files.output_stems(inputs.videos, out, common)
    find_boxes = predict_images.box_finder(options, images)
    counts = collections.Counter[str]()
    has_videos = inputs.videos or inputs.address is not None
    with _video_settings(options) if has_videos else contextlib.nullcontext() as settings:
        predictor, explainer = _load(workdir, options)
        if images:
            counts += predict_images.predict_images(predictor, images, find_boxes, out, options, explainer)
        for file, stem in zip(inputs.videos, video_stems, strict=True):
            counts += _predict_video(predictor, file, stem, settings)
        if inputs.address is not None:
            counts += _predict_address(predictor, inputs.address, out, settings)
    count = len(images) + len(inputs.videos)
    if count and counts["unreadable"] == count:
        raise UserError(f"could read none of {counted(count, 'file')}")
    return counts


def _load(workdir: pathlib.Path, options: Options) -> tuple[Predictor, "Explainer | None"]:
    detector = detectors.make(options.detector or detectors.DEFAULT, options.threshold)
    if not options.explain:
        return Predictor.from_run(workdir, detector, options.scheme), None
    from dsat_jax.inference import explain, trained_network

    network = trained_network.load(workdir, options.scheme)
    predictor = Predictor.from_network(network, detector, zoo.least_confidence(workdir))
    return predictor, explain.Explainer(network)


@contextlib.contextmanager
def _video_settings(options: Options) -> "Iterator[video.Settings]":
    """Yields the settings of videos; until the end of the block the page of `options.show` is served."""
    from dsat_jax.inference import live_page, tracking, video
    from dsat_jax.inference.one_euro import OneEuro

    with contextlib.ExitStack() as stack:
        page = None if options.show is None else stack.enter_context(live_page.LivePage(options.show))
        if page is not None:
            terminal.note(f"page: {page.url}")
        yield video.Settings(
            OneEuro() if options.smooth else None,
            looks=tracking.LOOKS if options.looks is None else options.looks,
            mirror=tracking.MIRROR if options.mirror is None else options.mirror,
            show=None if page is None else page.show,
        )


def _predict_video(
    predictor: Predictor, file: pathlib.Path, stem: pathlib.Path, settings: "video.Settings"
) -> collections.Counter[str]:
    """Writes the results of a video, and prints a line."""
    from dsat_jax.inference import video

    try:
        results = video.predict_video(predictor, file, stem.parent, settings, stem.name)
    except UserError as error:
        terminal.note(f"skipped: {error}")
        return collections.Counter({"unreadable": 1})
    terminal.result(terminal.video_line(file, results))
    return collections.Counter({"faces": results.faces})


def _predict_address(
    predictor: Predictor, address: str, out: pathlib.Path, settings: "video.Settings"
) -> collections.Counter[str]:
    """Writes the results of a camera or stream until it ends or Ctrl-C is pressed, and prints a line."""
    from dsat_jax.inference import live, video

    results = video.predict_address(predictor, address, out, settings)
    terminal.result(terminal.video_line(live.shown_name(address), results))
    return collections.Counter({"faces": results.faces})
