"""The mode predict as a process: printed lines, standard input, and a stream that Ctrl-C ends."""

import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import urllib.request

import cv2
import pytest
from absl import flags
from absl.testing import flagsaver
from mjpeg_stream import MjpegStream

from dsat_jax.command_line import main, prediction

ROOT = pathlib.Path(__file__).parents[2]
PHOTO = ROOT / "docs" / "astronaut.jpg"
COMMAND = [sys.executable, str(ROOT / "run.py"), "predict", "--weights=lotr-300w"]
# Shells start background jobs with SIGINT ignored, and the processes of these inherit that.
WITH_SIGINT = [
    sys.executable,
    "-c",
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])",
]
ENVIRONMENT = os.environ | {"JAX_PLATFORMS": "cpu"}


def test_faces_are_lines_of_columns_and_all_else_is_on_standard_error(tmp_path):
    """Words after the mode are files, a comma in a name included, and `-` is the image from standard input."""
    (tmp_path / "a, b.jpg").symlink_to(PHOTO)
    with PHOTO.open("rb") as photo:
        result = subprocess.run(
            [*COMMAND, "a, b.jpg", "-", "--out=out"],
            cwd=tmp_path,
            env=ENVIRONMENT,
            stdin=photo,
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert [(line[0], line[1], line[4]) for line in lines] == [
        ("a, b.jpg", "face 0", "-> out/a, b_landmarks.jpg"),
        ("stdin", "face 0", "-> out/stdin_landmarks.jpg"),
    ]
    assert lines[0][2:4] == lines[1][2:4]
    assert float(lines[0][2].removeprefix("score ")) > 0.9
    face = json.loads((tmp_path / "out/stdin.json").read_text())["faces"][0]
    assert lines[0][3] == "box " + " ".join(f"{value:.0f}" for value in face["box"])
    [summary] = result.stderr.splitlines()
    assert summary.startswith("images: 2, faces: 2; ")


def test_ctrl_c_ends_the_prediction_of_a_stream_with_valid_files(tmp_path):
    photo = cv2.imread(str(PHOTO), cv2.IMREAD_COLOR_RGB)
    with (
        MjpegStream([photo] * 100_000) as stream,
        subprocess.Popen(
            [*WITH_SIGINT, *COMMAND, stream.url, "--show=0"],
            cwd=tmp_path,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        page = process.stderr.readline().removeprefix("page: ").strip()
        while json.load(urllib.request.urlopen(f"{page}/status"))["frames"] < 5:
            assert not select.select([process.stdout], [], [], 0.2)[0]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err == f"{stream.url}: Ctrl-C ends the prediction\n"
    [line] = out.splitlines()
    name, frames, faces, written = line.split("\t")
    assert (name, faces) == (stream.url, "different faces 1")
    lines = (tmp_path / written.removeprefix("-> ")).read_text().splitlines()
    assert len(lines) == int(frames.removeprefix("frames ")) >= 5
    assert all(len(json.loads(line)["faces"]) == 1 for line in lines)


def test_a_reader_that_ends_early_ends_the_prediction_quietly(tmp_path):
    """The pipe is closed before the first face is printed."""
    process = subprocess.Popen(
        [*COMMAND, str(PHOTO)],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=300) == main.BROKEN_PIPE


@pytest.mark.parametrize(
    ("argument", "port"), [("--show", 8000), ("--noshow", None), ("--show=0", 0), ("--show=65535", 65535)]
)
def test_the_page_has_a_port(argument, port):
    with flagsaver.flagsaver():
        flags.FLAGS(["run.py", argument])
        assert flags.FLAGS["show"].value == port


@pytest.mark.parametrize("port", ["65536", "-1", "8000.0", "", "page"])
def test_other_ports_are_refused(port):
    with flagsaver.flagsaver(), pytest.raises(flags.Error, match=r"expected a port from 0 to 65535"):
        flags.FLAGS(["run.py", f"--show={port}"])


def test_every_flag_of_the_mode_is_refused_for_other_modes():
    assert {flag.name for flag in flags.FLAGS.flags_by_module_dict()[prediction.__name__]} == set(
        prediction.FLAGS
    )
