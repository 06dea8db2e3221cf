"""What makes a small DSAT accurate on real faces: short trainings that differ from a base in one thing each.

python -m benchmarks.experiments --out=runs/experiments                     trains every row that is not there yet
python -m benchmarks.experiments --out=runs/experiments --seed=1 base narrow           these rows, another seed
python -m benchmarks.experiments --out=runs/experiments --table            the table of all that is there

All train on the first 90 % of 300W's training faces (`w300`, built before) and are measured on the other 10 %, at the
end of their training; no test split is read. An interrupted training goes on by the same command.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from configs import w300
from dsat_jax import models
from dsat_jax.evaluation import evaluate
from dsat_jax.runtime import flops

ROOT = pathlib.Path(__file__).parents[1]
STEPS = 1_200
VALIDATION = "train[90%:]"
BASE = {
    "data.train": "train[:90%]",
    "data.validation": VALIDATION,
    "data.test": f"('{VALIDATION}',)",
    "train.steps": STEPS,
    "train.evaluate_every": STEPS,  # once, so that no checkpoint is chosen by the faces that measure it
    "train.keep_decoded": True,
    "loss.coordinates": 1e-4,  # a tenth of the default, which these experiments led to
}
# What a row changes in `configs/w300.py:small`, as the command line has it.
ROWS: dict[str, Mapping[str, Any]] = {
    "base": {},
    "no gate": {"model.gate": "none"},
    "released gate": {"model.gate": "released"},
    "no DSS": {"model.transformer_layers": 0},
    "no gate, no DSS": {"model.gate": "none", "model.transformer_layers": 0},
    "no boundaries": {"model.boundaries": False},
    "heatmap loss alone": {"loss.coordinates": 0.0, "evaluate.decoder": "log_quadratic"},
    "coordinates x 10": {"loss.coordinates": 1e-3},
    "coordinates x 100": {"loss.coordinates": 1e-2},
    "coordinates x 1000": {"loss.heatmap": 0.1, "loss.coordinates": 1e-2},
    "coordinates alone": {"loss.heatmap": 0.0, "loss.coordinates": 1e-2},
    "l1 on coordinates": {"loss.penalty": "l1", "loss.coordinates": 6e-4},  # of smooth-Wing's slope at 0
    "sigma 1": {"loss.sigma": 1.0},
    "sigma 2.5": {"loss.sigma": 2.5},
    "rounded targets": {"loss.truncate": True},
    "3 DSS blocks": {"model.transformer_layers": 3},
    "2 stacks": {"model.stacks": 2},
    "width 48": {"model.width": 48},
    "64 pixels": {"input.size": 64},
    "128 pixels": {"input.size": 128},
    "heatmaps of full size": {"model.upsample": True, "loss.sigma": 3.0},
    "wide crop": {"input.enlarge": 0.2},
    "tight crop": {"input.enlarge": 0.05},
    "no colour, no occlusion": {
        "augment.gain": "(1.0, 1.0)",
        "augment.grey": 0.0,
        "augment.low_resolution": 0.0,
        "augment.occlusion": 0.0,
    },
    "small poses": {"augment.rotation": 5.0, "augment.scale": "(0.97, 1.05)", "augment.shift": 0.02},
    "large poses": {"augment.rotation": 30.0, "augment.scale": "(0.9, 1.2)", "augment.shift": 0.1},
    "no average": {"optimizer.ema": 0.0},
    "half the rate": {"optimizer.learning_rate": 3e-3},
    "twice the rate": {"optimizer.learning_rate": 1.2e-2},
    "batches of 8": {"train.batch_size": 8, "train.steps": 2 * STEPS, "train.evaluate_every": 2 * STEPS},
    "steps of the rate": {"optimizer.schedule": "step"},
}


def overrides(row: str) -> dict[str, Any]:
    """The fields that a row sets, those of all rows among them."""
    return {**BASE, **ROWS[row]}


def folder(out: pathlib.Path, row: str, seed: int) -> pathlib.Path:
    """Where the run of a row lies."""
    return out / f"{row.replace(',', '').replace(' ', '-')}-{seed}"


def train(out: pathlib.Path, row: str, seed: int, data_dir: str | None) -> None:
    """Trains a row in a process of its own, and evaluates it; one that was evaluated is left alone.

    Raises:
      subprocess.CalledProcessError: if that process fails; it has said why.
    """
    workdir = folder(out, row, seed)
    if (workdir / evaluate.METRICS_FILE).is_file():
        return
    fields = {**overrides(row), "seed": seed} | (
        {"data.data_dir": str(pathlib.Path(data_dir).resolve())} if data_dir else {}
    )
    command = [sys.executable, "run.py", "--config=configs/w300.py:small", f"--workdir={workdir.resolve()}"]
    command += [f"--config.{name}={value}" for name, value in fields.items()]
    print(f"{row}, seed {seed}: {workdir}", flush=True)
    subprocess.run(command, cwd=ROOT, check=True, env=os.environ)


def costs(row: str) -> tuple[int, int]:
    """Parameters of a row's network, and operations of its forward pass for one face."""
    config = w300.get_config("small")
    with config.ignore_type():
        config.update_from_flattened_dict(ROWS[row])
    model = models.build_for(config)
    images = jax.ShapeDtypeStruct((1, config.input.size, config.input.size, 3), np.float32)
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), np.zeros(images.shape), train=False))
    forward = flops.product_operations(
        lambda variables, images: model.apply(variables, images, train=False).points, variables, images
    )
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"])), forward


def table(out: pathlib.Path) -> str:
    """Markdown of the rows that were evaluated: NME of each seed, and what the network costs."""
    lines = [
        "| | changes | NME % (seed) | mean | parameters | GFLOP a face |",
        "|---|---|---|---|---|---|",
    ]
    for row, changes in ROWS.items():
        nmes = nme_of_seeds(out, row)
        if not nmes:
            continue
        parameters, forward = costs(row)
        changed = ", ".join(f"`{name}={value}`" for name, value in changes.items()) or "-"
        each = ", ".join(f"{nme:.2f} ({seed})" for seed, nme in nmes.items())
        figures = f"{np.mean([*nmes.values()]):.2f} | {parameters / 1e6:.2f} M | {forward / 1e9:.2f}"
        lines.append(f"| {row} | {changed} | {each} | {figures} |")
    return "\n".join(lines)


def nme_of_seeds(out: pathlib.Path, row: str) -> dict[int, float]:
    """The NME in % of each run of a row that was evaluated, by its seed."""
    start = folder(out, row, 0).name.removesuffix("0")
    # What follows a row's name must be a seed: `coordinates-x-10-0` is not of `coordinates-x`.
    ends = (path.name.removeprefix(start) for path in out.glob(f"{start}*"))
    seeds = sorted(int(end) for end in ends if end.isdecimal())
    found = {seed: read_nme(folder(out, row, seed)) for seed in seeds}
    return {seed: nme for seed, nme in found.items() if nme is not None}


def read_nme(workdir: pathlib.Path) -> float | None:
    """The NME of a run on the validation faces in %, or None if it has not been evaluated."""
    path = workdir / evaluate.METRICS_FILE
    if not path.is_file():
        return None
    return json.loads(path.read_text())["subsets"][VALIDATION]["nme"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains rows, or prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", help="all by default")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder of the runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data_dir", help="where w300 was built, if not in TFDS's own folder")
    parser.add_argument("--table", action="store_true", help="train nothing, print what there is")
    given = parser.parse_args(arguments)
    unknown = sorted({*given.rows} - {*ROWS})
    if unknown:
        parser.error(f"no rows {', '.join(unknown)}; there are {', '.join(ROWS)}")
    if not given.table:
        for row in given.rows or ROWS:
            train(given.out, row, given.seed, given.data_dir)
    print(table(given.out))


if __name__ == "__main__":
    main()
