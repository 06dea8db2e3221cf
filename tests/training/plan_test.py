"""The mode `plan`: its table, and a real plan where libtpu is installed."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import jax
import pytest

from configs import synthetic
from dsat_jax import models
from dsat_jax.runtime import sharding
from dsat_jax.training import network_operations, plan, plan_table

ROOT = pathlib.Path(__file__).parents[2]
NEEDS_LIBTPU = pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None, reason="libtpu, TPU's compiler, is not installed"
)


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "run.py", "plan", *arguments],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": ""},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config=synthetic"], "--mode=plan needs --config and --topology"),
        (["--topology=v5e:2x2"], "--mode=plan needs --config and --topology"),
        (["--config=synthetic", "--topology=v9:2x2"], "--topology=v9:2x2: expected a chip and a shape"),
        (["--config=synthetic", "--topology=v5e:2x2", "--device=cpu"], "--mode=plan does not read it"),
    ],
)
def test_an_error_is_reported_in_one_line(arguments, message):
    finished = run(*arguments)
    assert finished.returncode == 1
    assert message in finished.stderr
    assert len(finished.stderr.strip().splitlines()) == 1


def test_an_abstract_batch_has_the_fields_of_the_training_step():
    config = synthetic.get_config()
    batch = plan.abstract_batch(config, sharding.make_mesh())
    assert {name: (leaf.shape, leaf.dtype.name) for name, leaf in batch.items()} == {
        "image": ((16, 64, 64, 3), "uint8"),
        "points": ((16, 98, 2), "float32"),
        "weights": ((16, 98), "float32"),
        "damaged": ((16,), "bool"),
    }


def test_the_table_says_that_it_is_a_prediction_and_what_does_not_fit():
    refused = {
        "name": "training step of 4 faces",
        "fits": False,
        "compiler": "Ran out of memory on HBM",
        "memory_gib": {"state": 1.5, "chip": 16.0},
    }
    results = {
        "configuration": "synthetic",
        "topology": "v5e:2x2",
        "devices": 4,
        "chip": "TPU v5e",
        "jax": "0.10.2",
        "programs": {"training": refused},
        "schedule": {"steps": 100, "hours_at_best": None, "hours_by_compiler": None},
    }
    lines = plan_table.table(results).splitlines()
    assert lines[0].startswith("PREDICTION for synthetic on v5e:2x2 (4 x TPU v5e)")
    assert "DOES NOT FIT 16 GiB: Ran out of memory on HBM" in lines[2]
    assert len(lines) == 4  # no hours


def test_the_table_answers_limits_that_take_a_noticeable_share_of_a_step():
    limits = [
        {"name": "input", "seconds": 0.5, "answer": "more readers"},
        {"name": "waiting", "seconds": 0.001, "answer": "fewer chips"},
    ]
    results = {
        "programs": {"training": {"images": 64, "roofline": {"seconds": 0.1}}},
        "limits": limits,
        "devices": 4,
        "largest_batch": 256,
    }
    lines = list(plan_table._limits(results))
    assert lines[0] == "beside a training step of 100.000 ms, estimated:"
    assert lines[1:3] == ["     500.000 ms by input: more readers", "       1.000 ms by waiting"]
    assert lines[3].startswith("16 faces on each device;")
    assert lines[3].endswith("64 fit: --config.train.batch_size=256")


@NEEDS_LIBTPU
def test_a_configuration_is_planned_for_chips_that_are_not_attached(tmp_path):
    out = tmp_path / "new" / "plan.json"
    finished = run("--config=synthetic", "--topology=v5e:2x2", f"--out={out}")
    assert finished.returncode == 0, finished.stderr
    assert "PREDICTION for synthetic on v5e:2x2 (4 x TPU v5e)" in finished.stdout
    training, evaluation = (
        json.loads(out.read_text())["programs"][name] for name in ("training", "evaluation")
    )
    config = synthetic.get_config()
    model = models.build_for(config)
    variables = jax.eval_shape(lambda: models.initial_variables(model, config.input.size, jax.random.key(0)))
    face = jax.ShapeDtypeStruct((1, config.input.size, config.input.size, 3), "float32")
    assert training["operations_per_face"] == network_operations.step_operations(model, variables, face)
    # The compiled programs do the operations of the definition, give or take what XLA saves or adds.
    assert training["flops_per_face"] == pytest.approx(training["operations_per_face"], rel=0.2)
    assert evaluation["flops_per_face"] == pytest.approx(evaluation["operations_per_face"], rel=0.2)
    assert training["fits"]
    assert evaluation["fits"]
    memory = training["memory_gib"]
    assert 0 < memory["state"] < memory["arguments"] < memory["needed"] < memory["chip"] == 16
    # Parameters, two moments of Adam and the averages; statistics and their averages; two steps.
    parameters = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    statistics = sum(leaf.size for leaf in jax.tree.leaves(variables["batch_stats"]))
    assert memory["state"] * 2**30 == pytest.approx(4 * (4 * parameters + 2 * statistics), abs=100)
    assert training["collectives"]["all-reduce"]["bytes"] >= 4 * parameters  # the gradients
    times = training["roofline"]
    slowest = max(times[f"{name}_seconds"] for name in ("arithmetic", "memory", "interconnect"))
    assert times["images_per_second"] == pytest.approx(16 / slowest)
    assert times["images_per_second_by_compiler"] == pytest.approx(16 / times["compiler_seconds"])
    schedule = json.loads(out.read_text())["schedule"]
    assert schedule["hours_at_best"] == pytest.approx(950 * slowest / 3600)
    assert schedule["hours_by_compiler"] == pytest.approx(950 * times["compiler_seconds"] / 3600)
    assert len(training["layers"]) == 10


@NEEDS_LIBTPU
def test_a_batch_or_a_slice_that_cannot_be_is_refused_in_one_line():
    finished = run("--config=synthetic", "--topology=v5e:2x2", "--config.train.batch_size=6")
    assert finished.stderr == "error: config.train.batch_size = 6 does not spread evenly over 4 devices\n"
    finished = run("--config=synthetic", "--topology=v5e:3x5")
    assert finished.returncode == 1
    assert finished.stderr.startswith("error: --topology=v5e:3x5: libtpu has no such slice")


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("jax_cuda13_plugin") is None, reason="JAX's plugin for CUDA is not installed"
)
def test_a_configuration_is_planned_for_gpus_that_are_not_attached(tmp_path):
    plans = {}
    for name, count in (("h100", 1), ("h100:8", 8)):
        out = tmp_path / f"{count}.json"
        finished = run("--config=synthetic", f"--topology={name}", f"--out={out}")
        assert finished.returncode == 0, finished.stderr
        assert f"PREDICTION for synthetic on {name} ({count} x NVIDIA H100 SXM)" in finished.stdout
        plans[count] = json.loads(out.read_text())["programs"]
    for count, programs in plans.items():
        for program in programs.values():
            # The compiled programs do the operations of the definition, give or take what XLA saves or adds.
            assert program["flops_per_face"] == pytest.approx(program["operations_per_face"], rel=0.2)
            assert program["kernels_without_operations"] == 0
            assert 0 < program["memory_gib"]["needed"] < program["memory_gib"]["chip"] == 84942979072 / 2**30
            assert program["roofline"]["compiler_seconds"] is None
        collectives = programs["training"]["collectives"]
        assert bool(collectives) == (count > 1)
    assert plans[8]["training"]["roofline"]["interconnect_seconds"] > 0
    # Eight GPUs reduce the gradients of all parameters.
    state = plans[8]["training"]["memory_gib"]["state"] * 2**30
    assert state / 5 < plans[8]["training"]["collectives"]["all-reduce"]["bytes"] < state
