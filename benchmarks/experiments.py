"""Ablations of a small DSAT on real faces: short trainings that each differ from a base in one respect.

python -m benchmarks.experiments --out=runs/experiments                     trains all rows without results
python -m benchmarks.experiments --out=runs/experiments --seed=1 base "2 stacks"     trains two rows with another seed
python -m benchmarks.experiments --out=runs/experiments --table            prints the table of all results
python -m benchmarks.experiments --out=runs/hard --ablation=hard            networks and training for hard faces

The trainings use the first 90 % of 300W's training faces (`w300`, which must have been built), in some rows with the
datasets of a mixture. They are measured on the other 10 % after their last step; no test split is read. The same
command resumes an interrupted training.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence

import jax
import numpy as np

from benchmarks.ablations import ABLATIONS, VALIDATION, Ablation
from configs import w300
from dsat_jax import models
from dsat_jax.data import mixture
from dsat_jax.evaluation.result_files import METRICS_FILE
from dsat_jax.files import locations
from dsat_jax.runtime import flops

ROOT = pathlib.Path(__file__).parents[1]


def folder(out: pathlib.Path, row: str, seed: int) -> pathlib.Path:
    """Returns the run folder of a row and a seed."""
    return out / f"{row.replace(',', '').replace(' ', '-')}-{seed}"


def train(ablation: Ablation, out: pathlib.Path, row: str, seed: int, data_dir: str | None) -> None:
    """Trains and evaluates a row in a new process, unless it has been evaluated.

    Args:
      ablation: the ablation.
      out: folder of the runs.
      row: row of the ablation.
      seed: seed of the training.
      data_dir: folder of the built datasets; None for TFDS's own.

    Raises:
      subprocess.CalledProcessError: if the process fails; its message is on stderr.
    """
    workdir = folder(out, row, seed)
    if (workdir / METRICS_FILE).is_file():
        return
    fields = {**ablation.overrides(row), "seed": seed} | (
        {"data.data_dir": str(pathlib.Path(data_dir).resolve())} if data_dir else {}
    )
    command = [sys.executable, "run.py", f"--config=configs/w300.py:{ablation.variant}"]
    command.append(f"--workdir={workdir.resolve()}")
    command += [f"--config.{name}={value}" for name, value in fields.items()]
    print(f"{row}, seed {seed}: {workdir}", flush=True)
    subprocess.run(command, cwd=ROOT, check=True, env=os.environ)


def costs(ablation: Ablation, row: str) -> tuple[int, int]:
    """Returns the number of parameters of a row's network, and the operations of its forward pass for one face."""
    config = w300.get_config(ablation.variant)
    with config.ignore_type():
        config.update_from_flattened_dict(ablation.values(row))
    model = models.build_for(mixture.with_scheme(config))
    images = jax.ShapeDtypeStruct((1, config.input.size, config.input.size, 3), np.float32)
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), np.zeros(images.shape), train=False))
    forward = flops.product_operations(
        lambda variables, images: model.apply(variables, images, train=False).points, variables, images
    )
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"])), forward


def table(ablation: Ablation, out: pathlib.Path) -> str:
    """Returns the results as a Markdown table: NME of each seed, parameters and operations of the network."""
    lines = [
        "| | changes | NME % (seed) | mean | parameters | GFLOP a face |",
        "|---|---|---|---|---|---|",
    ]
    for row, changes in ablation.rows.items():
        nmes = nme_of_seeds(out, row)
        if not nmes:
            continue
        parameters, forward = costs(ablation, row)
        changed = ", ".join(f"`{name}={value}`" for name, value in changes.items()) or "-"
        each = ", ".join(f"{nme:.2f} ({seed})" for seed, nme in nmes.items())
        figures = f"{np.mean([*nmes.values()]):.2f} | {parameters / 1e6:.2f} M | {forward / 1e9:.2f}"
        lines.append(f"| {row} | {changed} | {each} | {figures} |")
    return "\n".join(lines)


def nme_of_seeds(out: pathlib.Path, row: str) -> dict[int, float]:
    """Returns the NME in percent of each evaluated run of a row, by its seed."""
    start = folder(out, row, 0).name.removesuffix("0")
    # Only a seed may follow a row's name: `coordinates-x-10-0` is no run of a row `coordinates-x`.
    ends = (path.name.removeprefix(start) for path in out.glob(f"{start}*"))
    seeds = sorted(int(end) for end in ends if end.isdecimal())
    nmes = {seed: read_nme(folder(out, row, seed)) for seed in seeds}
    return {seed: nme for seed, nme in nmes.items() if nme is not None}


def read_nme(workdir: pathlib.Path) -> float | None:
    """Returns the NME of a run on the validation faces in percent; None if it has not been evaluated."""
    path = workdir / METRICS_FILE
    if not path.is_file():
        return None
    return json.loads(path.read_text())["subsets"][VALIDATION]["nme"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains rows, or prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", help="rows to train; all by default")
    parser.add_argument("--out", type=locations.locate, required=True, help="folder of the runs")
    parser.add_argument("--ablation", choices=ABLATIONS, default="small")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data_dir", help="folder of the built datasets; TFDS's own by default")
    parser.add_argument("--table", action="store_true", help="print the table only")
    parsed = parser.parse_args(arguments)
    ablation = ABLATIONS[parsed.ablation]
    unknown = sorted({*parsed.rows} - {*ablation.rows})
    if unknown:
        parser.error(f"unknown rows {', '.join(unknown)}; there are {', '.join(ablation.rows)}")
    if not parsed.table:
        for row in parsed.rows or ablation.rows:
            train(ablation, parsed.out, row, parsed.seed, parsed.data_dir)
    print(table(ablation, parsed.out))


if __name__ == "__main__":
    main()
