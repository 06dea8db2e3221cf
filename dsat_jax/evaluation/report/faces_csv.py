"""The table of faces, faces.csv, for a spreadsheet or pandas."""

import csv
import io
import pathlib

import numpy as np

from dsat_jax.evaluation.report.evaluation import Evaluation
from dsat_jax.evaluation.result_files import FACE_COLUMNS, nme_column
from dsat_jax.files import atomic_files


def write(evaluation: Evaluation, path: pathlib.Path) -> None:
    """Writes a line for every face of every split.

    Columns: split; record, the index of the face's record; name of the image; nme_<normaliser>_percent, empty where the
    normaliser is unknown; each attribute as 0 or 1; open_channels and mean_confidence, empty for a model without them.
    """
    attributes = list(next(iter(evaluation.results.values())).attributes)
    nme = nme_column(evaluation.config.evaluate.normaliser)
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow([*FACE_COLUMNS, nme, *attributes, "open_channels", "mean_confidence"])
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
    atomic_files.write_text(path, table.getvalue())
