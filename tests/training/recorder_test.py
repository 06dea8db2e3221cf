"""The files that a run writes while it trains."""

import errno
import json
import struct
import time

import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog

from dsat_jax.training.recorder import METRICS_LOG, Recorder, add_test_figures


def events(workdir):
    """The TensorBoard events of a run: records of a length, its checksum, the data and their checksum."""
    (path,) = workdir.glob("events.out.tfevents.*")
    data, parsed, start = path.read_bytes(), [], 0
    while start < len(data):
        (length,) = struct.unpack_from("<Q", data, start)
        parsed.append(Event.FromString(data[start + 12 : start + 12 + length]))
        start += 16 + length
    return parsed


def test_scalars_and_images_are_in_the_log_and_the_events(tmp_path, capsys):
    recorder = Recorder(tmp_path, 0, 10, active=True)
    recorder.scalars(2, {"loss": 0.5, "pixel_error": 3.0})
    recorder.image(4, "validation", np.zeros((6, 8, 3), np.uint8))
    recorder.message("a line")
    recorder.stepped(4)
    recorder.show({"loss": "0.5"})
    recorder.close()
    assert json.loads((tmp_path / METRICS_LOG).read_text()) == {"step": 2, "loss": 0.5, "pixel_error": 3.0}
    values = {(e.step, v.tag): v for e in events(tmp_path) for v in e.summary.value}
    assert values[2, "loss"].simple_value == 0.5
    assert values[2, "pixel_error"].simple_value == 3.0
    assert (values[4, "validation"].image.height, values[4, "validation"].image.width) == (6, 8)
    assert "a line" in capsys.readouterr().out


def test_what_tensorboard_shows_beside_curves(tmp_path):
    recorder = Recorder(tmp_path, 0, 10, active=True)
    recorder.text(0, "configuration", '{\n  "seed": 3\n}')
    recorder.choices(
        {"seed": 3, "loss.penalty": "wing", "data.test": ("a", "b"), "none": None}, ["validation/nme"]
    )
    recorder.histogram(5, "validation/open_channels", np.array([0.0, 0.5, 0.5, 1.0]))
    recorder.points(5, {"validation/nme": 4.5})
    recorder.close()
    (tmp_path / "after").mkdir()
    add_test_figures(tmp_path / "after", 10, {"test/pose": {"nme": 3.0, "fr": 1.0, "auc": 50.0, "faces": 7}})
    values = {v.tag: (e.step, v) for e in events(tmp_path) for v in e.summary.value}
    text = next(value for tag, (_, value) in values.items() if tag.startswith("configuration"))
    assert text.tensor.string_val == [b'    {\n      "seed": 3\n    }']
    step, histogram = values["validation/open_channels"]
    assert (step, histogram.histo.num, histogram.histo.sum) == (5, 4, 2.0)
    assert values["validation/nme"][1].simple_value == 4.5
    assert {tag.rpartition("/")[2] for tag in values if tag.startswith("_hparams_")} == {
        "experiment",
        "session_start_info",
        "session_end_info",
    }
    tested = {v.tag: (e.step, v.simple_value) for e in events(tmp_path / "after") for v in e.summary.value}
    assert tested == {"test/pose/nme": (10, 3.0), "test/pose/fr": (10, 1.0), "test/pose/auc": (10, 50.0)}
    assert not (tmp_path / METRICS_LOG).read_text()


def test_a_resumed_log_drops_later_lines_and_a_line_that_was_cut_off(tmp_path):
    (tmp_path / METRICS_LOG).write_text('{"step": 1}\n{"step": 5}\n{"st')
    Recorder(tmp_path, 3, 10, active=True).close()
    assert (tmp_path / METRICS_LOG).read_text() == '{"step": 1}\n'
    starts = [event.step for event in events(tmp_path) if event.session_log.status == SessionLog.START]
    assert starts == [4]  # TensorBoard hides events of an earlier process from this step on


def test_an_inactive_recorder_writes_nothing(tmp_path, capsys):
    recorder = Recorder(tmp_path, 0, 10, active=False)
    recorder.scalars(1, {"loss": 0.5})
    recorder.image(1, "validation", np.zeros((2, 2, 3), np.uint8))
    recorder.message("a line")
    recorder.stepped(1)
    recorder.show({})
    recorder.close()
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().out == ""


def test_a_full_disk_is_an_error_that_names_the_file(tmp_path, monkeypatch):
    recorder = Recorder(tmp_path, 0, 10, active=True)

    def full(text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        log = recorder._log
        patch.setattr(recorder, "_log", type("Full", (), {"name": log.name, "write": staticmethod(full)}))
        with pytest.raises(OSError, match=rf"{METRICS_LOG} cannot be written: No space left on device"):
            recorder.scalars(1, {"loss": 0.5})
    recorder.close()


def test_a_recorder_in_a_bucket_sends_its_lines_before_a_checkpoint_and_at_its_end(bucket, bucket_folder):
    (bucket_folder / METRICS_LOG).write_text('{"step": 1}\n{"step": 5}\n')
    recorder = Recorder(bucket_folder, 3, 10, active=True)
    recorder.scalars(4, {"loss": 0.5})
    assert (bucket_folder / METRICS_LOG).read_text() == '{"step": 1}\n{"step": 5}\n'
    recorder.send()
    assert (bucket_folder / METRICS_LOG).read_text() == '{"step": 1}\n{"step": 4, "loss": 0.5}\n'
    recorder.scalars(5, {"loss": 0.25})
    recorder.close()
    assert (bucket_folder / METRICS_LOG).read_text().splitlines()[-1] == '{"step": 5, "loss": 0.25}'
    steps = [event.step for event in events(bucket_folder) if event.HasField("summary")]
    assert steps == [4, 5]


def test_a_recorder_in_a_bucket_sends_its_lines_once_a_minute(bucket_folder, monkeypatch):
    recorder = Recorder(bucket_folder, 0, 10, active=True)
    now = time.monotonic()
    for seconds, sent in ((59.0, False), (61.0, True)):
        monkeypatch.setattr(time, "monotonic", lambda seconds=seconds: now + seconds)
        recorder.scalars(1, {"loss": 0.5})
        assert (bucket_folder / METRICS_LOG).exists() == sent
    recorder.close()
