import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from dsat_jax.models.cross_scale import ChannelTransformer
from dsat_jax.models.hourglass import Hourglass

TRANSFORMER = functools.partial(ChannelTransformer, layers=1, heads=2)


def test_matches_the_released_network(golden, golden_variables):
    hourglass = Hourglass(functools.partial(ChannelTransformer, layers=3, heads=4))
    stacked = {kind: tree["hourglasses"] for kind, tree in golden_variables.items()}
    variables = jax.tree.map(lambda leaf: leaf[0], stacked)
    # The recorded hourglass follows the gate, so that its input is the gated map.
    out = jax.jit(functools.partial(hourglass.apply, train=False))(variables, golden["eval/hourglass_1/in0"])
    np.testing.assert_allclose(out, golden["eval/hourglass_1/out0"], rtol=0, atol=1e-4)


def test_all_levels_share_one_transposed_convolution():
    x = jax.ShapeDtypeStruct((1, 32, 32, 8), jnp.float32)
    init = functools.partial(Hourglass(TRANSFORMER).init, train=False)
    params = jax.eval_shape(init, jax.random.key(0), x)["params"]
    kernels = {
        path for path, leaf in traverse_util.flatten_dict(params).items() if leaf.shape == (4, 4, 8, 8)
    }
    # The 4x4 patches of the channel transformer's second scale are the other kernel of this shape.
    assert kernels == {("upsample", "kernel"), ("channel_transformer", "patch_2", "kernel")}
    blocks = {f"{kind}_{level}" for kind in ("skip", "down", "up") for level in (1, 2, 3, 4)}
    assert params.keys() == blocks | {"bottom", "upsample", "channel_transformer"}


def test_a_transformer_with_zero_output_equals_none():
    """A scale and a bias of zero in its last normalisation make the output of the transformer zero."""
    x = jax.random.normal(jax.random.key(1), (1, 32, 32, 8))
    model = Hourglass(TRANSFORMER)
    variables = model.init(jax.random.key(0), x, train=False)
    transformer = variables["params"]["channel_transformer"]
    transformer["reconstruct_norm"] = jax.tree.map(jnp.zeros_like, transformer["reconstruct_norm"])
    expected = model.apply(variables, x, train=False)
    del variables["params"]["channel_transformer"], variables["batch_stats"]["channel_transformer"]
    np.testing.assert_allclose(
        Hourglass(None).apply(variables, x, train=False), expected, rtol=1e-6, atol=1e-6
    )


def test_keeps_size_and_channels():
    x = jax.ShapeDtypeStruct((2, 48, 48, 8), jnp.float32)
    model = Hourglass(TRANSFORMER)
    variables = jax.eval_shape(functools.partial(model.init, train=False), jax.random.key(0), x)
    assert jax.eval_shape(functools.partial(model.apply, train=False), variables, x).shape == (2, 48, 48, 8)
