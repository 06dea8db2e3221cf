"""The lock of a run folder in a bucket; run_folder_test.py has the tests of local folders."""

import json
import threading
import time

import pytest
import tensorstore

from dsat_jax.files import locations
from dsat_jax.training import run_lock
from dsat_jax.training.run_lock import Lease

RENEWED_EVERY, EXPIRES = 0.1, 0.6  # seconds


@pytest.fixture
def store() -> tensorstore.KvStore:
    return tensorstore.KvStore.open("memory://").result()


def lease(store: tensorstore.KvStore, lost=pytest.fail, renewed_every: float = RENEWED_EVERY) -> Lease:
    return Lease(store, "gs://b/run", lost, renewed_every, EXPIRES)


def content(store: tensorstore.KvStore) -> bytes:
    return store.read(run_lock.LOCK_FILE).result().value


def test_a_lock_that_is_renewed_is_refused_and_free_after_its_end(store):
    with lease(store):
        with pytest.raises(OSError, match="gs://b/run: another process trains this run"), lease(store):
            pass
        assert json.loads(content(store)).keys() == {"host", "process", "renewed"}
    assert content(store) == b""
    started = time.monotonic()
    with lease(store):
        assert time.monotonic() - started < EXPIRES / 2  # nothing to wait for


def test_the_lock_of_a_killed_process_is_taken_over_when_it_has_expired(store):
    store.write(run_lock.LOCK_FILE, b"of a killed process").result()
    started = time.monotonic()
    with lease(store):
        assert time.monotonic() - started >= EXPIRES
        assert b"killed" not in content(store)


def test_of_two_successors_one_gets_the_lock(store):
    store.write(run_lock.LOCK_FILE, b"of a killed process").result()
    held, refused = [], []
    done = threading.Event()

    def succeed() -> None:
        try:
            with lease(store):
                held.append(1)
                done.wait(10)
        except OSError as error:
            refused.append(str(error))
            done.set()

    threads = [threading.Thread(target=succeed) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert (len(held), len(refused)) == (1, 1)


def test_a_process_that_has_lost_its_lock_is_told_and_leaves_that_of_its_successor(store):
    told, messages = threading.Event(), []

    def lost(message: str) -> None:
        messages.append(message)
        told.set()

    with lease(store, lost):
        store.write(run_lock.LOCK_FILE, b"of the successor").result()
        assert told.wait(10)
    assert messages == ["gs://b/run: another process has taken over this run; this one stops"]
    assert content(store) == b"of the successor"


def test_a_run_folder_in_a_bucket_is_locked(bucket, bucket_folder):
    with run_lock.locked(bucket_folder):
        assert bucket.names(bucket_folder.name) == {run_lock.LOCK_FILE}
        rival = tensorstore.KvStore.open(f"{bucket_folder}/").result()
        assert rival.read(run_lock.LOCK_FILE).result().state == "value"
    assert bucket.names(bucket_folder.name) == set()
    assert locations.files_in(bucket_folder) == {}


def test_other_processes_wait_until_the_lock_of_a_killed_run_is_taken_over(bucket, bucket_folder):
    store = tensorstore.KvStore.open(f"{bucket_folder}/").result()
    run_lock.wait_for_holder(bucket_folder)  # without a lock, there is nothing to wait for
    store.write(run_lock.LOCK_FILE, b"of a killed process").result()
    waiting = threading.Thread(target=run_lock.wait_for_holder, args=(bucket_folder,))
    waiting.start()
    waiting.join(1.0)
    assert waiting.is_alive()
    with lease(store):
        waiting.join(10.0)
        assert not waiting.is_alive()


def test_a_bucket_that_cannot_be_written_is_one_sentence(bucket):
    store = tensorstore.KvStore.open("gs://forbidden/run/").result()
    with (
        pytest.raises(OSError, match=r"^gs://b/run: the lock \.training\.lock cannot be written \(.*403"),
        lease(store),
    ):
        pass
