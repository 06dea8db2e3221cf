"""Reading the HDF5 files of COFW: memory use, and damage anywhere in the file."""

import pathlib
import tracemalloc

import numpy as np
import pytest

from dsat_jax.records import DamagedRecord
from tfds_builders import BuildError
from tfds_builders.cofw import colour_mat
from tfds_builders.cofw.conftest import write_mat73


def test_one_image_at_a_time_is_in_memory(tmp_path: pathlib.Path):
    pictures = [np.full((400, 500, 3), index, np.uint8) for index in range(20)]
    write_mat73(tmp_path / colour_mat.TEST.name, {"IsT": pictures}, {})
    size = pictures[0].nbytes
    with colour_mat.open_mat(tmp_path, colour_mat.TEST) as file:
        tracemalloc.start()
        for index in range(colour_mat.count_pictures(file, colour_mat.TEST)):
            picture = colour_mat.read_picture(file, colour_mat.TEST, index, "a")
            assert (picture == index).all()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 4 * size


def test_damage_anywhere_is_one_of_the_two_documented_errors(raw, tmp_path: pathlib.Path):
    """Bytes are overwritten at random: the file is read, or refused with BuildError or DamagedRecord."""
    whole = (raw.root / colour_mat.TEST.name).read_bytes()
    rng = np.random.default_rng(0)
    file = tmp_path / colour_mat.TEST.name
    refused = 0
    for _ in range(80):
        damaged = bytearray(whole)
        # Damage of the structure matters most, and images fill most of the file: half of the damage is near its start.
        end = rng.choice([8000, len(whole)])
        start = int(rng.integers(512, end - 16))
        damaged[start : start + 16] = rng.bytes(16)
        file.write_bytes(damaged)
        try:
            with colour_mat.open_mat(tmp_path, colour_mat.TEST) as h5:
                colour_mat.read_annotations(h5, colour_mat.TEST)
                for index in range(2):
                    colour_mat.read_picture(h5, colour_mat.TEST, index, "a")
        except (BuildError, DamagedRecord):
            refused += 1
    assert refused > 10


def test_a_file_that_ends_early_is_refused(raw, tmp_path: pathlib.Path):
    whole = (raw.root / colour_mat.TEST.name).read_bytes()
    for share in (0.0, 0.1, 0.5, 0.99):
        (tmp_path / colour_mat.TEST.name).write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(BuildError, match=r"^COFW_test_color\.mat: not a readable MATLAB 7\.3"):
            colour_mat.open_mat(tmp_path, colour_mat.TEST)
