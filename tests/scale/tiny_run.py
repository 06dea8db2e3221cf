"""A tiny run as one of several processes, for tests: `python tests/scale/tiny_run.py --model=dsat --workdir=DIR ...`.

The last line of standard output is JSON: loss and gradient norm at every step, the records of every global batch, and
the final summaries. A finished run in the folder is only evaluated.
"""

import argparse
import itertools
import json
import pathlib

import jax
from ml_collections import ConfigDict

from configs import synthetic
from dsat_jax.data import datasets
from dsat_jax.data.batches import training_batches
from dsat_jax.evaluation import evaluate
from dsat_jax.runtime import processes, sharding
from dsat_jax.training import loop
from dsat_jax.training.recorder import METRICS_LOG

SHRUNK = {
    "dsat": {"width": 8, "stacks": 1, "transformer_layers": 1, "heads": 2},
    # Stem, gate and head only, which compile in a quarter of the time.
    "dsat-without-hourglass": {"width": 8, "stacks": 0},
    "lotr": {"dim": 16, "heads": 2, "feed_forward": 32, "head_width": 16, "dropout": 0.1},
}
# Small, because Adam and a hard gate amplify rounding, which would hide the differences between numbers of devices.
# LOTR's MobileNet amplifies it most: at 1e-4, parameters scaled by 1 + 1.2e-7 change the loss of the 20th step by 2 %
# on a single device.
LEARNING_RATES = {"dsat": 1e-4, "dsat-without-hourglass": 1e-4, "lotr": 1e-7}


def tiny_config(model: str, data_dir: str, steps: int) -> ConfigDict:
    """Returns the shrunk configuration of a model: 64 faces, 64 pixels, with dropout, gate samples and augmentation."""
    config = synthetic.get_config("lotr-tiny" if model == "lotr" else "tiny")
    config.data.update(dataset="synthetic_faces/tiny", data_dir=data_dir)
    config.data.update(train="train[:48]", validation="train[48:]")
    config.input.size = 64
    config.model.update(SHRUNK[model])
    config.augment.update(occlusion=0.3, grey=0.1, low_resolution=0.2, rotation=20.0)
    config.optimizer.update(warmup_steps=steps, learning_rate=LEARNING_RATES[model], backbone_factor=1.0)
    config.train.update(batch_size=16, steps=steps, log_every=1, evaluate_every=steps)
    config.evaluate.batch_size = 8
    return config


def main() -> None:
    """Trains and evaluates the run, and prints it as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=SHRUNK, required=True)
    parser.add_argument("--workdir", type=pathlib.Path, required=True)
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--mesh_model", type=int, default=1)
    parser.add_argument("--coordinator")
    parser.add_argument("--num_processes", type=int)
    parser.add_argument("--process_id", type=int)
    options = parser.parse_args()
    processes.start(options.coordinator, options.num_processes, options.process_id)
    config = tiny_config(options.model, options.data_dir, options.steps)
    config.mesh.model = options.mesh_model
    sharding.SMALLEST_SPLIT = 64  # so that the tiny network's arrays are split, too
    loop.train(config, options.workdir)
    summaries = evaluate.evaluate_run(options.workdir)
    source = datasets.read_split(config, config.data.train)
    batches = training_batches(config, source, 0, jax.process_index(), jax.process_count())
    taken = itertools.islice(batches, options.steps)
    records = [sharding.gather_rows(batch["record"]).tolist() for batch in taken]
    batches.close()
    if jax.process_index() == 0:
        lines = [json.loads(line) for line in (options.workdir / METRICS_LOG).read_text().splitlines()]
        series = {
            name: [line[name] for line in lines if "loss" in line] for name in ("loss", "gradient_norm")
        }
        print(json.dumps({"series": series, "records": records, "summaries": summaries}))


if __name__ == "__main__":
    main()
