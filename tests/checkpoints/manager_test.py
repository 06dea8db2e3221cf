"""Checkpoints: retention, contents, damage, killed saves, and full disks."""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from made_states import restored_newest, state_at, template_of

from dsat_jax.checkpoints import checksums, manager
from dsat_jax.checkpoints.manager import Checkpoints
from dsat_jax.training.state import TrainState

PREPARE = """
import os, pathlib, resource, signal, sys
import jax
from made_states import random_state, restored_newest, state_at, template_of
from dsat_jax.runtime import sharding
from dsat_jax.checkpoints.manager import Checkpoints
workdir = pathlib.Path(sys.argv[1])
"""
# Files of Orbax that restoring does not need: the time of the commit, and a mark of its success.
NOT_READ = {"_CHECKPOINT_METADATA", "commit_success.txt"}


def same(one: Any, other: Any) -> bool:
    """Whether two trees are bitwise equal."""
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(a.dtype == b.dtype and np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)


def save_all(workdir: pathlib.Path, figures: dict[int, float | None]) -> pathlib.Path:
    """Saves a state at each step with its validation NME; returns the folder of the checkpoints."""
    saved = Checkpoints(workdir)
    for step, nme in figures.items():
        saved.save(state_at(step), nme)
    saved.close()
    return saved.path


def best_is(workdir: pathlib.Path, state: TrainState) -> bool:
    """Whether the averaged variables of the best checkpoint are those of a state."""
    return same(manager.restore_best(workdir, template_of(state.ema)), state.ema)


def folders(path: pathlib.Path) -> set[str]:
    return {entry.name for entry in path.iterdir()}


def in_python(
    script: str, *arguments: object, within: Sequence[str] = (), **environment: str
) -> subprocess.Popen:
    """Starts a script, after `PREPARE`, in another process.

    Args:
      script: Python code.
      arguments: `sys.argv[1:]` of the script; the first is `workdir`.
      within: command that runs the command given after it.
      environment: environment variables to set.
    """
    here = pathlib.Path(__file__).parents[1]
    return subprocess.Popen(
        [*within, sys.executable, "-c", PREPARE + textwrap.dedent(script), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": f"{here.parent}:{here}"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process: subprocess.Popen) -> str:
    """Returns the output of a process, after it has ended without an error."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def test_the_newest_two_and_the_best_are_kept(tmp_path):
    path = save_all(tmp_path, {1: 9.0, 2: 5.0, 3: 7.0, 4: 6.0, 5: None})
    assert folders(path) == {"2", "4", "5"}
    assert same(restored_newest(tmp_path), state_at(5))
    assert best_is(tmp_path, state_at(2))
    assert folders(save_all(tmp_path, {6: 4.0})) == {"5", "6"}  # the previous best is removed


def test_a_save_in_the_background_survives_the_donation_of_its_state(tmp_path):
    update = jax.jit(lambda state: jax.tree.map(lambda leaf: leaf + 1, state), donate_argnums=0)
    size = 2_000_000
    initial = TrainState(
        step=jnp.int32(0),
        params={},
        batch_stats={},
        opt_state=(),
        ema={"w": jnp.arange(size, dtype=jnp.float32)},
    )
    template = template_of(initial.ema)
    current, saved = update(initial), Checkpoints(tmp_path)
    saved.save(current, 1.0)
    for _ in range(20):
        current = update(current)
    jax.block_until_ready(current)
    saved.close()
    restored = manager.restore_best(tmp_path, template)
    np.testing.assert_array_equal(restored["w"], np.arange(size, dtype=np.float32) + 1)


def test_a_folder_without_a_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        best_is(tmp_path, state_at(1))
    assert not (tmp_path / manager.FOLDER).exists()
    assert restored_newest(tmp_path) is None
    save_all(tmp_path, {1: None})
    with pytest.raises(FileNotFoundError, match="holds no checkpoint"):
        best_is(tmp_path, state_at(1))


def truncate(file: pathlib.Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def empty(file: pathlib.Path) -> None:
    os.truncate(file, 0)


def flip_a_byte(file: pathlib.Path) -> None:
    contents = bytearray(file.read_bytes())
    contents[len(contents) * 2 // 3] ^= 0x10
    file.write_bytes(bytes(contents))


@pytest.fixture(scope="module")
def two_checkpoints(tmp_path_factory) -> pathlib.Path:
    """A run folder with checkpoints of steps 1 and 2, of which step 2 is the best."""
    workdir = tmp_path_factory.mktemp("whole")
    save_all(workdir, {1: 3.0, 2: 2.0})
    return workdir


@pytest.fixture
def run(two_checkpoints, tmp_path) -> pathlib.Path:
    """A copy of the run folder."""
    return shutil.copytree(two_checkpoints, tmp_path / "run")


@pytest.mark.parametrize("damage", [truncate, empty, flip_a_byte, pathlib.Path.unlink])
def test_damage_to_any_file_is_detected_or_harmless(two_checkpoints, tmp_path, caplog, damage):
    newest = two_checkpoints / manager.FOLDER / "2"
    files = [path.relative_to(newest) for path in newest.rglob("*") if path.is_file()]
    assert len(files) > 8
    for number, file in enumerate(files):
        workdir = shutil.copytree(two_checkpoints, tmp_path / str(number))
        path = workdir / manager.FOLDER
        damage(path / "2" / file)
        caplog.clear()
        if file.name in NOT_READ:
            assert same(restored_newest(workdir), state_at(2)), file
            continue
        assert best_is(workdir, state_at(1)), file
        assert folders(path) == {"1", "2"}
        assert f"{path}/2 is damaged and not used" in caplog.text
        caplog.clear()
        assert same(restored_newest(workdir), state_at(1)), file
        assert folders(path) == {"1", "2.damaged"}
        (record,) = caplog.records
        pattern = rf"{path}/2 is damaged \(.*{file.name}.*\): renamed to 2\.damaged"
        assert re.fullmatch(pattern, record.getMessage())


def test_a_step_whose_checkpoint_was_damaged_is_saved_again(run):
    path = run / manager.FOLDER
    for aside in ("2.damaged", "2.damaged.2"):
        shutil.rmtree(path / "2")
        (path / "2").mkdir()
        assert same(restored_newest(run), state_at(1))
        assert (path / aside).is_dir()
        save_all(run, {2: 2.0})
        assert same(restored_newest(run), state_at(2))
    assert folders(path) == {"1", "2", "2.damaged", "2.damaged.2"}


def test_a_checkpoint_with_the_name_of_another_step_is_detected(run, caplog):
    (run / manager.FOLDER / "1").rename(run / manager.FOLDER / "3")
    assert same(restored_newest(run), state_at(2))
    assert "is damaged (it holds the state of step 1)" in caplog.text


def test_a_run_does_not_start_again_when_all_checkpoints_are_damaged(run):
    path = run / manager.FOLDER
    flip_a_byte(path / "1" / "state" / "manifest.ocdbt")
    (path / "2" / "state" / checksums.FILE_NAME).unlink()
    with pytest.raises(
        ValueError, match=r"no undamaged checkpoint in .* was evaluated; damaged steps: 1, 2$"
    ):
        best_is(run, state_at(1))
    for _ in range(2):
        with pytest.raises(ValueError, match=r"every checkpoint in .*checkpoints is damaged: restore a copy"):
            Checkpoints(run)
    assert folders(path) == {"1.damaged", "2.damaged"}


def test_the_next_best_replaces_a_damaged_best(tmp_path):
    path = save_all(tmp_path, {1: 9.0, 2: 5.0, 3: 7.0, 4: 6.0})
    assert folders(path) == {"2", "3", "4"}
    flip_a_byte(path / "2" / "state" / "manifest.ocdbt")
    assert best_is(tmp_path, state_at(4))
    assert folders(path) == {"2", "3", "4"}  # nothing is changed
    save_all(tmp_path, {5: 8.0, 6: 9.0})
    assert folders(path) == {"2.damaged", "4", "5", "6"}


def test_a_checkpoint_of_another_model_is_refused_and_not_called_damaged(run):
    for params, difference in (
        ({"w": jnp.zeros(5)}, "params/w is float32[4], expected float32[5]"),
        ({"w": jnp.zeros(4), "b": jnp.zeros(2)}, "params/b is missing, expected float32[2]"),
        ({"v": jnp.zeros(4)}, "params/v is missing, expected float32[4] (first of 2 differences)"),
    ):
        with pytest.raises(ValueError, match="another model") as caught:
            restored_newest(run, template_of(state_at(0).replace(params=params)))
        assert str(caught.value).endswith(f"checkpoints/2 is a checkpoint of another model: {difference}")
    assert folders(run / manager.FOLDER) == {"1", "2"}


def test_restoring_on_another_number_of_devices(tmp_path):
    """Saved on one device, restored and saved on four, restored on one."""
    save_all(tmp_path, {1: 3.0})
    script = """
        mesh = sharding.make_mesh()
        assert mesh.size == 4
        split = jax.ShapeDtypeStruct((4,), "float32", sharding=sharding.split_batch(mesh))
        state = restored_newest(workdir, template_of(state_at(0)).replace(params={"w": split}))
        assert state.params["w"].sharding == sharding.split_batch(mesh)
        assert state.ema["w"].sharding.is_fully_replicated
        saved = Checkpoints(workdir)
        saved.save(state.replace(step=state.step + 1, params={"w": state.params["w"] + 1}), 2.0)
        saved.close()
    """
    finished(in_python(script, tmp_path, XLA_FLAGS="--xla_force_host_platform_device_count=4"))
    assert same(restored_newest(tmp_path), state_at(1).replace(step=jnp.int32(2), params=state_at(2).params))


def test_incomplete_saves_are_gone_once_the_folder_is_open(tmp_path):
    """Repeated openings do not compete for the files of one interrupted save."""
    path = save_all(tmp_path, {1: None})
    for _ in range(5):
        unfinished = path / f"2{ocp.utils.TMP_DIR_SUFFIX}" / "state" / "d"
        unfinished.mkdir(parents=True)
        for number in range(200):
            (unfinished / str(number)).touch()
        Checkpoints(tmp_path).close()
        assert folders(path) == {"1"}


def test_a_save_that_is_killed_leaves_the_checkpoint_before_it(tmp_path):
    script = """
        saved = Checkpoints(workdir)
        saved.save(state_at(1), None)
        saved.close()
        saved = Checkpoints(workdir)
        saved.save(random_state(2, 16_000_000), None)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    process = in_python(script, tmp_path)
    _, err = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, err
    path = tmp_path / manager.FOLDER
    (unfinished,) = folders(path) - {"1"}
    assert unfinished.startswith("2.")  # killed before the rename
    assert same(restored_newest(tmp_path), state_at(1))
    save_all(tmp_path, {2: None})
    assert folders(path) == {"1", "2"}


UNTIL_IT_FAILS = """
    if sys.argv[2:]:
        resource.setrlimit(resource.RLIMIT_FSIZE, 2 * (int(sys.argv[2]),))
    saved = Checkpoints(workdir)
    try:
        for step, size in enumerate([1000, 1000, 300_000], 1):
            saved.save(random_state(step, size), 10.0 - step)
            while not (saved.path / str(step)).exists():
                saved.check()
    except OSError as error:
        print(error)
    print(sorted(path.name for path in saved.path.iterdir() if path.name.isdecimal()))
    print(int(restored_newest(workdir, template_of(random_state(0, 1000))).step))
"""


def test_a_file_size_limit_ends_the_run_with_one_sentence(tmp_path):
    process = in_python(UNTIL_IT_FAILS, tmp_path, 600_000)
    assert finished(process).splitlines() == [
        f"File too large: a checkpoint could not be written to {tmp_path / manager.FOLDER}; "
        "the newest complete one is that of step 2",
        "['1', '2']",
        "2",
    ]


def test_a_full_disk_ends_the_run_with_one_sentence(tmp_path):
    # Only this command and its children see the mount, which ends with them.
    mount = 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"'
    mounted = ["unshare", "--mount", "--map-root-user", "sh", "-c", mount, str(tmp_path)]
    if shutil.which("unshare") is None or subprocess.run([*mounted, "true"], check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    process = in_python(UNTIL_IT_FAILS, tmp_path, within=mounted)
    assert finished(process).splitlines() == [
        f"No space left on device: a checkpoint could not be written to {tmp_path / manager.FOLDER}; "
        "the newest complete one is that of step 2",
        "['1', '2']",
        "2",
    ]
    assert folders(tmp_path) == set()  # all checkpoints were on the mounted disk
