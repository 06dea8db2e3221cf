"""The prediction of the mode `plan` as lines of text."""

from collections.abc import Iterator, Mapping
from typing import Any

from dsat_jax.training.plan_limits import NEGLIGIBLE


def table(results: Mapping[str, Any]) -> str:
    """Returns a prediction, the contents of `plan.json`, as lines of text."""
    lines = [
        f"PREDICTION for {results['configuration']} on {results['topology']} ({results['devices']} x "
        f"{results['chip']}), jax {results['jax']}: compiled, not run",
        *(line for program in results["programs"].values() for line in _program(program)),
    ]
    schedule = results["schedule"]
    if schedule["hours_at_best"] is not None:
        estimate = schedule["hours_by_compiler"]
        hours = f"{schedule['hours_at_best']:.3g} hours at best"
        hours += f", {estimate:.3g} by XLA's estimate" if estimate else ""
        faces = results["programs"]["training"]["images"]
        lines += [
            "",
            f"{schedule['steps']:,} steps of {faces:,} faces: {hours}, without evaluations and start",
        ]
        lines += _limits(results)
    return "\n".join(lines)


def _limits(results: Mapping[str, Any]) -> Iterator[str]:
    """Yields what else takes time in a step, with an answer where it is a noticeable share, and the largest batch."""
    training = results["programs"]["training"]
    step = training["roofline"]["seconds"]
    yield f"beside a training step of {1e3 * step:.3f} ms, estimated:"
    for limit in results["limits"]:
        line = f"  {1e3 * limit['seconds']:10.3f} ms by {limit['name']}"
        yield f"{line}: {limit['answer']}" if limit["seconds"] > NEGLIGIBLE * step else line
    devices = results["devices"]
    yield (
        f"{training['images'] // devices} faces on each device; if temporary memory grows with them, "
        f"{results['largest_batch'] // devices} fit: --config.train.batch_size={results['largest_batch']}"
    )


def _program(program: Mapping[str, Any]) -> Iterator[str]:
    memory = program["memory_gib"]
    yield ""
    if "compiler" in program:
        yield f"{program['name']}: DOES NOT FIT {memory['chip']:.0f} GiB: {program['compiler']}"
        yield f"  {memory['state']:.3f} GiB of each device are state"
        return
    fits = "fits" if program["fits"] else "DOES NOT FIT"
    yield f"{program['name']}: compiled in {program['compile_seconds']:.0f} s"
    yield (
        f"  memory      {fits}: {memory['needed']:.3f} of {memory['chip']:.0f} GiB on each device "
        f"({memory['arguments']:.3f} arguments, of which {memory['state']:.3f} state; {memory['temporary']:.3f} "
        f"temporary; {memory['results']:.3f} results; {memory['code']:.3f} code)"
    )
    yield (
        f"  a face      {program['flops_per_face'] / 1e9:.2f} GFLOP of products "
        f"({program['operations_per_face'] / 1e9:.2f} by the network's definition), "
        f"{program['bytes_per_face'] / 1e6:.2f} MB through the main memory "
        f"({program['bytes_in_all_memories_per_face'] / 1e6:.2f} MB in all memories)"
    )
    if program["loops_counted_once"]:
        yield f"  loops of unknown length, counted once: {', '.join(program['loops_counted_once'])}"
    if program["kernels_without_operations"]:
        yield f"  kernels without a count of operations: {program['kernels_without_operations']}"
    times = program["roofline"]
    yield "  at best     " + ", ".join(
        f"{1e3 * times[f'{name}_seconds']:.3f} ms by {name}"
        for name in ("arithmetic", "memory", "interconnect")
    )
    yield (
        f"              bound by {times['bound']}: {times['images_per_second']:,.0f} images/s, "
        f"{100 * times['share_of_peak']:.1f} % of the peak; {program['instructions']:,} instructions, "
        "whose latency is not counted"
    )
    if times["compiler_seconds"]:
        yield (
            f"  XLA's own   {1e3 * times['compiler_seconds']:.3f} ms for the cycles of all instructions: "
            f"{times['images_per_second_by_compiler']:,.0f} images/s, without transfers and latency"
        )
    for kind, figures in program["collectives"].items():
        yield (
            f"  {figures['number']} x {kind}: {figures['bytes'] / 1e6:.3f} MB, a chip sends "
            f"{figures['sent'] / 1e6:.3f} MB"
        )
    yield "  most bytes through the main memory of a chip, MB"
    for layer in program["layers"]:
        yield f"  {layer['bytes'] / 1e6:11.3f}  {layer['name']}"
