"""Files of exported runs: a tiny network, damaged in every way."""

import functools
import io
import json
import pathlib
import pickle
import zipfile
from collections.abc import Mapping

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from bad_inputs.corpus import Kind, put_all, reader_message, write
from bad_inputs.weights import FLOATS, npy, npy_header, patch

from dsat_jax.export import exporter
from dsat_jax.inference import exported
from dsat_jax.inference.landmarks import Landmarks

FILE = "run.export"
SIZE = 4
WEIGHTS = {"params": {"kernel": np.ones((3, 2), np.float32)}}
SETTINGS = {
    "format": "dsat_jax export",
    "version": 2,
    "size": SIZE,
    "enlarge": 0.1,
    "scheme": "aflw_19",
    "jax": jax.__version__,
}
DAMAGED = "is damaged, or not a file of --mode=export"
UNREADABLE = "cannot read the network, which JAX"


def forward(variables: Mapping, images: jax.Array) -> Landmarks:
    """The mean colour of a face, multiplied by a matrix, as the position of every landmark."""
    position = images.astype(jnp.float32).mean(axis=(1, 2)) @ variables["params"]["kernel"]
    return Landmarks(jnp.tile(position[:, None], (1, 19, 1)), None, None)


@functools.cache
def network() -> bytes:
    return exporter.stage(forward, WEIGHTS, SIZE)


def staged(
    function: object, *arguments: object, platforms: tuple[str, ...] = ("cpu",), **options: object
) -> bytes:
    """A function in the serialised form of `jax.export`."""
    return bytes(jax.export.export(jax.jit(function), platforms=platforms, **options)(*arguments).serialize())


def calls_something(weights: Mapping, images: jax.Array) -> dict[str, jax.Array]:
    """A custom call, which JAX would look up by name in the process and call with the images."""
    return {"points": jax.ffi.ffi_call("something", jax.ShapeDtypeStruct((8, 19, 2), jnp.float32))(images)}


FORMS = (
    {"params/kernel": jax.ShapeDtypeStruct((3, 2), jnp.float32)},
    jax.ShapeDtypeStruct((8, 4, 4, 3), jnp.uint8),
)


def archive(
    settings: Mapping[str, object] | bytes = SETTINGS,
    program: bytes | None = None,
    mirrored: bytes | None = None,
    kernel: bytes | None = None,
    name: str = "params/kernel",
    without: str = "",
) -> bytes:
    """An export with another part, or without one."""
    members = {
        "settings.json": settings if isinstance(settings, bytes) else json.dumps(settings).encode(),
        "network.jax": network() if program is None else program,
        "mirrored.jax": network() if mirrored is None else mirrored,
        f"weights/{name}.npy": npy(WEIGHTS["params"]["kernel"]) if kernel is None else kernel,
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for member, content in members.items():
            if member != without:
                file.writestr(member, content)
    return stream.getvalue()


def settings(**change: object) -> bytes:
    return archive({**SETTINGS, **change})


@functools.cache
def good() -> bytes:
    return archive()


allowed = jax.export.DisabledSafetyCheck.custom_call("something")
CASES = put_all(
    FILE,
    {
        "nothing": (b"", DAMAGED),
        "text": ("hello", DAMAGED, "File is not a zip file"),
        "a pickle": (pickle.dumps([1, 2]), DAMAGED),
        **{f"cut to {share:.0%}": (good()[: int(share * len(good()))], DAMAGED) for share in (0.2, 0.6, 0.99)},
        "a flipped bit": (patch(good(), b"\x80\x3f", 0, b"\x81"), DAMAGED, "Bad CRC-32"),
        "four gigabytes in the directory": (patch(good(), b"PK\x01\x02", 24, b"\xfe\xff\xff\xff"), DAMAGED,
                                            "expected at most 2147483648"),
        "an archive of weights": (archive(without="settings.json"), DAMAGED, "it contains no settings.json"),
        "settings that are no JSON": (archive(b"{"), DAMAGED, "not JSON"),
        "settings that are a list": (archive(b"[]"), DAMAGED, "does not state the format 'dsat_jax export'"),
        "another format": (settings(format="x"), DAMAGED, "does not state the format 'dsat_jax export'"),
        "an earlier version": (settings(version=1), "has version 1, this dsat_jax reads 2: export the run again"),
        "a later version": (settings(version=3), "has version 3, this dsat_jax reads 2"),
        "no size": (settings(size=None), "size is None, expected a number from 1 to 4096"),
        "a size of 0": (settings(size=0), "size is 0, expected a number from 1 to 4096"),
        "a size as text": (settings(size="4"), "size is '4', expected a number"),
        "a size of another network": (settings(size=8), "takes images uint8[4, 4, 3]", "expected uint8[8, 8, 3]"),
        "a margin that is no number": (settings(enlarge=float("nan")), "enlarge is nan, expected a number"),
        "a boolean for a margin": (settings(enlarge=True), "enlarge is True, expected a number"),
        "a scheme that does not exist": (settings(scheme="aflw_20"), "unknown scheme 'aflw_20'"),
        "a scheme of another network": (settings(scheme="w300_68"), "returns points float32[19, 2] per face",
                                        "expected float32[68, 2]"),
        "a scheme that is a number": (settings(scheme=19), "scheme is 19, expected some text"),
        "no network": (archive(without="network.jax"), DAMAGED, "it contains no network.jax"),
        "no mirrored network": (archive(without="mirrored.jax"), DAMAGED, "it contains no mirrored.jax"),
        "an empty network": (archive(program=b""), UNREADABLE),
        "an empty mirrored network": (archive(mirrored=b""), UNREADABLE),
        "a network that is text": (archive(program=b"hello, this is a text"), UNREADABLE),
        "a network cut in half": (archive(program=network()[: len(network()) // 2]), UNREADABLE),
        "a network that calls other code": (archive(program=staged(calls_something, *FORMS, disabled_checks=[allowed])),
                                            "the network calls something, expected no custom call"),
        "a mirrored network that calls other code": (
            archive(mirrored=staged(calls_something, *FORMS, disabled_checks=[allowed])),
            "the network calls something, expected no custom call"),
        "a network for a TPU alone": (archive(program=staged(lambda weights, images: {"points": images}, *FORMS,
                                                             platforms=("tpu",))),
                                      "is for tpu, this process runs on cpu"),
        "a network of one argument": (archive(program=staged(jnp.sin, jnp.zeros(3))), "has another signature"),
        "no weights": (archive(without="weights/params/kernel.npy"), "params/kernel is missing, the network"),
        "weights of other names": (archive(name="params/bias"), "params/bias is float32[3, 2]", "and 1 more"),
        "weights of another shape": (archive(kernel=npy(np.ones((3, 3), np.float32))),
                                     "params/kernel is float32[3, 3], the network expects float32[3, 2]"),
        "weights of another type": (archive(kernel=npy(np.ones((3, 2)))), "params/kernel is float64[3, 2], the"),
        "weights that are objects": (archive(kernel=npy(np.array([{}], object))), "Object arrays cannot be loaded"),
        "weights shorter than declared": (archive(kernel=npy_header(FLOATS % "1000,")), DAMAGED),
        "weights longer than declared": (archive(kernel=npy_header(FLOATS % "1,")), DAMAGED, "longer than its array"),
    },
)  # fmt: skip


def prepare(root: pathlib.Path) -> None:
    write(root / FILE, good())


def enter(root: pathlib.Path) -> str | None:
    return reader_message(lambda: exported.load_exported(root / FILE))


KINDS = {"exported run": Kind(prepare, enter, CASES)}
