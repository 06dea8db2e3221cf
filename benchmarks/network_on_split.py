"""Common parts of the measurements of trained networks: arguments, loading, forward pass, NME."""

import argparse
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np
from ml_collections import ConfigDict

from dsat_jax import metrics, schemes
from dsat_jax.data import datasets
from dsat_jax.errors import UserError
from dsat_jax.inference import trained_network
from dsat_jax.inference.forward import jit_forward
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.inference.trained_network import TrainedNetwork
from dsat_jax.records import UNKNOWN
from dsat_jax.weights import zoo


def parser(description: str, dataset: str = "w300") -> argparse.ArgumentParser:
    """Returns a parser of the network, the dataset, its split and its folder.

    Args:
      description: help text of the program.
      dataset: default dataset.
    """
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("network", help="name of a shipped network, weights file, or run folder")
    made.add_argument("--dataset", default=dataset)
    made.add_argument("--split", required=True)
    made.add_argument("--data_dir", help="folder of the built datasets; TFDS's own by default")
    return made


def load(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace
) -> tuple[TrainedNetwork, Sequence[Mapping[str, np.ndarray]]]:
    """Loads the network, with that dataset in its configuration, and the records of the split.

    Ends the process with an error message if the network or the split cannot be loaded.

    Args:
      parser: parser of the arguments, for the error message.
      arguments: arguments that it parsed.
    """
    try:
        network = trained_network.load(zoo.find(arguments.network))
        network.config.data.dataset = arguments.dataset
        if arguments.data_dir is not None:
            network.config.data.data_dir = arguments.data_dir
        return network, datasets.read_split(network.config, arguments.split)
    except (UserError, OSError) as error:
        parser.error(str(error))


def crop_forward(network: TrainedNetwork) -> Callable[[np.ndarray], Landmarks]:
    """Returns the network as a function from crops, uint8 [batch, size, size, 3], to `Landmarks`."""
    forward = jit_forward(network.model, network.config, network.mesh)
    return lambda crops: jax.device_get(forward(network.variables, crops))


def face_nme(
    predicted: np.ndarray, records: Sequence[Mapping[str, np.ndarray]], config: ConfigDict
) -> np.ndarray:
    """Returns the NME of each face, [faces], as a share of the configuration's normaliser.

    Args:
      predicted: predicted landmarks, [faces, points, 2], pixels of the records' images.
      records: records of the faces.
      config: configuration of the network.
    """
    labels, boxes = (np.stack([record[name] for record in records]) for name in ("landmarks", "box"))
    known = np.stack([record["visibility"] for record in records]) != UNKNOWN
    normaliser, scheme = config.evaluate.normaliser, schemes.find(config.data.scheme)
    return metrics.nme(metrics.labelled_errors(predicted, labels, known, boxes, normaliser, scheme), known)
