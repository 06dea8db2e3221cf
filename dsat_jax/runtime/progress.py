"""Progress bars of terminals and notebooks."""

import contextlib
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

from tqdm.std import TqdmWarning

with warnings.catch_warnings():
    # Without ipywidgets, tqdm warns in a notebook and falls back to characters.
    warnings.simplefilter("ignore", TqdmWarning)
    from tqdm.auto import tqdm

USUAL_SIZE = {"ncols": 80, "nrows": 24}  # where a terminal does not know its own


def progress_bar(iterable: Iterable | None = None, **settings: Any) -> tqdm:
    """Returns a progress bar for a terminal or a notebook.

    In a terminal the bar is on standard error. In a notebook with ipywidgets it is a widget. Without ipywidgets it
    consists of characters on standard output, because messages of `bar.write` would cut a bar on standard error into
    pieces.

    Args:
      iterable: items to count; None for a bar that its method `update` moves.
      settings: further arguments of `tqdm.tqdm`, such as `total`, `desc` and `unit`.
    """
    if in_notebook():
        return tqdm(iterable, file=sys.stdout, dynamic_ncols=True, **settings)
    size = USUAL_SIZE if _has_no_size() else {"dynamic_ncols": True}
    return tqdm(iterable, file=sys.stderr, **size, **settings)


def _has_no_size() -> bool:
    """Whether the terminal has no columns, as under `docker run -t` in a script; tqdm would draw nothing there."""
    return sys.stderr.isatty() and os.get_terminal_size(sys.stderr.fileno()).columns == 0


@contextlib.contextmanager
def waiting(bar: tqdm, what: str) -> Iterator[None]:
    """Names what a bar waits for until the body ends, and leaves that time out of its rate and its time left.

    Args:
      bar: progress bar whose time runs on in a terminal or a notebook, to show that the program is alive.
      what: what the program does meanwhile.
    """
    began, ended = time.time(), threading.Event()  # the clock of tqdm

    def show() -> None:
        while not ended.wait(1.0):
            bar.refresh()

    watcher = threading.Thread(target=show, daemon=True)
    bar.set_description(what)
    if is_live():
        watcher.start()
    try:
        yield
    finally:
        ended.set()
        if watcher.is_alive():
            watcher.join()
        waited = time.time() - began
        bar.start_t += waited
        bar.last_print_t += waited
        bar.set_description("", refresh=False)


def is_live() -> bool:
    """Whether a bar moves in place: in a terminal or a notebook, not in a file or a pipe."""
    return in_notebook() or sys.stderr.isatty()


def in_notebook() -> bool:
    """Whether the process is a Jupyter kernel."""
    return "ipykernel.zmqshell" in sys.modules
