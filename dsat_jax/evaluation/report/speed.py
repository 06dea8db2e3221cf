"""The section on speed: time per face and per split."""

import html

import numpy as np

from dsat_jax.evaluation.report.evaluation import Evaluation
from dsat_jax.evaluation.report.page import Section, number, table


def milliseconds_per_face(evaluation: Evaluation) -> float | None:
    """Returns the network's time per face, the median over the splits; None if no split has several batches."""
    seconds = np.array([result.seconds_per_face for result in evaluation.results.values()])
    seconds = seconds[~np.isnan(seconds)]
    return 1000 * float(np.median(seconds)) if len(seconds) else None


def section(evaluation: Evaluation) -> Section:
    """Returns the section: times of every split."""
    rows = []
    for split, result in evaluation.results.items():
        per_second = len(result.nme) / result.seconds
        rows.append(
            [
                split,
                str(len(result.nme)),
                number(1000 * result.seconds_per_face, 2),
                number(result.seconds, 1),
                number(per_second, 1),
            ]
        )
    config = evaluation.config
    passes = ", with mirror averaging" if config.evaluate.mirror else ""
    body = (
        f'<p class="soft">On {html.escape(evaluation.device)}, in batches of {config.evaluate.batch_size} faces'
        f"{passes}. Network: the time from a batch in memory to its landmarks, the median over all batches but the "
        "first, which may include the compilation. Whole: the time of the split, including reading and cropping of the "
        "images and compilation.</p>"
        + table(
            ["split", "faces", "network, ms a face", "whole, s", "whole, faces/s"], rows, name="speed-table"
        )
    )
    return Section("speed", "Speed", body)
