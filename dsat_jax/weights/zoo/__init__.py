"""Shipped networks: `NAME.safetensors` in this folder, each described by a card `NAME.md`."""

import hashlib
import pathlib
from collections.abc import Mapping

from dsat_jax.errors import UserError

FOLDER = pathlib.Path(__file__).parent
# SHA-256 of each NAME.safetensors, as `sha256sum` prints it.
PRETRAINED: Mapping[str, str] = {
    "dsat-300w": "e8e00d101214e0472b728e05e4dcac1b3c0841620a99939dd986899d7ea6839e",
    "lotr-300w": "16a64706c0010ec07c0ca931b968d00a40be5f003acf76d53bf23ab27c8a6a0c",
}
DEFAULT = "dsat-300w"


def find(name: str) -> pathlib.Path:
    """Returns the path of a trained network.

    Args:
      name: key of `PRETRAINED`, or path of a weights file or run folder.

    Raises:
      FileNotFoundError: if it is neither a key nor an existing path.
      ValueError: if the file of a shipped network is damaged.
    """
    if name in PRETRAINED:
        return weights(name)
    if not pathlib.Path(name).exists():
        raise FileNotFoundError(
            f"{name} is neither a file or folder, nor a network that is shipped: {', '.join(PRETRAINED)}"
        )
    return pathlib.Path(name)


def weights(name: str) -> pathlib.Path:
    """Returns the weights file of a shipped network, after a check of its SHA-256.

    Args:
      name: key of `PRETRAINED`.

    Raises:
      ValueError: if no network has this name, or its file is damaged.
      OSError: if the file is missing.
    """
    if name not in PRETRAINED:
        raise UserError(f"no network {name!r} is shipped; expected one of {', '.join(PRETRAINED)}")
    path = FOLDER / f"{name}.safetensors"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != PRETRAINED[name]:
        raise UserError(
            f"{path} is damaged: its SHA-256 is {digest}, expected {PRETRAINED[name]}: reinstall the package"
        )
    return path
