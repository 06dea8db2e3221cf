"""The command line as a process: one-line errors, exit codes and the help text."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "run.py", *arguments],
        cwd=ROOT,
        env=os.environ | {"JAX_PLATFORMS": "cpu"} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config=configs/synthetic.py", "--config.train.epochs=3"], "train.epochs"),
        (
            ["--config=configs/synthetic.py:huge"],
            "unknown variant of configs/synthetic.py 'huge', expected one of tiny",
        ),
        (["--config=configs/synthetik.py"], "'configs/synthetik.py' (the nearest: configs/synthetic.py)"),
        ([], "--mode=train needs --config"),
        (["--mode=evaluate", "--workdir=absent"], "absent holds no run"),
        (["--mode=predict", "--workdir=absent", "--images=none*.jpg"], "none*.jpg matches no image"),
        (["--mode=predict", "--workdir=absent", "--images=docs/synthetic_faces.jpg"], "absent holds no run"),
        (["--mode=evaluate", "--workdir=absent", "--device=tpu"], "--device=tpu: JAX cannot use one here"),
        (["--mode=evaluate"], "--mode=evaluate needs --workdir=RUN"),
        (["evaluate", "--workdir=absent"], "absent holds no run"),
        (["export", "more"], "unexpected arguments: more"),
        (["predict", "a.jpg", "--images=b.jpg"], "--images and the arguments a.jpg both name images"),
    ],
)
def test_an_error_is_reported_in_one_line(arguments, message):
    result = run(*arguments)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert message in result.stderr
    assert len([line for line in result.stderr.splitlines() if "error" in line.lower()]) == 1


def test_a_network_that_cannot_be_made_is_refused_before_faces_are_drawn(tmp_path):
    wrong = ("--config=configs/synthetic.py:tiny", "--config.model.width=33")
    result = run(*wrong, f"--config.data.data_dir={tmp_path}", f"--workdir={tmp_path}/run")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == "error: DSAT's width must be a positive multiple of 8, got 33"
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_that_was_not_built_is_reported_with_the_command_that_builds_it(tmp_path):
    result = run(
        "--config=configs/w300.py:small", f"--workdir={tmp_path}/run", f"--config.data.data_dir={tmp_path}"
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert f"python -m tfds_builders.build w300 --manual_dir=DIR --data_dir={tmp_path}" in result.stderr


def test_a_run_without_a_checkpoint_is_reported(tmp_path):
    from configs import synthetic
    from dsat_jax.config import save_config

    save_config(synthetic.get_config(), tmp_path)
    result = run("--mode=evaluate", f"--workdir={tmp_path}")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "holds no checkpoint" in result.stderr


def test_help_lists_the_modes():
    result = run("--help")
    assert "--config=configs/synthetic.py" in result.stdout
    assert "train|evaluate|predict" in result.stdout


def test_processes_that_jax_does_not_find_are_reported_in_one_line():
    result = run("--mode=evaluate", "--workdir=absent", SLURM_STEP_NUM_TASKS="2")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "error: JAX cannot find the processes of this run" in result.stderr
