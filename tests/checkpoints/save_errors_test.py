"""Messages and tracebacks of saves that fail."""

import logging
import sys
import types

import pytest

from dsat_jax.checkpoints import save_errors


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            ValueError(
                "NOT_FOUND: Error writing local file [Error: No space left on device]\nsource locations: ..."
            ),
            "No space left on device",
        ),
        (OSError(27, "File too large", "/runs/checkpoints/3"), "File too large"),
        (ValueError("a shard is missing\nsource locations: ..."), "a shard is missing"),
        (ValueError(), "ValueError"),
    ],
)
def test_the_reason_is_the_disk_error_or_the_first_line(error, expected):
    assert save_errors.reason(error) == expected


@pytest.mark.parametrize(
    ("name", "path", "with_traceback", "shown"),
    [
        ("absl", "/site-packages/orbax/checkpoint/async_checkpointer.py", True, False),
        ("absl", "/site-packages/orbax/checkpoint/async_checkpointer.py", False, True),
        ("asyncio", "/lib/asyncio/base_events.py", True, False),
        ("absl", "/dsat_jax/training/loop.py", True, True),
    ],
)
def test_only_tracebacks_of_saves_are_suppressed(name, path, with_traceback, shown):
    traceback = (ValueError, ValueError("failed"), None) if with_traceback else None
    record = logging.LogRecord(name, logging.ERROR, path, 1, "failed", (), traceback)
    assert save_errors._is_not_save_traceback(record) is shown


def test_late_reports_to_the_closed_event_loop_are_skipped(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", reported.append)
    monkeypatch.setattr(save_errors, "getLogger", logging.Logger)  # the real loggers keep their filters
    monkeypatch.setattr(save_errors.logging, "get_absl_logger", lambda: logging.Logger("absl"))
    save_errors.keep_tracebacks_out.__wrapped__()
    for message in ("Event loop is closed", "something else"):
        error = RuntimeError(message)
        sys.unraisablehook(types.SimpleNamespace(exc_type=RuntimeError, exc_value=error))
    assert [str(unraisable.exc_value) for unraisable in reported] == ["something else"]
