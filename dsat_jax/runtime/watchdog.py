"""Warnings about operations that take longer than expected."""

import contextlib
import threading
from collections.abc import Iterator
from typing import TypeVar

from absl import logging

Item = TypeVar("Item")


@contextlib.contextmanager
def reported(seconds: float, what: str) -> Iterator[None]:
    """Logs a warning at regular intervals until the body ends.

    Args:
      seconds: time until the first warning, and between warnings.
      what: description of the awaited result, for the warning.
    """
    ended = threading.Event()

    def watch() -> None:
        waited = seconds
        while not ended.wait(seconds):
            logging.warning("waiting for %.0f s: %s", waited, what)
            waited += seconds

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def reported_each(items: Iterator[Item], seconds: float, what: str) -> Iterator[Item]:
    """Yields all items; logs warnings while the next item is late.

    Args:
      items: iterator over items other than None.
      seconds: time until the first warning, and between warnings.
      what: description of the items, for the warning.
    """
    while True:
        with reported(seconds, what):
            item = next(items, None)
        if item is None:
            return
        yield item
