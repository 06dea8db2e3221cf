"""Plots of cumulative error distributions."""

import io
import pathlib
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dsat_jax import metrics
from dsat_jax.files import atomic_files


def draw_error_curves(
    face_nme: Mapping[str, np.ndarray], threshold: float, normaliser: str, path: pathlib.Path
) -> None:
    """Writes a plot of the cumulative error distribution of each split.

    Args:
      face_nme: NME of each face by split, [faces], shares of the normaliser.
      threshold: NME at the end of the curves.
      normaliser: written name of the normaliser, for the axis.
      path: path of the image file.
    """
    figure = Figure(figsize=(6, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    draw_curves(axes, face_nme, threshold, normaliser)
    axes.set_ylabel("faces with at most this error, %")
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=120, format=path.suffix.removeprefix("."))
    atomic_files.write_bytes(path, drawn.getvalue())


def draw_curves(axes: Axes, face_nme: Mapping[str, np.ndarray], threshold: float, normaliser: str) -> None:
    """Draws cumulative error distributions; for the arguments see `draw_error_curves`."""
    for name, values in face_nme.items():
        errors, share = metrics.cumulative_errors(values, threshold)
        area = metrics.summary(values, threshold)["auc"]
        # Matplotlib starts a formula at $, and leaves a label with a leading _ out of the legend.
        label = f" {name} (AUC {area:.1f} %)".replace("$", r"\$")
        axes.step(100 * errors, 100 * share, where="post", label=label)
    axes.set(xlim=(0, 100 * threshold), ylim=(0, 100), xlabel=f"NME ({normaliser}), %")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right").set_in_layout(False)  # so that long names do not shrink the axes
