"""Progress bars of terminals and notebooks."""

import sys
import warnings
from collections.abc import Iterable
from typing import Any

from tqdm.std import TqdmWarning

with warnings.catch_warnings():
    # Without ipywidgets, tqdm warns in a notebook and falls back to characters.
    warnings.simplefilter("ignore", TqdmWarning)
    from tqdm.auto import tqdm


def progress_bar(iterable: Iterable | None = None, **settings: Any) -> tqdm:
    """Returns a progress bar for a terminal or a notebook.

    In a terminal the bar is on standard error. In a notebook with ipywidgets it is a widget. Without ipywidgets it
    consists of characters on standard output, because messages of `bar.write` would cut a bar on standard error into
    pieces.

    Args:
      iterable: items to count; None for a bar that its method `update` moves.
      settings: further arguments of `tqdm.tqdm`, such as `total`, `desc` and `unit`.
    """
    stream = sys.stdout if in_notebook() else sys.stderr
    return tqdm(iterable, file=stream, dynamic_ncols=True, **settings)


def in_notebook() -> bool:
    """Whether the process is a Jupyter kernel."""
    return "ipykernel.zmqshell" in sys.modules
