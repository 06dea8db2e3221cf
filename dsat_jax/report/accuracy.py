"""The first sections of a report: the table of subsets and the cumulative error curves."""

import html

import numpy as np

from dsat_jax import metrics, split_result
from dsat_jax.report import charts
from dsat_jax.report.evaluation import Evaluation
from dsat_jax.report.page import Section, number, table

_MOST_LINES = 7  # colours of the page's style
_VERTICES = 240


def subsets_section(evaluation: Evaluation) -> Section:
    """NME, FR and AUC of every subset, and the same to copy."""
    config = evaluation.config
    heading = ["subset", "faces", *(f"{name}, %" for name in split_result.figure_names(config))]
    rows = [
        [name, str(row["faces"]), *(number(row[figure]) for figure in split_result.FIGURES)]
        for name, row in evaluation.summaries.items()
    ]
    caption = (
        f"NME normalised by {evaluation.normaliser} distance, FR and AUC at an NME of "
        f"{100 * config.evaluate.threshold:g} %; errors in pixels of the original pictures."
    )
    copied = html.escape(split_result.tab_separated(evaluation.summaries, config))
    body = (
        f"{table(heading, rows, _distance_once(caption), 'subsets-table')}"
        '<button type="button" data-copy="subsets-tsv">Copy tab-separated</button>'
        f'<details><summary>the same, tab-separated</summary><pre id="subsets-tsv">{copied}</pre></details>'
    )
    return Section("subsets", "Accuracy", body)


def _distance_once(caption: str) -> str:
    """Boxes have a diagonal or a size, which is no distance."""
    return caption.replace("diagonal distance", "diagonal").replace("size distance", "size")


def curves_section(evaluation: Evaluation) -> Section:
    """The cumulative error distribution of each split, or of the subsets of a single one."""
    threshold = evaluation.config.evaluate.threshold
    curves = {split: result.nme for split, result in evaluation.results.items()}
    if len(curves) == 1:
        ((split, result),) = evaluation.results.items()
        curves |= {
            f"{split}/{name}": result.nme[chosen] for name, chosen in split_result.subsets(result).items()
        }
    shown = list(curves.items())[:_MOST_LINES]
    chart = charts.Chart(
        charts.Axis(f"NME ({evaluation.normaliser}), %", 0, 100 * threshold),
        charts.Axis("faces with at most this error, %", 0, 100),
        "Cumulative error distribution",
    )
    names = []
    for series, (name, nme) in reversed(list(enumerate(shown))):  # the first one on top
        auc = metrics.summary(nme, threshold)["auc"]
        names.insert(0, f"{name}: AUC {number(auc, 1)} %")
        chart.line(*_steps(nme, threshold), series, names[0])
    left_out = f'<p class="note">{len(curves) - len(shown)} further subsets: see the table.</p>'
    body = (
        '<p class="soft">Share of the faces whose NME is at most the value below; the AUC is the area under the '
        f"line.</p><figure>{chart.svg()}{charts.legend(names)}</figure>"
        f"{left_out if len(shown) < len(curves) else ''}"
    )
    return Section("curves", "Error curves", body)


def _steps(nme: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The corners of the cumulative error distribution in percent, at most a few hundred of them."""
    if np.isnan(nme).all():
        return np.zeros(0), np.zeros(0)
    errors, share = metrics.cumulative_errors(nme, threshold)
    if len(errors) > _VERTICES:
        kept = np.linspace(0, len(errors) - 1, _VERTICES).round().astype(int)
        errors, share = errors[kept], share[kept]
    return 100 * np.repeat(errors, 2)[1:], 100 * np.repeat(share, 2)[:-1]
