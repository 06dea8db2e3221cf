"""How the cost of a small DSAT grows with batch size, input size, width, stacks and devices: a picture and its numbers.

python -m benchmarks.scaling --out=FOLDER          writes scaling.png and scaling.json
"""

import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import scaling_picture
from benchmarks.throughput import Point, measure
from dsat_jax.runtime import compilation_cache
from dsat_jax.training import benchmark

ROOT = pathlib.Path(__file__).parents[1]
# The values of each field of a Point, among them that of the reference; the others stay there.
SWEEPS = {
    "batch_size": (1, 2, 4, 8, 16),
    "input_size": (32, 64, 128),
    "width": (16, 32, 64, 128),
    "stacks": (1, 2, 4),
    "devices": (1, 2, 4, 8),
}


def measure_sweeps(sweeps: Mapping[str, Sequence[int]]) -> dict[str, list[dict[str, float]]]:
    """Measures every value of every quantity, the reference once.

    Args:
      sweeps: like `SWEEPS`.

    Returns:
      For each quantity, rows of `value`, `training` and `forward`, images/s.

    Raises:
      ValueError: if this process has more than one device.
      subprocess.CalledProcessError: see `measure_on_fake_devices`.
    """
    measured: dict[Point, dict[str, float]] = {}

    def rates_at(quantity: str, value: int) -> dict[str, float]:
        point = dataclasses.replace(Point(), **{quantity: value})
        if quantity == "devices":  # the reference too: this process may have a GPU
            return measure_on_fake_devices(point)
        if point not in measured:
            measured[point] = measure(point)
        return measured[point]

    rows: dict[str, list[dict[str, float]]] = {}
    for quantity, values in sweeps.items():
        rows[quantity] = []
        for value in values:
            rows[quantity].append({"value": value, **rates_at(quantity, value)})
            print(quantity, rows[quantity][-1], flush=True)
    return rows


def measure_on_fake_devices(point: Point) -> dict[str, float]:
    """`measure` in a process of its own, whose devices are fake ones on the CPU.

    Raises:
      subprocess.CalledProcessError: if that process fails; it has said why.
    """
    command = [sys.executable, "-m", "benchmarks.throughput", json.dumps(dataclasses.asdict(point))]
    environment = fake_devices(os.environ, point.devices)
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def fake_devices(environment: Mapping[str, str], devices: int) -> dict[str, str]:
    """An environment in which JAX finds so many devices on the CPU; it reads this when it starts."""
    flags = f"{environment.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    return {**environment, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags.strip()}


def write(found: Mapping[str, Any], folder: pathlib.Path) -> None:
    """Writes the numbers and the picture into a folder, which it makes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scaling.json").write_text(json.dumps(found, indent=2) + "\n")
    scaling_picture.draw(found, folder / "scaling.png")


def main() -> None:
    """Measures, and writes what was found."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scaling", description="Measures how cost grows."
    )
    parser.add_argument(
        "--out", type=pathlib.Path, required=True, help="folder of the picture and its numbers"
    )
    folder = parser.parse_args().out
    compilation_cache.keep()
    found = {
        "machine": benchmark.machine(),
        "unit": "images/s",
        "reference": dataclasses.asdict(Point()),
        "sweeps": measure_sweeps(SWEEPS),
    }
    write(found, folder)


if __name__ == "__main__":
    main()
