"""Readers of weights files from untrusted sources: no code in a file is executed, and sizes are checked first.

PyTorch is imported only to read its own file format.
"""

import collections
import json
import pathlib
import re
import warnings
import zipfile

import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from dsat_jax.errors import UserError
from dsat_jax.files import locations

# Limit for all arrays of a file together. The largest network of the project, a full DSAT, has 743 MB.
MOST_BYTES = 2**31


def read_state_dict(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the entries of a checkpoint file by their PyTorch names.

    Args:
      path: .npz, .safetensors, .pth or .pth.tar file of a state dict. In the last two the state dict may also be stored
        under the key 'state_dict'. The names may have the prefix 'module.' of PyTorch's DataParallel.

    Returns:
      Arrays of real numbers by name, without the prefix.

    Raises:
      FileNotFoundError: if the file does not exist.
      UserError: if the file has another format, is damaged or is larger than `MOST_BYTES`, if PyTorch is needed and
        not installed, or if an entry is not an array of real numbers or occurs twice.
    """
    path = locations.locate(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint {path}")
    suffix = next((suffix for suffix in _READERS if path.name.lower().endswith(suffix)), None)
    if suffix is None:
        raise UserError(
            f"{path} is not a checkpoint that can be read: expected .npz, .safetensors, .pth or .pth.tar"
        )
    read, kind = _READERS[suffix]
    with locations.local_file(path) as file:
        try:
            _check_size(file.stat().st_size)
            return _by_name(read(file))
        except ImportError as error:
            raise UserError(
                f"{path} is read by PyTorch, which is not installed: pip install torch"
            ) from error
        except Exception as error:
            # The libraries do not validate lengths and types; damaged files raise exceptions of any class.
            raise UserError(f"{path} is damaged, or {kind}: {cause(error)}") from error


def read_safetensors(path: pathlib.Path) -> tuple[bytes, dict[str, np.ndarray], dict[str, str]]:
    """Reads a safetensors file once.

    Args:
      path: file to read.

    Returns:
      The bytes of the file, its arrays by name, and its metadata.

    Raises:
      FileNotFoundError: if the file does not exist.
      UserError: if it is damaged or larger than `MOST_BYTES`, or an entry is not an array of real numbers.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint {path}")
    try:
        _check_size(locations.size(path))
        data = path.read_bytes()
        arrays = _by_name(safetensors.numpy.load(data))
        header = json.loads(
            data[8 : 8 + int.from_bytes(data[:8], "little")]
        )  # which the library has just accepted
        return data, arrays, header.get("__metadata__", {})
    except Exception as error:
        if locations.failure(error) is not None:
            raise
        # Any class, as in `read_state_dict`.
        raise UserError(f"{path} is damaged, or {_READERS['.safetensors'][1]}: {cause(error)}") from error


def _check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise UserError(f"it claims {size} bytes of arrays, expected at most {MOST_BYTES}")


def _by_name(entries: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Removes the prefix 'module.' from the names; refuses entries that no network has."""
    state = {}
    for name, array in entries.items():
        if not isinstance(name, str) or not name.isprintable():
            raise UserError(f"found an entry called {name!r}, expected the name of a parameter")
        # `jnp.issubdtype`, because NumPy's does not count bfloat16 as a number.
        if not any(jnp.issubdtype(array.dtype, kind) for kind in (jnp.integer, jnp.floating)):
            raise UserError(f"{name} holds {array.dtype}, expected real numbers")
        name = name.removeprefix("module.")
        if name in state:
            raise UserError(f"{name} occurs with and without the prefix 'module.'")
        state[name] = array
    return state


def check_archive(archive: zipfile.ZipFile) -> None:
    """Refuses zip bombs and archives with duplicate names, judged by their headers alone.

    Raises:
      UserError: if the members have more than `MOST_BYTES` in total, or two have the same name.
    """
    members = archive.infolist()
    _check_size(sum(member.file_size for member in members))
    name, count = collections.Counter(member.filename for member in members).most_common(1)[0]
    if count > 1:
        raise UserError(f"{name!r} occurs {count} times, expected once")


def _read_npz(path: pathlib.Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:  # `np.load` would also accept a pickle or a single array
        check_archive(archive)
        return {name.removesuffix(".npy"): read_npy(archive, name) for name in archive.namelist()}


def read_npy(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Reads an array of numbers from an archive; nothing is unpickled.

    Args:
      archive: archive that has passed `check_archive`.
      name: name of the member, ending in .npy.

    Raises:
      Exception: any class that `zipfile` and NumPy raise, if the member is damaged or not an array.
    """
    if not name.endswith(".npy"):
        raise UserError(f"{name!r} is not an array")
    with archive.open(name) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
        if stream.read(1):  # `zipfile` compares the checksum only at the end of the member
            raise UserError(f"{name!r} is longer than its array")
    return array


def _read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(path)  # NumPy has the type bfloat16 because JAX is imported


def _read_pth(path: pathlib.Path) -> dict[str, np.ndarray]:
    import torch  # optional dependency

    if zipfile.is_zipfile(path):  # files written before PyTorch 1.6 are not
        with zipfile.ZipFile(path) as archive:
            check_archive(archive)
    with warnings.catch_warnings():  # warnings about old formats, which are read or refused below
        warnings.simplefilter("ignore")
        content = torch.load(path, map_location="cpu", weights_only=True)
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError("it holds no state dict, expected tensors by name, alone or under 'state_dict'")
    # An expanded tensor may have a shape of any size, but only one stored number.
    _check_size(sum(4 * tensor.numel() for tensor in state.values()))
    whole = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
    for name, tensor in state.items():
        plain = tensor.layout == torch.strided and not (tensor.is_nested or tensor.is_meta)
        if not plain or not (tensor.dtype.is_floating_point or tensor.dtype in whole):
            raise UserError(
                f"{name} is a {tensor.layout} tensor of {tensor.dtype}, expected a dense one of real numbers with data"
            )
    return {name: tensor.detach().float().numpy() for name, tensor in state.items()}


def cause(error: Exception) -> str:
    """Returns the first sentence of a library's error, to end an error message with.

    PyTorch's advice to disable `weights_only`, which would run code of the file, is left out.
    """
    call = re.search(r"GLOBAL (\S+)", str(error))
    if call:
        return f"it asks for {call[1]}, which was not run"
    sentence = re.split(r"\.\s|\n", str(error))[0]
    return sentence if " " in sentence else f"{type(error).__name__} {sentence}".strip()


# Suffix: reader, and the end of the message "... is damaged, or ...".
_READERS = {
    ".npz": (_read_npz, "not an .npz archive of arrays"),
    ".safetensors": (_read_safetensors, "not in the safetensors format"),
    ".pth": (_read_pth, "holds more than tensors"),
    ".pth.tar": (_read_pth, "holds more than tensors"),
}
