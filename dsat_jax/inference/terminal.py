"""What a prediction prints: results on standard output, a line for each face; all else on standard error."""

import pathlib
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

import tqdm

from dsat_jax.inference.landmarks import Face
from dsat_jax.runtime.progress import in_notebook, progress_bar

if TYPE_CHECKING:
    from dsat_jax.inference.video import VideoResults

T = TypeVar("T")


def bar(total: int, unit: str) -> tqdm.tqdm:
    """Returns a progress bar, in a terminal or a notebook only; it disappears at its end."""
    return progress_bar(total=total, unit=unit, leave=False, disable=_hidden())


def progress(items: Iterable[T], name: str, total: int | None, unit: str = "frame") -> Iterator[T]:
    """Yields frames of a video, or other items, with a bar as `bar` returns it; `total` is None if unknown."""
    return iter(progress_bar(items, desc=name, total=total, unit=unit, leave=False, disable=_hidden()))


def _hidden() -> bool | None:
    """Whether to show no bar; None, for tqdm to decide whether the output is a terminal."""
    return False if in_notebook() else None


def result(line: str) -> None:
    """Prints a line of results."""
    tqdm.tqdm.write(line, file=sys.stdout)
    sys.stdout.flush()


def note(line: str) -> None:
    """Prints a line about the work itself: a check before it, a skipped file, an image without a face, a summary."""
    tqdm.tqdm.write(line, file=sys.stderr)


def face_line(file: pathlib.Path, number: int, face: Face, overlay: pathlib.Path) -> str:
    """Returns the line of a face, with tabs between its columns.

    Args:
      file: image file.
      number: number of the face in the image, from 0.
      face: the face.
      overlay: file that shows it.
    """
    score = "-" if face.score is None else f"{face.score:.3f}"
    box = " ".join(f"{value:.0f}" for value in face.bounds)
    score += ", doubtful" if face.doubtful else ""
    return "\t".join([str(file), f"face {number}", f"score {score}", f"box {box}", f"-> {overlay}"])


def video_line(name: pathlib.Path | str, results: "VideoResults") -> str:
    """Returns the line of a video or live source, with tabs between its columns.

    Args:
      name: file of the video, or name of the source.
      results: what was written.
    """
    written = results.landmarks if results.video is None else results.video
    return "\t".join(
        [str(name), f"frames {results.frames}", f"different faces {results.tracks}", f"-> {written}"]
    )
