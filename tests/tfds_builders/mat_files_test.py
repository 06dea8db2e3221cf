"""MATLAB files: any bytes are either read or refused with the expected exception."""

import pathlib
import warnings

import numpy as np
import pytest
import scipy.io

from dsat_jax.errors import UserError
from dsat_jax.records import DamagedRecord
from tfds_builders import BuildError, mat_files

ARRAY = np.arange(6.0).reshape(2, 3)


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    write(tmp_path / "a.mat", compress=False)
    return tmp_path / "a.mat"


def write(file: pathlib.Path, compress: bool) -> None:
    cells = np.empty((2, 1), object)
    cells[:, 0] = ["one", "two"]
    scipy.io.savemat(file, {"numbers": ARRAY, "cells": cells, "other": 3}, do_compression=compress)


def test_reads_the_requested_variables(file: pathlib.Path):
    arrays = mat_files.read_mat(file, "a.mat", ["numbers", "cells"], BuildError)
    assert list(arrays) == ["numbers", "cells"]
    np.testing.assert_array_equal(arrays["numbers"], ARRAY)
    assert arrays["cells"].shape == (2, 1)


@pytest.mark.parametrize("refuse", [BuildError, DamagedRecord])
def test_a_missing_variable_is_named_with_the_existing_ones(file: pathlib.Path, refuse: type[UserError]):
    with pytest.raises(refuse) as error:
        mat_files.read_mat(file, "a.mat", ["numbers", "points"], refuse)
    assert str(error.value) == "a.mat: no readable variable points, expected numbers, points; found numbers"


@pytest.mark.parametrize("compress", [False, True])
def test_damage_anywhere_is_refused_with_one_exception(file: pathlib.Path, compress: bool):
    write(file, compress)
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    messages = []
    for _ in range(200):
        damaged = bytearray(whole)
        start = int(rng.integers(0, len(whole) - 4))
        damaged[start : start + 4] = rng.bytes(4)
        cut = rng.random() < 0.2
        file.write_bytes(damaged[:start] if cut else damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy warns of variables that it cannot read
            try:
                arrays = mat_files.read_mat(file, "a.mat", ["numbers", "cells"], DamagedRecord)
            except DamagedRecord as error:
                messages.append(str(error))
            else:
                assert all(isinstance(array, np.ndarray) for array in arrays.values())
    assert len(messages) > 40
    assert all(message.startswith("a.mat: ") for message in messages)


def test_an_impossible_length_is_refused_before_memory_is_allocated(file: pathlib.Path):
    data = file.read_bytes()
    lengths = np.array([2, 1], np.int32).tobytes()  # the shape of the cells
    assert data.count(lengths) == 1
    file.write_bytes(data.replace(lengths, np.array([2**30, 1], np.int32).tobytes()))
    with pytest.raises(BuildError) as error:
        mat_files.read_mat(file, "a.mat", ["numbers"], BuildError)
    message = "a.mat: cells claims to be 1073741824 x 1, expected at most 10000000 elements"
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("array", "shape", "problem"),
    [
        (ARRAY, (3, 2), "2 x 3 float64, expected 3 x 2 numbers"),
        (ARRAY, (None, 2), "2 x 3 float64, expected any x 2 numbers"),
        (ARRAY, (2, 3, 1), "2 x 3 float64, expected 2 x 3 x 1 numbers"),
        (ARRAY.astype(str), (2, 3), "2 x 3 <U32, expected 2 x 3 numbers"),
        (ARRAY * 1j, (2, 3), "2 x 3 complex128, expected 2 x 3 numbers"),
    ],
)
def test_arrays_of_another_shape_or_type_are_refused(array: np.ndarray, shape: tuple, problem: str):
    with pytest.raises(BuildError) as error:
        mat_files.check_numbers(array.shape, array.dtype, shape, "a.mat, points", BuildError)
    assert str(error.value) == f"a.mat, points: an array of {problem}"


@pytest.mark.parametrize("refuse", [BuildError, DamagedRecord])
@pytest.mark.parametrize(
    ("values", "invalid"),
    [
        ([0, 1, 2], "[2]"),
        ([1, -1.0, 0.5, -1.0], "[-1.0, 0.5]"),
        ([[0, np.nan], [1, np.nan]], "[nan]"),
        ([np.inf, 0], "[inf]"),
    ],
)
def test_flags_of_another_value_are_refused_and_named_once(
    values: list, invalid: str, refuse: type[UserError]
):
    with pytest.raises(refuse) as error:
        mat_files.check_flags(np.array(values), "a.mat, mask", refuse)
    assert str(error.value) == f"a.mat, mask: found {invalid}, expected 0 or 1"


def test_flags_of_0_and_1_pass():
    for values in (np.array([[0.0, 1.0]]), np.array([True, False]), np.zeros(0)):
        mat_files.check_flags(values, "a", BuildError)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8, np.int16, np.bool_])
def test_any_real_numbers_pass(dtype: type):
    mat_files.check_numbers((2, 3), np.dtype(dtype), (None, 3), "a", BuildError)
