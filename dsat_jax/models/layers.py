"""Layers shared by the networks: normalisation, convolutions and the pre-activation bottleneck.

Feature maps are [batch, height, width, channels]. Parameters and normalisation statistics are float32; `dtype` is the
compute dtype of the products.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype
from jax.ad_checkpoint import checkpoint_name

from dsat_jax.models.convolution import convolve_1x1, convolve_3x3
from dsat_jax.models.target_device import is_for_tpus

BATCH_NORM_EPSILON = 1e-5  # as in PyTorch
BATCH_NORM_MOMENTUM = 0.9  # equivalent to a momentum of 0.1 in PyTorch
_KEPT = "kept for the backward pass"  # name of arrays that `ConvBlock` does not recompute


def kernel_init(batch_axis: Sequence[int] = ()) -> nn.initializers.Initializer:
    """Returns the uniform initialiser on +-1/sqrt(fan_in), PyTorch's default for convolutions and linear layers.

    The released network uses it. Its gain of 1/sqrt(3) keeps the residual branches small, so that deep stacks start
    near the identity. Biases start at zero.

    Args:
      batch_axis: axes that index independent kernels in one array.

    Returns:
      Initialiser of kernels [..., inputs, outputs].
    """
    return nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform", batch_axis=tuple(batch_axis))


def batch_norm(train: bool, name: str, dtype: jnp.dtype, axis: int | Sequence[int] = -1) -> nn.BatchNorm:
    """Returns BatchNorm with the constants of PyTorch.

    The running variance is biased, while that of PyTorch is unbiased. The relative difference is 1 / (values per
    channel), at most 1/256 for a batch of 16 and an input of 128 pixels.

    Args:
      train: whether to normalise with the statistics of the batch and to update the running statistics.
      name: name of the module.
      dtype: dtype of the output; statistics are float32.
      axis: axis or axes with separate statistics and parameters for each index.
    """
    return nn.BatchNorm(
        use_running_average=not train,
        axis=axis,
        momentum=BATCH_NORM_MOMENTUM,
        epsilon=BATCH_NORM_EPSILON,
        dtype=dtype,
        name=name,
    )


def rematerialised(module: type[nn.Module]) -> type[nn.Module]:
    """Returns the module class with activations recomputed in the backward pass; callers pass `train` by position."""
    position = list(inspect.signature(module.__call__).parameters).index("train")  # `self` has position 0
    return nn.remat(module, static_argnums=(position,))


class NormRelu(nn.Module):
    """Fused BatchNorm and ReLU; parameters and statistics have the same names as those of `batch_norm`.

    The backward pass recomputes the normalised values and the mask of the ReLU from the input instead of storing them.

    Attributes:
      dtype: dtype of the output; statistics are float32.
    """

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns the normalised and rectified features: [..., channels] -> the same shape."""
        shape = x.shape[-1:]
        scale = self.param("scale", nn.initializers.ones, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        var = self.variable("batch_stats", "var", jnp.ones, shape)
        if not train:
            factor = scale * jax.lax.rsqrt(var.value + BATCH_NORM_EPSILON)
            return nn.relu((x - mean.value) * factor + bias).astype(self.dtype)
        out, batch_mean, batch_var = batch_norm_relu(x, scale, bias)
        if not self.is_initializing():
            mean.value = BATCH_NORM_MOMENTUM * mean.value + (1 - BATCH_NORM_MOMENTUM) * batch_mean
            var.value = BATCH_NORM_MOMENTUM * var.value + (1 - BATCH_NORM_MOMENTUM) * batch_var
        return out.astype(self.dtype)


@jax.custom_vjp
def batch_norm_relu(
    x: jax.Array, scale: jax.Array, bias: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns relu(scale (x - mean) / sqrt(var + epsilon) + bias) with the statistics of the batch.

    Args:
      x: feature maps [..., channels].
      scale: factors of the normalised values, float32 [channels].
      bias: offsets added after the scaling, float32 [channels].

    Returns:
      Output with the shape of `x`, mean [channels] and biased variance [channels], all at least float32. Gradients do
      not flow through the returned mean and variance.
    """
    return _batch_norm_relu_forward(x, scale, bias)[0]


def _batch_norm_relu_forward(x: jax.Array, scale: jax.Array, bias: jax.Array) -> tuple[Any, Any]:
    values = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    axes = range(x.ndim - 1)
    mean = values.mean(axis=axes)
    var = jnp.maximum((values**2).mean(axis=axes) - mean**2, 0.0)
    inverse = jax.lax.rsqrt(var + BATCH_NORM_EPSILON)
    # Recomputed statistics would need another pass over x, and another sum over the devices.
    mean, var, inverse = (checkpoint_name(each, _KEPT) for each in (mean, var, inverse))
    out = nn.relu((values - mean) * (inverse * scale) + bias)
    return (out, mean, var), (x, scale, bias, mean, inverse)


def _batch_norm_relu_backward(residuals: Any, d_outputs: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns the gradients of x, scale and bias (Ioffe and Szegedy 2015, section 3)."""
    x, scale, bias, mean, inverse = residuals
    axes, count = range(x.ndim - 1), x.size // x.shape[-1]
    normalised = (x.astype(mean.dtype) - mean) * inverse
    d_linear = jnp.where(normalised * scale + bias > 0, d_outputs[0], 0.0)
    d_bias = d_linear.sum(axis=axes)
    d_scale = (d_linear * normalised).sum(axis=axes)
    d_x = (inverse * scale) * (d_linear - d_bias / count - normalised * (d_scale / count))
    return d_x.astype(x.dtype), d_scale, d_bias


batch_norm_relu.defvjp(_batch_norm_relu_forward, _batch_norm_relu_backward)


class ConvBlock(nn.Module):
    """Pre-activation bottleneck: BN-ReLU-1x1, BN-ReLU-3x3, BN-ReLU-1x1, plus a shortcut.

    The inner layers have half as many channels as the output. The shortcut is the input or, if the numbers of channels
    differ, BN-ReLU-1x1. The convolutions have no bias.

    The backward pass needs the input and the output of each convolution. On TPUs only the outputs are stored: XLA
    recomputes an input, which is the normalised output before it, inside the product that reads it. Other platforms
    would need another pass over the memory for this.

    Attributes:
      features: number of output channels, even.
      dtype: compute dtype.
    """

    features: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns the sum of branch and shortcut: [batch, height, width, any] -> [batch, height, width, features]."""
        compute = ConvBlock._compute
        if train and is_for_tpus():
            kept = jax.checkpoint_policies.save_only_these_names(_KEPT)
            compute = nn.remat(compute, policy=kept, static_argnums=(2,))  # `train`
        return compute(self, x, train)

    @nn.nowrap
    def _compute(self, x: jax.Array, train: bool) -> jax.Array:
        inner = self.features // 2
        shortcut = x
        if x.shape[-1] != self.features:
            shortcut = NormRelu(self.dtype, name="shortcut_norm")(x, train)
            shortcut = Conv1x1(self.features, dtype=self.dtype, name="shortcut_conv")(shortcut)
            shortcut = checkpoint_name(shortcut, _KEPT)
        x = NormRelu(self.dtype, name="norm_1")(x, train)
        x = checkpoint_name(Conv1x1(inner, dtype=self.dtype, name="conv_1")(x), _KEPT)
        x = NormRelu(self.dtype, name="norm_2")(x, train)
        x = checkpoint_name(Conv3x3(inner, dtype=self.dtype, name="conv_2")(x), _KEPT)
        x = NormRelu(self.dtype, name="norm_3")(x, train)
        return checkpoint_name(Conv1x1(self.features, dtype=self.dtype, name="conv_3")(x), _KEPT) + shortcut


class Conv1x1(nn.Module):
    """1x1 convolution.

    Attributes:
      features: number of output channels.
      use_bias: whether to add a bias.
      initialiser: initialiser of the kernel.
      dtype: compute dtype.
    """

    features: int
    use_bias: bool = False
    initialiser: nn.initializers.Initializer = kernel_init()
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the convolved maps: [..., any] -> [..., features]."""
        kernel = self.param("kernel", self.initialiser, (x.shape[-1], self.features))
        x, kernel = promote_dtype(x, kernel, dtype=self.dtype)
        x = convolve_1x1(x, kernel)
        if self.use_bias:
            x = x + self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
        return x


class Conv3x3(nn.Module):
    """3x3 convolution with a padding of 1, which preserves height and width.

    Attributes:
      features: number of output channels.
      use_bias: whether to add a bias.
      dtype: compute dtype.
    """

    features: int
    use_bias: bool = False
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the convolved maps: [batch, height, width, any] -> [batch, height, width, features]."""
        kernel = self.param("kernel", kernel_init(), (3, 3, x.shape[-1], self.features))
        x, kernel = promote_dtype(x, kernel, dtype=self.dtype)
        x = convolve_3x3(x, kernel)
        if self.use_bias:
            x = x + self.param("bias", nn.initializers.zeros, (self.features,)).astype(self.dtype)
        return x
