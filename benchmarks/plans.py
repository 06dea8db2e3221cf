"""Plans of many configurations: compiles each one for accelerators that are not attached, and prints a table.

python -m benchmarks.plans --topology=v5e:2x2 --topology=h100 --out=plans                all configurations
python -m benchmarks.plans --topology=v5e:4x4 --config=w300:dsat --out=plans -- --config.train.batch_size=128

A plan that is already in the folder is not made again. Fields after `--` apply to all configurations.
"""

import argparse
import importlib
import json
import pathlib
import subprocess
import sys
from collections.abc import Sequence

from dsat_jax.files import locations

ROOT = pathlib.Path(__file__).parents[1]
COLUMNS = (
    "configuration",
    "accelerators",
    "faces",
    "memory of each, GiB (state)",
    "GFLOP per face",
    "MB per face",
    "FLOP/byte",
    "collectives",
    "bound by",
    "images/s at best",
    "share of the peak",
    "hours at best",
    "compiled in, s",
)


def all_configurations() -> list[str]:
    """Returns all configurations and variants, such as w300:small."""
    files = sorted(path.stem for path in (ROOT / "configs").glob("*.py") if path.stem != "__init__")
    return [
        f"{file}:{variant}"
        for file in files
        for variant in importlib.import_module(f"configs.{file}").VARIANTS
    ]


def plan(configuration: str, topology: str, folder: pathlib.Path, fields: Sequence[str] = ()) -> dict:
    """Plans a configuration in a process of its own, unless its plan is in the folder; returns the contents.

    Args:
      configuration: name such as w300:small.
      topology: name such as v5e:4x4.
      folder: folder of the plans.
      fields: further arguments, such as --config.train.batch_size=128.

    Raises:
      RuntimeError: if the plan fails.
    """
    name = "_".join([configuration, topology, *(field.removeprefix("--config.") for field in fields)])
    out = folder / f"{name.replace(':', '-')}.json"
    if not out.exists():
        command = [sys.executable, "run.py", "plan", f"--config={configuration}", f"--topology={topology}"]
        finished = subprocess.run(
            [*command, f"--out={out.resolve()}", *fields],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode:
            raise RuntimeError(f"{name}: {finished.stderr.strip()[-2000:]}")
    return json.loads(out.read_text())


def row(configuration: str, results: dict) -> str:
    """Returns a line of the table for the training step of a plan."""
    training, schedule = results["programs"]["training"], results["schedule"]
    memory = training["memory_gib"]
    cells = [f"`{configuration}`", results["topology"], f"{training['images']:,}"]
    if "compiler" in training:
        return f"| {' | '.join(cells)} | more than {memory['chip']:.0f} |" + " |" * (len(COLUMNS) - 4)
    times = training["roofline"]
    cells += [
        f"{memory['needed']:.2f} ({memory['state']:.2f})",
        f"{training['flops_per_face'] / 1e9:.2f}",
        f"{training['bytes_per_face'] / 1e6:,.0f}",
        f"{training['flops_per_face'] / training['bytes_per_face']:.0f}",
        str(sum(kind["number"] for kind in training["collectives"].values())),
        times["bound"],
        f"{times['images_per_second']:,.0f}",
        f"{100 * times['share_of_peak']:.1f} %",
        f"{schedule['hours_at_best']:.2g}",
        f"{training['compile_seconds']:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Plans all pairs of configuration and topology, and prints a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--topology", action="append", required=True)
    parser.add_argument("--config", action="append", help="default: all configurations and variants")
    parser.add_argument(
        "--out", type=locations.locate, default=pathlib.Path("plans"), help="folder of the plans"
    )
    parser.add_argument("fields", nargs="*", help="fields of the configuration, after --")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for topology in arguments.topology:
        for configuration in arguments.config or all_configurations():
            results = plan(configuration, topology, arguments.out, arguments.fields)
            print(row(configuration, results), flush=True)


if __name__ == "__main__":
    main()
