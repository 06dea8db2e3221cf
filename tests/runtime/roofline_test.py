"""The roofline and the bandwidth between chips, by hand."""

from collections import Counter

import pytest

from dsat_jax.runtime import roofline
from dsat_jax.runtime.chips import CHIPS
from dsat_jax.runtime.hlo_collectives import Collective
from dsat_jax.runtime.hlo_costs import Costs


def test_a_chip_at_the_end_of_an_axis_has_one_neighbour_on_it():
    chip = CHIPS["v5e"]
    assert chip.interconnect((1, 1)) == 0
    assert chip.interconnect((2, 2)) == chip.interconnect((4, 4)) == 2 * 50e9
    assert chip.interconnect((8, 16)) == 3 * 50e9  # 16 chips are closed to a ring
    assert (
        CHIPS["v5p"].interconnect((4, 4, 4)) == 600e9
    )  # all six ports, half of 1,200 GB/s in both directions


def test_the_clock_follows_from_the_matrix_units():
    assert CHIPS["v5e"].flops / (4 * 2 * 128**2) == pytest.approx(CHIPS["v5e"].clock, rel=0.01)
    assert CHIPS["v5p"].flops / (8 * 2 * 128**2) == pytest.approx(CHIPS["v5p"].clock, rel=0.01)


def test_the_slowest_part_is_the_bound():
    collective = Collective("all-reduce", 5, 2 * 10**8, 4)
    costs = Costs(
        Counter({("bf16", "default"): 197 * 10**9}), bytes=819 * 10**7, collectives={"7": collective}
    )
    times = roofline.roofline(costs, CHIPS["v5e"], (2, 2))
    assert times.arithmetic == pytest.approx(1e-3)
    assert times.memory == pytest.approx(10e-3)
    assert times.interconnect == pytest.approx(5 * 2e8 * 1.5 / 100e9)  # 15 ms
    assert (times.bound, times.seconds) == ("interconnect", times.interconnect)


def test_one_chip_sends_nothing():
    times = roofline.roofline(
        Costs(Counter({("bf16", "default"): 918 * 10**9}), bytes=1), CHIPS["v6e"], (1, 1)
    )
    assert (times.interconnect, times.bound, times.seconds) == (0, "arithmetic", pytest.approx(1e-3))


def test_float32_products_take_several_times_as_long():
    products = {
        ("bf16", "highest"): 10**12,
        ("f32", "default"): 10**12,
        ("f32", "high"): 10**12,
        ("f32", "highest"): 10**12,
    }
    on_tpu = roofline.roofline(Costs(Counter(products)), CHIPS["v5e"], (1, 1))
    assert on_tpu.arithmetic == pytest.approx((1 + 1 + 3 + 6) / 197)
    on_gpu = roofline.roofline(Costs(Counter(products)), CHIPS["h100"], (1,))
    assert on_gpu.arithmetic == pytest.approx(1 / 989 + 2 / 494.5 + 1 / 67)  # bfloat16, TF32, float32


def test_a_gpu_has_the_same_bandwidth_to_any_number_of_others():
    assert CHIPS["h100"].interconnect((2,)) == CHIPS["h100"].interconnect((8,)) == 900e9 / 2
