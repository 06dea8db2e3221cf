"""Builds a dataset from its raw files: `python -m tfds_builders.build NAME[/CONFIG] --manual_dir=DIR`."""

import argparse
import contextlib
import importlib.util
import io
import os
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import IO

import tensorflow_datasets as tfds

import tfds_builders
from dsat_jax.errors import UserError
from dsat_jax.files import file_locks, locations
from tfds_builders import BuildError, face_builder, sources

LOG_FILE = "skipped.txt"
LOCK_FILE = ".lock"
FILE_FORMATS = ("array_record", "tfrecord")


def build(
    name: str,
    manual_dir: str | os.PathLike | None = None,
    data_dir: str | os.PathLike | None = None,
    max_skipped: float = 0.01,
    file_format: str = FILE_FORMATS[0],
    overwrite: bool = False,
) -> tuple[face_builder.FaceBuilder, bool]:
    """Builds a dataset, unless it exists already and was built from the same files.

    If several processes build the same dataset in the same folder, one of them builds and the others wait for it.
    The remains of a killed build are removed.

    Args:
      name: name of the dataset, see `tfds_builders.make_builder`.
      manual_dir: folder of the raw dataset; None for generated datasets.
      data_dir: root folder of the built datasets, see `tfds_builders.make_builder`.
      max_skipped: largest share of damaged records that a split may have.
      file_format: one of `FILE_FORMATS`. TFRecord, for tf.data, needs TensorFlow; the training loop reads
        ArrayRecord.
      overwrite: whether to build a dataset that exists again; the old one is replaced when the new one is complete.

    Returns:
      The builder, and whether this call has built the dataset. The builder's `log` and the file skipped.txt in the
      dataset's folder list the skipped records.

    Raises:
      BuildError: if there is no such dataset or configuration, the raw dataset is missing or too damaged, or the
        dataset exists in another format or was built from other files. A failed build leaves nothing that could be
        mistaken for a dataset.
    """
    if not 0 <= max_skipped <= 1:  # NaN would let all damage pass
        raise BuildError(f"max_skipped is {max_skipped}, expected a share from 0 to 1")
    builder = tfds_builders.make_builder(name, data_dir)
    if builder.data_path.exists():
        if overwrite:
            return _replaced(builder, name, manual_dir, max_skipped, file_format), True
        _check_sources(builder, manual_dir)
        return _existing(name, data_dir, file_format), False
    if file_format == "array_record" and "://" in os.fspath(builder.data_path):
        raise BuildError(
            f"{builder.data_path}: ArrayRecord writes local files only; build {name} in a local folder, and copy that "
            "with `gcloud storage rsync -r`"
        )
    _check_account()
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        _check_manual_dir(builder, manual_dir)
    if file_format == "tfrecord" and importlib.util.find_spec("tensorflow") is None:
        raise BuildError("TFRecord is written by TensorFlow, which is not installed: pip install tensorflow")
    if "://" in os.fspath(builder.data_path):  # an object store, which has no locks
        _build(builder, manual_dir, max_skipped, file_format)
        return builder, True
    with _locked(pathlib.Path(builder.data_path.parent)):
        if builder.data_path.exists():  # another process has built it meanwhile
            return _existing(name, data_dir, file_format), False
        for left in builder.data_path.parent.glob(f"incomplete.*_{builder.data_path.name}"):
            left.rmtree()
        _build(builder, manual_dir, max_skipped, file_format)
    return builder, True


def _check_sources(builder: face_builder.FaceBuilder, manual_dir: str | os.PathLike | None) -> None:
    """Raises BuildError if the files of a raw dataset are not those from which the dataset was built."""
    kept = builder.data_path / sources.FILE
    if not manual_dir or not builder.MANUAL_DOWNLOAD_INSTRUCTIONS or not kept.exists():
        return
    _check_manual_dir(builder, manual_dir)
    folder = locations.locate(manual_dir)
    changes = sources.read(kept).changes_to(sources.find(folder))
    if changes:
        raise BuildError(
            f"{folder}: {builder.name} is already built in {builder.data_path}, from other files: {changes}; add "
            "--overwrite to build it again, or choose another --data_dir"
        )


def _replaced(
    old: face_builder.FaceBuilder,
    name: str,
    manual_dir: str | os.PathLike | None,
    max_skipped: float,
    file_format: str,
) -> face_builder.FaceBuilder:
    """Builds a dataset beside an existing one, puts it in its place, and returns its builder."""
    path = pathlib.Path(old.data_path)
    if "://" in os.fspath(old.data_path):
        raise BuildError(f"{old.data_path}: found --overwrite for a bucket, delete that folder instead")
    root, prefix = path.parents[2], f".overwrite-{old.name}-{old.builder_config.name}-"
    with _locked(path.parent):
        for left in root.glob(f"{prefix}*"):
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=prefix, dir=root) as beside:
            new, _ = build(name, manual_dir, beside, max_skipped, file_format)
            path.rename(pathlib.Path(beside, "old"))
            pathlib.Path(new.data_path).rename(path)
    builder = tfds_builders.make_builder(name, root)
    builder.log = new.log
    return builder


def _existing(name: str, data_dir: str | os.PathLike | None, wanted: str) -> face_builder.FaceBuilder:
    """A new builder of an existing dataset: one that was made before the end of the build has no metadata."""
    builder = tfds_builders.make_builder(name, data_dir)
    built_format = builder.info.file_format.value
    if built_format != wanted:
        raise BuildError(
            f"{builder.data_dir}: built as {built_format}, expected {wanted}; choose another --data_dir, or "
            "delete that folder"
        )
    return builder


def _build(
    builder: face_builder.FaceBuilder,
    manual_dir: str | os.PathLike | None,
    max_skipped: float,
    file_format: str,
) -> None:
    builder.log.max_skipped = max_skipped
    folder = manual_dir and locations.locate(manual_dir)
    found = folder and sources.find(folder)  # files that change during a build count
    tfds.disable_progress_bar()  # the builder has a progress bar
    # TFDS prints on stdout that it downloads something, although it does not.
    with contextlib.redirect_stdout(io.StringIO()):
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=folder), file_format=file_format
        )
    (builder.data_path / LOG_FILE).write_text(builder.log.text(), encoding="utf-8")
    if found:
        (builder.data_path / sources.FILE).write_text(found.text(), encoding="utf-8")


def _is_at(path: pathlib.Path, handle: IO) -> bool:
    """Whether an open file is still the file at a path."""
    try:
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _locked(folder: pathlib.Path) -> Iterator[None]:
    """Makes a folder and holds a lock in it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK_FILE
    while True:
        with path.open("w") as handle:
            file_locks.lock(handle, wait=True, advice="do not start another build of this dataset in it")
            if not _is_at(path, handle):
                continue  # the previous holder has removed the file meanwhile
            try:
                yield
            finally:
                path.unlink(missing_ok=True)  # without locks, another build may have removed it
            return


def _check_account() -> None:
    """Refuses a user without an account, since etils, through which TFDS reads sizes, asks for the owners of files."""
    try:
        import pwd
    except ModuleNotFoundError:  # Windows
        return
    try:
        pwd.getpwuid(os.getuid())
    except KeyError as error:
        raise BuildError(
            f"the user {os.getuid()} has no entry in /etc/passwd, which TFDS needs to build a dataset; add one, or "
            "build as another user"
        ) from error


def _check_manual_dir(builder: face_builder.FaceBuilder, manual_dir: str | os.PathLike | None) -> None:
    instructions = builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    if not manual_dir:
        raise BuildError(f"{builder.name} needs --manual_dir=DIR.\n{instructions}")
    folder = locations.locate(manual_dir)
    if not folder.is_dir():
        raise BuildError(f"{folder}: no such folder.\n{instructions}")
    if not any(folder.iterdir()):
        raise BuildError(f"{folder}: the folder is empty.\n{instructions}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tfds_builders.build", description="Builds a dataset.")
    parser.add_argument(
        "name", metavar="NAME[/CONFIG]", help=f"one of {', '.join(tfds_builders.builder_names())}"
    )
    parser.add_argument("--manual_dir", help="folder of the raw dataset")
    parser.add_argument(
        "--data_dir",
        help="root folder of the built datasets; TFDS_DATA_DIR or ~/tensorflow_datasets by default",
    )
    parser.add_argument(
        "--max_skipped", type=float, default=0.01, help="largest share of damaged records per split"
    )
    parser.add_argument(
        "--file_format", choices=FILE_FORMATS, default=FILE_FORMATS[0], help="tfrecord needs TensorFlow"
    )
    parser.add_argument("--overwrite", action="store_true", help="build a dataset that exists again")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    try:
        builder, built = build(
            options.name,
            options.manual_dir,
            options.data_dir,
            options.max_skipped,
            options.file_format,
            options.overwrite,
        )
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if built:
        print(f"Built {builder.info.full_name} in {time.monotonic() - start:.1f} s: {builder.data_dir}")
    else:
        print(f"{builder.info.full_name} is already built, nothing to do: {builder.data_dir}")
    for split, info in builder.info.splits.items():
        print(f"  {split:<18}{info.num_examples:>7} faces")
    if built:
        print(builder.log.summary())
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # an encoding may lack a character of a folder's name
    sys.exit(main())
