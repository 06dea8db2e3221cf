"""Weights files of unknown origin: numbers are read, and no code in them is executed."""

import os
import pathlib
import pickle
import resource
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from dsat_jax.weights import state_dict, torch_import, torch_names
from dsat_jax.weights.state_dict import read_state_dict


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip(
        "torch", reason="PyTorch, which alone reads and writes .pth files, is not installed"
    )


class Command:
    """An object whose unpickling runs a command."""

    def __init__(self, command: str):
        self.command = command

    def __reduce__(self) -> tuple:
        return os.system, (self.command,)


@pytest.mark.parametrize("form", ["zip", "older", "plain pickle"])
def test_a_checkpoint_with_a_command_is_refused_and_the_command_not_run(torch, tmp_path, form):
    path, marker = tmp_path / "weights.pth", tmp_path / "marker"
    content = {"conv1.weight": torch.ones(2), "command": Command(f"touch {marker}")}
    if form == "plain pickle":
        path.write_bytes(pickle.dumps(content["command"], protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(ValueError, match=r"weights\.pth .*: it asks for posix\.system, which was not run"):
        read_state_dict(path)
    assert not marker.exists()
    if form == "zip":  # an unsafe reader runs the command
        torch.load(path, weights_only=False)
        assert marker.exists()


def test_a_pickle_in_an_npz_is_refused_and_does_not_run(tmp_path):
    marker = tmp_path / "marker"
    array = np.array([Command(f"touch {marker}")], dtype=object)
    np.savez(tmp_path / "weights.npz", command=array)
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        read_state_dict(tmp_path / "weights.npz")
    assert not marker.exists()


@pytest.mark.parametrize("suffix", ["npz", "pth"])
def test_a_zip_bomb_is_refused_by_its_headers(torch, tmp_path, suffix):
    path = tmp_path / f"weights.{suffix}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl" if suffix == "pth" else "a.npy", bytes(1000))
    content = bytearray(path.read_bytes())
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = (2**32 - 2).to_bytes(4, "little")  # the uncompressed size
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="it claims 4294967294 bytes of arrays, expected at most 2147483648"):
        read_state_dict(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_an_expanded_tensor_of_excessive_size_is_refused(torch, tmp_path):
    torch.save({"a": torch.ones(1, dtype=torch.float16).expand(10**6, 10**6)}, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="it claims 4000000000000 bytes of arrays"):
        read_state_dict(tmp_path / "weights.pth")


def test_parameters_are_read_like_tensors(torch, tmp_path):
    content = {"a": torch.nn.Parameter(torch.ones(2)), "b": torch.arange(3), "c": torch.ones(1).half()}
    torch.save(content, tmp_path / "weights.pth")
    state = read_state_dict(tmp_path / "weights.pth")
    assert {name: array.tolist() for name, array in state.items()} == {
        "a": [1, 1],
        "b": [0, 1, 2],
        "c": [1],
    }


def test_weights_that_are_not_finite_are_named():
    template = {"params": {"conv_1": {"bias": np.zeros(2)}}, "batch_stats": {}}
    names = torch_names.TorchNames({"params": "", "conv_1": "conv1"})
    for values in ([1, np.nan], [np.inf, 1], [1, 1e300]):
        with pytest.raises(ValueError, match=r"here does not fit the network:\n  not finite: conv1\.bias"):
            torch_import.convert({"conv1.bias": np.array(values)}, template, names, "here")


def test_pth_without_pytorch_is_refused_with_the_command_to_install_it(tmp_path):
    (tmp_path / "weights.pth").write_bytes(b"anything")
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from dsat_jax.weights.state_dict import read_state_dict\n"
        f"try: read_state_dict({str(tmp_path / 'weights.pth')!r})\n"
        "except ValueError as error: assert 'PyTorch, which is not installed: pip install' in str(error)\n"
        "else: raise AssertionError"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=pathlib.Path(__file__).parents[2])


def test_files_above_the_size_limit_are_refused(tmp_path):
    for suffix in ("npz", "safetensors", "pth"):
        with (tmp_path / f"weights.{suffix}").open("wb") as file:
            file.truncate(state_dict.MOST_BYTES + 1)
        with pytest.raises(ValueError, match=rf"weights\.{suffix} .* it claims 2147483649 bytes of arrays"):
            read_state_dict(tmp_path / f"weights.{suffix}")
