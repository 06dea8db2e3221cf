"""Weights in PyTorch's format."""

import importlib.util
import io
import os
import pathlib
import pickle
import zipfile
from collections.abc import Callable

import numpy as np
from bad_inputs.corpus import Case, Kind, write
from bad_inputs.weights import TOO_LARGE, archive, enter, patch

PTH = "weights.pth"


def saved(make: Callable[[], object], *parts: str, **settings: object) -> Case:
    """A file written by `torch.save`."""

    def spoil(root: pathlib.Path) -> None:
        import torch

        torch.save(make(), root / PTH, **settings)

    return Case(spoil, (PTH, *parts))


def edited(edit: Callable[[bytes], bytes], *parts: str) -> Case:
    """A valid file whose bytes are changed."""

    def spoil(root: pathlib.Path) -> None:
        write(root / PTH, edit((root / PTH).read_bytes()))

    return Case(spoil, (PTH, *parts))


class Order:
    """An object whose unpickling calls a function."""

    def __init__(self, function: object, *arguments: object):
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


def members(data: bytes, change: Callable[[str, bytes], tuple[str, bytes]]) -> bytes:
    """An archive whose members are changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return archive(*(change(name, file.read(name)) for name in file.namelist()))


def torch_cases() -> dict[str, Case]:
    import torch

    ones = torch.ones
    asks = "it asks for posix.system, which was not run"
    plain = "expected a dense one of real numbers"
    return {
        "an order": saved(lambda: {"a": ones(2), "b": Order(os.system, "touch ran")}, asks),
        "an order in the older form": saved(lambda: {"a": Order(os.system, "touch ran")}, asks,
                                            _use_new_zipfile_serialization=False),
        "an order to evaluate": saved(lambda: {"a": Order(eval, "1")}, "it asks for eval, which was not run"),
        "an order to import": saved(lambda: Order(__import__, "os"), "it asks for __import__, which was not run"),
        "an order to open": saved(lambda: {"a": Order(open, "ran", "w")}, "it asks for io.open, which was not run"),
        "a module": saved(lambda: torch.nn.Linear(2, 2), "torch.nn.modules.linear.Linear, which was not run"),
        "arrays of NumPy": saved(lambda: {"a": np.ones(2)}, "which was not run"),
        "a list": saved(lambda: [ones(2)], "it holds no state dict, expected tensors by name"),
        "a number": saved(lambda: 3, "it holds no state dict"),
        "a tensor alone": saved(lambda: ones(2), "it holds no state dict"),
        "numbers among tensors": saved(lambda: {"a": ones(2), "epoch": 3}, "it holds no state dict"),
        "a state dict in a state dict": saved(lambda: {"state_dict": {"state_dict": {}}}, "it holds no state dict"),
        "names that are numbers": saved(lambda: {1: ones(2)}, "found an entry called 1"),
        "with and without module": saved(lambda: {"a": ones(1), "module.a": ones(1)}, "with and without the prefix"),
        "booleans": saved(lambda: {"a": ones(2, dtype=torch.bool)}, "torch.bool", plain),
        "complex numbers": saved(lambda: {"a": ones(2, dtype=torch.complex64)}, "torch.complex64", plain),
        "a sparse tensor": saved(lambda: {"a": torch.eye(2).to_sparse()}, "torch.sparse_coo", plain),
        "a tensor without data": saved(lambda: {"a": torch.empty(2, device="meta")}, plain, "with data"),
        "a tensor expanded beyond measure": saved(lambda: {"a": ones(1).expand(10**6, 10**6)}, TOO_LARGE),
        "nothing": edited(lambda data: b""),
        "text": edited(lambda data: b"hello\n"),
        "a pickle": edited(lambda data: pickle.dumps({"a": 1})),
        "an order alone": edited(lambda data: pickle.dumps(Order(os.system, "touch ran"), protocol=2), asks),
        "a pickle that does not end": edited(lambda data: b"\x80\x02}q\x00(X\x05"),
        "an unknown instruction": edited(lambda data: b"\x80\x02\xff."),
        **{f"cut to {share:.0%}": edited(lambda data, share=share: data[: int(share * len(data))])
           for share in (0.1, 0.5, 0.9, 0.99)},
        "more numbers than there are": edited(lambda data: members(data, more_numbers), "record size"),
        "no pickle in it": edited(lambda data: members(data, rename), "file not found"),
        "two of one name": edited(lambda data: members(data, call_alike), "'archive/data.pkl' occurs"),
        "a bomb": edited(lambda data: patch(data, b"PK\x01\x02", 24, b"\xfe\xff\xff\xff"), TOO_LARGE),
        "a zip archive of something else": edited(lambda data: archive(("a.txt", b"x"))),
        "a tar archive": edited(lambda data: b"a.txt".ljust(257, b"\0") + b"ustar\x0000" + bytes(2000)),
    }  # fmt: skip


def more_numbers(name: str, content: bytes) -> tuple[str, bytes]:
    return name, content.replace(b"M\xe8\x03", b"M\xff\xff") if name.endswith("data.pkl") else content


def call_alike(name: str, content: bytes) -> tuple[str, bytes]:
    return "archive/data.pkl", content


def rename(name: str, content: bytes) -> tuple[str, bytes]:
    return name.replace("data.pkl", "data.txt"), content


def prepare_pth(root: pathlib.Path) -> None:
    import torch

    torch.save({"a": torch.ones(1000)}, root / PTH)


# Only PyTorch can write and read these files; the library runs without it.
KINDS = {".pth": Kind(prepare_pth, enter, torch_cases())} if importlib.util.find_spec("torch") else {}
