"""The folder of this project in the user's cache."""

import os
import pathlib

from dsat_jax.errors import UserError


def folder(name: str) -> pathlib.Path:
    """Returns a folder for one kind of files, which need not exist; `XDG_CACHE_HOME` moves it.

    Raises:
      UserError: if `XDG_CACHE_HOME` is not set, and there is no home folder.
    """
    try:
        caches = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    except RuntimeError as error:
        raise UserError(
            "the home folder is unknown; set HOME, or XDG_CACHE_HOME to a folder for caches"
        ) from error
    return pathlib.Path(caches) / "dsat_jax" / name
