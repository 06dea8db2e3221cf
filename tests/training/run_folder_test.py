"""The run folder in training: its lock, its configuration and its README."""

import pathlib
import shlex

import pytest

from dsat_jax.checkpoints import manager
from dsat_jax.config import CHANGEABLE_FIELDS, default, load_config
from dsat_jax.training import run_folder


def checkpoint_in(workdir: pathlib.Path) -> None:
    (workdir / manager.FOLDER / "10").mkdir(parents=True)


def test_a_folder_is_claimed_by_the_configuration_of_its_first_checkpoint(tmp_path):
    config, other = default(), default()
    other.train.batch_size = 48
    for claiming in (config, other):  # without a checkpoint the last configuration counts
        with run_folder.claimed(tmp_path, claiming):
            pass
    checkpoint_in(tmp_path)
    with (
        pytest.raises(ValueError, match=r"another configuration \(train\.batch_size: 48 saved, 32 given\)"),
        run_folder.claimed(tmp_path, config),
    ):
        pass
    other.data.data_dir = "elsewhere"
    other.train.not_finite = "skip"
    with run_folder.claimed(tmp_path, other):
        saved = load_config(tmp_path)
        assert (saved.data.data_dir, saved.train.not_finite) == ("elsewhere", "skip")


def test_a_run_with_more_steps_is_told_how_to_go_on(tmp_path):
    config, longer = default(), default()
    with run_folder.claimed(tmp_path, config):
        checkpoint_in(tmp_path)
    longer.train.steps = 2 * config.train.steps
    advice = (
        rf"give another --workdir and --config\.train\.start_from={tmp_path}: a run has the steps for which"
    )
    with pytest.raises(ValueError, match=advice), run_folder.claimed(tmp_path, longer):
        pass
    longer.seed = 3
    with pytest.raises(ValueError, match=r"or delete that folder$"), run_folder.claimed(tmp_path, longer):
        pass


def test_a_folder_describes_itself_and_keeps_the_notes_of_a_user(tmp_path):
    config = default()
    with run_folder.claimed(tmp_path, config):
        readme = tmp_path / run_folder.README_FILE
        assert readme.read_text().startswith("A run of dsat_jax: dsat on w300, 100000 steps.")
        assert f"--mode=predict --workdir={tmp_path} --images=" in readme.read_text()
    checkpoint_in(tmp_path)
    readme.write_text("the one with the long warm-up")
    with run_folder.claimed(tmp_path, config):
        assert readme.read_text() == "the one with the long warm-up"


def test_the_commands_of_a_run_can_be_pasted(tmp_path):
    workdir = tmp_path / "my run's"
    with run_folder.claimed(workdir, default()):
        lines = (workdir / run_folder.README_FILE).read_text().splitlines()
    words = [shlex.split(line) for line in lines if line.startswith("python run.py")]
    assert [line[2:4] for line in words] == [
        [f"--mode={mode}", f"--workdir={workdir}"] for mode in ("evaluate", "predict", "export")
    ]


def test_damaged_checkpoints_claim_a_folder_too(tmp_path):
    config, other = default(), default()
    other.seed = 1
    with run_folder.claimed(tmp_path, config):
        (tmp_path / manager.FOLDER / "10.damaged").mkdir(parents=True)
    with (
        pytest.raises(ValueError, match=r"another configuration \(seed"),
        run_folder.claimed(tmp_path, other),
    ):
        pass


def test_one_run_at_a_time(tmp_path):
    config = default()
    with (
        run_folder.claimed(tmp_path, config),
        pytest.raises(OSError, match="another process trains this run"),
        run_folder.claimed(tmp_path, config),
    ):
        pass
    with run_folder.claimed(tmp_path, config):
        pass


def test_every_field_that_may_change_exists():
    fields = default().to_dict()
    for name in CHANGEABLE_FIELDS:
        section, field = name.split(".")
        assert field in fields[section]
