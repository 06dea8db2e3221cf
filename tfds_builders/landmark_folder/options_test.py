"""The fields of landmarks.json."""

import pathlib
import re

from dsat_jax import schemes
from tfds_builders.landmark_folder import options
from tfds_builders.landmark_folder.example_points import write


def test_the_examples_of_the_readme_are_read(tmp_path: pathlib.Path):
    text = (pathlib.Path(options.__file__).parent / "README.md").read_text(encoding="utf-8")
    read = []
    for example in re.findall(r"```json\n(.*?)```", text, re.DOTALL):
        write(tmp_path, "landmarks.json", example)
        read.append(options.read_options(tmp_path))
    choices, custom = read
    assert choices == options.Options(
        points="annotations/points.csv", first_pixel=0, scheme=schemes.W300_68, test=0.2
    )
    assert (custom.scheme.name, custom.scheme.num_points, custom.test) == ("five", 5, None)


def test_without_the_file_all_options_are_none(tmp_path: pathlib.Path):
    assert options.read_options(tmp_path) == options.Options()
