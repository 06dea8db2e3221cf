"""Weights files with changes, for tests of what is refused."""

import json

import safetensors
import safetensors.numpy

METADATA = "dsat_jax"


def rewritten(file, folder, change):
    """A copy of a weights file whose arrays and metadata were changed."""
    arrays = safetensors.numpy.load_file(file)
    with safetensors.safe_open(file, framework="numpy") as opened:
        metadata = json.loads(opened.metadata()[METADATA])
    change(arrays, metadata)
    safetensors.numpy.save_file(arrays, folder / "changed.safetensors", {METADATA: json.dumps(metadata)})
    return folder / "changed.safetensors"
