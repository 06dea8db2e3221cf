"""Builds a dataset from its raw files: `python -m tfds_builders.build NAME[/CONFIG] --manual_dir=DIR`."""

import argparse
import contextlib
import io
import os
import pathlib
import sys
import time
from collections.abc import Sequence

import tensorflow_datasets as tfds

import tfds_builders
from tfds_builders import BuildError, face_builder

LOG_FILE = "skipped.txt"


def build(
    name: str,
    manual_dir: str | os.PathLike | None = None,
    data_dir: str | os.PathLike | None = None,
    max_damaged: float = 0.01,
) -> tuple[face_builder.FaceBuilder, bool]:
    """Builds a dataset as ArrayRecord files, unless it lies there already.

    Args:
      name: as in `tfds_builders.make_builder`.
      manual_dir: folder of the raw dataset; datasets that are generated need none.
      data_dir: as in `tfds_builders.make_builder`.
      max_damaged: the largest share of damaged records that a split may have.

    Returns:
      The builder, and whether it had to build. Its `log` has what it skipped, and so has skipped.txt beside
      the data.

    Raises:
      BuildError: if there is no such dataset or configuration, or the raw dataset is missing or too damaged;
        nothing of the attempt remains in `data_dir`.
    """
    builder = tfds_builders.make_builder(name, data_dir)
    if builder.data_path.exists():
        return builder, False
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        _check_manual_dir(builder, manual_dir)
    builder.log.max_damaged = max_damaged
    tfds.disable_progress_bar()  # the builder shows its own
    # TFDS announces on stdout that it downloads something, which it does not.
    with contextlib.redirect_stdout(io.StringIO()):
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=manual_dir), file_format="array_record"
        )
    (builder.data_path / LOG_FILE).write_text(builder.log.text())
    return builder, True


def _check_manual_dir(builder: face_builder.FaceBuilder, manual_dir: str | os.PathLike | None) -> None:
    instructions = builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    if not manual_dir:
        raise BuildError(f"{builder.name} needs --manual_dir=DIR.\n{instructions}")
    folder = pathlib.Path(manual_dir).expanduser()
    if not folder.is_dir():
        raise BuildError(f"{folder}: there is no such folder.\n{instructions}")
    if not any(folder.iterdir()):
        raise BuildError(f"{folder}: the folder is empty.\n{instructions}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tfds_builders.build", description="Builds a dataset.")
    parser.add_argument(
        "name", metavar="NAME[/CONFIG]", help=f"one of {', '.join(tfds_builders.builder_names())}"
    )
    parser.add_argument("--manual_dir", help="folder of the raw dataset")
    parser.add_argument(
        "--data_dir", help="where to build; TFDS_DATA_DIR or ~/tensorflow_datasets by default"
    )
    parser.add_argument(
        "--max_damaged", type=float, default=0.01, help="largest share of damaged records per split (0.01)"
    )
    options = parser.parse_args(arguments)
    start = time.monotonic()
    try:
        builder, built = build(options.name, options.manual_dir, options.data_dir, options.max_damaged)
    except (BuildError, OSError) as error:
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
    sys.exit(main())
