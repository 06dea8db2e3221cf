"""Weights: .npz and .safetensors."""

import io
import json
import os
import pathlib
import pickle
import struct
import warnings
import zipfile

import numpy as np
from bad_inputs.corpus import Kind, put_all, reader_message, write

from dsat_jax.weights.state_dict import read_state_dict

NPZ, SAFE = "weights.npz", "weights.safetensors"
TOO_LARGE = "expected at most 2147483648"


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array)
    return stream.getvalue()


def npy_header(header: str, data: bytes = bytes(8)) -> bytes:
    """An array whose header has any values."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def archive(*members: tuple[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as file:
        warnings.simplefilter("ignore")  # two of one name
        for name, content in members:
            file.writestr(name, content)
    return stream.getvalue()


def patch(data: bytes, mark: bytes, offset: int, new: bytes) -> bytes:
    """Data with other bytes at an offset from the last occurrence of a byte sequence."""
    start = data.rindex(mark) + offset
    return data[:start] + new + data[start + len(new) :]


GOOD = archive(("a.npy", npy(np.ones(4, np.float32))))
FLOATS = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }"
NO_NPZ = "is damaged, or not an .npz archive of arrays"


def zipped(content: bytes) -> bytes:
    return archive(("a.npy", content))


NPZ_CASES = put_all(
    NPZ,
    {
        "nothing": (b"", NO_NPZ),
        "text": ("hello", NO_NPZ, "File is not a zip file"),
        "one array alone": (npy(np.ones(3)), NO_NPZ),
        "a pickle alone": (pickle.dumps([1, 2]), NO_NPZ),
        **{f"cut to {share:.0%}": (GOOD[: int(share * len(GOOD))], NO_NPZ) for share in (0.2, 0.6, 0.99)},
        "a flipped bit": (patch(GOOD, b"\x80\x3f", 0, b"\x81"), NO_NPZ, "Bad CRC-32"),
        "no array": (archive(("data.pkl", b"x")), NO_NPZ, "'data.pkl' is not an array"),
        "an archive of nothing": (archive(("a.npy", b"")), NO_NPZ),
        "text for an array": (zipped(b"hello"), NO_NPZ, "magic string"),
        "an array of objects": (zipped(npy(np.array([{}], object))), NO_NPZ, "Object arrays cannot be loaded"),
        "an array of texts": (zipped(npy(np.array(["x"]))), NO_NPZ, "a holds <U1, expected real numbers"),
        "an array of booleans": (zipped(npy(np.array([True]))), NO_NPZ, "a holds bool, expected real numbers"),
        "complex numbers": (zipped(npy(np.ones(2) * 1j)), NO_NPZ, "a holds complex128, expected real numbers"),
        "an array of records": (zipped(npy(np.zeros(2, "f4,i4"))), NO_NPZ, "expected real numbers"),
        "an array of dates": (zipped(npy(np.zeros(2, "M8[s]"))), NO_NPZ, "expected real numbers"),
        "an array shorter than in its header": (zipped(npy_header(FLOATS % "1000,")), NO_NPZ),
        "an array longer than in its header": (zipped(npy_header(FLOATS % "1,")), NO_NPZ, "is longer than its array"),
        "an array of terabytes": (zipped(npy_header(FLOATS % "2**40,")), NO_NPZ),
        "an array of 10^12 numbers": (zipped(npy_header(FLOATS % "1000000000000,")), NO_NPZ),
        "a negative length": (zipped(npy_header(FLOATS % "-4,")), NO_NPZ),
        "a header that is a call": (zipped(npy_header("__import__('os').system('x')")), NO_NPZ),
        "a header without shape": (zipped(npy_header("{'descr': '<f4'}")), NO_NPZ),
        "a type that does not exist": (zipped(npy_header("{'descr': '<f5', 'fortran_order': False, 'shape': (1,), }")),
                                       NO_NPZ),
        "version 9": (zipped(b"\x93NUMPY\x09\x00" + bytes(60)), NO_NPZ),
        "two of one name": (archive(("a.npy", npy(np.ones(1))), ("a.npy", npy(np.zeros(1)))), "occurs 2 times"),
        "with and without module": (archive(("a.npy", npy(np.ones(1))), ("module.a.npy", npy(np.ones(1)))),
                                    "a occurs with and without the prefix 'module.'"),
        "a control character": (archive(("\x1b[2J.npy", npy(np.ones(1)))), "found an entry called '\\x1b[2J'"),
        "four gigabytes in the directory": (patch(GOOD, b"PK\x01\x02", 24, b"\xfe\xff\xff\xff"), TOO_LARGE),
        "an unknown compression": (patch(GOOD, b"PK\x01\x02", 10, b"\x63\x00"), NO_NPZ),
        "encrypted": (patch(patch(GOOD, b"PK\x01\x02", 8, b"\x01"), b"PK\x03\x04", 6, b"\x01"), NO_NPZ),
    },
)  # fmt: skip


def safetensors(header: object, data: bytes = bytes(8), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(dtype: object = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


NO_SAFE = "is damaged, or not in the safetensors format"
TWICE = b'{"a": %b, "a": %b}' % tuple(json.dumps(tensor(offsets=o)).encode() for o in ((0, 8), (8, 16)))
SAFE_CASES = put_all(
    SAFE,
    {
        "nothing": (b"", NO_SAFE, "header too small"),
        "three bytes": (b"\0\0\0", NO_SAFE, "header too small"),
        "text": ("hello, this is a text", NO_SAFE, "header too large"),
        "a header of exabytes": (safetensors({}, length=2**63), NO_SAFE, "header too large"),
        "a header of 200 MB": (safetensors({}, length=200_000_000), NO_SAFE, "header too large"),
        "a header beyond the end": (safetensors({}, b"", length=50), NO_SAFE, "invalid header length"),
        "a header that is no JSON": (safetensors(b"{{{{"), NO_SAFE, "invalid JSON in header"),
        "a header nested too deeply": (safetensors(b"[" * 100_000), NO_SAFE, "invalid JSON in header"),
        "a header that is no text": (safetensors(b'{"\xff":1}'), NO_SAFE, "invalid UTF-8 in header"),
        "a header that is a list": (safetensors([]), NO_SAFE, "invalid JSON in header"),
        "a tensor that is a number": (safetensors({"a": 3}), NO_SAFE, "invalid JSON in header"),
        "overlapping tensors": (safetensors({"a": tensor(), "b": tensor(offsets=(4, 12))}, bytes(12)), NO_SAFE,
                                "invalid offset for tensor `b`"),
        "a hole between tensors": (safetensors({"a": tensor(), "b": tensor(offsets=(12, 20))}, bytes(20)), NO_SAFE,
                                   "invalid offset for tensor `b`"),
        "two names for one tensor": (safetensors({"a": tensor(), "b": tensor()}), NO_SAFE, "invalid offset"),
        "a name twice": (safetensors(TWICE, bytes(16)), NO_SAFE),
        "a tensor beyond the end": (safetensors({"a": tensor()}, bytes(4)), NO_SAFE, "not fully covered"),
        "bytes behind the last tensor": (safetensors({"a": tensor()}, bytes(9)), NO_SAFE, "not fully covered"),
        "offsets in reverse order": (safetensors({"a": tensor(offsets=(8, 0))}), NO_SAFE, "invalid offset"),
        "negative offsets": (safetensors({"a": tensor(offsets=(-8, 0))}), NO_SAFE, "invalid JSON in header"),
        "three offsets": (safetensors({"a": tensor(offsets=(0, 4, 8))}), NO_SAFE, "invalid JSON in header"),
        "no offsets": (safetensors({"a": {"dtype": "F32", "shape": [2]}}), NO_SAFE, "missing field `data_offsets`"),
        "a shape that does not fit": (safetensors({"a": tensor(shape=(3,))}), NO_SAFE, "invalid shape"),
        "a negative shape": (safetensors({"a": tensor(shape=(-2,))}), NO_SAFE, "invalid JSON in header"),
        "a shape of decimals": (safetensors({"a": tensor(shape=(2.0,))}), NO_SAFE, "invalid JSON in header"),
        "a shape beyond any memory": (safetensors({"a": tensor(shape=(2**62, 2**62))}), NO_SAFE, "overflow"),
        "an unknown type": (safetensors({"a": tensor("F31")}), NO_SAFE, "unknown variant `F31`"),
        "a type that is a number": (safetensors({"a": tensor(32)}), NO_SAFE, "invalid JSON in header"),
        "a type that NumPy does not have": (safetensors({"a": tensor("F8_E4M3", (8,))}), NO_SAFE),
        "a type that no library has": (safetensors({"a": tensor("F4", (16,))}), NO_SAFE),
        "booleans": (safetensors({"a": tensor("BOOL", (8,))}), NO_SAFE, "a holds bool, expected real numbers"),
        "complex numbers": (safetensors({"a": tensor("C64", (1,))}), NO_SAFE, "a holds complex64, expected real"),
        "a control character": (safetensors({"\x1b[2J": tensor()}), "found an entry called '\\x1b[2J'"),
        "with and without module": (safetensors({"a": tensor(), "module.a": tensor(offsets=(8, 16))}, bytes(16)),
                                    "a occurs with and without the prefix 'module.'"),
    },
)  # fmt: skip


def prepare_npz(root: pathlib.Path) -> None:
    write(root / NPZ, GOOD)


def prepare_safe(root: pathlib.Path) -> None:
    write(root / SAFE, safetensors({"a": tensor()}))


def enter(root: pathlib.Path) -> str | None:
    """Calls the reader of `--config.model.backbone_weights`; code in the file must not run."""
    (path,) = root.glob("weights.*")
    here = os.getcwd()
    os.chdir(root)
    try:
        return reader_message(lambda: read_state_dict(path))
    finally:
        os.chdir(here)
        assert not (root / "ran").exists()


KINDS = {
    ".npz": Kind(prepare_npz, enter, NPZ_CASES),
    ".safetensors": Kind(prepare_safe, enter, SAFE_CASES),
}
