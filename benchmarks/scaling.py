"""Throughput of a small DSAT against batch size, input size, width, stacks and devices: a plot and its numbers.

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
from dsat_jax.files import locations
from dsat_jax.runtime import compilation_cache
from dsat_jax.training import benchmark

ROOT = pathlib.Path(__file__).parents[1]
# Values of each field of a Point, including that of the reference; the other fields stay at the reference.
SWEEPS = {
    "batch_size": (1, 2, 4, 8, 16),
    "input_size": (32, 64, 128),
    "width": (16, 32, 64, 128),
    "stacks": (1, 2, 4),
    "devices": (1, 2, 4, 8),
}


def measure_sweeps(sweeps: Mapping[str, Sequence[int]]) -> dict[str, list[dict[str, float]]]:
    """Measures every value of every quantity, and the reference only once.

    Args:
      sweeps: values by quantity, such as `SWEEPS`.

    Returns:
      Rows of `value`, `training` and `forward` by quantity, rates in images/s.

    Raises:
      ValueError: if this process has more than one device.
      subprocess.CalledProcessError: see `measure_on_fake_devices`.
    """
    measured: dict[Point, dict[str, float]] = {}

    def rates_at(quantity: str, value: int) -> dict[str, float]:
        point = dataclasses.replace(Point(), **{quantity: value})
        if quantity == "devices":  # including the reference: this process may have a GPU
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
    """Runs `measure` in a new process with fake devices on the CPU.

    Raises:
      subprocess.CalledProcessError: if the process fails; its message is on stderr.
    """
    command = [sys.executable, "-m", "benchmarks.throughput", json.dumps(dataclasses.asdict(point))]
    environment = fake_devices(os.environ, point.devices)
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def fake_devices(environment: Mapping[str, str], devices: int) -> dict[str, str]:
    """Returns an environment in which JAX starts with this number of devices on the CPU."""
    flags = f"{environment.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    return {**environment, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags.strip()}


def write(contents: Mapping[str, Any], folder: pathlib.Path) -> None:
    """Writes the numbers and the plot into a folder, which is created if necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scaling.json").write_text(json.dumps(contents, indent=2) + "\n")
    scaling_picture.draw(contents, folder / "scaling.png")


def main() -> None:
    """Measures, and writes the files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=locations.locate, required=True, help="folder of the plot and its numbers"
    )
    folder = parser.parse_args().out
    compilation_cache.keep()
    contents = {
        "machine": benchmark.machine(),
        "unit": "images/s",
        "reference": dataclasses.asdict(Point()),
        "sweeps": measure_sweeps(SWEEPS),
    }
    write(contents, folder)


if __name__ == "__main__":
    main()
