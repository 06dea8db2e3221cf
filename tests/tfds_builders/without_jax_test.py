"""The builders in a process in which JAX and the libraries built on it cannot be imported."""

import json
import pathlib
import subprocess
import sys

import cv2
import numpy as np
import pytest

import tfds_builders
from dsat_jax import schemes
from tfds_builders.landmark_folder import example_points
from tfds_builders.synthetic_faces import drawing
from tfds_builders.wflw import conftest as wflw_example

ROOT = pathlib.Path(tfds_builders.__file__).parents[1]
RAW_300W = ROOT / "tfds_builders" / "w300" / "dummy_data"

# Runs before everything else. An import in a library that allows JAX to be missing is no failure: it gets the same
# error as on a machine without JAX.
BLOCK = """
import importlib.abc, json, sys

BLOCKED = ("jax", "jaxlib", "flax", "optax", "orbax")

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"{name} is blocked", name=name)
        return None

sys.meta_path.insert(0, Blocker())
for name in BLOCKED:
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        assert "is blocked" in str(error), error
    else:
        raise AssertionError(f"{name} is not blocked")
"""

BUILD_AND_READ = """
import tfds_builders
from tfds_builders import build

name, manual_dir, data_dir, split = sys.argv[1:]
build.build(name, manual_dir, data_dir)
records = tfds_builders.load_builder(name, data_dir).as_data_source(split)
results = {
    f"{record['name'].decode()}#{record['face']}": {
        "landmarks": record["landmarks"].tolist(),
        "to_original": record["to_original"].tolist(),
        "image": record["image"].shape,
    }
    for record in records
}
assert not set(sys.modules) & set(BLOCKED)
print(json.dumps(results))
"""

IMPORT_ALL = """
import tfds_builders

print(json.dumps({name: tfds_builders.make_builder(name, sys.argv[1]).name for name in tfds_builders.builder_names()}))
assert not set(sys.modules) & set(BLOCKED)
"""


def run_without_jax(program: str, *arguments: str | pathlib.Path) -> dict:
    """Runs a program in a new process, where JAX is blocked, and returns the JSON of its last line of output."""
    command = [sys.executable, "-c", BLOCK + program, *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def original_landmarks(record: dict) -> np.ndarray:
    """The landmarks of a record in original pixels, float64 [points, 2]."""
    matrix = np.array(record["to_original"])
    return np.array(record["landmarks"]) @ matrix[:, :2].T + matrix[:, 2]


def test_every_builder_is_importable_without_jax(tmp_path: pathlib.Path):
    names = run_without_jax(IMPORT_ALL, tmp_path)
    assert names == {name: name for name in tfds_builders.builder_names()}


def test_w300_is_built_and_read_without_jax(tmp_path: pathlib.Path):
    records = run_without_jax(BUILD_AND_READ, "w300", RAW_300W, tmp_path, "train")
    assert len(records) == 3
    lines = (RAW_300W / "afw" / "1_1.pts").read_text().splitlines()
    numbers = [line.split() for line in lines if line[0] in "-0123456789"]
    expected = np.array(numbers, np.float64) - 1  # 300W counts pixels from 1
    np.testing.assert_allclose(original_landmarks(records["afw/1_1.jpg#0"]), expected, rtol=0, atol=1e-3)


def test_wflw_is_built_and_read_without_jax(tmp_path: pathlib.Path):
    raw = tmp_path / "raw"
    wflw_example.write_raw(raw)
    records = run_without_jax(BUILD_AND_READ, "wflw", raw, tmp_path / "built", "test")
    assert len(records) == 4
    fields = (raw / f"{wflw_example.RECT_ATTR}_test.txt").read_text().splitlines()[0].split()
    expected = np.array(fields[: 2 * schemes.WFLW_98.num_points], np.float64).reshape(-1, 2)
    record = records[f"WFLW_images/{fields[-1]}#0"]
    np.testing.assert_allclose(original_landmarks(record), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("form", [example_points.write_csv, example_points.write_pts])
def test_a_landmark_folder_is_built_and_read_without_jax(tmp_path: pathlib.Path, form):
    raw = tmp_path / "raw"
    for index, name in enumerate(example_points.PICTURES):
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(raw / name), drawing.draw_face(7, 0, index).image[..., ::-1])
    form(raw)
    example_points.write(raw, "landmarks.json", {"scheme": example_points.FIVE, "test": 0})
    records = run_without_jax(BUILD_AND_READ, "landmark_folder/original", raw, tmp_path / "built", "train")
    assert len(records) == len(example_points.PICTURES)
    name = example_points.PICTURES[3]
    expected = example_points.points_of(name).astype(np.float32)
    np.testing.assert_array_equal(np.float32(records[f"{name}#0"]["landmarks"]), expected)
    assert records[f"{name}#0"]["image"] == [256, 256, 3]
