"""Files of weights as arrays by name. What a file asks to be run is not run, and what it claims is checked first.

PyTorch itself is imported only to read its own file format.
"""

import collections
import pathlib
import re
import warnings
import zipfile

import jax.numpy as jnp
import numpy as np
import safetensors.numpy

from dsat_jax.errors import UserError

# All arrays of a file together. The largest network here, a full DSAT, has 743 MB.
MOST_BYTES = 2**31


def read_state_dict(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """The entries of a checkpoint file by their PyTorch names.

    Args:
      path: a state dict as .npz, .safetensors, .pth or .pth.tar, alone or, in the last two, under the key
        'state_dict', with or without the 'module.' that PyTorch's DataParallel puts before each name.

    Returns:
      Arrays of real numbers.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the file is of another kind, damaged, or larger than any network here, if PyTorch is needed and not
        installed, or if it holds anything but real numbers by name, or two of the same name.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint {path}")
    suffix = next((suffix for suffix in _READERS if path.name.lower().endswith(suffix)), None)
    if suffix is None:
        raise UserError(
            f"{path} is not a checkpoint that can be read: expected .npz, .safetensors, .pth or .pth.tar"
        )
    read, kind = _READERS[suffix]
    try:
        _check_size(path.stat().st_size)
        return _by_name(read(path))
    except ImportError as error:
        raise UserError(f"{path} is read by PyTorch, which is not installed: pip install torch") from error
    except Exception as error:
        # the libraries take any bytes for lengths and types, and fail in every way there is
        raise UserError(f"{path} is damaged, or {kind}: {cause(error)}") from error


def _check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise UserError(f"it claims {size} bytes of arrays, expected at most {MOST_BYTES}")


def _by_name(entries: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Entries without the 'module.' before their names; refuses what no network has."""
    state = {}
    for name, array in entries.items():
        if not isinstance(name, str) or not name.isprintable():
            raise UserError(f"found an entry called {name!r}, expected the name of a parameter")
        # JAX's function, as bfloat16 is no number to NumPy.
        if not any(jnp.issubdtype(array.dtype, kind) for kind in (jnp.integer, jnp.floating)):
            raise UserError(f"{name} holds {array.dtype}, expected real numbers")
        name = name.removeprefix("module.")
        if name in state:
            raise UserError(f"{name} stands there with and without 'module.'")
        state[name] = array
    return state


def check_archive(archive: zipfile.ZipFile) -> None:
    """Refuses an archive by its headers: zip bombs, and names of which one would be lost.

    Raises:
      ValueError: if its members are larger than any network here, or two have one name.
    """
    members = archive.infolist()
    _check_size(sum(member.file_size for member in members))
    name, count = collections.Counter(member.filename for member in members).most_common(1)[0]
    if count > 1:
        raise UserError(f"{name!r} stands there {count} times")


def _read_npz(path: pathlib.Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:  # NumPy alone takes any other file for a pickle or one array
        check_archive(archive)
        return {name.removesuffix(".npy"): read_npy(archive, name) for name in archive.namelist()}


def read_npy(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """An array of numbers in an archive; nothing is unpickled.

    Args:
      archive: one that `check_archive` has passed.
      name: of the member, which ends in .npy.

    Raises:
      Exception: of any kind that `zipfile` and NumPy have, if it is damaged or something else.
    """
    if not name.endswith(".npy"):
        raise UserError(f"{name!r} is no array")
    with archive.open(name) as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
        if stream.read(1):  # at its end the archive's checksum is compared, too
            raise UserError(f"{name!r} is longer than its array")
    return array


def _read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    return safetensors.numpy.load_file(path)  # bfloat16 is a NumPy type since Flax imported JAX


def _read_pth(path: pathlib.Path) -> dict[str, np.ndarray]:
    import torch  # here alone: the library runs without PyTorch

    if zipfile.is_zipfile(path):  # older files are not
        with zipfile.ZipFile(path) as archive:
            check_archive(archive)
    with warnings.catch_warnings():  # of old and foreign forms, which are read or refused
        warnings.simplefilter("ignore")
        content = torch.load(path, map_location="cpu", weights_only=True)
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError("it holds no state dict, expected tensors by name, alone or under 'state_dict'")
    # An expanded tensor says of one number that it fills any shape.
    _check_size(sum(4 * tensor.numel() for tensor in state.values()))
    whole = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
    for name, tensor in state.items():
        plain = tensor.layout == torch.strided and not (tensor.is_nested or tensor.is_meta)
        if not plain or not (tensor.dtype.is_floating_point or tensor.dtype in whole):
            found = f"a {tensor.layout} tensor of {tensor.dtype}"
            raise UserError(f"{name} is {found}, expected a plain one of real numbers, with its data")
    return {name: tensor.detach().float().numpy() for name, tensor in state.items()}


def cause(error: Exception) -> str:
    """The first sentence of an error of a library, to put behind what was read.

    From PyTorch's it leaves out the advice to read a file in a way that would run it.
    """
    asked = re.search(r"GLOBAL (\S+)", str(error))
    if asked:
        return f"it asks for {asked[1]}, which was not run"
    sentence = re.split(r"\.\s|\n", str(error))[0]
    return sentence if " " in sentence else f"{type(error).__name__} {sentence}".strip()


# By suffix, and what a file that cannot be read is instead.
_READERS = {
    ".npz": (_read_npz, "no .npz archive of arrays"),
    ".safetensors": (_read_safetensors, "not in the safetensors format"),
    ".pth": (_read_pth, "holds more than tensors"),
    ".pth.tar": (_read_pth, "holds more than tensors"),
}
