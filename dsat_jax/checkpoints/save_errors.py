"""Errors of Orbax and TensorStore when a checkpoint cannot be written, shortened to the cause."""

import errno
import functools
import os
import sys
from logging import LogRecord, getLogger
from typing import Any

from absl import logging

KINDS = (OSError, ValueError)  # raised by Python and by TensorStore
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def reason(error: Exception) -> str:
    """Returns the cause of a failed save; TensorStore's long messages contain the text of the disk error."""
    known = [text for code in _DISK_ERRORS if (text := os.strerror(code)) in str(error)]
    return (known or str(error).splitlines() or [type(error).__name__])[0]


@functools.cache
def keep_tracebacks_out() -> None:
    """Suppresses the thousands of lines of traceback that a failed save prints; its error is still raised."""
    for logger in (logging.get_absl_logger(), getLogger("asyncio")):
        logger.addFilter(_is_not_save_traceback)
    usual = sys.unraisablehook

    def show_unless_late(unraisable: Any) -> None:
        """Skips the errors of TensorStore's threads that find the event loop closed by the first error."""
        late = unraisable.exc_type is RuntimeError and str(unraisable.exc_value) == "Event loop is closed"
        if not late:
            usual(unraisable)

    sys.unraisablehook = show_unless_late


def _is_not_save_traceback(record: LogRecord) -> bool:
    of_save = "orbax" in record.pathname or record.name == "asyncio"
    return not (record.exc_info and of_save)
