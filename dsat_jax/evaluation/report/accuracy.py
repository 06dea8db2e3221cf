"""The first section of a report: the table of subsets and the cumulative error curves."""

import html
from collections.abc import Mapping

import numpy as np

from dsat_jax import metrics
from dsat_jax.evaluation import split_result
from dsat_jax.evaluation.report import charts
from dsat_jax.evaluation.report.evaluation import Evaluation
from dsat_jax.evaluation.report.page import Section, number, table

_MOST_LINES = 7  # number of colours in page.css
_VERTICES = 240


def section(evaluation: Evaluation) -> Section:
    """Returns the section: NME, FR and AUC of every subset, a copy as plain text, and the error curves."""
    config = evaluation.config
    heading = ["subset", "faces", *split_result.figure_names(config.evaluate.threshold)]
    rows = [
        [name, split_result.faces_of(row), *(number(row[figure]) for figure in split_result.FIGURES)]
        for name, row in evaluation.summaries.items()
    ]
    caption = (
        f"NME: mean error of a face's landmarks in original pixels, divided by the {evaluation.normaliser_in_words}. "
        f"FR: share of faces with an NME above {100 * config.evaluate.threshold:g} %. AUC: area under the cumulative "
        "error curve up to this NME. All in %."
    )
    copied = html.escape(split_result.tab_separated(evaluation.summaries, config))
    body = (
        f'<div class="columns"><div>{table(heading, rows, caption, "subsets-table")}'
        '<button type="button" data-copy="subsets-tsv">Copy tab-separated</button>'
        f'<details><summary>the same, tab-separated</summary><pre id="subsets-tsv">{copied}</pre></details></div>'
        f"<figure>{_curves(evaluation)}</figure></div>"
    )
    return Section("accuracy", "Accuracy", body)


def _curves(evaluation: Evaluation) -> str:
    """The cumulative error distribution of each split; if there is only one split, also those of its subsets."""
    errors = {split: result.nme for split, result in evaluation.results.items()}
    if len(errors) == 1:
        ((split, result),) = evaluation.results.items()
        errors |= {
            f"{split}/{name}": result.nme[chosen] for name, chosen in split_result.subsets(result).items()
        }
    return curves(errors, evaluation.config.evaluate.threshold, evaluation.normaliser)


def curves(errors: Mapping[str, np.ndarray], threshold: float, normaliser: str) -> str:
    """Returns a chart of cumulative error distributions, with its legend, as HTML.

    Args:
      errors: NME of each face by name of the curve, [faces]; NaN where it is unknown.
      threshold: NME at the end of the curves.
      normaliser: written name of the normaliser.
    """
    shown = list(errors.items())[:_MOST_LINES]
    chart = charts.Chart(
        charts.Axis(f"NME ({normaliser}), %", 0, 100 * threshold),
        charts.Axis("faces with at most this error, %", 0, 100),
        "Cumulative error distribution",
    )
    names = []
    for series, (name, nme) in reversed(list(enumerate(shown))):  # so that the first is drawn last, on top
        names.insert(0, f"{name}: AUC {number(metrics.summary(nme, threshold)['auc'], 1)} %")
        chart.line(*_steps(nme, threshold), series, names[0])
    left_out = len(errors) - len(shown)
    return (
        f"{chart.svg()}{charts.legend(names)}"
        f"{f'<figcaption>{left_out} further curves: see the table.</figcaption>' if left_out else ''}"
    )


def _steps(nme: np.ndarray, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """The corners of the cumulative error distribution in percent, thinned out to a few hundred."""
    if np.isnan(nme).all():
        return np.zeros(0), np.zeros(0)
    errors, share = metrics.cumulative_errors(nme, threshold)
    if len(errors) > _VERTICES:
        kept = np.linspace(0, len(errors) - 1, _VERTICES).round().astype(int)
        errors, share = errors[kept], share[kept]
    return 100 * np.repeat(errors, 2)[1:], 100 * np.repeat(share, 2)[:-1]
