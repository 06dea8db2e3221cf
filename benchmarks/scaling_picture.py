"""The picture of `benchmarks.scaling`: a small panel for each quantity that was varied."""

import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator
from PIL import Image

COLOURS = {"training": "tab:blue", "forward": "tab:orange"}
_PALETTE = 64


class Panel(NamedTuple):
    """How a quantity is shown.

    Attributes:
      label: of the horizontal axis, with the unit.
      expected: what the dashed lines say of the time, in words.
      power: of the quantity, to which the throughput is proportional on them.
    """

    label: str
    expected: str
    power: int


PANELS = {
    "batch_size": Panel("batch size, images", "the same time per image", 0),
    "input_size": Panel("side of the input, pixels", "time as the number of pixels", -2),
    "width": Panel("width, channels", "time as the square of the width", -2),
    "stacks": Panel("stacks, hourglasses", "time as the number of stacks", -1),
    "devices": Panel("fake CPU devices", "no overhead of more devices", 0),
}


def draw(found: Mapping[str, Any], path: pathlib.Path) -> None:
    """Writes the picture, a PNG of 1000 x 660 pixels on white; for the first argument see `figure_of`."""
    canvas = FigureCanvasAgg(figure_of(found))
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    # Few colours are in it: a palette halves the file.
    picture.quantize(_PALETTE).save(path, optimize=True)


def figure_of(found: Mapping[str, Any]) -> Figure:
    """The picture of what was measured.

    Args:
      found: what `benchmarks.scaling` writes: `machine`, `reference` and `sweeps`, images/s.
    """
    figure = Figure(figsize=(10, 6.6), dpi=100, layout="constrained")
    # The rates are comparable from panel to panel, and so are their slopes.
    *axes, last = figure.subplots(2, 3, sharey=True).flat
    for ax, (quantity, panel) in zip(axes, PANELS.items(), strict=True):
        _draw_panel(ax, panel, found["sweeps"][quantity], found["reference"][quantity])
    for ax in axes[::3]:
        ax.set_ylabel("throughput, images/s")
    _draw_explanation(last, found["reference"])
    figure.suptitle(_title(found["machine"]), fontsize=12)
    return figure


def _draw_panel(ax: Axes, panel: Panel, rows: list[Mapping[str, float]], reference: int) -> None:
    """Measured points, joined, and dashed lines of the expected cost through those of the reference."""
    values = np.array([row["value"] for row in rows], float)
    for name, colour in COLOURS.items():
        rates = np.array([row[name] for row in rows])
        expected = rates[values == reference] * (values / reference) ** panel.power
        ax.plot(values, expected, color=colour, linewidth=0.8, linestyle="--")
        ax.plot(values, rates, color=colour, marker="o", markersize=5)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    ax.set_xticks(values)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.tick_params(labelleft=True)
    ax.grid(alpha=0.3)
    ax.set_xlabel(panel.label)
    ax.set_title(f"dashed: {panel.expected}", fontsize=9)


def _draw_explanation(ax: Axes, reference: Mapping[str, int]) -> None:
    """The legend and the caption, where a sixth panel would be."""
    ax.set_axis_off()
    lines = [Line2D([], [], color=colour, marker="o", label=name) for name, colour in COLOURS.items()]
    lines.append(Line2D([], [], color="black", linewidth=0.8, linestyle="--", label="as each title says"))
    ax.legend(handles=lines, loc="upper left", frameon=False)
    caption = (
        f"All else is held at a batch of {reference['batch_size']},\n"
        f"{reference['input_size']} pixels, width {reference['width']}, "
        f"{reference['stacks']} stacks, one device.\n\n"
        "Training: the whole step, without the reader.\n\n"
        "Fake devices share the same cores, and\n"
        "the batch over all of them is the same:\n"
        "that panel shows what splitting costs,\n"
        "there is no speed-up to be had."
    )
    ax.text(0.03, 0.6, caption, transform=ax.transAxes, va="top", fontsize=9)


def _title(machine: Mapping[str, Any]) -> str:
    return (
        f"Throughput of a small DSAT: {machine['device']}, {machine['cores']} cores of {machine['processor']}, "
        f"JAX {machine['jax']}, {machine['date']}"
    )
