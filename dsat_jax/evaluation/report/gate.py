"""What the gate does: open channels by subset, their rank correlations, and the partition by pattern."""

import numpy as np

from dsat_jax.evaluation import split_result
from dsat_jax.evaluation.gate_analysis import Explained, GateAnalysis, Partition, analyse
from dsat_jax.evaluation.rank_correlation import RankCorrelation
from dsat_jax.evaluation.report import charts
from dsat_jax.evaluation.report.evaluation import DistinctFaces, Evaluation
from dsat_jax.evaluation.report.page import Markup, Section, number, table
from dsat_jax.evaluation.split_result import SplitResult
from dsat_jax.schemes import Scheme

_MOST_DOTS = 1500
_KINDS = {
    "learned": "the learned gate, which closes channels",
    "released": "the gate as the released code computes it, which doubles the channels it opens and closes none",
}


def analysis_of(evaluation: Evaluation, faces: DistinctFaces) -> GateAnalysis | None:
    """The gate's analysis over all faces; None for a model without a gate."""
    if faces.result.open_channels is None:
        return None
    return analyse(faces.result.open_channels, quantities(faces.result, evaluation.scheme))


def quantities(result: SplitResult, scheme: Scheme) -> dict[str, np.ndarray]:
    """What may go along with the gate: NME, mean confidence, how sideways a face is, occlusion, attributes.

    Returns:
      float [faces] each, NaN where unknown.
    """
    found = {"NME": result.nme}
    if result.confidence is not None:
        found["mean confidence"] = result.confidence.mean(axis=1).astype(float)
    found["asymmetry of the labels"] = asymmetry(result.labels, scheme)
    if result.occluded.any():
        found["share of occluded landmarks"] = result.occluded.mean(axis=1)
    return found | {name: result.attributes[name].astype(float) for name in split_result.subsets(result)}


def asymmetry(labels: np.ndarray, scheme: Scheme) -> np.ndarray:
    """How far faces are from their own mirror images: a measure of turning sideways that any labels give.

    Args:
      labels: [faces, points, 2]; a face with an unknown landmark has none.
      scheme: of the landmarks.

    Returns:
      [faces]: after Procrustes alignment of a face with its mirror image, the square root of the share of the spread
      that remains; 0 for a symmetric face.
    """
    points = labels[..., 0] + 1j * labels[..., 1]
    points = points - points.mean(axis=1, keepdims=True)
    mirrored = -points.conj()[:, scheme.mirror_permutation]
    spread = (np.abs(points) ** 2).sum(axis=1)
    spread = np.where(spread > 0, spread, np.nan)
    overlap = np.abs((mirrored.conj() * points).sum(axis=1)) / spread
    return np.sqrt(np.maximum(1 - overlap**2, 0))


def section(evaluation: Evaluation, faces: DistinctFaces, found: GateAnalysis) -> Section:
    """The gate's part of the report."""
    channels = len(found.open_share)
    kind = _KINDS[evaluation.config.model.gate]
    opened, closed = int((found.open_share == 1).sum()), int((found.open_share == 0).sum())
    body = [
        f'<p class="soft">DSAT\'s gate opens some of {channels} feature channels for each face; this run has {kind}. '
        "The paper holds that faces are partitioned in this way by pose and occlusion. What was measured here:</p>"
        f"<p>Of {channels} channels, <b>{found.switching}</b> are open for some faces and closed for others, {opened} "
        f"open for all, {closed} closed for all. A face has <b>{number(found.open_counts.mean(), 1)}</b> open channels "
        f"on average (standard deviation {number(found.open_counts.std(), 1)}, {found.open_counts.min()} to "
        f"{found.open_counts.max()}).</p>",
        f'<div class="columns"><figure>{_cloud(evaluation, faces.result, found)}<figcaption>Every dot is a face'
        " (the 1 % of the largest errors at the end of the axis)"
        f"{_sampled(len(found.open_counts))}, moved up or down a little at random.</figcaption></figure>"
        f"<figure>{_bars(found)}<figcaption>How often each channel is open, sorted.</figcaption></figure></div>",
        "<h3>Open channels by subset</h3>",
        _subset_table(evaluation),
        "<h3>What the number of open channels goes along with</h3>",
        _correlation_table(found.correlations),
        "<h3>Which faces share a pathway</h3>",
        _partition(found.partition, faces.result, len(found.open_counts)),
        _explained_table(found.explained),
    ]
    return Section("gate", "Gate", "".join(body))


def _sampled(count: int) -> str:
    return f"; {_MOST_DOTS} of {count}, evenly chosen" if count > _MOST_DOTS else ""


def _cloud(evaluation: Evaluation, result: SplitResult, found: GateAnalysis) -> str:
    """Open channels against NME; the axis of the NME ends where 99 % of the faces are."""
    measured = np.flatnonzero(np.isfinite(result.nme))
    chosen = measured[np.linspace(0, len(measured) - 1, min(len(measured), _MOST_DOTS)).round().astype(int)]
    nme = 100 * result.nme[chosen]
    end = np.percentile(nme, 99) if len(nme) else 1.0
    chart = charts.Chart(
        charts.axis_for(f"NME ({evaluation.normaliser}), %", np.array([end]), start_at_zero=True),
        charts.axis_for("open channels", found.open_counts + np.array([[-0.3], [0.3]])),
        "Open channels against NME",
    )
    spread = np.random.default_rng(0).uniform(
        -0.2, 0.2, len(chosen)
    )  # else dots of the same count make a line
    chart.dots(nme, found.open_counts[chosen] + spread, 0, radius=2.6)
    return f'<div class="cloud">{chart.svg()}</div>'


def _bars(found: GateAnalysis) -> str:
    share = 100 * np.sort(found.open_share)[::-1]
    chart = charts.Chart(
        charts.Axis("channel, by how often it is open", 0, len(share)),
        charts.Axis("faces for which it is open, %", 0, 100),
        "Share of faces for which each channel is open",
    )
    chart.bars(np.arange(len(share)) + 0.5, share, 0.82, 0)
    return chart.svg()


def _subset_table(evaluation: Evaluation) -> str:
    rows = []
    for split, result in evaluation.results.items():
        counts = result.open_channels.sum(axis=1)
        chosen = {split: np.ones(len(counts), bool)}
        chosen |= {f"{split}/{name}": mask for name, mask in split_result.subsets(result).items()}
        for name, mask in chosen.items():
            some = counts[mask]
            rows.append([name, str(len(some)), number(some.mean()), number(some.std())])
    return table(["subset", "faces", "mean open channels", "spread (SD)"], rows, name="gate-table")


def _correlation_table(found: dict[str, RankCorrelation]) -> str:
    rows = [
        [
            name,
            Markup(f'<td class="clear">{number(value.rho)}</td>') if value.clear else number(value.rho),
            f"{number(value.low)} to {number(value.high)}" if value.rho == value.rho else number(value.low),
            Markup(f'<td class="words">{_verdict(value)}</td>'),
        ]
        for name, value in found.items()
    ]
    return (
        table(
            ["with", "Spearman's rho", "95 % interval", Markup('<th class="words">in words</th>')],
            rows,
            name="gate-correlations",
        )
        + '<p class="note">Bold where the interval leaves out 0. Intervals by 1,000 bootstrap resamples of the faces, '
        "each row for itself: of twenty rows without any relation, one would look clear. Asymmetry of the labels: what "
        "remains between a face's landmarks and their mirror image after alignment, which grows as the head turns.</p>"
    )


def _verdict(found: RankCorrelation) -> str:
    if np.isnan(found.rho):
        return "does not vary"
    if not found.clear:
        return "not told apart from 0"
    return "more open channels where larger" if found.rho > 0 else "fewer open channels where larger"


def _partition(partition: Partition, result: SplitResult, count: int) -> str:
    """The groups as a table: their channels as a strip, their size, NME and attributes."""
    groups = partition.group.max() + 1
    rest = not partition.clustered and partition.patterns > groups
    common = ", ".join(str(size) for size in partition.common)
    how = (
        f"Even the most common ones have few faces ({common}), so that similar ones are put together (k-modes by "
        f"Hamming distance, {groups} groups)."
        if partition.clustered
        else "The most common patterns are shown, the largest first."
    )
    text = (
        f"<p>{count} faces have <b>{partition.patterns}</b> distinct patterns. {how} A face differs from its group's "
        f"majority in {number(partition.distance_within, 1)} channels on average, from the majority of all faces in "
        f"{number(partition.distance_whole, 1)}.</p>"
    )
    names = list(split_result.subsets(result))
    rows = []
    for i in range(groups):
        members = partition.group == i
        nme = result.nme[members]
        nme = nme[np.isfinite(nme)]
        rows.append(
            [
                "all others" if rest and i == groups - 1 else f"group {i + 1}",
                Markup(f'<td class="strip-cell">{_strip(result.open_channels[members].mean(axis=0))}</td>'),
                str(int(members.sum())),
                number(100 * nme.mean() if len(nme) else np.nan),
                *(number(100 * result.attributes[name][members].mean(), 0) for name in names),
            ]
        )
    heading = ["", "channels open", "faces", "NME, %", *names]
    caption = "Mean NME and the share of faces with each attribute, in %" if names else ""
    return text + table(heading, rows, caption, "gate-groups")


def _strip(share: np.ndarray) -> str:
    """A row of channels, the darker the more faces of the group have them open."""
    cells = "".join(
        f'<rect x="{i}" width=".86" height="10" opacity="{max(value, 0.06):.2f}"/>'
        for i, value in enumerate(share)
    )
    box = f'viewBox="0 0 {len(share)} 10" preserveAspectRatio="none"'
    return f'<svg class="strip" {box} aria-hidden="true">{cells}</svg>'


def _explained_table(found: dict[str, Explained]) -> str:
    if not found:
        return '<p class="note">All faces share one pathway: there is nothing that it could explain.</p>'
    rows = [
        [
            name,
            number(100 * value.share, 1),
            number(100 * value.chance, 1),
            Markup("<td></td>") if np.isnan(value.p_value) else f"{value.p_value:.3f}",
        ]
        for name, value in found.items()
    ]
    caption = (
        "Share of the variance of each quantity's ranks that lies between the groups; by chance: of faces "
        "shuffled 1,000 times; p: how often these reach it"
    )
    return table(["", "between groups, %", "by chance, %", "p"], rows, caption)
