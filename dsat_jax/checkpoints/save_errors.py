"""What Orbax and TensorStore say when a checkpoint cannot be written, cut down to what a user can use."""

import errno
import functools
import os
import sys
from logging import LogRecord, getLogger
from typing import Any

from absl import logging

KINDS = (OSError, ValueError)  # of Python and of TensorStore
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def reason(error: Exception) -> str:
    """Why a file could not be written; of a full disk TensorStore says so amid much else."""
    known = [words for code in _DISK_ERRORS if (words := os.strerror(code)) in str(error)]
    return (known or str(error).splitlines() or [type(error).__name__])[0]


@functools.cache
def keep_tracebacks_out() -> None:
    """Keeps the tracebacks of a failed save, thousands of lines, off the screen: the failure itself is raised."""
    for logger in (logging.get_absl_logger(), getLogger("asyncio")):
        logger.addFilter(_is_news)
    usual = sys.unraisablehook

    def show_unless_late(unraisable: Any) -> None:
        """TensorStore's threads report every array to Python's event loop, which the first error has closed."""
        late = unraisable.exc_type is RuntimeError and str(unraisable.exc_value) == "Event loop is closed"
        if not late:
            usual(unraisable)

    sys.unraisablehook = show_unless_late


def _is_news(record: LogRecord) -> bool:
    of_save = "orbax" in record.pathname or record.name == "asyncio"
    return not (record.exc_info and of_save)
