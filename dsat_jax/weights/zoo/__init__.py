"""The networks that are shipped, as files beside this one, each with a card `NAME.md`."""

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
    """Where a trained network lies.

    Args:
      name: a key of `PRETRAINED`, or the path of a .safetensors file or of a run's folder.

    Raises:
      FileNotFoundError: if it is none of these.
      ValueError: if it is shipped, and its file is damaged.
    """
    if name in PRETRAINED:
        return weights(name)
    if not pathlib.Path(name).exists():
        raise FileNotFoundError(
            f"{name} is neither a file or folder, nor a network that is shipped: {', '.join(PRETRAINED)}"
        )
    return pathlib.Path(name)


def weights(name: str) -> pathlib.Path:
    """The file of a network's weights.

    Args:
      name: a key of `PRETRAINED`.

    Raises:
      ValueError: if there is no network of that name, or its file is not the one that was shipped.
      OSError: if the file is missing.
    """
    if name not in PRETRAINED:
        raise UserError(f"no network {name!r} is shipped; there are {', '.join(PRETRAINED)}")
    path = FOLDER / f"{name}.safetensors"
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != PRETRAINED[name]:
        raise UserError(
            f"{path} is damaged: its SHA-256 is {found}, expected {PRETRAINED[name]}: install anew"
        )
    return path
