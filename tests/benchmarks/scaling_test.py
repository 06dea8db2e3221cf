"""The measurement of how cost grows: what it varies, and its picture."""

import dataclasses
import itertools
import subprocess
import sys
from typing import Any

import jax
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from benchmarks import scaling, scaling_picture, throughput
from benchmarks.throughput import Point
from dsat_jax.config import differences
from dsat_jax.training import benchmark

FIELDS = {
    "batch_size": "train.batch_size",
    "input_size": "input.size",
    "width": "model.width",
    "stacks": "model.stacks",
}


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """Made-up figures over three orders of magnitude."""
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


def test_the_picture_is_opaque_and_small(found, tmp_path):
    scaling.write(found, tmp_path / "new")
    path = tmp_path / "new" / "scaling.png"
    assert path.stat().st_size < 100_000
    with Image.open(path) as picture:
        assert picture.size == (1000, 660)
        assert picture.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)


def test_every_quantity_has_a_panel_with_its_figures(found):
    *panels, _ = scaling_picture.figure_of(found).axes
    for ax, (quantity, panel) in zip(panels, scaling_picture.PANELS.items(), strict=True):
        assert ax.get_xlabel() == panel.label
        drawn = [line.get_ydata().tolist() for line in ax.lines]
        for name in scaling_picture.COLOURS:
            assert [row[name] for row in found["sweeps"][quantity]] in drawn


def test_a_dashed_line_goes_through_the_reference(found):
    ax = scaling_picture.figure_of(found).axes[1]
    dashed = ax.lines[0].get_ydata()
    assert dashed[1] == pytest.approx(found["sweeps"]["input_size"][1]["training"])
    assert dashed[2] == pytest.approx(dashed[1] / 4)  # twice the side, four times the pixels


def test_no_text_is_clipped_or_covered_by_another(found):
    figure = scaling_picture.figure_of(found)
    FigureCanvasAgg(figure).draw()
    # Labels of ticks beyond the ends of an axis are texts too, which are not drawn.
    ticks = [text for ax in figure.axes for text in (*ax.get_xticklabels(), *ax.get_yticklabels())]
    texts = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    texts = [text for text in texts if text not in ticks]
    boxes = {text: text.get_window_extent() for text in texts}
    for text, box in boxes.items():
        inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
        assert inside, text
    for one, other in itertools.combinations(texts, 2):
        assert not boxes[one].overlaps(boxes[other]), (one, other)


@pytest.mark.parametrize("quantity", FIELDS)
def test_a_quantity_changes_its_own_field_only(quantity):
    points = [dataclasses.replace(Point(), **{quantity: value}) for value in scaling.SWEEPS[quantity]]
    assert Point() in points
    for point in points:
        changed = differences(throughput.config_at(Point()), throughput.config_at(point))
        reference, value = (dataclasses.asdict(each)[quantity] for each in (Point(), point))
        expected = [f"{FIELDS[quantity]}: {reference} there, {value} here"] if point != Point() else []
        assert changed == expected


def test_the_batch_has_the_sizes_of_the_configuration():
    batch = throughput.noise_batch(throughput.config_at(Point(batch_size=3, input_size=96)))
    assert batch["image"].shape == (3, 96, 96, 3)
    assert {len(values) for values in batch.values()} == {3}


def test_a_process_has_as_many_devices_as_its_point():
    command = [sys.executable, "-c", "import jax; print(jax.default_backend(), jax.device_count())"]
    environment = scaling.fake_devices({"XLA_FLAGS": "--xla_backend_optimization_level=0"}, 4)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["cpu", "4"]
    with pytest.raises(ValueError, match=f"this process has {jax.device_count()} devices, the point has 64"):
        throughput.measure(Point(devices=64))


@pytest.mark.slow
def test_a_point_is_measured(monkeypatch):
    monkeypatch.setattr(benchmark, "_LEAST_SECONDS", 0.0)
    rates = throughput.measure(Point(batch_size=2, input_size=32, width=8, stacks=0))
    assert 0 < rates["training"] < rates["forward"]
