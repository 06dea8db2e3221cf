"""The form of the bad inputs, and functions that run the program on them."""

import contextlib
import dataclasses
import io
import json
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence

import array_record.python.array_record_data_source  # noqa: F401  a later import would define flags that are removed
import numpy as np
from absl import flags
from absl.testing import flagsaver
from PIL import Image

import dsat_jax
from dsat_jax.command_line import main, parsing
from dsat_jax.errors import UserError
from tfds_builders import build

ROOT = pathlib.Path(dsat_jax.__file__).parents[1]
Spoil = Callable[[pathlib.Path], object]


@dataclasses.dataclass(frozen=True)
class Case:
    """One bad input.

    Attributes:
      spoil: function that puts the bad input into a folder of accepted inputs.
      parts: parts of the message: the name of the file, what was found, what was expected.
    """

    spoil: Spoil
    parts: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Kind:
    """Bad inputs of one kind.

    Attributes:
      prepare: function that fills a folder with accepted inputs.
      enter: function that lets the program read a folder; returns the error message, or None if it is accepted.
      cases: name -> case.
    """

    prepare: Spoil
    enter: Callable[[pathlib.Path], str | None]
    cases: Mapping[str, Case]


def write(path: pathlib.Path, content: object) -> None:
    """Writes bytes and text unchanged, any other content as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def put(file: str, content: object, *parts: str) -> Case:
    """A file with other content; the message must name the file."""
    return Case(lambda root: write(root / file, content), (pathlib.PurePath(file).name, *parts))


def put_all(file: str, contents: Mapping[str, tuple]) -> dict[str, Case]:
    """`put` for several contents of a file, given as name of the case -> content and parts of the message."""
    return {name: put(file, *content) for name, content in contents.items()}


def put_faces(file: str, contents: Mapping[str, tuple]) -> dict[str, Case]:
    """`put_all` for files that can be read but contain a damaged face: the message names the face, not the file."""
    return {name: Case(put(file, content).spoil, parts) for name, (content, *parts) in contents.items()}


def picture(width: int = 100, height: int = 100) -> Image.Image:
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([columns * 2, rows * 2, rows + columns], axis=-1).astype(np.uint8))


def encode(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def build_message(name: str, root: pathlib.Path, *arguments: str) -> str | None:
    """The message of `python -m tfds_builders.build NAME` for the folder `raw`, which later arguments can replace."""
    printed = io.StringIO()
    command = [name, f"--manual_dir={root / 'raw'}", f"--data_dir={root / 'built'}", *arguments]
    with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(io.StringIO()):
        code = build.main(command)
    if code == 0:
        return None
    assert not list((root / "built").glob("*/*/1.0.0")), "a build that was refused left a dataset"
    return _only_error(code, printed.getvalue())


def run_message(*arguments: str) -> str | None:
    """The message of `python run.py ARGUMENTS`; None if it succeeds."""
    argv = [str(ROOT / "run.py"), *arguments]
    test_argv, sys.argv = sys.argv, argv  # ml_collections searches sys.argv for overrides
    known, printed = set(flags.FLAGS), io.StringIO()
    sys.modules.pop(
        "config_config", None
    )  # the module name that ml_collections gives every configuration file
    try:
        with flagsaver.flagsaver(), contextlib.redirect_stderr(printed):
            try:
                code = main.main(parsing.parse(argv))
            except SystemExit as end:
                code = end.code
            for name in set(flags.FLAGS) - known:
                delattr(flags.FLAGS, name)
    finally:
        sys.argv = test_argv
    return _only_error(code, printed.getvalue()) if code else None


def reader_message(read: Callable[[], object]) -> str | None:
    """The message of a reader's error of a kind that the commands print as one sentence; None without an error."""
    try:
        read()
    except (UserError, OSError) as error:
        return str(error)
    return None


def _only_error(code: int, printed: str) -> str:
    assert code == 1, printed
    assert "Traceback" not in printed
    _, *messages = printed.split("error: ", 1)
    assert len(messages) == 1, printed
    return messages[0].strip()
