"""Dynamic semantic awareness (DSA): gates that choose feature channels for each sample.

Channels are chosen by improved semantic hashing (Kaiser and Bengio, 2018; GaterNet, Chen et al., CVPR 2019):
a logit per channel, Gaussian noise in training, and a saturating sigmoid (soft) or a threshold (hard) at
random. In evaluation there is no noise, and a channel is open where its logit is positive.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from dsat_jax.models.layers import ConvBlock, avg_pool, batch_norm, kernel_init


def saturating_sigmoid(x: jax.Array) -> jax.Array:
    """clip(1.2 sigmoid(x) - 0.1, 0, 1): a sigmoid that reaches 0 and 1."""
    return jnp.clip(1.2 * nn.sigmoid(x) - 0.1, 0.0, 1.0)


def hard_gates(logits: jax.Array) -> jax.Array:
    """1 where a logit is positive, else 0; float32, without gradient."""
    return lax.stop_gradient((logits > 0).astype(jnp.float32))


def straight_through(logits: jax.Array) -> jax.Array:
    """Hard gates that take their gradient from the saturating sigmoid."""
    soft = saturating_sigmoid(logits)
    return hard_gates(logits) + (soft - lax.stop_gradient(soft))  # adds exactly 0


def doubled_straight_through(logits: jax.Array) -> jax.Array:
    """Hard gates with the gradient of the released code: sigmoid' + saturating sigmoid', both added."""
    sigmoid = nn.sigmoid(logits)
    return straight_through(logits) + (sigmoid - lax.stop_gradient(sigmoid))


class ReleasedGate(nn.Module):
    """The gate that the released code computes: no parameters, and channels are doubled rather than closed.

    The logit of a channel is its mean over the map; one coin picks soft or hard for the whole batch; the
    result is x * gate + x.

    Attributes:
      dtype: compute dtype of the product; logits and gates are float32.
    """

    dtype: jnp.dtype = jnp.float32

    def draw(self, batch: int, channels: int) -> tuple[jax.Array, jax.Array]:
        """The randomness of a training step, from the stream 'gate'.

        Returns:
          Noise, float32 [batch, channels], and the coin, bool [1, 1]; true picks the soft gates.
        """
        noise_key, coin_key = jax.random.split(self.make_rng("gate"))
        return jax.random.normal(noise_key, (batch, channels)), jax.random.bernoulli(coin_key, shape=(1, 1))

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, jax.Array]:
        """Gates.

        Args:
          x: [batch, height, width, channels].
          train: whether to add noise and to toss the coin.

        Returns:
          The gated x, and the gates, float32 [batch, channels].
        """
        logits = x.mean(axis=(1, 2), dtype=jnp.float32)
        if train:
            noise, soft = self.draw(*logits.shape)
            logits = logits + noise
            gates = jnp.where(soft, saturating_sigmoid(logits), doubled_straight_through(logits))
        else:
            gates = hard_gates(logits)
        return x * gates[:, None, None].astype(self.dtype) + x, gates


class LearnedGate(nn.Module):
    """The intended gate: a small network chooses the channels, and a closed channel is zero.

    Its layers stand commented out in the released code. It differs from the released gate in what it needs to
    do its work: x * gate, a coin for each sample, and the gradient of the saturating sigmoid alone.

    Attributes:
      dtype: compute dtype; the last layer, logits and gates are float32.
    """

    dtype: jnp.dtype = jnp.float32

    def draw(self, batch: int, channels: int) -> tuple[jax.Array, jax.Array]:
        """The randomness of a training step, from the stream 'gate'.

        Returns:
          Noise, float32 [batch, channels], and the coins, bool [batch, 1]; true picks the soft gates.
        """
        noise_key, coin_key = jax.random.split(self.make_rng("gate"))
        return jax.random.normal(noise_key, (batch, channels)), jax.random.bernoulli(
            coin_key, shape=(batch, 1)
        )

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> tuple[jax.Array, jax.Array]:
        """Gates.

        Args:
          x: [batch, height, width, channels]; height and width are multiples of 4, channels of 8.
          train: whether to add noise and to toss the coins.

        Returns:
          The gated x, and the gates, float32 [batch, channels].
        """
        logits = self.logits(x, train)
        if train:
            noise, soft = self.draw(*logits.shape)
            logits = logits + noise
            gates = jnp.where(soft, saturating_sigmoid(logits), straight_through(logits))
        else:
            gates = hard_gates(logits)
        return x * gates[:, None, None].astype(self.dtype), gates

    @nn.nowrap
    def logits(self, x: jax.Array, train: bool) -> jax.Array:
        """[batch, height, width, channels] -> float32 [batch, channels]."""
        batch, _, _, channels = x.shape
        x = ConvBlock(channels, self.dtype, name="extract_1")(x, train)
        x = ConvBlock(channels // 4, self.dtype, name="extract_2")(x, train)
        x = avg_pool(x, 4)  # 16x16 for the original's 64x64
        x = x.reshape(batch, -1)  # [batch, height / 4 * width / 4 * channels / 4]
        x = nn.Dense(channels, dtype=self.dtype, kernel_init=kernel_init(), name="hidden")(x)
        x = nn.relu(batch_norm(train, "hidden_norm", jnp.float32)(x))
        # Logits start near 2, where noise closes about 3 % of the channels: the network starts whole, and the
        # saturating sigmoid, flat beyond log(11) = 2.4, still passes a gradient to most of them.
        return nn.Dense(
            channels, kernel_init=kernel_init(), bias_init=nn.initializers.constant(2.0), name="logit"
        )(x)


GATES = {"released": ReleasedGate, "learned": LearnedGate}
