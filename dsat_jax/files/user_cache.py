"""The folder of this project in the user's cache."""

import os
import pathlib


def folder(name: str) -> pathlib.Path:
    """Returns a folder for one kind of files, which need not exist; `XDG_CACHE_HOME` moves it."""
    caches = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(caches) / "dsat_jax" / name
