"""Systems that lack something: modules of Unix, a home folder, a place for caches, an encoding of all names."""

import os
import pathlib
import subprocess
import sys

import cv2
import pytest

from tfds_builders.synthetic_faces import drawing

ROOT = pathlib.Path(__file__).parents[1]
WITHOUT_ACCOUNT = """
import pwd
def unknown(number):
    raise KeyError(number)
pwd.getpwuid = unknown  # as for the random user numbers of containers
"""
WITHOUT_UNIX = "import sys; sys.modules |= dict.fromkeys(('fcntl', 'resource', 'pwd', 'grp', 'termios'))"
IN_ENGLISH_ONLY = {"PYTHONIOENCODING": "ascii", "LC_ALL": "POSIX"}


@pytest.fixture
def face(tmp_path) -> pathlib.Path:
    """A picture of a drawn face in a folder that everybody may read."""
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), drawing.draw_face(3, 0, 1).image[..., ::-1])
    return path


def run(program: str, *arguments: object, **settings: str | None) -> subprocess.CompletedProcess:
    """Runs a program with some settings of its environment; None removes one."""
    environment = {name: value for name, value in (os.environ | settings).items() if value is not None}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


COMMAND = "from dsat_jax.command_line.main import run; run()"


def test_prediction_needs_no_module_of_unix(face, tmp_path):
    predicted = run(
        f"{WITHOUT_UNIX}; from dsat_jax import Predictor; "
        "face, = Predictor.pretrained('lotr-300w')(sys.argv[1], [[30, 30, 200, 200]], looks=1, mirror=False); "
        "print(face.landmarks.shape)",
        face,
    )
    assert predicted.stdout == "(68, 2)\n", predicted.stderr
    options = ("--whole-image", "--weights=lotr-300w", f"--out={tmp_path / 'out'}")
    commanded = run(f"{WITHOUT_UNIX}; {COMMAND}", "predict", face, *options)
    assert commanded.returncode == 0, commanded.stderr
    assert (tmp_path / "out").is_dir()


def test_evaluation_export_and_building_import_no_module_of_unix():
    modules = (
        "dsat_jax.evaluation.evaluate, dsat_jax.export.exporter, dsat_jax.training.loop, tfds_builders.build"
    )
    # On Linux psutil imports one of them itself; it has other code for Windows.
    imported = run(f"import psutil; {WITHOUT_UNIX}; import {modules}")
    assert imported.returncode == 0, imported.stderr


def test_prediction_without_a_place_for_compiled_programs_has_one_warning(face, tmp_path):
    (tmp_path / "file").touch()
    for settings in ({"XDG_CACHE_HOME": str(tmp_path / "file")}, {"XDG_CACHE_HOME": "/dev/null"}):
        options = ("--whole-image", "--weights=lotr-300w", f"--out={tmp_path / 'out'}")
        done = run(COMMAND, "predict", face, *options, **settings, JAX_COMPILATION_CACHE_DIR=None)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("compiled programs are not kept for the next start") == 1
        assert "persistent compilation cache" not in done.stderr


def test_names_beyond_the_encoding_of_the_terminal_are_printed(face, tmp_path):
    name = face.rename(tmp_path / "Gesicht äöü 顔.png")
    options = ("--whole-image", "--weights=lotr-300w", f"--out={tmp_path / 'Ausgänge'}")
    done = run(COMMAND, "predict", name, *options, **IN_ENGLISH_ONLY)
    assert done.returncode == 0, done.stderr
    assert "UnicodeEncodeError" not in done.stderr


def test_a_user_without_a_home_is_told_what_to_set(tmp_path):
    settings = {
        "HOME": None,
        "XDG_CACHE_HOME": None,
        "TFDS_DATA_DIR": None,
        "JAX_COMPILATION_CACHE_DIR": None,
    }
    for program, sentence in (
        (
            "from dsat_jax.files import user_cache; user_cache.folder('plans')",
            "the home folder is unknown; set HOME, or XDG_CACHE_HOME to a folder for caches",
        ),
        (
            "from tfds_builders import make_builder; make_builder('synthetic_faces/tiny')",
            "the home folder is unknown; set HOME, or TFDS_DATA_DIR or --data_dir to the folder of the built",
        ),
    ):
        done = run(WITHOUT_ACCOUNT + program, **settings)
        assert sentence in done.stderr.splitlines()[-1]
