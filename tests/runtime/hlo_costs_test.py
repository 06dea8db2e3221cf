"""Costs of programs, counted by hand."""

import pytest

from dsat_jax.runtime import hlo, hlo_collectives, hlo_costs

# Three rounds, each with a product of a slice of the weights, written to a slice of the results.
PROGRAM = """HloModule jit_step

%inside (w: f32[3,16,16], i: s32[], x: f32[8,16], y: f32[3,8,16]) -> f32[3,8,16] {
  %w = f32[3,16,16]{2,1,0} parameter(0)
  %i = s32[] parameter(1)
  %x = f32[8,16]{1,0:S(1)} parameter(2)
  %y = f32[3,8,16]{2,1,0} parameter(3)
  %zero = s32[] constant(0)
  %slice = f32[1,16,16]{2,1,0} dynamic-slice(%w, %i, %zero, %zero), dynamic_slice_sizes={1,16,16}
  %bitcast = f32[16,16]{1,0} bitcast(%slice)
  %dot = f32[8,16]{1,0} dot(%x, %bitcast), lhs_contracting_dims={1}, rhs_contracting_dims={0}, \
operand_precision={highest,highest}
  %row = f32[1,8,16]{2,1,0} bitcast(%dot)
  ROOT %update = f32[3,8,16]{2,1,0} dynamic-update-slice(%y, %row, %i, %zero, %zero)
}

%condition (c: (s32[], f32[3,16,16], f32[8,16], f32[3,8,16])) -> pred[] {
  %c = (s32[], f32[3,16,16], f32[8,16], f32[3,8,16]) parameter(0)
  %limit = s32[] constant(3)
  %counter = s32[] get-tuple-element(%c), index=0
  ROOT %less = pred[] compare(%counter, %limit), direction=LT
}

%body (b: (s32[], f32[3,16,16], f32[8,16], f32[3,8,16])) -> (s32[], f32[3,16,16], f32[8,16], f32[3,8,16]) {
  %b = (s32[], f32[3,16,16], f32[8,16], f32[3,8,16]) parameter(0)
  %i.1 = s32[] get-tuple-element(%b), index=0
  %w.1 = f32[3,16,16]{2,1,0} get-tuple-element(%b), index=1
  %x.1 = f32[8,16]{1,0:S(1)} get-tuple-element(%b), index=2
  %y.1 = f32[3,8,16]{2,1,0} get-tuple-element(%b), index=3
  %fusion = f32[3,8,16]{2,1,0} fusion(%w.1, %i.1, %x.1, %y.1), kind=kOutput, calls=%inside, \
metadata={op_name="jit(step)/transpose(jvp(DSAT))/while/body/hourglasses.<lambda>/hourglasses/up_3/conv/dot"}, \
backend_config={"window_config":{"estimated_cycles":"250"}}
  ROOT %next = (s32[], f32[3,16,16], f32[8,16], f32[3,8,16]) tuple(%i.1, %w.1, %x.1, %fusion)
}

ENTRY %main (p: f32[3,16,16], q: f32[8,16], r: f32[3,8,16]) -> f32[3,8,16] {
  %p = f32[3,16,16]{2,1,0} parameter(0), metadata={op_name="state.params"}
  %q = f32[8,16]{1,0} parameter(1), metadata={op_name="batch"}
  %r = f32[3,8,16]{2,1,0} parameter(2)
  %zero.1 = s32[] constant(0)
  %copy-start = (f32[8,16]{1,0:S(1)}, f32[8,16]{1,0}, u32[]{:S(2)}) copy-start(%q)
  %copy-done = f32[8,16]{1,0:S(1)} copy-done(%copy-start)
  %tuple = (s32[], f32[3,16,16], f32[8,16], f32[3,8,16]) tuple(%zero.1, %p, %copy-done, %r)
  %while = (s32[], f32[3,16,16], f32[8,16], f32[3,8,16]) while(%tuple), condition=%condition, body=%body
  %result = f32[3,8,16]{2,1,0} get-tuple-element(%while), index=3
  ROOT %all-reduce = f32[3,8,16]{2,1,0} all-reduce(%result), replica_groups={}, to_apply=%sum, \
metadata={op_name="jit(step)/add"}
}
"""
SLICE, ROWS, INPUT, WHOLE = 16 * 16 * 4, 8 * 16 * 4, 8 * 16 * 4, 3 * 8 * 16 * 4


def costs() -> hlo_costs.Costs:
    return hlo_costs.costs_of(hlo.parse(PROGRAM), 4)


def test_products_are_counted_by_dtype_and_precision():
    assert costs().products == {("f32", "highest"): 3 * 2 * 8 * 16 * 16}
    assert costs().flops == 3 * 2 * 8 * 16 * 16
    assert costs().loops == {"while": 3}


def test_a_fusion_moves_the_slices_that_it_reads_and_writes():
    in_a_round = SLICE + 4 + ROWS  # a slice of the weights, the counter, and rows of the result
    assert costs().bytes == INPUT + 3 * in_a_round + 2 * WHOLE
    # The input is in the vector memory: written there once, and read in each round.
    assert costs().accessed == costs().bytes + 4 * INPUT
    assert costs().instructions == 1 + 3 + 1
    assert costs().cycles == 3 * 250


def test_bytes_belong_to_layers():
    assert costs().layers == {
        "backward DSAT/hourglasses/up_3/conv": 3 * (SLICE + 4 + ROWS),
        "'add'": 2 * WHOLE,
        "(copy-start)": INPUT,
    }


def test_an_all_reduce_sends_its_operand_almost_twice():
    [collective] = costs().collectives.values()
    assert collective == hlo_collectives.Collective("all-reduce", 1, WHOLE, 4)
    assert collective.sent == 2 * 3 / 4 * WHOLE


@pytest.mark.parametrize(
    ("kind", "sent"),
    [("all-gather", 7), ("reduce-scatter", 7 / 8), ("all-to-all", 7 / 8), ("collective-permute", 1)],
)
def test_other_collectives_send_parts_of_their_operand(kind, sent):
    assert hlo_collectives.Collective(kind, 2, 100, 8).sent == 2 * 100 * sent


def test_collectives_name_their_devices_in_three_forms():
    assert hlo_collectives.group_size(", replica_groups={{0,1,2},{3,4,5}}", 6) == 3
    assert hlo_collectives.group_size(", replica_groups=[4,2]<=[8]", 8) == 2
    assert hlo_collectives.group_size(", replica_groups=mesh['a'=4,'b'=2] {'a','b'}, to_apply=%sum", 16) == 8
    assert hlo_collectives.group_size(", replica_groups={}", 16) == 16


def test_a_collective_in_several_fusions_counts_once():
    program = """
%start (a: f32[8]) -> f32[8] {
  %a = f32[8]{0} parameter(0)
  ROOT %first = f32[8]{0} all-reduce(%a), channel_id=7, replica_groups={{0,1}}
}

%end (b: f32[8]) -> f32[8] {
  %b = f32[8]{0} parameter(0)
  ROOT %second = f32[8]{0} all-reduce(%b), channel_id=7, replica_groups={{0,1}}
}

ENTRY %main (x: f32[8]) -> f32[8] {
  %x = f32[8]{0} parameter(0)
  %async-start = f32[8]{0} fusion(%x), kind=kCustom, calls=%start
  %async-end = f32[8]{0} fusion(%async-start), kind=kCustom, calls=%end
  ROOT %other = f32[8]{0} all-reduce(%async-end), channel_id=8, replica_groups={{0,1}}
}
"""
    costs = hlo_costs.costs_of(hlo.parse(program), 2)
    assert list(costs.collectives.values()) == 2 * [hlo_collectives.Collective("all-reduce", 1, 32, 2)]
    assert costs.bytes == 2 * (32 + 32)  # each is read and written once


def test_a_fusion_that_hands_on_the_arrays_of_a_collective_does_not_move_them():
    program = """
%part (a: f32[2], b: f32[8], c: f32[4]) -> (f32[4], f32[2], f32[8]) {
  %a = f32[2]{0} parameter(0)
  %b = f32[8]{0} parameter(1)
  %c = f32[4]{0} parameter(2)
  %gathered = f32[8]{0} all-gather(%a), channel_id=7, replica_groups={{0,1,2,3}}
  %negated = f32[4]{0} negate(%c)
  ROOT %results = (f32[4]{0}, f32[2]{0}, f32[8]{0}) tuple(%negated, %a, %b)
}

ENTRY %main (x: f32[2], y: f32[8], z: f32[4]) -> (f32[4], f32[2], f32[8]) {
  %x = f32[2]{0} parameter(0)
  %y = f32[8]{0} parameter(1)
  %z = f32[4]{0} parameter(2)
  ROOT %fusion = (f32[4]{0}, f32[2]{0}, f32[8]{0}) fusion(%x, %y, %z), kind=kOutput, calls=%part
}
"""
    costs = hlo_costs.costs_of(hlo.parse(program), 4)
    assert costs.bytes == (8 + 32) + (16 + 16)  # of the gathered and of the negated array


def test_a_loop_of_unknown_length_counts_once_and_is_named():
    unknown = hlo_costs.costs_of(hlo.parse(PROGRAM.replace("direction=LT", "direction=NE")), 4)
    assert unknown.flops == 2 * 8 * 16 * 16
    assert (unknown.loops, unknown.unknown_loops) == ({}, ["while"])


def test_the_larger_branch_of_a_condition_counts():
    program = """
%small (a: f32[4]) -> f32[4] {
  %a = f32[4]{0} parameter(0)
  ROOT %negate = f32[4]{0} negate(%a)
}

%large (b: f32[4]) -> f32[4] {
  %b = f32[4]{0} parameter(0)
  %first = f32[4]{0} negate(%b)
  ROOT %second = f32[4]{0} negate(%first), metadata={op_name="jit(f)/layer/neg"}
}

ENTRY %main (which: s32[], x: f32[4]) -> f32[4] {
  %which = s32[] parameter(0)
  %x = f32[4]{0} parameter(1)
  ROOT %either = f32[4]{0} conditional(%which, %x, %x), branch_computations={%small, %large}
}
"""
    chosen = hlo_costs.costs_of(hlo.parse(program), 1)
    assert (chosen.bytes, chosen.instructions, chosen.layers) == (64, 2, {"layer": 64})


def test_a_kernel_has_the_operations_that_it_states():
    program = """
ENTRY %main (x: f32[4]) -> f32[4] {
  %x = f32[4]{0} parameter(0)
  %one = f32[4]{0} custom-call(%x), custom_call_target="tpu_custom_call", \
backend_config={"custom_call_config":{"cost_estimate":{"flops":"800","transcendentals":"0"}}}
  ROOT %two = f32[4]{0} custom-call(%one), custom_call_target="tpu_custom_call", \
backend_config={"custom_call_config":{}}
}
"""
    kernels = hlo_costs.costs_of(hlo.parse(program), 1)
    assert (kernels.flops, kernels.uncounted_kernels, kernels.bytes) == (800, 1, 64)


def test_a_kernel_for_gpus_has_the_operations_in_its_metadata_and_the_dtype_of_its_inputs():
    program = r"""
ENTRY %main (x: bf16[4], n: f32[4]) -> bf16[4] {
  %x = bf16[4]{0} parameter(0)
  %n = f32[4]{0} parameter(1)
  %one = bf16[4]{0} custom-call(%x, %n), custom_call_target="__gpu$xla.gpu.triton", \
backend_config={debug = false, ir = "ML\EFR(\22", serialized_metadata = "{\22flops\22: \22900\22}"}
  ROOT %two = bf16[4]{0} custom-call(%one), custom_call_target="__gpu$xla.gpu.triton", \
backend_config={debug = false, ir = "ML\EFR"}
}
""".replace("\\\n", "")
    kernels = hlo_costs.costs_of(hlo.parse(program), 1)
    assert (kernels.products, kernels.uncounted_kernels) == ({("bf16", "default"): 900}, 1)
    assert kernels.bytes == (8 + 16 + 8) + (8 + 8)


def test_the_workspace_of_a_library_is_no_traffic():
    program = """
ENTRY %main (x: f32[8,16], w: f32[16,32]) -> f32[8,32] {
  %x = f32[8,16]{1,0} parameter(0)
  %w = f32[16,32]{1,0} parameter(1)
  %gemm = (f32[8,32]{1,0}, s8[33554432]{0}) custom-call(%x, %w), custom_call_target="__cublas$lt$matmul", \
backend_config={"gemm_backend_config":{"dot_dimension_numbers":{"lhs_contracting_dimensions":["1"],\
"rhs_contracting_dimensions":["0"]},"precision_config":{"operand_precision":["HIGHEST","DEFAULT"]}}}
  ROOT %y = f32[8,32]{1,0} get-tuple-element(%gemm), index=0
}
"""
    gemm = hlo_costs.costs_of(hlo.parse(program), 1)
    assert gemm.bytes == 4 * (8 * 16 + 16 * 32 + 8 * 32)
    assert gemm.products == {("f32", "highest"): 2 * 8 * 16 * 32}


def test_an_asynchronous_operation_counts_once_with_the_results_of_its_end():
    program = """
%wrapped (a: f32[8]) -> f32[2] {
  %a = f32[8]{0} parameter(0)
  ROOT %scatter = f32[2]{0} reduce-scatter(%a), replica_groups={{0,1,2,3}}, dimensions={0}, to_apply=%sum
}

ENTRY %main (x: f32[8], y: f32[6]) -> f32[2] {
  %x = f32[8]{0} parameter(0)
  %y = f32[6]{0} parameter(1)
  %all-reduce-start = (f32[8]{0}, f32[6]{0}) all-reduce-start(%x, %y), channel_id=1, \
replica_groups={{0,1,2,3}}, to_apply=%sum
  %all-reduce-done = (f32[8]{0}, f32[6]{0}) all-reduce-done(%all-reduce-start)
  %first = f32[8]{0} get-tuple-element(%all-reduce-done), index=0
  %scatter-start = ((f32[8]{0}), f32[2]{0}) async-start(%first), calls=%wrapped
  ROOT %scatter-done = f32[2]{0} async-done(%scatter-start), calls=%wrapped
}
"""
    counted = hlo_costs.costs_of(hlo.parse(program), 4)
    assert counted.collectives == {
        "1": hlo_collectives.Collective("all-reduce", 1, 4 * (8 + 6), 4),
        "scatter": hlo_collectives.Collective("reduce-scatter", 1, 4 * 8, 4),
    }
    assert counted.bytes == 2 * 4 * (8 + 6) + 4 * (8 + 2)
