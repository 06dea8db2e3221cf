"""A whole run with a NaN in the images of a known step."""

import json
import pathlib
from collections.abc import Iterator

import jax
import numpy as np
import pytest

from configs import synthetic
from dsat_jax import models
from dsat_jax.checkpoints.manager import Checkpoints
from dsat_jax.data.batches import Sample, training_batches
from dsat_jax.runtime import sharding
from dsat_jax.training import loop, optimizer, state
from dsat_jax.training.meter import TrainingDivergedError
from dsat_jax.training.recorder import METRICS_LOG

BAD_STEP, BAD_ROW = 4, 1


@pytest.fixture
def config(tiny_dataset):
    """A DSAT of stem, gate and head on 32 pixels, which compiles in seconds."""
    config = synthetic.get_config()
    config.data.update(
        dataset="synthetic_faces/tiny", data_dir=tiny_dataset, train="train[:48]", validation="train[48:]"
    )
    config.input.size = 32
    config.model.update(width=8, stacks=0)
    config.train.update(batch_size=4, steps=6, log_every=2, save_every=2, evaluate_every=6)
    config.evaluate.batch_size = 8
    return config


@pytest.fixture
def bad_records(monkeypatch) -> list[int]:
    """Puts a NaN into the images of the bad step; the list receives the records of its batch."""
    healthy, records = training_batches, []

    def poisoned(*arguments: object) -> Iterator[Sample]:
        for step, batch in enumerate(healthy(*arguments), start=1):
            images = batch["image"].astype(np.float32)
            if step == BAD_STEP:
                images[BAD_ROW, 3, 5, 0] = np.nan
                records.extend(batch["record"].tolist())
            yield batch | {"image": images}

    monkeypatch.setattr(loop, "training_batches", poisoned)
    return records


def saved_state(config, workdir: pathlib.Path) -> state.TrainState:
    transform = optimizer.make_optimizer(config.optimizer, config.train.steps)
    template = state.template(sharding.make_mesh(), models.build_for(config), transform, config.input.size)
    saved = Checkpoints(workdir)
    newest = saved.restore(saved.newest_step(), template)
    saved.close()
    return newest


def check_finite(current: state.TrainState) -> None:
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(current))


def test_the_step_stops_the_run_and_is_in_no_checkpoint(config, bad_records, tmp_path):
    with pytest.raises(TrainingDivergedError) as caught:
        loop.train(config, tmp_path)
    assert str(caught.value).startswith(f"the loss of step {BAD_STEP} is nan (learning rate ")
    assert f", records {', '.join(map(str, bad_records))}); it was not saved" in str(caught.value)
    newest = saved_state(config, tmp_path)
    assert int(newest.step) == 2
    check_finite(newest)


def test_the_step_is_skipped_if_the_configuration_asks_for_it(config, bad_records, tmp_path, caplog):
    config.train.not_finite = "skip"
    check_finite(loop.train(config, tmp_path))
    check_finite(saved_state(config, tmp_path))
    assert f"the loss of step {BAD_STEP} is nan" in caplog.text
    assert f"records {', '.join(map(str, bad_records))}): skipped" in caplog.text
    lines = [json.loads(line) for line in (tmp_path / METRICS_LOG).read_text().splitlines()]
    assert [line["skipped_steps"] for line in lines if "loss" in line] == [0, 1, 0]
