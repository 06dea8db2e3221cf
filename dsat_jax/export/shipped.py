"""Stages the shipped networks: `python -m dsat_jax.export.shipped` writes their `NAME.export`, without weights.

To be run after a change of a network's code, and at least every six months, because JAX guarantees to read programs of
releases up to six months older.
"""

import dataclasses

from absl import app

from dsat_jax.export import exporter
from dsat_jax.inference import export_archive, trained_network
from dsat_jax.weights import zoo


def main(_: list[str]) -> None:
    """Writes the programs of all shipped networks."""
    for name in zoo.PRETRAINED:
        staged = exporter.staged_export(trained_network.load(zoo.weights(name)))
        export_archive.write(zoo.program(name), dataclasses.replace(staged, weights={}))
        print(f"{zoo.program(name)}: {zoo.program(name).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    app.run(main)
