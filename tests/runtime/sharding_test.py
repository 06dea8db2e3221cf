"""The mesh, the shardings on it, and the sizes of batches."""

import jax
import numpy as np
import pytest
from jax.sharding import AbstractMesh, PartitionSpec

from dsat_jax.runtime import sharding


def test_the_mesh_has_all_devices_and_refuses_a_length_that_does_not_divide_them():
    mesh = sharding.make_mesh()
    assert mesh.shape == {"data": jax.device_count(), "model": 1}
    with pytest.raises(
        ValueError, match=r"config\.mesh\.model = 3 does not divide the . devices of this run"
    ):
        sharding.make_mesh(3)


def test_large_arrays_are_split_along_their_longest_dimension_that_the_axis_divides():
    mesh = AbstractMesh((1, 4), ("data", "model"))
    shapes = {"small": (8, 8), "long": (64, 4096), "odd": (6, 4099), "first": (4096, 4099)}
    tree = {name: jax.ShapeDtypeStruct(shape, np.float32) for name, shape in shapes.items()}
    specs = {name: leaf.spec for name, leaf in sharding.split_large(tree, mesh).items()}
    whole = PartitionSpec()
    expected = {
        "small": whole,
        "long": PartitionSpec(None, "model"),
        "odd": whole,
        "first": PartitionSpec("model"),
    }
    assert specs == expected


def test_an_abstract_tree_has_the_shapes_dtypes_and_shardings_of_its_arrays():
    mesh = sharding.make_mesh()
    abstract = sharding.abstract_on({"w": np.zeros((3, 2), np.float32)}, mesh)
    assert (abstract["w"].shape, abstract["w"].dtype) == ((3, 2), np.float32)
    assert sharding.shardings_of(abstract) == {"w": sharding.replicated(mesh)}


def test_a_placed_batch_has_its_rows_in_order():
    rows = np.arange(2.0 * jax.device_count(), dtype=np.float32)[:, None]
    placed = sharding.place_batch({"rows": rows}, sharding.make_mesh())["rows"]
    np.testing.assert_array_equal(placed, rows)
    assert len(placed.addressable_shards) == jax.device_count()


def test_a_flag_of_this_process_reaches_all_devices():
    any_process = sharding.make_any_process(sharding.make_mesh())
    assert [bool(any_process(flag)) for flag in (False, True, False)] == [False, True, False]


def test_rows_of_a_single_process_stay_as_they_are():
    rows = np.array([[0.1], [0.2]])
    assert sharding.gather_rows(rows) is rows


def test_a_batch_that_does_not_spread_over_the_devices_is_refused():
    sharding.check_batch_size("config.train.batch_size", 8 * jax.device_count(), parts=4)
    with pytest.raises(
        ValueError, match=r"train\.batch_size = 6 does not spread evenly over . devices in 4 parts"
    ):
        sharding.check_batch_size("config.train.batch_size", 6, parts=4)


def test_a_batch_size_is_rounded_up_to_the_devices():
    assert sharding.spread(1) == jax.device_count()
    assert sharding.spread(3 * jax.device_count()) == 3 * jax.device_count()
