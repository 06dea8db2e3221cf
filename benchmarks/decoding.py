"""A trained DSAT read by each decoder, with and without its mirror image: NME of a split.

python -m benchmarks.decoding runs/w300-small --dataset=w300 --split='train[95%:]'
"""

import argparse
from collections.abc import Sequence

import numpy as np

from dsat_jax import datasets, decode, evaluate, pretrained, trained


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("network", help="shipped network, .safetensors file, or a run's folder")
    parser.add_argument("--dataset", default="w300")
    parser.add_argument("--split", required=True)
    parser.add_argument("--data_dir")
    given = parser.parse_args(arguments)
    network = trained.load(pretrained.find(given.network))
    config = network.config
    config.data.update(dataset=given.dataset, data_dir=given.data_dir)
    records = datasets.read_split(config, given.split)
    print("| NME % | with the mirror image | without |", "|---|---|---|", sep="\n")
    for decoder in decode.DECODERS:
        nmes = []
        for mirror in (True, False):
            config.evaluate.update(decoder=decoder, mirror=mirror)
            step = evaluate.make_evaluation_step(network.model, config, network.mesh)
            found = evaluate.evaluate_split(step, network.variables, config, records, network.mesh)
            nmes.append(f"{100 * np.mean(found.nme):.2f}")
        print(f"| `{decoder}` |", " | ".join(nmes), "|", flush=True)


if __name__ == "__main__":
    main()
