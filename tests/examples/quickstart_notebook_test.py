"""The notebook runs as it is, and its stored outputs are those of its cells."""

import pathlib
import re
import shutil

import nbformat
import notebook_kernel
import pytest

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
NOTEBOOK = EXAMPLES / "quickstart.ipynb"
LARGEST_FILE = 400_000  # bytes


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def printed(notebook: nbformat.NotebookNode) -> str:
    return "".join(output.text for output in outputs(notebook) if output.output_type == "stream")


def number_of_images(notebook: nbformat.NotebookNode) -> int:
    return sum("image/jpeg" in output.get("data", {}) for output in outputs(notebook))


@pytest.fixture(scope="module")
def executed(tmp_path_factory) -> nbformat.NotebookNode:
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copy(EXAMPLES / "astronaut.jpg", folder)
    return notebook_kernel.execute(nbformat.read(NOTEBOOK, as_version=4), folder)


def test_nothing_is_printed_on_standard_error(executed):
    errors = [output.text for output in outputs(executed) if output.get("name") == "stderr"]
    assert errors == []


def test_one_face_with_68_landmarks_is_found(executed):
    assert "1 face, 68 landmarks" in printed(executed)


def test_the_roll_follows_the_angle_of_each_copy(executed):
    lines = re.findall(r"turned by +(-?\d+) degrees: roll +(-?[\d.]+) degrees", printed(executed))
    assert [int(angle) for angle, _ in lines] == list(range(-40, 41, 10))
    assert all(abs(float(roll) - int(angle)) < 15 for angle, roll in lines)


def test_a_given_box_and_the_export_have_the_same_landmarks(executed):
    [by_box] = re.findall(r"the landmarks differ by ([\d.]+) pixels", printed(executed))
    assert float(by_box) < 3  # the face is 80 pixels wide
    [by_export] = re.findall(r"largest difference ([\d.e+-]+) pixels", printed(executed))
    assert float(by_export) < 1e-3


def test_the_head_of_the_astronaut_is_upright_and_the_eyes_are_open(executed):
    [[yaw, roll]] = re.findall(r"yaw (-?\d+), pitch -?\d+, roll (-?\d+) degrees", printed(executed))
    assert abs(int(yaw)) < 15
    assert abs(int(roll)) < 10
    [eyes] = re.findall(r"eye aspect ratio: left ([\d.]+), right ([\d.]+)", printed(executed))
    assert all(0.2 < float(eye) < 0.5 for eye in eyes)


def test_the_stored_outputs_are_complete_and_small(executed):
    stored = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(stored)
    assert NOTEBOOK.stat().st_size < LARGEST_FILE
    assert "1 face, 68 landmarks" in printed(stored)
    assert number_of_images(stored) == number_of_images(executed) > 0
    code = [cell for cell in stored.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
