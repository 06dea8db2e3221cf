"""Shipped networks: `NAME.safetensors` in this folder, each described by a card `NAME.md`.

`NAME.export` contains the forward pass of the network, staged by JAX, without the weights: a process that only predicts
starts faster with it. `python -m dsat_jax.export.shipped` writes these files.
"""

import hashlib
import pathlib
from collections.abc import Mapping

from dsat_jax.errors import UserError
from dsat_jax.files import locations

FOLDER = pathlib.Path(__file__).parent
# SHA-256 of each NAME.safetensors, as `sha256sum` prints it.
PRETRAINED: Mapping[str, str] = {
    "dsat-300w": "e8e00d101214e0472b728e05e4dcac1b3c0841620a99939dd986899d7ea6839e",
    "dsat-hard": "721279ab969858e79f935bfede8ccdb64d2c9dcc025a6452c520f04c034d8642",
    "lotr-300w": "53f0940c10ee37ca7166aeb858887ddae73de60470e8af308abe2aeeb97aceff",
}
# Confidence of a face below which it is doubtful: midway between the lowest of 202 predictions of the validation faces
# and the highest of 260 boxes without a face, see docs/prediction.md.
LEAST_CONFIDENCE: Mapping[str, float] = {"dsat-300w": 0.61, "dsat-hard": 0.65}
DEFAULT = "dsat-hard"


def find(name: str) -> pathlib.Path:
    """Returns the path of a trained network.

    Args:
      name: key of `PRETRAINED`, or path of a weights file or run folder, as `locations.reach` takes it.

    Raises:
      FileNotFoundError: if it is neither a key nor an existing path.
      UserError: if it is in a bucket that cannot be read.
    """
    if name in PRETRAINED:
        return weights(name)
    path = locations.reach(name)
    if not path.exists():
        raise FileNotFoundError(
            f"{name} is neither a file or folder, nor a network that is shipped: {', '.join(PRETRAINED)}"
        )
    return path


def weights(name: str) -> pathlib.Path:
    """Returns the path of the weights file of a shipped network; `check` verifies its contents when it is read.

    Args:
      name: key of `PRETRAINED`.

    Raises:
      UserError: if no network has this name.
    """
    if name not in PRETRAINED:
        raise UserError(f"no network {name!r} is shipped; expected one of {', '.join(PRETRAINED)}")
    return FOLDER / f"{name}.safetensors"


def program(name: str) -> pathlib.Path:
    """Returns the path of the staged forward pass of a shipped network, a key of `PRETRAINED`."""
    return FOLDER / f"{name}.export"


def is_shipped(path: pathlib.Path) -> bool:
    """Returns whether a path is the weights file of a shipped network."""
    is_weights = path.name in {f"{name}.safetensors" for name in PRETRAINED}
    return is_weights and not locations.in_bucket(path) and path.resolve().parent == FOLDER.resolve()


def least_confidence(path: pathlib.Path) -> float | None:
    """Returns the least confidence of a face for a shipped weights file; None for other networks."""
    return LEAST_CONFIDENCE.get(path.stem) if is_shipped(path) else None


def check(path: pathlib.Path, data: bytes) -> None:
    """Refuses a shipped weights file whose contents have changed; other files pass.

    Args:
      path: path of a weights file.
      data: its contents.

    Raises:
      UserError: if the SHA-256 is not that of the shipped network.
    """
    if not is_shipped(path):
        return
    digest = hashlib.sha256(data).hexdigest()
    if digest != PRETRAINED[path.stem]:
        raise UserError(
            f"{path} is damaged: its SHA-256 is {digest}, expected {PRETRAINED[path.stem]}: reinstall the package"
        )
