"""Says aloud when something that should take moments does not come."""

import contextlib
import threading
from collections.abc import Iterator
from typing import TypeVar

from absl import logging

Item = TypeVar("Item")


@contextlib.contextmanager
def reported(seconds: float, what: str) -> Iterator[None]:
    """Logs a warning while the body takes longer than some time, again after every such time.

    Args:
      seconds: until the first warning.
      what: is waited for.
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
    """The same items; a warning is logged while one takes longer than some time to come.

    Args:
      items: that take moments each.
      seconds: until the first warning.
      what: they are.
    """
    while True:
        with reported(seconds, what):
            item = next(items, None)
        if item is None:
            return
        yield item
