"""Dynamic semantic specialisation (DSS): attention between the channels of feature maps of different scales.

The module implements the channel-wise cross-fusion transformer of UCTransNet (Wang et al., AAAI 2022) with the sizes of
the released DSAT. All scales have the same number of tokens and are stacked in one array [batch, scales, tokens,
channels]. The parameters of all scales or heads form one array with a leading scale or head axis.
"""

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype

from dsat_jax.models.channel_attention import attend
from dsat_jax.models.layers import batch_norm, kernel_init


class ScaleLinear(nn.Module):
    """Linear layer with separate weights for each scale.

    Attributes:
      features: number of output channels.
      use_bias: whether to add a bias.
      dtype: compute dtype.
    """

    features: int
    use_bias: bool = True
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the projected tokens: [batch, scales, tokens, channels] -> [batch, scales, tokens, features]."""
        _, scales, _, channels = x.shape
        kernel = self.param("kernel", kernel_init(batch_axis=[0]), (scales, channels, self.features))
        x, kernel = promote_dtype(x, kernel, dtype=self.dtype)
        x = jnp.einsum("bstc,scd->bstd", x, kernel)
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (scales, self.features))
            x = x + bias[:, None].astype(self.dtype)
        return x


class ScaleLayerNorm(nn.Module):
    """LayerNorm over the channels with separate parameters `scale` and `bias` for each feature scale; epsilon 1e-6.

    Attributes:
      dtype: dtype of the output; statistics are float32.
    """

    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns the normalised tokens, [batch, scales, tokens, channels] like the input."""
        _, scales, _, channels = x.shape
        scale = self.param("scale", nn.initializers.ones, (scales, channels))
        bias = self.param("bias", nn.initializers.zeros, (scales, channels))
        x = nn.standardize(x.astype(jnp.float32), epsilon=1e-6)
        return (x * scale[:, None] + bias[:, None]).astype(self.dtype)


class PatchTokens(nn.Module):
    """Tokens of one scale: a convolution over patches that do not overlap (kernel size equal to the stride).

    Attributes:
      patch: side of a patch in pixels of the feature map.
      dtype: compute dtype.
    """

    patch: int
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns tokens: [batch, grid * patch, grid * patch, channels] -> [batch, grid * grid, channels]."""
        batch, side, _, channels = x.shape
        grid = side // self.patch
        kernel = self.param("kernel", kernel_init(), (self.patch, self.patch, channels, channels))
        bias = self.param("bias", nn.initializers.zeros, (channels,))
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        x = x.reshape(batch, grid, self.patch, grid, self.patch, channels)
        x = jnp.einsum("bypxqc,pqcd->byxd", x, kernel) + bias
        return x.reshape(batch, grid * grid, channels)


class ChannelAttention(nn.Module):
    """Multi-head attention from the channels of each scale to the channels of all scales.

    The attention map of a head and a scale, [channels, scales * channels], is a linear map between channels that
    depends on the input. The scores are instance-normalised over the whole map before the softmax, and the results of
    the heads are averaged (`channel_attention.attend`).

    Attributes:
      heads: number of attention heads; each head uses all channels.
      dropout: dropout rate on the attention maps, in steps of 1/256, and on the output.
      dtype: compute dtype; scores and softmax are float32.
    """

    heads: int
    dropout: float
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, scales: jax.Array, concatenated: jax.Array, train: bool) -> jax.Array:
        """Returns the attended tokens.

        Args:
          scales: source of the queries, [batch, scales, tokens, channels].
          concatenated: source of the keys and values, [batch, tokens, scales * channels].
          train: whether to apply dropout (stream 'dropout').

        Returns:
          Attended tokens [batch, scales, tokens, channels].
        """
        batch, num_scales, _, channels = scales.shape
        all_channels = concatenated.shape[-1]
        query = self.param(
            "query", kernel_init(batch_axis=[0, 1]), (num_scales, self.heads, channels, channels)
        )
        key = self.param("key", kernel_init(batch_axis=[0]), (self.heads, all_channels, all_channels))
        value = self.param("value", kernel_init(batch_axis=[0]), (self.heads, all_channels, all_channels))
        scales, concatenated, query, key, value = promote_dtype(
            scales, concatenated, query, key, value, dtype=self.dtype
        )
        query = jnp.einsum("bstc,shcd->bhstd", scales, query)
        # The explicit head axis makes the projections a batched product. Without it, XLA merges the heads into one
        # product, for which it copies the weights (16 MB in the released network) in every pass.
        concatenated = jnp.broadcast_to(concatenated[:, None], (batch, self.heads, *concatenated.shape[1:]))
        key = jnp.einsum("bhtc,hcd->bhtd", concatenated, key)
        value = jnp.einsum("bhtc,hcd->bhtd", concatenated, value)
        use_dropout = train and self.dropout > 0
        context = attend(
            query,
            key,
            value,
            self.dropout if use_dropout else 0.0,
            self.make_rng("dropout") if use_dropout else None,
        )
        out = ScaleLinear(channels, use_bias=False, dtype=self.dtype, name="out")(context)
        return nn.Dropout(self.dropout, deterministic=not train)(out)


class TransformerBlock(nn.Module):
    """Pre-norm block: channel attention, then a two-layer perceptron on each scale, each with a residual connection.

    Attributes:
      heads: number of attention heads.
      expand: width of the hidden layer of the perceptrons as a multiple of their input width.
      dropout: dropout rate of the attention.
      dtype: compute dtype.
    """

    heads: int
    expand: int
    dropout: float
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns the tokens after the block, [batch, scales, tokens, channels] like the input."""
        batch, scales, tokens, channels = x.shape
        concatenated = x.transpose(0, 2, 1, 3).reshape(batch, tokens, scales * channels)
        concatenated = nn.LayerNorm(epsilon=1e-6, dtype=self.dtype, name="concatenated_norm")(concatenated)
        normed = ScaleLayerNorm(dtype=self.dtype, name="attention_norm")(x)
        attention = ChannelAttention(self.heads, self.dropout, dtype=self.dtype, name="attention")
        x = x + attention(normed, concatenated, train)
        hidden = ScaleLayerNorm(dtype=self.dtype, name="mlp_norm")(x)
        hidden = ScaleLinear(self.expand * channels, dtype=self.dtype, name="mlp_in")(hidden)
        hidden = nn.gelu(hidden, approximate=False)
        return x + ScaleLinear(channels, dtype=self.dtype, name="mlp_out")(hidden)


class Encoder(nn.Module):
    """Sequence of transformer blocks with a LayerNorm after the last one.

    Attributes:
      layers: number of blocks.
      heads: number of attention heads.
      expand: width of the hidden layer of the perceptrons as a multiple of their input width.
      dropout: dropout rate of the attention.
      dtype: compute dtype.
    """

    layers: int
    heads: int
    expand: int
    dropout: float
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Returns the encoded tokens, [batch, scales, tokens, channels] like the input."""
        for i in range(self.layers):
            block = TransformerBlock(self.heads, self.expand, self.dropout, self.dtype, name=f"block_{i + 1}")
            x = block(x, train)
        return ScaleLayerNorm(dtype=self.dtype, name="final_norm")(x)


class ChannelTransformer(nn.Module):
    """Exchange between scales: maps become tokens, an encoder mixes them, and the result is added to the maps.

    Attributes:
      layers: number of transformer blocks.
      heads: number of attention heads.
      expand: width of the hidden layer of the perceptrons as a multiple of their input width.
      embedding_dropout: dropout rate on the tokens.
      attention_dropout: dropout rate on the attention maps and outputs.
      dtype: compute dtype.
    """

    layers: int = 3
    heads: int = 4
    expand: int = 4
    embedding_dropout: float = 0.1
    attention_dropout: float = 0.1
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, maps: list[jax.Array], train: bool) -> list[jax.Array]:
        """Returns the feature maps after the exchange between scales.

        Args:
          maps: square feature maps [batch, side_i, side_i, channels], finest first; the last one has the size of the
            token grid.
          train: whether to apply dropout (stream 'dropout') and to use batch statistics.

        Returns:
          Feature maps of the same shapes.
        """
        grid, channels = maps[-1].shape[1], maps[-1].shape[-1]
        patches = [x.shape[1] // grid for x in maps]
        tokens = [PatchTokens(p, self.dtype, name=f"patch_{i + 1}")(maps[i]) for i, p in enumerate(patches)]
        x = jnp.stack(tokens, axis=1)  # [batch, scales, grid * grid, channels]
        position = self.param("position", nn.initializers.zeros, x.shape[1:])
        x = x + position.astype(self.dtype)
        x = nn.Dropout(self.embedding_dropout, deterministic=not train)(x)
        encoder = Encoder(
            self.layers, self.heads, self.expand, self.attention_dropout, self.dtype, name="encoder"
        )
        x = encoder(x, train)
        # The released network upsamples first. The result is the same, because a 1x1 convolution commutes with the
        # repetition of pixels, and the repetition does not change the mean and variance of a batch. Convolution,
        # normalisation and ReLU therefore run on the smaller token grid.
        x = ScaleLinear(channels, dtype=self.dtype, name="reconstruct_conv")(x)
        x = nn.relu(batch_norm(train, "reconstruct_norm", self.dtype, axis=(1, 3))(x))
        x = x.reshape(-1, len(maps), grid, grid, channels)
        return [features + upsample_nearest(x[:, i], patches[i]) for i, features in enumerate(maps)]


def upsample_nearest(x: jax.Array, factor: int) -> jax.Array:
    """Returns maps with each pixel repeated: [batch, H, W, channels] -> [batch, factor * H, factor * W, channels]."""
    batch, height, width, channels = x.shape
    shape = (batch, height, factor, width, factor, channels)
    x = jnp.broadcast_to(x[:, :, None, :, None], shape)
    return x.reshape(batch, height * factor, width * factor, channels)
