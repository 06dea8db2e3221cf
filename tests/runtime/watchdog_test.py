"""Warnings about results that take too long."""

import logging
import time
from collections.abc import Iterator

from dsat_jax.runtime import watchdog


def test_a_late_result_is_reported_repeatedly(caplog):
    with caplog.at_level(logging.WARNING), watchdog.reported(0.05, "the training images of step 3"):
        time.sleep(0.18)
    lines = [record.message for record in caplog.records]
    assert 2 <= len(lines) <= 3
    assert lines[0] == "waiting for 0 s: the training images of step 3"


def test_a_timely_result_is_not_reported(caplog):
    with caplog.at_level(logging.WARNING), watchdog.reported(5.0, "nothing"):
        pass
    assert not caplog.records


def test_each_late_item_is_reported(caplog):
    def slow() -> Iterator[int]:
        yield 1
        time.sleep(0.08)
        yield 0

    with caplog.at_level(logging.WARNING):
        assert list(watchdog.reported_each(slow(), 0.05, "numbers")) == [1, 0]
    assert [record.message for record in caplog.records] == ["waiting for 0 s: numbers"]
