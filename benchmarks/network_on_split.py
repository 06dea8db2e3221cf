"""What the measurements of trained networks have in common: a network, a split of a dataset, NME."""

import argparse
from collections.abc import Mapping, Sequence

import numpy as np
from ml_collections import ConfigDict

from dsat_jax import metrics, schemes
from dsat_jax.data import datasets
from dsat_jax.inference import trained_network
from dsat_jax.inference.trained_network import TrainedNetwork
from dsat_jax.records import UNKNOWN
from dsat_jax.weights import zoo


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


def load(
    made: argparse.ArgumentParser, given: argparse.Namespace
) -> tuple[TrainedNetwork, Sequence[Mapping[str, np.ndarray]]]:
    """The network, its configuration on that dataset, and the records of the split.

    Args:
      made: by `parser`; says what is wrong with what was given, and ends the process.
      given: what it parsed.
    """
    try:
        network = trained_network.load(zoo.find(given.network))
        network.config.data.dataset = given.dataset
        if given.data_dir is not None:
            network.config.data.data_dir = given.data_dir
        return network, datasets.read_split(network.config, given.split)
    except (ValueError, OSError) as error:
        made.error(str(error))


def face_nme(
    predicted: np.ndarray, records: Sequence[Mapping[str, np.ndarray]], config: ConfigDict
) -> np.ndarray:
    """The NME of each face, [faces], as a share of the configuration's normaliser.

    Args:
      predicted: [faces, points, 2], pixels of the records' pictures.
      records: of the faces.
      config: of the network.
    """
    labels, boxes = (np.stack([record[name] for record in records]) for name in ("landmarks", "box"))
    known = np.stack([record["visibility"] for record in records]) != UNKNOWN
    normaliser, scheme = config.evaluate.normaliser, schemes.find(config.data.scheme)
    return metrics.nme(metrics.labelled_errors(predicted, labels, known, boxes, normaliser, scheme), known)
