"""The plot of the throughput."""

import dataclasses
import itertools
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from benchmarks import scaling, scaling_picture
from benchmarks.throughput import Point
from dsat_jax.training import benchmark


@pytest.fixture(scope="module")
def contents() -> dict[str, Any]:
    """Returns artificial figures over three orders of magnitude."""
    rates = (2345.6, 310.4, 55.5, 9.8, 3.1)
    return {
        "machine": benchmark.machine(),
        "reference": dataclasses.asdict(Point()),
        "sweeps": {
            quantity: [
                {"value": value, "training": rate, "forward": 4 * rate}
                for value, rate in zip(values, rates, strict=False)
            ]
            for quantity, values in scaling.SWEEPS.items()
        },
    }


def test_the_plot_is_opaque_and_small(contents, tmp_path):
    scaling.write(contents, tmp_path / "new")
    path = tmp_path / "new" / "scaling.png"
    assert path.stat().st_size < 100_000
    with Image.open(path) as image:
        assert image.size == (1000, 660)
        assert image.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)


def test_every_quantity_has_a_panel_with_its_figures(contents):
    *panels, _ = scaling_picture.figure_of(contents).axes
    for ax, (quantity, panel) in zip(panels, scaling_picture.PANELS.items(), strict=True):
        assert ax.get_xlabel() == panel.label
        drawn = [line.get_ydata().tolist() for line in ax.lines]
        for name in scaling_picture.COLOURS:
            assert [row[name] for row in contents["sweeps"][quantity]] in drawn


def test_a_dashed_line_goes_through_the_reference(contents):
    ax = scaling_picture.figure_of(contents).axes[1]
    dashed = ax.lines[0].get_ydata()
    assert dashed[1] == pytest.approx(contents["sweeps"]["input_size"][1]["training"])
    assert dashed[2] == pytest.approx(dashed[1] / 4)  # twice the side, four times the pixels


def test_no_text_is_clipped_or_covered_by_another(contents):
    figure = scaling_picture.figure_of(contents)
    FigureCanvasAgg(figure).draw()
    # Tick labels beyond the ends of an axis are not drawn.
    ticks = [text for ax in figure.axes for text in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    texts = [text for text in texts if text not in ticks]
    boxes = {text: text.get_window_extent() for text in texts}
    for text, box in boxes.items():
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert inside, text
    for one, other in itertools.combinations(texts, 2):
        assert not boxes[one].overlaps(boxes[other]), (one, other)
