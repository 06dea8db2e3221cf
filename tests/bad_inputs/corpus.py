"""What a corpus of bad inputs consists of, and the ways in which the program meets them."""

import contextlib
import dataclasses
import io
import json
import pathlib
import sys
from collections.abc import Callable, Mapping, Sequence

import array_record.python.array_record_data_source  # noqa: F401  now: imported while flags are saved, its own would go
import numpy as np
from absl import flags
from absl.testing import flagsaver
from PIL import Image

import dsat_jax
from dsat_jax.command_line import main, parsing
from tfds_builders import build

ROOT = pathlib.Path(dsat_jax.__file__).parents[1]
Spoil = Callable[[pathlib.Path], object]


@dataclasses.dataclass(frozen=True)
class Case:
    """One bad input.

    Attributes:
      spoil: makes it, in a folder of inputs that would be accepted.
      says: what stands in the message: the name of the file, what was found, what was expected.
    """

    spoil: Spoil
    says: Sequence[str]


@dataclasses.dataclass(frozen=True)
class Kind:
    """Bad inputs of one kind.

    Attributes:
      prepare: fills a folder with inputs that are accepted.
      enter: has the program read them; gives its message, or None where it accepts them.
      cases: by name.
    """

    prepare: Spoil
    enter: Callable[[pathlib.Path], str | None]
    cases: Mapping[str, Case]


def write(path: pathlib.Path, content: object) -> None:
    """Writes bytes and text as they are, all else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(text.encode() if isinstance(text, str) else text)


def put(file: str, content: object, *says: str) -> Case:
    """A file with another content; the message names the file."""
    return Case(lambda root: write(root / file, content), (pathlib.PurePath(file).name, *says))


def put_all(file: str, contents: Mapping[str, tuple]) -> dict[str, Case]:
    """`put` for one file after the other: name of the case -> content, what the message says."""
    return {name: put(file, *content) for name, content in contents.items()}


def put_faces(file: str, contents: Mapping[str, tuple]) -> dict[str, Case]:
    """As `put_all`, but the file can be read, and it is the face that cannot be so: the message names that alone."""
    return {name: Case(put(file, content).spoil, says) for name, (content, *says) in contents.items()}


def picture(width: int = 100, height: int = 100) -> Image.Image:
    rows, columns = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([columns * 2, rows * 2, rows + columns], axis=-1).astype(np.uint8))


def encode(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def build_says(name: str, root: pathlib.Path, *arguments: str) -> str | None:
    """The message of `python -m tfds_builders.build NAME` on the folder `raw`; further arguments may change it."""
    printed = io.StringIO()
    given = [name, f"--manual_dir={root / 'raw'}", f"--data_dir={root / 'built'}", *arguments]
    with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(io.StringIO()):
        code = build.main(given)
    if code == 0:
        return None
    assert not list((root / "built").glob("*/*/1.0.0")), "a build that was refused left a dataset"
    return _only_error(code, printed.getvalue())


def run_says(*arguments: str) -> str | None:
    """The message of `python run.py ARGUMENTS`; None if it ends well."""
    argv = [str(ROOT / "run.py"), *arguments]
    given, sys.argv = sys.argv, argv  # ml_collections looks there for overrides
    known, printed = set(flags.FLAGS), io.StringIO()
    sys.modules.pop("config_config", None)  # what ml_collections calls every configuration file
    try:
        with flagsaver.flagsaver(), contextlib.redirect_stderr(printed):
            try:
                code = main.main(parsing.parse(argv))
            except SystemExit as end:
                code = end.code
            for name in set(flags.FLAGS) - known:
                delattr(flags.FLAGS, name)
    finally:
        sys.argv = given
    return _only_error(code, printed.getvalue()) if code else None


def reader_says(read: Callable[[], object]) -> str | None:
    """The message of the errors that both commands turn into a sentence."""
    try:
        read()
    except (ValueError, OSError) as error:
        return str(error)
    return None


def _only_error(code: int, printed: str) -> str:
    assert code == 1, printed
    assert "Traceback" not in printed
    _, *messages = printed.split("error: ", 1)
    assert len(messages) == 1, printed
    return messages[0].strip()
