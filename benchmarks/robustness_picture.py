"""The plot of `benchmarks.robustness`: a panel for each disturbance."""

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

_TWICE = ", refined"
_PALETTE = 64


def draw(contents: Mapping[str, Any], labels: Mapping[str, str], path: pathlib.Path) -> None:
    """Writes the plot, a PNG of 1100 x 560 pixels on white.

    Args:
      contents: contents of robustness.json: `network`, `split` and `nme`.
      labels: description of the strengths of each disturbance.
      path: path of the PNG file.
    """
    figure = Figure(figsize=(11, 5.6), dpi=100, layout="constrained")
    *axes, last = figure.subplots(2, 4, sharey=True).flat
    for ax, (name, label) in zip(axes, labels.items(), strict=True):
        for series, style in ((name, "o-"), (f"{name}{_TWICE}", "s--")):
            if series in contents["nme"]:
                strengths, nmes = zip(*sorted(contents["nme"][series]), strict=True)
                ax.plot(
                    strengths,
                    nmes,
                    style,
                    label="with a refinement pass" if style == "s--" else "without",
                    markersize=4,
                )
        if name == "jpeg":  # a lower quality is a stronger disturbance
            ax.invert_xaxis()
        ax.set_xlabel(label, fontsize=9)
        ax.grid(alpha=0.3)
    axes[0].set_ylim(bottom=0)  # all panels share this axis
    for ax in (axes[0], axes[4]):
        ax.set_ylabel("NME, % of the inter-ocular distance", fontsize=9)
    axes[0].legend(fontsize=8)
    last.axis("off")
    last.text(
        0.05,
        0.95,
        f"{contents['network']}\n{contents['split']}",
        transform=last.transAxes,
        va="top",
        fontsize=10,
    )
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    # The plot has few colours, and a palette halves the file.
    picture.quantize(_PALETTE).save(path, optimize=True)
