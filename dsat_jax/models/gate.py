"""Dynamic semantic awareness (DSA): gates that open or close feature channels for each face.

The gates use improved semantic hashing (Kaiser and Bengio, 2018; GaterNet, Chen et al., CVPR 2019). Each channel has a
logit. In training, Gaussian noise is added to the logits, and a random gate sample chooses between the saturating
sigmoid (soft gate) and a threshold (hard gate). Evaluation uses hard gates without noise: a channel is open if its
logit is positive.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from dsat_jax.models.layers import ConvBlock, batch_norm, kernel_init
from dsat_jax.models.resampling import avg_pool


def saturating_sigmoid(x: jax.Array) -> jax.Array:
    """Returns clip(1.2 sigmoid(x) - 0.1, 0, 1), a sigmoid that reaches 0 and 1."""
    return jnp.clip(1.2 * nn.sigmoid(x) - 0.1, 0.0, 1.0)


def hard_gates(logits: jax.Array) -> jax.Array:
    """Returns 1 for positive logits and 0 for others, in float32 and without gradient."""
    return lax.stop_gradient((logits > 0).astype(jnp.float32))


def straight_through(logits: jax.Array) -> jax.Array:
    """Returns hard gates with the gradient of the saturating sigmoid."""
    soft = saturating_sigmoid(logits)
    return hard_gates(logits) + (soft - lax.stop_gradient(soft))  # adds exactly 0 to the value


def doubled_straight_through(logits: jax.Array) -> jax.Array:
    """Returns hard gates with the gradient of the released code: the sum of the gradients of both sigmoids."""
    sigmoid = nn.sigmoid(logits)
    return straight_through(logits) + (sigmoid - lax.stop_gradient(sigmoid))


class ReleasedGate(nn.Module):
    """Gate of the released code, which has no parameters.

    The logit of a channel is its mean over the map. The result is x * gate + x: open channels are doubled, and closed
    channels are unchanged. One gate sample chooses soft or hard gates for the whole batch.

    Attributes:
      dtype: compute dtype of the product; logits and gates are float32.
    """

    dtype: jnp.dtype = jnp.float32

    def draw(self, batch: int, channels: int) -> tuple[jax.Array, jax.Array]:
        """Draws the noise and the gate sample of a training step from the stream 'gate'.

        Returns:
          Noise, float32 [batch, channels], and gate sample, bool [1, 1]; True selects soft gates.
        """
        noise_key, sample_key = jax.random.split(self.make_rng("gate"))
        noise = jax.random.normal(noise_key, (batch, channels))
        return noise, jax.random.bernoulli(sample_key, shape=(1, 1))

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, jax.Array]:
        """Returns the gated feature maps and the gates.

        Args:
          x: feature maps [batch, height, width, channels].
          train: whether to add noise and to draw a gate sample (stream 'gate').

        Returns:
          Gated feature maps, and gates, float32 [batch, channels].
        """
        logits = x.mean(axis=(1, 2), dtype=jnp.float32)
        if train:
            noise, is_soft = self.draw(*logits.shape)
            logits = logits + noise
            gates = jnp.where(is_soft, saturating_sigmoid(logits), doubled_straight_through(logits))
        else:
            gates = hard_gates(logits)
        return x * gates[:, None, None].astype(self.dtype) + x, gates


class LearnedGate(nn.Module):
    """Gate that computes its logits with a small network and sets closed channels to zero.

    The layers of the network are commented out in the released code. To close channels, this gate differs from the
    released one in three points: the result is x * gate, each face has a separate gate sample, and the gradient is that
    of the saturating sigmoid.

    Attributes:
      dtype: compute dtype; the last layer, logits and gates are float32.
    """

    dtype: jnp.dtype = jnp.float32

    def draw(self, batch: int, channels: int) -> tuple[jax.Array, jax.Array]:
        """Draws the noise and the gate samples of a training step from the stream 'gate'.

        Returns:
          Noise, float32 [batch, channels], and gate samples, bool [batch, 1]; True selects soft gates.
        """
        noise_key, sample_key = jax.random.split(self.make_rng("gate"))
        noise = jax.random.normal(noise_key, (batch, channels))
        return noise, jax.random.bernoulli(sample_key, shape=(batch, 1))

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, jax.Array]:
        """Returns the gated feature maps and the gates.

        Args:
          x: feature maps [batch, height, width, channels]; height and width are multiples of 4, channels of 8.
          train: whether to add noise, to draw gate samples (stream 'gate') and to use batch statistics.

        Returns:
          Gated feature maps, and gates, float32 [batch, channels].
        """
        logits = self.logits(x, train)
        if train:
            noise, is_soft = self.draw(*logits.shape)
            logits = logits + noise
            gates = jnp.where(is_soft, saturating_sigmoid(logits), straight_through(logits))
        else:
            gates = hard_gates(logits)
        return x * gates[:, None, None].astype(self.dtype), gates

    @nn.nowrap
    def logits(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns the logits of the gates: [batch, height, width, channels] -> float32 [batch, channels]."""
        batch, _, _, channels = x.shape
        x = ConvBlock(channels, self.dtype, name="extract_1")(x, train)
        x = ConvBlock(channels // 4, self.dtype, name="extract_2")(x, train)
        x = avg_pool(x, 4)  # 64x64 -> 16x16 in the released network
        x = x.reshape(batch, -1)  # [batch, height / 4 * width / 4 * channels / 4]
        x = nn.Dense(channels, dtype=self.dtype, kernel_init=kernel_init(), name="hidden")(x)
        x = nn.relu(batch_norm(train, "hidden_norm", jnp.float32)(x))
        # With this bias the logits start near 2. The noise then closes about 3 % of the channels. Most logits are below
        # log(11) = 2.4, above which the saturating sigmoid has no gradient.
        return nn.Dense(
            channels, kernel_init=kernel_init(), bias_init=nn.initializers.constant(2.0), name="logit"
        )(x)


GATES = {"released": ReleasedGate, "learned": LearnedGate}
