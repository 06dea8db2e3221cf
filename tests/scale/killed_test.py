"""Runs whose processes are killed: `pytest -m slow -s tests/scale/killed_test.py` prints the figures."""

import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from scale.joining import joining_flags

from dsat_jax import models
from dsat_jax.checkpoints import manager
from dsat_jax.config import load_config
from dsat_jax.runtime import sharding
from dsat_jax.training import optimizer, state
from dsat_jax.training.recorder import METRICS_LOG

ROOT = pathlib.Path(__file__).parents[2]
KILLS = 20
STOPPED = 75
FIELDS = {
    "data.dataset": "synthetic_faces/tiny",
    "data.train": "train[:48]",
    "data.validation": "train[48:]",
    "input.size": 32,
    "model.width": 8,
    "model.heads": 2,
    "train.batch_size": 8,
    "train.log_every": 1,
    "train.save_every": 5,
    "train.evaluate_every": 100,
    "evaluate.batch_size": 8,
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory) -> pathlib.Path:
    """A compilation cache that all processes share."""
    return tmp_path_factory.mktemp("compiled")


def start(
    workdir: pathlib.Path, data_dir: str, compiled: pathlib.Path, steps: int, *arguments: str
) -> subprocess.Popen[str]:
    """Starts one process of a run on one device, always with the same command."""
    fields = FIELDS | {"data.data_dir": data_dir, "train.steps": steps}
    overrides = [f"--config.{name}={value}" for name, value in fields.items()]
    command = [sys.executable, "run.py", "--config=configs/synthetic.py", f"--workdir={workdir}", *overrides]
    settings = {
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
        "JAX_COMPILATION_CACHE_DIR": str(compiled),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
    }
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*command, *arguments], cwd=ROOT, env=os.environ | settings, **pipes)


def start_several(
    processes: int, workdir: pathlib.Path, data_dir: str, compiled: pathlib.Path, steps: int
) -> list[subprocess.Popen[str]]:
    """Starts the processes of one run."""
    return [start(workdir, data_dir, compiled, steps, *flags) for flags in joining_flags(processes)]


def logged(workdir: pathlib.Path) -> list[dict[str, float]]:
    """Returns the lines of the run's log; an incomplete last line is left out."""
    path = workdir / METRICS_LOG
    lines = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return lines


def last_step(workdir: pathlib.Path) -> int:
    """Returns the newest step in the log; 0 if there is none."""
    return max((line["step"] for line in logged(workdir)), default=0)


def newest_saved(workdir: pathlib.Path) -> int:
    folders = (workdir / manager.FOLDER).glob("*")
    return max((int(path.name) for path in folders if path.name.isdecimal()), default=0)


def wait_for_step(step: int, workdir: pathlib.Path, process: subprocess.Popen[str]) -> None:
    while last_step(workdir) < step and process.poll() is None:
        time.sleep(0.01)


def final_state(workdir: pathlib.Path) -> state.TrainState:
    config = load_config(workdir)
    transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
    template = state.template(sharding.make_mesh(), models.build_for(config), transform, config.input.size)
    saved = manager.Checkpoints(workdir)
    newest = saved.restore(saved.newest_step(), template)
    saved.close()
    return newest


def kill_at_random(
    number: signal.Signals, workdir: pathlib.Path, process: subprocess.Popen[str], chance: random.Random
) -> None:
    """Sends a signal some steps after the start, or after a random time, possibly while the process still starts."""
    if chance.random() < 0.3:
        time.sleep(chance.uniform(0, 20))
    else:
        wait_for_step(last_step(workdir) + chance.randint(1, 14), workdir, process)
        time.sleep(chance.uniform(0, 0.3))
    process.send_signal(number)


@pytest.mark.slow
def test_a_run_that_is_killed_twenty_times_ends_bit_for_bit_as_an_undisturbed_one(
    tmp_path, tiny_dataset, compiled
):
    steps = 300
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    _, errors = start(undisturbed, tiny_dataset, compiled, steps).communicate(timeout=900)
    assert last_step(undisturbed) == steps, errors[-3000:]

    chance = random.Random(0)
    repeated, survived, damaged, code = {}, 0, 0, None  # repeated: the steps lost, by the last one reached
    while code != 0:
        process = start(disturbed, tiny_dataset, compiled, steps)
        number = (signal.SIGKILL, signal.SIGTERM)[survived % 2]
        if survived < KILLS:
            kill_at_random(number, disturbed, process, chance)
        _, errors = process.communicate(timeout=900)
        code, reached = process.returncode, last_step(disturbed)
        assert code in (0, STOPPED, -number), errors[-3000:]
        damaged += errors.count("is damaged")
        survived += code != 0
        lost = reached - newest_saved(disturbed)
        assert lost <= 2 * FIELDS["train.save_every"]  # one save may have been in progress
        repeated[reached] = lost
        print(f"{number.name}: exit code {code}, step {reached}, {lost} to repeat", flush=True)
    print(
        f"{survived} kills survived, {sum(repeated.values())} steps repeated, {damaged} checkpoints damaged"
    )
    assert survived == KILLS
    jax.tree.map(np.testing.assert_array_equal, final_state(disturbed), final_state(undisturbed))
    losses = [[line["loss"] for line in logged(run) if "loss" in line] for run in (disturbed, undisturbed)]
    assert losses[0] == losses[1]


@pytest.mark.slow
def test_when_one_of_two_processes_dies_the_other_ends_and_any_number_continues(
    tmp_path, tiny_dataset, compiled
):
    steps = 100
    _, errors = start(tmp_path / "undisturbed", tiny_dataset, compiled, steps).communicate(timeout=900)
    assert last_step(tmp_path / "undisturbed") == steps, errors[-3000:]
    run = tmp_path / "run"
    for victim in (1, 0):
        pair = start_several(2, run, tiny_dataset, compiled, steps)
        wait_for_step(last_step(run) + 12, run, pair[0])
        pair[victim].send_signal(signal.SIGKILL)
        died, other = time.monotonic(), pair[1 - victim]
        _, errors = other.communicate(timeout=90)
        seconds = time.monotonic() - died
        print(f"process {victim} killed: the other ended after {seconds:.1f} s with code {other.returncode}")
        print(f"    {errors.splitlines()[-1]}", flush=True)
        assert seconds < 60
        assert other.returncode in (1, -signal.SIGABRT)
        # The project's own message, or that of JAX's service if it noticed the loss first.
        assert "has lost the others" in errors or "another task died" in errors
        pair[victim].communicate()

    pair = start_several(2, run, tiny_dataset, compiled, steps)
    wait_for_step(last_step(run) + 12, run, pair[0])
    pair[1].send_signal(signal.SIGTERM)
    for process in pair:
        _, errors = process.communicate(timeout=90)
        assert process.returncode == STOPPED, errors[-3000:]
    print(f"SIGTERM to one of two processes: both stopped at step {newest_saved(run)}", flush=True)

    alone = start(run, tiny_dataset, compiled, steps)
    wait_for_step(last_step(run) + 12, run, alone)
    alone.send_signal(signal.SIGTERM)
    _, errors = alone.communicate(timeout=90)
    print(f"went on as 1 process to step {newest_saved(run)}")
    assert alone.returncode == STOPPED, errors[-3000:]

    four = start_several(4, run, tiny_dataset, compiled, steps)
    for process in four:
        _, errors = process.communicate(timeout=900)
        assert process.returncode == 0, errors[-3000:]
    print(f"went on as 4 processes to step {newest_saved(run)}")
    ours, theirs = (
        np.array([line["loss"] for line in logged(folder) if "loss" in line])
        for folder in (run, tmp_path / "undisturbed")
    )
    print(
        f"largest relative difference of a loss from an undisturbed run: {np.max(np.abs(ours / theirs - 1)):.1e}"
    )
    assert len(ours) == steps
