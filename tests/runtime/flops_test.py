"""Operation counts, compared with counts by hand and, without loops, with XLA's."""

import jax
import jax.numpy as jnp
import pytest

from dsat_jax import models
from dsat_jax.config import default_dsat, default_lotr
from dsat_jax.runtime.flops import product_operations


def test_products_by_hand():
    left, right = jnp.zeros((7, 3, 5)), jnp.zeros((7, 5, 11))
    assert product_operations(jnp.matmul, left, right) == 2 * 7 * 3 * 5 * 11


@pytest.mark.parametrize(("groups", "expected"), [(1, 2 * 9 * 6 * 8), (2, 2 * 9 * 3 * 8), (6, 2 * 9 * 1 * 8)])
def test_convolutions_by_hand(groups, expected):
    """Each output element has 9 taps on the inputs of its group."""
    outputs = 12
    kernel = jnp.zeros((3, 3, 6 // groups, outputs))

    def convolve(image):
        return jax.lax.conv_general_dilated(
            image,
            kernel,
            (2, 2),
            "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    assert product_operations(convolve, jnp.zeros((1, 8, 4, 6))) == expected * outputs


def test_the_body_of_a_loop_counts_once_per_round():
    x = jnp.zeros((4, 4))
    loop = jax.jit(lambda x: jax.lax.scan(lambda x, _: (x @ x, None), x, length=5)[0])
    assert product_operations(loop, x) == 5 * 2 * 4**3
    with pytest.raises(ValueError, match="the number of its rounds is unknown"):
        product_operations(lambda x: jax.lax.while_loop(lambda x: x[0, 0] < 1, lambda x: x @ x, x), x)


def test_the_most_expensive_branch_counts():
    x = jnp.zeros((4, 4))
    assert product_operations(lambda x: jax.lax.cond(x[0, 0] > 0, lambda x: x @ x, jnp.sin, x), x) == 2 * 4**3


def forward(config, side: int):
    """Returns the network's forward pass as a function of variables and one image, and their shapes."""
    model = models.build(config, 68, 13)
    image = jax.ShapeDtypeStruct((1, side, side, 3), jnp.float32)
    variables = jax.eval_shape(lambda image: model.init(jax.random.key(0), image, train=False), image)
    return lambda variables, image: model.apply(variables, image, train=False), variables, image


def test_the_full_network_takes_44_gigaoperations():
    """The released code takes 44.3. This one takes 1.1 more at the edges of transposed convolutions, and 0.6 less
    because it reconstructs maps on tokens before it upsamples them."""
    config = default_dsat()
    config.gate = "released"
    assert product_operations(*forward(config, 128)) / 1e9 == pytest.approx(44.3 + 1.1 - 0.6, abs=0.1)


def test_without_a_loop_xla_counts_as_much():
    config = default_lotr()
    function, *arguments = forward(config, 64)
    by_xla = jax.jit(function).lower(*arguments).cost_analysis()["flops"]
    counted = product_operations(function, *arguments)
    assert 0.9 * by_xla < counted <= by_xla  # XLA counts additions and exponentials, too
