"""Says aloud when something that should take moments does not come."""

import contextlib
import threading
from collections.abc import Iterator

from absl import logging


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
