"""TFDS builders of the face-landmark datasets, one folder each, and the command that builds them."""

import importlib
import os
import pathlib
import shlex
import typing

from dsat_jax.errors import UserError
from dsat_jax.files import locations

if typing.TYPE_CHECKING:
    from tfds_builders import face_builder


class BuildError(UserError):
    """A dataset that cannot be built as requested; the message states what to correct."""


def builder_names() -> list[str]:
    """The datasets that have a builder: each folder NAME of this package with a NAME_dataset_builder.py."""
    files = pathlib.Path(__file__).parent.glob("*/*_dataset_builder.py")
    return sorted(file.parent.name for file in files if file.stem == f"{file.parent.name}_dataset_builder")


def make_builder(name: str, data_dir: str | os.PathLike | None = None) -> "face_builder.FaceBuilder":
    """Returns the builder of a dataset, which may or may not have been built.

    Args:
      name: name of the dataset (`w300`), optionally with a configuration (`w300/original`); the default configuration
        is `faces`.
      data_dir: root folder of the built datasets; None takes TFDS's default: the environment variable TFDS_DATA_DIR,
        or ~/tensorflow_datasets if it is not set.

    Raises:
      BuildError: if there is no such dataset or configuration, the built dataset is damaged, or there is neither
        `data_dir` nor a home folder.
    """
    dataset, _, config = name.partition("/")
    if dataset not in builder_names():
        raise BuildError(f"no dataset is called {dataset!r}; there are {', '.join(builder_names())}")
    builder = importlib.import_module(f"tfds_builders.{dataset}.{dataset}_dataset_builder").Builder
    if config and config not in builder.builder_configs:
        configs = ", ".join(builder.builder_configs)
        raise BuildError(f"{dataset} has no configuration called {config!r}; there are {configs}")
    # TFDS reaches buckets by itself. For a local folder it would make one called ~.
    root = os.fspath(data_dir) if data_dir else os.environ.get("TFDS_DATA_DIR") or _default_root()
    root = root if "://" in root else os.fspath(locations.locate(root))
    try:
        return builder(config=config or None, data_dir=root)
    except OSError:
        raise
    except ImportError as error:
        raise BuildError(
            f"{root} needs a package that is not installed ({error}); for a bucket, pip install 'dsat_jax[gcs]'"
        ) from error
    except Exception as error:  # TFDS reads the built dataset and raises errors of any kind if it is damaged
        where = f"{root}: the built dataset {name} is damaged"
        raise BuildError(
            f"{where} ({type(error).__name__}: {error}); delete it and build it again"
        ) from error


def _default_root() -> str:
    """Returns TFDS's default folder. Without a home folder, TFDS would make a folder called ~."""
    try:
        return os.fspath(pathlib.Path.home() / "tensorflow_datasets")
    except RuntimeError as error:
        raise BuildError(
            "the home folder is unknown; set HOME, or TFDS_DATA_DIR or --data_dir to the folder of the built datasets"
        ) from error


def load_builder(name: str, data_dir: str | os.PathLike | None = None) -> "face_builder.FaceBuilder":
    """Returns the builder of a built dataset, ready for `as_data_source`.

    Args:
      name: name of the dataset, see `make_builder`.
      data_dir: root folder of the built datasets, see `make_builder`.

    Raises:
      BuildError: if there is no such dataset or configuration, or it was built without random access.
      FileNotFoundError: if the dataset has not been built; the message gives the command.
    """
    builder = make_builder(name, data_dir)
    if not builder.data_path.exists():  # TFDS builds in a temporary folder and renames it at the end
        command = f"python -m tfds_builders.build {name}"
        command += " --manual_dir=DIR" if builder.MANUAL_DOWNLOAD_INSTRUCTIONS else ""
        command += f" --data_dir={shlex.quote(os.fspath(data_dir))}" if data_dir else ""
        raise FileNotFoundError(
            f"{builder.data_dir}: {name} has not been built there; build it with `{command}`, or name "
            "the folder in which it was built (data_dir; --mode=evaluate: --data_dir=DIR)"
        )
    if builder.info.file_format.value != "array_record":
        raise BuildError(
            f"{builder.data_dir}: {name} was built as {builder.info.file_format.value}, expected array_record"
        )
    return builder
