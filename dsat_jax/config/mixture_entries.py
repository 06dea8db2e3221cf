"""The entries of `config.data.mixture`, "DATASET SPLIT SHARE" or "DATASET SPLIT SHARE DATA_DIR", as text."""

from collections.abc import Sequence

from ml_collections import ConfigDict


def without_folders(mixture: Sequence[str]) -> tuple[str, ...]:
    """Returns the entries without their DATA_DIR, which belongs to the machine."""
    return tuple(" ".join(entry.split()[:3]) for entry in mixture)


def dataset_names(config: ConfigDict) -> str:
    """Returns the names of all training datasets of a run, separated by commas."""
    return ", ".join([config.data.dataset, *(entry.split()[0] for entry in config.data.mixture)])
