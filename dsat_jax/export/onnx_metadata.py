"""Metadata of ONNX models: what a user without this package needs to make their input and to read their output."""

import json
import pathlib
import re
from collections.abc import Iterable

from ml_collections import ConfigDict

import dsat_jax
from dsat_jax.config.mixture_entries import dataset_names
from dsat_jax.files import locations
from dsat_jax.inference.export_archive import Settings
from dsat_jax.schemes.description import describe as describe_scheme
from dsat_jax.weights import zoo

DESCRIPTION = "Face landmarks in square crops. The metadata describe the crop, the input and the outputs."
_CROP = (
    "The face box x_min, y_min, x_max, y_max around the expected landmarks, in image pixels, grows by `enlarge` of its "
    "width and height on each side, to width w and height h. An image pixel (x, y) is at scale * (x - centre_x) + "
    "(size - 1) / 2, and likewise for y, in the crop, with scale = (size - 1) * (w + h) / (w**2 + h**2) and the centre "
    "of the box. Pixel centres are at integers, sampling is bilinear, and pixels outside the image are black. If scale "
    "is below 0.5, the image is first resized by it with averaging over areas."
)
_OUTPUTS = {
    "points": "float32 [batch, {points}, 2]: x, y of the landmarks in pixels of the crop, the centre of its first "
    "pixel at (0, 0), in the order of the scheme",
    "confidence": "float32 [batch, {points}]: peak values of the heatmaps of the landmarks; only their mean over a "
    "face says something, and only within this network",
    "gates": "float32 [batch, channels]: above 0 where the network uses a channel for a face",
}


def of_network(settings: Settings, config: ConfigDict, network: pathlib.Path) -> dict[str, str]:
    """Returns the metadata of a network's crop, scheme and origin.

    Args:
      settings: crop and scheme of the network.
      config: configuration of the run.
      network: run folder or weights file; the metadata of a shipped network include its card and its terms of use.
    """
    scheme = settings.scheme
    metadata = {
        "size": str(settings.size),
        "enlarge": str(settings.enlarge),
        "crop": _CROP,
        "mirror": json.dumps(config.evaluate.mirror),
        "scheme": scheme.name,
        "scheme_description": json.dumps(describe_scheme(scheme)),
        "five_points": json.dumps(scheme.five_points),
        "documentation": f"docs/export.md of dsat_jax {dsat_jax.__version__} has the crop in NumPy and OpenCV",
        "jax": settings.jax_version,
        "network": config.name,
        "trained_on": dataset_names(config),
    }
    return metadata | _of_card(network)


def of_signature(settings: Settings, outputs: Iterable[str]) -> dict[str, str]:
    """Returns the metadata of the input and of some outputs, keys of `Landmarks`."""
    size, points = settings.size, settings.scheme.num_points
    images = (
        f"uint8 [batch, {size}, {size}, 3] for any batch size: crops, first row at the top, colours red, green, blue, "
        "values 0 to 255; the network normalises them"
    )
    return {
        "input images": images,
        **{f"output {name}": _OUTPUTS[name].format(points=points) for name in outputs},
    }


def _of_card(network: pathlib.Path) -> dict[str, str]:
    """Returns card and terms of use of a shipped network, nothing of another one."""
    for name in zoo.PRETRAINED:
        if locations.absolute(network) == zoo.weights(name).resolve():
            card = zoo.weights(name).with_suffix(".md").read_text(encoding="utf-8")
            (terms,) = re.findall(r"^\*\*Terms\*\*: (.+?)\n\n", card, flags=re.MULTILINE | re.DOTALL)
            return {"model_license": terms.replace("\n", " "), "card": card}
    return {}
