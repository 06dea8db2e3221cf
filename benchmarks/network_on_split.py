"""What the measurements of trained networks ask for on their command line: a network, and a split of a dataset."""

import argparse
from collections.abc import Mapping, Sequence

import numpy as np

from dsat_jax import datasets, pretrained, trained
from dsat_jax.trained import TrainedNetwork


def parser(description: str, dataset: str = "w300") -> argparse.ArgumentParser:
    """A parser with the network, the dataset, its split and where it lies."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("network", help="shipped network, .safetensors file, or a run's folder")
    made.add_argument("--dataset", default=dataset)
    made.add_argument("--split", required=True)
    made.add_argument("--data_dir", help="where the dataset lies, if not in TFDS's own folder")
    return made


def load(given: argparse.Namespace) -> tuple[TrainedNetwork, Sequence[Mapping[str, np.ndarray]]]:
    """The network, its configuration on that dataset, and the records of the split."""
    network = trained.load(pretrained.find(given.network))
    network.config.data.update(dataset=given.dataset, data_dir=given.data_dir)
    return network, datasets.read_split(network.config, given.split)
