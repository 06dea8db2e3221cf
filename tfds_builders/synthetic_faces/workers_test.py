"""The drawing processes: their faces, their imports, and their end."""

import os
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest

from tfds_builders.synthetic_faces.workers import draw_faces


def test_the_number_of_processes_changes_nothing():
    alone, shared = (
        list(draw_faces(2, 0, [3, 0, 4, 1, 2], processes=0)),
        list(draw_faces(2, 0, [3, 0, 4, 1, 2], processes=2)),
    )
    for a, b in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.points, b.points)
        np.testing.assert_array_equal(a.visibility, b.visibility)
        assert a.attributes == b.attributes


def test_drawing_processes_load_neither_jax_nor_tfds():
    code = "import sys, tfds_builders.synthetic_faces.workers"
    code += "; print({'jax', 'tensorflow_datasets'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def drawing_processes() -> list[int]:
    """The ids of this process's children that draw."""
    children = psutil.Process().children()
    return [child.pid for child in children if "tfds_builders.synthetic_faces.workers" in child.cmdline()]


def test_the_drawing_processes_have_ended_when_the_last_face_is_yielded():
    drawings = draw_faces(2, 0, range(4), processes=2)
    next(drawings)
    assert len(drawing_processes()) == 2
    for _ in range(3):
        next(drawings)  # no fifth face is requested, so the generator stays suspended
    assert drawing_processes() == []


def test_a_drawing_process_that_dies_is_an_error_that_names_the_face():
    drawings = draw_faces(2, 0, range(40), processes=2)
    next(drawings)
    for process in drawing_processes():
        os.kill(process, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=r"the process that draws face \d+ ended with status -9"):
        list(drawings)
