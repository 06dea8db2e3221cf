"""The table of faces: one line for each, for a spreadsheet or pandas."""

import csv
import pathlib

import numpy as np

from dsat_jax.evaluation.report.evaluation import Evaluation


def write(evaluation: Evaluation, path: pathlib.Path) -> None:
    """Writes faces.csv: a line for every face of every split.

    Columns: split; record (its index there); name of the picture; nme_<normaliser>_percent, empty where the normaliser
    is unknown; each attribute as 0 or 1; open_channels and mean_confidence, empty for a model without them.
    """
    attributes = list(next(iter(evaluation.results.values())).attributes)
    nme = f"nme_{evaluation.config.evaluate.normaliser}_percent"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["split", "record", "name", nme, *attributes, "open_channels", "mean_confidence"])
        for split, result in evaluation.results.items():
            count = len(result.nme)
            gates, confidence = result.open_channels, result.confidence
            opened = [""] * count if gates is None else gates.sum(axis=1).tolist()
            mean = [""] * count if confidence is None else [f"{c:.4f}" for c in confidence.mean(axis=1)]
            for row in range(count):
                writer.writerow(
                    [
                        split,
                        int(result.record[row]),
                        evaluation.names[split][row],
                        "" if np.isnan(result.nme[row]) else f"{100 * result.nme[row]:.10g}",
                        *(int(result.attributes[name][row]) for name in attributes),
                        opened[row],
                        mean[row],
                    ]
                )
