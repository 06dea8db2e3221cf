"""Locks of local files, and the lack of them."""

import errno

import pytest

from dsat_jax.files import file_locks


def no_locks(handle: object, operation: int) -> None:
    """`fcntl.flock` on a file system without locks."""
    raise OSError(errno.ENOLCK, "No locks available")


def test_a_lock_is_held_until_its_file_is_closed(tmp_path):
    with (tmp_path / "lock").open("w") as first, (tmp_path / "lock").open("w") as second:
        file_locks.lock(first, wait=False, advice="")
        with pytest.raises(BlockingIOError):
            file_locks.lock(second, wait=False, advice="")
        first.close()
        file_locks.lock(second, wait=True, advice="")


@pytest.mark.parametrize("wait", [False, True])
def test_a_file_system_without_locks_is_a_warning(tmp_path, monkeypatch, caplog, wait):
    monkeypatch.setattr(file_locks.fcntl, "flock", no_locks)
    with (tmp_path / "lock").open("w") as handle:
        file_locks.lock(handle, wait, advice="build once")
    assert caplog.messages == [f"{tmp_path} cannot be locked (No locks available): build once"]


def test_a_system_without_locks_is_a_warning(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(file_locks, "fcntl", None)
    with (tmp_path / "lock").open("w") as handle:
        file_locks.lock(handle, wait=True, advice="build once")
    assert caplog.messages == [f"{tmp_path} cannot be locked (this system has no fcntl): build once"]
