"""Runs on different numbers of devices and processes: equal batches, losses and figures."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from scale.joining import joining_flags

ROOT = pathlib.Path(__file__).parents[2]
LOSS_TOLERANCE = 1e-4  # relative, at every step
# Relative, of the gradient norm at the first step. A gradient that is summed instead of averaged is off by a factor.
NORM_TOLERANCE = 1e-2
# Relative, of the same parameters. LOTR's errors are 1.7 faces, so that the rounding of its MobileNet shows more.
EVALUATION_TOLERANCES = {"dsat": 1e-6, "lotr": 1e-5}


def launch(workdir: pathlib.Path, data_dir: str, devices: int, processes: int, *arguments: str) -> dict:
    """Runs `tiny_run.py` in processes with some fake devices each; returns the JSON that process 0 printed."""
    flags = f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0"
    cache = {
        "JAX_COMPILATION_CACHE_DIR": str(workdir.parent / "compiled"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
    }
    environment = os.environ | cache | {"XLA_FLAGS": flags, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(pathlib.Path(__file__).with_name("tiny_run.py")), *arguments]
    command += [f"--workdir={workdir}", f"--data_dir={data_dir}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = [
        subprocess.Popen([*command, *flags], cwd=ROOT, env=environment, **pipes)
        for flags in joining_flags(processes)
    ]
    outputs = [process.communicate(timeout=900) for process in started]
    for process, (_, errors) in zip(started, outputs, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return json.loads(outputs[0][0].splitlines()[-1])


def differences(one: dict, other: dict, name: str) -> np.ndarray:
    """Returns the differences of a scalar at every step, relative to the first run."""
    return np.abs(np.array(other["series"][name]) / np.array(one["series"][name]) - 1)


def check_equal(one: dict, other: dict) -> None:
    assert one["records"] == other["records"]
    assert differences(one, other, "loss").max() < LOSS_TOLERANCE
    assert differences(one, other, "gradient_norm")[0] < NORM_TOLERANCE
    check_evaluation(one, other, tolerance=1e-3)  # of parameters that differ by rounding


def check_evaluation(one: dict, other: dict, tolerance: float) -> None:
    assert evaluation_difference(one, other) < tolerance


def evaluation_difference(one: dict, other: dict) -> float:
    """Returns the largest difference of all figures of all subsets, relative to the first run's unless that is 0."""
    pairs = [
        (figure, other["summaries"][subset][name])
        for subset, row in one["summaries"].items()
        for name, figure in row.items()
    ]
    return max(abs(second - first) / (first or 1.0) for first, second in pairs)


@pytest.mark.slow
def test_two_processes_of_two_devices_train_as_one_device(tmp_path, tiny_dataset):
    """The large arrays of the state are split as well."""
    arguments = ("--model=dsat-without-hourglass", "--steps=4")
    one = launch(tmp_path / "one", tiny_dataset, 1, 1, *arguments)
    four = launch(tmp_path / "four", tiny_dataset, 2, 2, *arguments, "--mesh_model=2")
    assert len(one["series"]["loss"]) == len(one["records"]) == 4
    check_equal(one, four)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["dsat", "lotr"])
def test_any_number_of_devices_and_processes_trains_as_one(tmp_path, tiny_dataset, model):
    """`pytest -m slow -s tests/scale` prints the table of the README."""
    arguments = (f"--model={model}", "--steps=20")
    one = launch(tmp_path / "one", tiny_dataset, 1, 1, *arguments)
    for devices, processes, split in ((2, 1, 1), (4, 1, 1), (8, 1, 1), (2, 2, 1), (2, 2, 2)):
        workdir = tmp_path / f"{processes}x{devices}-{split}"
        other = launch(workdir, tiny_dataset, devices, processes, *arguments, f"--mesh_model={split}")
        check_equal(one, other)
        split_over = f"--mesh_model={split}"
        again = launch(tmp_path / "one", tiny_dataset, devices, processes, *arguments, split_over)
        figures = differences(one, other, "loss").max(), evaluation_difference(one, again)
        print(
            f"| {model} | {processes} | {devices} | {split} | {figures[0]:.1e} | {figures[1]:.1e} |",
            flush=True,
        )
        check_evaluation(one, again, EVALUATION_TOLERANCES[model])
