"""Operations of products in programs, against counts by hand and those of XLA."""

import jax
import jax.numpy as jnp
import pytest

from dsat_jax.runtime import hlo, hlo_costs, hlo_products


def compiled(function, *shapes: tuple[int, ...]) -> jax.stages.Compiled:
    return jax.jit(function).lower(*(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)).compile()


def flops(program: jax.stages.Compiled) -> int:
    return hlo_costs.costs_of(hlo.parse(program.as_text()), 1).flops


def test_products_with_padding_do_not_count():
    # Five inputs, a kernel of three and a padding of one: the first and the last output meet two inputs each.
    [left, right, result] = hlo.shapes_in("f32[2,5,3] f32[3,3,4] f32[2,5,4]")
    attributes = "window={size=3 pad=1_1}, dim_labels=b0f_0io->b0f"
    assert hlo_products.convolution_operations(left, right, result, attributes) == 2 * 2 * 3 * 4 * 13


def test_a_product_that_is_written_as_a_convolution_without_dimensions():
    [left, right, result] = hlo.shapes_in("f32[8,16] f32[32,16] f32[8,32]")
    assert (
        hlo_products.convolution_operations(left, right, result, ", dim_labels=bf_oi->bf") == 2 * 8 * 16 * 32
    )


@pytest.mark.parametrize(
    ("options", "kernel"),
    [
        ({"padding": "SAME"}, (3, 3, 4, 6)),
        ({"padding": ((1, 2), (0, 1)), "lhs_dilation": (1, 2), "rhs_dilation": (2, 1)}, (3, 3, 4, 6)),
        ({"padding": "VALID", "feature_group_count": 2, "window_strides": (2, 1)}, (3, 3, 2, 6)),
        ({"padding": ((-1, 0), (2, 2))}, (2, 3, 4, 6)),
    ],
)
def test_convolutions_have_the_operations_that_xla_counts(options, kernel):
    def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
        settings = {"window_strides": (1, 1), "dimension_numbers": ("NHWC", "HWIO", "NHWC")} | options
        return jax.lax.conv_general_dilated(x, kernel, **settings)

    program = compiled(convolve, (3, 9, 7, 4), kernel)
    assert flops(program) == program.cost_analysis()["flops"] > 0


def test_the_body_of_a_loop_counts_as_often_as_it_runs():
    def loss(weights: jax.Array, x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda x, weight: (jnp.tanh(x @ weight), None), x, weights)[0].sum()

    program = compiled(jax.grad(loss), (5, 32, 32), (64, 32))
    # Forward, and the gradients of the weights and of the input; the first layer's input needs none, but is computed.
    assert flops(program) == 5 * 3 * 2 * 64 * 32 * 32
    assert program.cost_analysis()["flops"] < flops(program) / 3


@pytest.mark.parametrize(
    ("call", "shapes", "expected"),
    [
        # Two products of [3, 4] and [4, 5].
        (
            'custom_call_target="__cublas$gemm", backend_config={"gemm_backend_config":{"dot_dimension_numbers":'
            '{"lhs_contracting_dimensions":["2"],"lhs_batch_dimensions":["0"]},'
            '"precision_config":{"operand_precision":["DEFAULT","DEFAULT"]}}}',
            "bf16[2,3,4] bf16[2,4,5] bf16[2,3,5]",
            (2 * 2 * 3 * 5 * 4, "bf16", "default"),
        ),
        # Along each axis, five inputs meet three taps 13 times, without the padding.
        (
            'window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convForward"',
            "f32[2,5,5,3] f32[4,3,3,3] f32[2,5,5,4]",
            (2 * 2 * 3 * 4 * 13**2, "f32", "default"),
        ),
        (
            "window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f, "
            'custom_call_target="__cudnn$convBackwardInput"',
            "f32[2,5,5,4] f32[4,3,3,3] f32[2,5,5,3]",
            (2 * 2 * 3 * 4 * 13**2, "f32", "default"),
        ),
        # With a stride of two, three outputs along an axis meet 2 + 3 + 2 inputs.
        (
            "window={size=3x3 stride=2x2 pad=1_1x1_1}, dim_labels=b01f_o01i->b01f, operand_precision={high,high}, "
            'custom_call_target="__cudnn$convBackwardFilter"',
            "f32[2,5,5,3] bf16[2,3,3,4] f32[4,3,3,3]",
            (2 * 2 * 3 * 4 * 7**2, "f32", "high"),
        ),
    ],
)
def test_calls_of_the_libraries_of_gpus_have_the_operations_of_their_shapes(call, shapes, expected):
    left, right, result = shapes.split()
    program = hlo.parse(
        f"ENTRY %main (x: {left}, y: {right}) -> {result} {{\n  %x = {left} parameter(0)\n  %y = {right} parameter(1)\n"
        f"  %call = ({result}, u8[64]) custom-call(%x, %y), {call}\n"
        f"  ROOT %z = {result} get-tuple-element(%call), index=0\n}}\n"
    )
    [product] = hlo_products.products(program, program.entry, program.entry.instructions["call"])
    assert (product.operations, product.dtype, product.precision) == expected
