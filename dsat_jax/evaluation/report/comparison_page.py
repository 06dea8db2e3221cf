"""The report of a comparison: one self-contained HTML page."""

import html
from collections.abc import Mapping, Sequence

import numpy as np

from dsat_jax.evaluation.report import accuracy
from dsat_jax.evaluation.report.page import Section, number, page, table

_MOST_FACES = 10  # faces of each list


def comparison_page(
    title: str,
    lines: Sequence[Sequence[str]],
    errors: Mapping[str, Mapping[str, np.ndarray]],
    faces: Mapping[str, Sequence[str]],
    threshold: float,
    normaliser: str,
) -> str:
    """Returns the page as HTML: the table, and for each split the error curves and the faces that differ most.

    Args:
      title: title of the page.
      lines: cells of the table, heading first.
      errors: NME of each face, [faces], by split and run; NaN where it is unknown.
      faces: names of the faces by split, in the same order.
      threshold: NME at the end of the curves.
      normaliser: written name of the normaliser.
    """
    caption = "Differences are those of each run from the first, over the same faces."
    sections = [Section("accuracy", "Accuracy", table(lines[0], lines[1:], caption))]
    for i, (split, runs) in enumerate(errors.items()):
        first, *others = runs
        curves = f"<figure>{accuracy.curves(runs, threshold, normaliser)}</figure>"
        lists = "".join(_most_different(runs, first, other, faces[split]) for other in others)
        sections.append(
            Section(f"split-{i}", html.escape(split), f'<div class="columns">{curves}{lists}</div>')
        )
    return page(title, "", sections, "Written by dsat_jax.")


def _most_different(runs: Mapping[str, np.ndarray], first: str, other: str, faces: Sequence[str]) -> str:
    """The faces whose errors differ most between the first run and another, as a table."""
    differences = 100 * (runs[other] - runs[first])
    known = np.flatnonzero(np.isfinite(differences))
    order = known[np.argsort(-np.abs(differences[known]), kind="stable")][:_MOST_FACES]
    rows = [
        [faces[i], number(100 * runs[first][i]), number(100 * runs[other][i]), number(differences[i])]
        for i in order
    ]
    return table(
        ["face", f"{first}, %", f"{other}, %", "difference"], rows, f"{other}: faces that differ most"
    )
