"""TFDS builders of the face-landmark datasets, one folder each, and the command that builds them."""

import importlib
import os
import pathlib
import typing

from dsat_jax.errors import UserError

if typing.TYPE_CHECKING:
    from tfds_builders import face_builder


class BuildError(UserError):
    """A dataset cannot be built as asked; the message tells the user what to mend."""


def builder_names() -> list[str]:
    """The datasets that have a builder: each folder NAME here that holds NAME_dataset_builder.py."""
    files = pathlib.Path(__file__).parent.glob("*/*_dataset_builder.py")
    return sorted(file.parent.name for file in files if file.stem == f"{file.parent.name}_dataset_builder")


def make_builder(name: str, data_dir: str | os.PathLike | None = None) -> "face_builder.FaceBuilder":
    """The builder of a dataset, whether it has been built or not.

    Args:
      name: `w300`, or with a configuration `w300/original`; the default configuration is `faces`.
      data_dir: root folder of the built datasets; None takes TFDS's own, that is the environment variable
        TFDS_DATA_DIR or else ~/tensorflow_datasets.

    Raises:
      BuildError: if there is no such dataset or configuration, or what was built of it is damaged.
    """
    dataset, _, config = name.partition("/")
    if dataset not in builder_names():
        raise BuildError(f"no dataset is called {dataset!r}; there are {', '.join(builder_names())}")
    builder = importlib.import_module(f"tfds_builders.{dataset}.{dataset}_dataset_builder").Builder
    if config and config not in builder.builder_configs:
        configs = ", ".join(builder.builder_configs)
        raise BuildError(f"{dataset} has no configuration called {config!r}; there are {configs}")
    root = os.path.expanduser(data_dir) if data_dir else None  # TFDS would make a folder called ~
    try:
        return builder(config=config or None, data_dir=root)
    except OSError:
        raise
    except Exception as error:  # TFDS reads what was built there, and fails over damage in every way there is
        where = f"{root or 'the default data_dir'}: {name} was built there and is damaged"
        raise BuildError(
            f"{where} ({type(error).__name__}: {error}); delete it and build it again"
        ) from error


def load_builder(name: str, data_dir: str | os.PathLike | None = None) -> "face_builder.FaceBuilder":
    """The builder of a dataset that has been built, ready for `as_data_source`.

    Args:
      name: as in `make_builder`.
      data_dir: as in `make_builder`.

    Raises:
      BuildError: if there is no such dataset or configuration, or it was built without random access.
      FileNotFoundError: if the dataset has not been built; the message gives the command.
    """
    builder = make_builder(name, data_dir)
    if not builder.data_path.exists():  # TFDS builds beside it and renames at the end
        command = f"python -m tfds_builders.build {name}"
        command += " --manual_dir=DIR" if builder.MANUAL_DOWNLOAD_INSTRUCTIONS else ""
        command += f" --data_dir={os.fspath(data_dir)}" if data_dir else ""
        raise FileNotFoundError(
            f"{builder.data_dir}: {name} has not been built there; build it with `{command}`"
        )
    if builder.info.file_format.value != "array_record":
        raise BuildError(
            f"{builder.data_dir}: {name} was built as {builder.info.file_format.value}, expected array_record"
        )
    return builder
