"""Sweeps of the throughput."""

import dataclasses
import subprocess
import sys

from benchmarks import scaling
from benchmarks.throughput import Point


def test_a_process_has_as_many_devices_as_its_point():
    command = [sys.executable, "-c", "import jax; print(jax.default_backend(), jax.device_count())"]
    environment = scaling.fake_devices({"XLA_FLAGS": "--xla_backend_optimization_level=0"}, 4)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["cpu", "4"]


def test_sweeps_measure_the_reference_once_and_devices_in_new_processes(monkeypatch):
    here, elsewhere = [], []

    def measure(points: list[Point], point: Point) -> dict[str, float]:
        points.append(point)
        return {"training": 1.0, "forward": 2.0}

    monkeypatch.setattr(scaling, "measure", lambda point: measure(here, point))
    monkeypatch.setattr(scaling, "measure_on_fake_devices", lambda point: measure(elsewhere, point))
    reference = Point()
    sweeps = {"width": (16, reference.width), "stacks": (1, reference.stacks), "devices": (1, 2)}
    rows = scaling.measure_sweeps(sweeps)
    assert {quantity: tuple(row["value"] for row in rows[quantity]) for quantity in rows} == sweeps
    assert here.count(reference) == 1
    assert len(here) == 3
    assert elsewhere == [dataclasses.replace(reference, devices=devices) for devices in (1, 2)]
