"""A run whose folder, dataset and weights are in a bucket: `pytest -m slow -s tests/scale/bucket_run_test.py`.

The commands are those of a user, in processes of their own, one of them killed.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest
from bucket_server import Server
from scale.joining import joining_flags

from dsat_jax.files import locations
from dsat_jax.training.recorder import METRICS_LOG

ROOT = pathlib.Path(__file__).parents[2]
STEPS = 30
FIELDS = {
    "data.dataset": "synthetic_faces/tiny",
    "data.train": "train[:48]",
    "data.validation": "train[48:]",
    "input.size": 32,
    "model.width": 8,
    "model.heads": 2,
    "train.batch_size": 8,
    "train.steps": STEPS,
    "train.log_every": 1,
    "train.save_every": 5,
    "train.evaluate_every": 15,
    "evaluate.batch_size": 8,
}

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # of aiohttp


@pytest.fixture(scope="module")
def environment(bucket, tmp_path_factory) -> dict[str, str]:
    """Environment of the commands: a compilation cache and a folder for copies of datasets, which they share."""
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("compiled")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5",
    }


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> pathlib.Path:
    """The current folder of the commands."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def data_dir(bucket, tiny_dataset) -> str:
    """A root folder of datasets in the bucket."""
    root = pathlib.Path(tiny_dataset)
    for name in locations.files_in(root):
        bucket.objects["bucket", f"data/{name}"] = ((root / name).read_bytes(), 1)
    return "gs://bucket/data"


@pytest.fixture(scope="module")
def start(environment, elsewhere):
    """A function that starts a command in another folder."""

    def started(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, str(ROOT / "run.py"), *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=elsewhere, env=environment, **pipes)

    return started


def training(workdir: object, data_dir: str) -> list[str]:
    fields = FIELDS | {"data.data_dir": data_dir}
    overrides = [f"--config.{name}={value}" for name, value in fields.items()]
    return ["--config=synthetic", f"--workdir={workdir}", *overrides]


def finished(process: subprocess.Popen[str], code: int = 0) -> str:
    """Returns the output and the errors of a process, after it has ended with an exit code."""
    output, errors = process.communicate(timeout=300)
    assert process.returncode == code, errors[-3000:]
    return output + errors


def losses(workdir: str | pathlib.Path) -> list[float]:
    lines = (locations.locate(workdir) / METRICS_LOG).read_text().splitlines()
    return [entry["loss"] for entry in map(json.loads, lines) if "loss" in entry]


def wait_for_object(bucket: Server, name: str, process: subprocess.Popen[str]) -> None:
    while ("bucket", name) not in bucket.objects and process.poll() is None:
        time.sleep(0.02)


@pytest.fixture(scope="module")
def local_run(start, tiny_dataset, tmp_path_factory) -> pathlib.Path:
    """The folder of an undisturbed run on the local disk."""
    workdir = tmp_path_factory.mktemp("runs") / "local"
    finished(start(*training(workdir, tiny_dataset)))
    return workdir


@pytest.fixture(scope="module")
def bucket_run(bucket, start, data_dir) -> str:
    """The folder of a run in the bucket that was killed in the middle and continued by the same command."""
    workdir = "gs://bucket/runs/one"
    process = start(*training(workdir, data_dir))
    wait_for_object(bucket, "runs/one/checkpoints/10/commit_success.txt", process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert ("bucket", "runs/one/report.html") not in bucket.objects
    started = time.monotonic()
    printed = finished(start(*training(workdir, data_dir)))
    print(f"continued after a SIGKILL in {time.monotonic() - started:.0f} s")
    assert "waiting for 30 s, since a killed run may have left its lock" in printed
    assert "continuing from step 1" in printed
    return workdir


@pytest.mark.slow
def test_a_killed_run_in_a_bucket_ends_as_an_undisturbed_local_one(bucket, bucket_run, local_run):
    assert losses(bucket_run) == losses(local_run)
    assert len(losses(bucket_run)) == STEPS
    local = {path.name.partition(".tfevents")[0] for path in local_run.iterdir()}
    ours = {name.partition("/")[0].partition(".tfevents")[0] for name in bucket.names("runs/one")}
    assert ours == local - {".training.lock"}  # a local lock file stays, an object is removed
    for name in ("metrics.json", "faces.csv"):
        assert (locations.locate(bucket_run) / name).read_bytes() == (local_run / name).read_bytes()


@pytest.mark.slow
def test_the_other_modes_read_and_write_the_bucket(bucket, start, bucket_run, local_run, elsewhere):
    photograph = ROOT / "docs" / "astronaut.jpg"
    predictions = {}
    for name, run in (("ours", bucket_run), ("theirs", str(local_run))):
        finished(start("predict", photograph, f"--workdir={run}", f"--out={name}"))
        predictions[name] = (elsewhere / name / "astronaut.json").read_bytes()
    assert predictions["ours"] == predictions["theirs"]

    weights = "gs://bucket/weights/one.safetensors"
    finished(start("export", f"--workdir={bucket_run}", f"--out={weights}"))
    finished(start("export", f"--workdir={local_run}", "--out=local.safetensors"))
    assert (
        bucket.objects["bucket", "weights/one.safetensors"][0]
        == (elsewhere / "local.safetensors").read_bytes()
    )
    finished(start("predict", photograph, f"--weights={weights}", "--out=weights"))
    finished(start("predict", photograph, "--weights=local.safetensors", "--out=local_weights"))
    assert (elsewhere / "weights" / "astronaut.json").read_bytes() == (
        elsewhere / "local_weights" / "astronaut.json"
    ).read_bytes()

    finished(start("export", f"--workdir={bucket_run}"))
    assert ("bucket", "runs/one/network.export") in bucket.objects
    finished(start("evaluate", f"--workdir={bucket_run}", "--split=train"))
    assert "runs/one/evaluations/synthetic_faces.tiny+train/report.html" in {
        name for _, name in bucket.objects
    }
    printed = finished(start("compare", bucket_run, local_run, "--out=gs://bucket/comparison"))
    assert "+0.000 to +0.000" in printed
    assert bucket.names("comparison") == {f"comparison.{suffix}" for suffix in ("tsv", "png", "html")}


@pytest.mark.slow
def test_what_a_bucket_cannot_do_is_refused_in_one_sentence(start, bucket_run, data_dir):
    refused = {
        ("predict", "photo.jpg", "--out=gs://bucket/p"): "predictions are written to local folders",
        ("predict", "gs://bucket/photo.jpg"): "images and videos are read from local folders",
        tuple(training("gs://none/run", data_dir)): "found no bucket none",
        tuple(training(bucket_run, "gs://bucket/none")): "synthetic_faces/tiny is not there",
        (*training(bucket_run, data_dir), "--config.seed=1"): "a run of another configuration",
    }
    for arguments, message in refused.items():
        error = finished(start(*arguments), code=1).strip().splitlines()[-1]
        assert error.startswith("error: ")
        assert message in error


@pytest.mark.slow
def test_two_processes_train_in_a_bucket_and_continue_after_a_kill(
    bucket, start, tiny_dataset, data_dir, tmp_path
):
    def start_pair(workdir: object, data_dir: str) -> list[subprocess.Popen[str]]:
        return [start(*training(workdir, data_dir), *flags) for flags in joining_flags(2)]

    undisturbed = start_pair(tmp_path / "local", tiny_dataset)
    for process in undisturbed:
        finished(process)

    workdir = "gs://bucket/runs/pair"
    pair = start_pair(workdir, data_dir)
    wait_for_object(bucket, "runs/pair/checkpoints/10/commit_success.txt", pair[0])
    pair[1].send_signal(signal.SIGKILL)
    finished(pair[1], code=-signal.SIGKILL)
    pair[0].communicate(timeout=90)  # its error is that of a lost process
    for process in start_pair(workdir, data_dir):
        finished(process)
    assert losses(workdir) == losses(tmp_path / "local")
    assert len(losses(workdir)) == STEPS
