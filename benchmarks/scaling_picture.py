"""The plot of `benchmarks.scaling`: a panel for each quantity."""

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
    """The panel of a quantity.

    Attributes:
      label: label of the horizontal axis, with the unit.
      expected: description of the expected cost, which the dashed lines show.
      power: exponent of the quantity to which the expected throughput is proportional.
    """

    label: str
    expected: str
    power: int


PANELS = {
    "batch_size": Panel("batch size, images", "constant time per image", 0),
    "input_size": Panel("side of the input, pixels", "time ∝ number of pixels", -2),
    "width": Panel("width, channels", "time ∝ width²", -2),
    "stacks": Panel("stacks, hourglasses", "time ∝ number of stacks", -1),
    "devices": Panel("fake CPU devices", "no overhead of more devices", 0),
}


def draw(contents: Mapping[str, Any], path: pathlib.Path) -> None:
    """Writes the plot, a PNG of 1000 x 660 pixels on white; for the first argument see `figure_of`."""
    canvas = FigureCanvasAgg(figure_of(contents))
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    # The plot has few colours, and a palette halves the file.
    picture.quantize(_PALETTE).save(path, optimize=True)


def figure_of(contents: Mapping[str, Any]) -> Figure:
    """Returns the plot as a figure.

    Args:
      contents: contents of scaling.json: `machine`, `reference` and `sweeps`, rates in images/s.
    """
    figure = Figure(figsize=(10, 6.6), dpi=100, layout="constrained")
    # A shared axis makes rates and slopes of the panels comparable.
    *axes, last = figure.subplots(2, 3, sharey=True).flat
    for ax, (quantity, panel) in zip(axes, PANELS.items(), strict=True):
        _draw_panel(ax, panel, contents["sweeps"][quantity], contents["reference"][quantity])
    for ax in axes[::3]:
        ax.set_ylabel("throughput, images/s")
    _draw_explanation(last, contents["reference"])
    figure.suptitle(_title(contents["machine"]), fontsize=12)
    return figure


def _draw_panel(ax: Axes, panel: Panel, rows: list[Mapping[str, float]], reference: int) -> None:
    """Draws the measured points, and dashed lines of the expected cost through the points of the reference."""
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
    """Draws the legend and the caption in place of a sixth panel."""
    ax.set_axis_off()
    lines = [Line2D([], [], color=colour, marker="o", label=name) for name, colour in COLOURS.items()]
    lines.append(
        Line2D([], [], color="black", linewidth=0.8, linestyle="--", label="expected, see the titles")
    )
    ax.legend(handles=lines, loc="upper left", frameon=False)
    caption = (
        f"All other sizes: a batch of {reference['batch_size']},\n"
        f"{reference['input_size']} pixels, width {reference['width']}, "
        f"{reference['stacks']} stacks, one device.\n\n"
        "Training: the whole step, without the reader.\n\n"
        "Fake devices share the same cores and one\n"
        "batch: that panel shows the overhead of\n"
        "splitting; a speed-up is not possible."
    )
    ax.text(0.03, 0.6, caption, transform=ax.transAxes, va="top", fontsize=9)


def _title(machine: Mapping[str, Any]) -> str:
    """The title of the figure: machine, version and date."""
    return (
        f"Throughput of a small DSAT: {machine['device']}, {machine['cores']} cores of {machine['processor']}, "
        f"JAX {machine['jax']}, {machine['date']}"
    )
