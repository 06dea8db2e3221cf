"""How long the evaluation took."""

import html

import numpy as np

from dsat_jax.evaluation.report.evaluation import Evaluation
from dsat_jax.evaluation.report.page import Section, number, table


def milliseconds_per_face(evaluation: Evaluation) -> float | None:
    """Of the network, the median over the splits; None where no split has more than one batch."""
    seconds = np.array([result.seconds_per_face for result in evaluation.results.values()])
    seconds = seconds[~np.isnan(seconds)]
    return 1000 * float(np.median(seconds)) if len(seconds) else None


def section(evaluation: Evaluation) -> Section:
    """Seconds of every split."""
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
    passes = ", each seen twice (as it is and mirrored)" if config.evaluate.mirror else ""
    body = (
        f'<p class="soft">On {html.escape(evaluation.device)}, batches of {config.evaluate.batch_size} faces{passes}. '
        "The network: from a batch in memory to its landmarks, the median batch without the first one, which may wait "
        "for the compilation. The whole: reading and cutting pictures and compilation included.</p>"
        + table(
            ["split", "faces", "network, ms a face", "whole, s", "whole, faces/s"], rows, name="speed-table"
        )
    )
    return Section("speed", "Speed", body)
