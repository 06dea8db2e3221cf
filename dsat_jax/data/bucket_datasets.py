"""Datasets in a bucket, copied to this machine once: ArrayRecord reads local files only."""

import functools
import hashlib
import json
import pathlib
import shutil
from typing import TextIO

from absl import logging

from dsat_jax.errors import UserError
from dsat_jax.files import file_locks, locations, user_cache

_GB = 1e9  # bytes


def copies() -> pathlib.Path:
    """Returns the folder of all copies."""
    return user_cache.folder("datasets")


@functools.cache
def copied(data_dir: str, dataset: pathlib.PurePath) -> pathlib.Path:
    """Returns a local root folder of built datasets with one dataset of a bucket, which is copied if necessary.

    The copy is named by the generations of all objects: a dataset that has been built again is copied again. Of the
    processes of a host, the first one copies and the others wait for it.

    Args:
      data_dir: root folder of the built datasets, in a bucket.
      dataset: folder of the dataset, relative to the root folder: `w300/faces/1.0.0`.

    Raises:
      FileNotFoundError: if the bucket does not contain the dataset.
      UserError: if the bucket cannot be read, or the dataset does not fit on the disk.
    """
    source = locations.reach(data_dir) / dataset
    versions = locations.versions_in(source)
    if not versions:
        name, config, _ = dataset.parts
        raise FileNotFoundError(
            f"{source}: {name}/{config} is not there; build it in a local folder with `python -m tfds_builders.build "
            f"{name}/{config} --data_dir=DIR`, and copy it with "
            f"`gcloud storage rsync -r DIR/{name} {source.parents[1]}`"
        )
    identity = json.dumps([str(source), versions], sort_keys=True)
    local = copies() / hashlib.sha256(identity.encode()).hexdigest()[:12]
    with _locked(local.with_suffix(".lock")):
        if not local.is_dir():
            _copy(source, local, dataset)
    return local


def _locked(path: pathlib.Path) -> TextIO:
    """Returns an open file that is locked until it is closed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = path.open("w", encoding="utf-8")
    file_locks.lock(handle, wait=True, advice="let one process read the dataset first")
    return handle


def _copy(source: pathlib.Path, local: pathlib.Path, dataset: pathlib.PurePath) -> None:
    """Copies a dataset to `local / dataset`; `local` exists only when the copy is complete."""
    size, free = sum(locations.files_in(source).values()), shutil.disk_usage(local.parent).free
    if size > free:
        raise UserError(
            f"{source} has {size / _GB:.3f} GB, which do not fit into the {free / _GB:.3f} GB of {local.parent}; set "
            "XDG_CACHE_HOME to a folder on a larger disk"
        )
    logging.warning(
        "copying %s (%.1f MB) to %s, since ArrayRecord reads local files", source, size / 1e6, local
    )
    partial = local.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)  # that of a killed process
    (partial / dataset.parent).mkdir(parents=True)
    locations.download(source, partial / dataset)
    partial.rename(local)
