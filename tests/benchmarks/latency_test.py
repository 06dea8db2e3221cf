"""The latency benchmark: its medians, its videos, and its check that all faces are tracked."""

import re

import pytest

from benchmarks import latency
from dsat_jax import Predictor
from dsat_jax.inference.image_input import read_image


def test_medians_leave_out_the_first_call(monkeypatch):
    clock = iter([0, 0, 1, 0, 3, 0, 2])  # begin of the first call, begin and end of the others, in seconds
    monkeypatch.setattr(latency.time, "perf_counter", lambda: next(clock))
    assert latency.in_turn({"call": lambda: None}, rounds=3) == {"call": 2000.0}


def test_every_face_has_its_second_look():
    calls = latency.image_calls(Predictor.pretrained("dsat-300w"), read_image(latency.PHOTOGRAPH))
    once, twice = (calls[f"8 faces, looks={looks}, mirror=False"]() for looks in (1, 2))
    assert all((one.landmarks != two.landmarks).any() for one, two in zip(once, twice, strict=True))


def test_the_video_shows_the_faces(tmp_path):
    predictor = Predictor.pretrained()
    photograph = read_image(latency.PHOTOGRAPH)
    latency.write_video(tmp_path / "5.mp4", photograph, faces=5, frames=3)
    assert latency.frames_per_second(predictor, tmp_path / "5.mp4", faces=5) > 0
    with pytest.raises(RuntimeError, match="found 5 to 5 faces in a frame, expected 1"):
        latency.frames_per_second(predictor, tmp_path / "5.mp4", faces=1)


def test_each_setting_has_a_line(capsys):
    latency.main(["dsat-300w"], rounds=1, frames=2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 2 * 2 * 2 + 2
    assert all(
        re.fullmatch(r"(detector|\d faces?, looks=[12], mirror=\w+): [\d.]+ ms", line) for line in lines[:9]
    )
    assert [line.partition(":")[0] for line in lines[9:]] == ["video, 1 face", "video, 5 faces"]
