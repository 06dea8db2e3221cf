"""Throughput at a point."""

import dataclasses
import json
import re

import jax
import pytest

from benchmarks import scaling, throughput
from benchmarks.throughput import Point
from dsat_jax.config import differences
from dsat_jax.training import benchmark

FIELDS = {
    "batch_size": "train.batch_size",
    "input_size": "input.size",
    "width": "model.width",
    "stacks": "model.stacks",
}


@pytest.mark.parametrize("quantity", FIELDS)
def test_a_quantity_changes_its_own_field_only(quantity):
    points = [dataclasses.replace(Point(), **{quantity: value}) for value in scaling.SWEEPS[quantity]]
    assert Point() in points
    for point in points:
        changed = differences(throughput.config_at(Point()), throughput.config_at(point))
        reference, value = (dataclasses.asdict(each)[quantity] for each in (Point(), point))
        # Lines such as `model.width: 64 saved, 16 given`.
        values = [(line.partition(":")[0], re.findall(r"\d+", line.partition(":")[2])) for line in changed]
        assert values == ([(FIELDS[quantity], [str(reference), str(value)])] if point != Point() else [])


def test_the_batch_has_the_sizes_of_the_configuration():
    batch = throughput.noise_batch(throughput.config_at(Point(batch_size=3, input_size=96)))
    assert batch["image"].shape == (3, 96, 96, 3)
    assert {len(values) for values in batch.values()} == {3}


def test_another_number_of_devices_is_an_error(capsys):
    with pytest.raises(ValueError, match=f"this process has {jax.device_count()} devices, the point has 64"):
        throughput.measure(Point(devices=64))
    with pytest.raises(SystemExit):
        throughput.main([json.dumps({"devices": 64})])
    assert "the point has 64" in capsys.readouterr().err


@pytest.mark.slow
def test_a_point_is_measured(monkeypatch):
    monkeypatch.setattr(benchmark, "_LEAST_SECONDS", 0.0)
    rates = throughput.measure(Point(batch_size=2, input_size=32, width=8, stacks=0))
    assert 0 < rates["training"] < rates["forward"]
