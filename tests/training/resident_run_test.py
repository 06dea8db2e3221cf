"""A tiny run whose training images stay on the devices: training, stopping, resuming."""

import json
import pathlib

import numpy as np
import pytest

from configs import synthetic
from dsat_jax.config import load_config
from dsat_jax.training import loop
from dsat_jax.training.recorder import METRICS_LOG


@pytest.fixture(scope="module")
def config(tiny_dataset):
    config = synthetic.get_config()
    config.data.update(dataset="synthetic_faces/tiny", data_dir=tiny_dataset, resident=True)
    config.data.update(train="train[:48]", validation="train[48:]")
    config.input.size = 32
    config.model.update(width=8, stacks=0)
    config.train.update(batch_size=8, steps=6, log_every=1, evaluate_every=6)
    config.evaluate.update(batch_size=8)
    return config


def losses(workdir: pathlib.Path) -> list[float]:
    lines = [json.loads(line) for line in (workdir / METRICS_LOG).read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


@pytest.mark.slow
def test_a_stopped_and_resumed_run_has_the_losses_of_an_uninterrupted_one(config, tmp_path, capsys):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert loop.train(config, whole) is not None
    assert "48 training images of at most " in capsys.readouterr().out
    assert loop.train(config, stopped, should_stop=lambda step: step == 1) is None
    assert len(losses(stopped)) == 3
    assert loop.train(config, stopped) is not None
    assert losses(stopped) == losses(whole)
    assert np.isfinite(losses(whole)).all()
    assert len(set(losses(whole))) == 6
    assert load_config(whole).data.resident


def test_a_run_does_not_change_between_resident_records_and_a_reader(config, tmp_path):
    """Its random draws would change, too."""
    loop.train(config, tmp_path, should_stop=lambda step: step == 1)
    other = config.copy_and_resolve_references()
    other.data.resident = False
    with pytest.raises(ValueError, match=r"data\.resident: True saved, False given"):
        loop.train(other, tmp_path)
