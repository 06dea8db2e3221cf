"""Locks of local files, which the operating system releases when their process ends."""

import pathlib
from typing import IO

from absl import logging

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None


def lock(handle: IO, wait: bool, advice: str) -> None:
    """Locks an open file until it is closed; without locks, as on some network file systems, it warns and goes on.

    Args:
      handle: open file.
      wait: whether to wait while another process holds the lock.
      advice: what the user must not do where there are no locks, for the warning.

    Raises:
      BlockingIOError: if another process holds the lock, and `wait` is False.
    """
    folder = pathlib.Path(handle.name).parent
    if fcntl is None:
        logging.warning("%s cannot be locked (this system has no fcntl): %s", folder, advice)
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        logging.warning("%s cannot be locked (%s): %s", folder, error.strerror, advice)
