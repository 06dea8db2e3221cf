"""Means, counts and speed between log lines, and the check that the loss is finite."""

import json
import time

import numpy as np
import pytest

from dsat_jax.training.meter import Meter, TrainingDivergedError
from dsat_jax.training.recorder import METRICS_LOG, Recorder


def scalars(loss: float = 1.0, gradient_norm: float = 1.0, damaged: float = 0.0) -> dict[str, np.ndarray]:
    values = {
        "loss": loss,
        "gradient_norm": gradient_norm,
        "damaged": damaged,
        "learning_rate": 0.1,
        "skipped": 0.0,
    }
    return {name: np.float32(value) for name, value in (values | {"pixel_error": 2.0}).items()}


@pytest.mark.parametrize(
    ("bad", "name"), [({"loss": np.nan}, "loss"), ({"gradient_norm": np.inf}, "gradient norm")]
)
def test_a_step_that_is_not_finite_stops_the_run(tmp_path, bad, name):
    meter = Meter(Recorder(tmp_path, 0, 10, active=False), batch_size=8)
    for values in (scalars(), scalars(**bad), scalars()):
        meter.add(values, np.array([3, 77]))
    with pytest.raises(
        TrainingDivergedError, match=rf"{name} of step 6 is (nan|inf) \(learning rate 0\.1, records 3, 77\)"
    ):
        meter.pause(step=7)


def skipped(**bad: float) -> dict[str, np.ndarray]:
    return scalars(**bad) | {"skipped": np.float32(1.0)}


def test_a_skipped_step_is_logged_and_left_out_of_the_means(tmp_path, caplog):
    recorder = Recorder(tmp_path, 0, 4, active=True)
    meter = Meter(recorder, batch_size=8)
    meter.add(scalars(loss=2.0), np.array([1, 2]))
    meter.add(skipped(loss=np.nan), np.array([3, 77]))
    meter.end_interval(2)
    meter.pause(2)
    recorder.close()
    assert "the loss of step 2 is nan (learning rate 0.1, records 3, 77): skipped" in caplog.text
    (line,) = [json.loads(line) for line in (tmp_path / METRICS_LOG).read_text().splitlines()]
    assert (line["loss"], line["skipped_steps"]) == (2.0, 1.0)


def test_too_many_skipped_steps_in_a_row_stop_the_run(tmp_path, caplog):
    recorder = Recorder(tmp_path, 0, 60, active=True)
    meter = Meter(recorder, batch_size=8)
    for step in range(1, 21):  # all but the last
        meter.add(skipped(gradient_norm=np.inf) if step != 20 else scalars(), np.array([5]))
        meter.end_interval(step)
        meter.pause(step)
    assert len(caplog.records) == 19  # each step is logged once, in whichever interval it is
    for _ in range(20):
        meter.add(skipped(gradient_norm=np.inf), np.array([5]))
    with pytest.raises(
        TrainingDivergedError, match=r"of step 40 is inf .* like the 19 steps before it; all were skipped"
    ):
        meter.pause(step=40)
    recorder.close()
    lines = [json.loads(line) for line in (tmp_path / METRICS_LOG).read_text().splitlines()]
    assert [line["skipped_steps"] for line in lines] == 19 * [1.0] + [0.0]
    assert ["loss" in line for line in lines] == 19 * [False] + [True]


def test_means_counts_and_speed_of_each_interval(tmp_path):
    recorder = Recorder(tmp_path, 0, 4, active=True)
    meter = Meter(recorder, batch_size=8)
    for step in (1, 2, 3, 4):
        meter.add(scalars(loss=step, damaged=1.0), np.arange(8))
        time.sleep(0.05)
        if step % 2 == 0:
            meter.end_interval(step)
        if step == 3:
            meter.pause(step)
            time.sleep(0.5)  # an evaluation, which is not training time
            meter.resume()
    meter.pause(4)
    recorder.close()
    lines = [json.loads(line) for line in (tmp_path / METRICS_LOG).read_text().splitlines()]
    assert [(line["step"], line["loss"], line["damaged"]) for line in lines] == [(2, 1.5, 2.0), (4, 3.5, 2.0)]
    for line in lines:
        assert 80 < line["images_per_second"] <= 160  # 16 images in a little over 0.1 s
