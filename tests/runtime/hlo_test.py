"""The text of programs: shapes with layouts, instructions, loops."""

import jax
import jax.numpy as jnp
import pytest

from dsat_jax.runtime import hlo

LOOP = """HloModule jit_step

%condition (state: (s32[], f32[8,8])) -> pred[] {{
  %state = (s32[]{{:T(128)}}, f32[8,8]{{1,0:T(8,128)}}) parameter(0)
  %limit = s32[]{{:T(128)}} constant(7)
  %counter = s32[]{{:T(128)}} get-tuple-element(%state), index=0
  ROOT %less = pred[]{{:T(512)}} compare(%counter, %limit), direction={direction}
}}

%body (state.1: (s32[], f32[8,8])) -> (s32[], f32[8,8]) {{
  ROOT %state.1 = (s32[]{{:T(128)}}, f32[8,8]{{1,0:T(8,128)}}) parameter(0)
}}

ENTRY %main (x: f32[8,8], start: s32[]) -> (s32[], f32[8,8]) {{
  %x = f32[8,8]{{1,0:T(8,128)}} parameter(0), metadata={{op_name="x (an argument)"}}
  %start = s32[]{{:T(128)}} parameter(1)
  %two = s32[]{{:T(128)}} constant(2)
  %copy = s32[]{{:T(128)}} copy(%{start})
  %tuple = (s32[]{{:T(128)}}, f32[8,8]{{1,0:T(8,128)}}) tuple(%copy, /*index=1*/%x)
  ROOT %loop = (s32[]{{:T(128)}}, f32[8,8]{{1,0:T(8,128)}}) while(%tuple), condition=%condition, body=%body{stated}
}}
"""


def rounds(direction: str = "LT", start: str = "two", stated: str = "") -> int | None:
    program = hlo.parse(LOOP.format(direction=direction, start=start, stated=stated))
    return program.trip_count(program.entry.root, program.entry)


def test_a_layout_pads_to_whole_tiles_and_names_the_memory():
    plain, tiled, packed, vector, scalar, odd = hlo.shapes_in(
        "(f32[3,5], f32[4,64,9]{1,2,0:T(8,128)S(1)}, bf16[2,16,130]{2,1,0:T(8,128)(2,1)}, s32[1000]{0:T(1024)}, "
        "pred[]{:T(512)}, token[])"
    )
    assert (plain.dimensions, plain.size, plain.stored, plain.memory) == ((3, 5), 60, 60, 0)
    # Axis 1 is the last in memory: 64 becomes 128. Axis 2 is before it: 9 becomes 16.
    assert (tiled.size, tiled.stored, tiled.memory) == (4 * 64 * 9 * 4, 4 * 128 * 16 * 4, 1)
    assert (packed.dtype, packed.size, packed.stored) == ("bf16", 2 * 16 * 130 * 2, 2 * 16 * 256 * 2)
    assert (vector.size, vector.stored) == (4000, 4096)
    assert (scalar.size, scalar.stored) == (1, 512)
    assert odd.size == 0


def test_instructions_have_operands_attributes_and_the_name_of_their_layer():
    entry = hlo.parse(LOOP.format(direction="LT", start="two", stated="")).entry
    assert list(entry.instructions) == ["x", "start", "two", "copy", "tuple", "loop"]
    assert entry.instructions["x"].layer == "x (an argument)"
    assert entry.instructions["tuple"].operands == ("copy", "x")
    assert (entry.root.opcode, entry.root.called("body"), entry.root.called("calls")) == (
        "while",
        "body",
        None,
    )
    assert [user.name for user in entry.users["x"]] == ["tuple"]
    assert entry.parameters[1].name == "start"


def test_the_rounds_of_a_loop_are_those_stated_or_those_of_its_counter():
    assert rounds() == 7 - 2
    assert rounds(stated=', backend_config={"known_trip_count":{"n":"12"}}') == 12


def test_the_rounds_are_unknown_where_the_counter_or_its_start_is():
    assert rounds(direction="NE") is None
    assert rounds(start="start") is None


def test_a_compiled_scan_states_its_rounds():
    def product(x: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda carry, weights: (carry @ weights, None), x[0], x)[0]

    compiled = jax.jit(product).lower(jax.ShapeDtypeStruct((11, 16, 16), jnp.float32)).compile()
    program = hlo.parse(compiled.as_text())
    [loop] = [instruction for instruction in program.entry if instruction.opcode == "while"]
    assert program.trip_count(loop, program.entry) == 11


def test_a_text_without_a_program_is_refused():
    with pytest.raises(ValueError, match="no ENTRY"):
        hlo.parse("HloModule empty")
