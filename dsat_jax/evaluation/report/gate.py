"""The section on the gate: open channels by subset, their rank correlations, and groups of faces by pattern."""

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
    """Returns the analysis of the gate over all faces; None for a model without a gate."""
    if faces.result.open_channels is None:
        return None
    return analyse(faces.result.open_channels, quantities(faces.result, evaluation.scheme))


def quantities(result: SplitResult, scheme: Scheme) -> dict[str, np.ndarray]:
    """Returns the quantities that the gate may depend on: NME, confidence, asymmetry, occlusion, attributes.

    Args:
      result: result of the faces.
      scheme: scheme of the landmarks.

    Returns:
      Quantities by name, float [faces] each, NaN where unknown.
    """
    by_name = {"NME": result.nme}
    if result.confidence is not None:
        by_name["mean confidence"] = result.confidence.mean(axis=1).astype(float)
    by_name["asymmetry of the labels"] = asymmetry(result.labels, scheme)
    if result.occluded.any():
        by_name["share of occluded landmarks"] = result.occluded.mean(axis=1)
    return by_name | {name: result.attributes[name].astype(float) for name in split_result.subsets(result)}


def asymmetry(labels: np.ndarray, scheme: Scheme) -> np.ndarray:
    """Returns how much faces differ from their mirror images, a measure of yaw that needs landmarks only.

    Args:
      labels: labels, [faces, points, 2], in pixels of any image; NaN where unknown.
      scheme: scheme of the landmarks.

    Returns:
      Asymmetry, [faces]: the square root of the share of the spread that remains after Procrustes alignment of a face
      with its mirror image; 0 for a symmetric face, NaN for a face with an unknown landmark.
    """
    points = labels[..., 0] + 1j * labels[..., 1]
    points = points - points.mean(axis=1, keepdims=True)
    mirrored = -points.conj()[:, scheme.mirror_permutation]
    spread = (np.abs(points) ** 2).sum(axis=1)
    spread = np.where(spread > 0, spread, np.nan)
    overlap = np.abs((mirrored.conj() * points).sum(axis=1)) / spread
    return np.sqrt(np.maximum(1 - overlap**2, 0))


def section(evaluation: Evaluation, faces: DistinctFaces, analysis: GateAnalysis) -> Section:
    """Returns the section on the gate."""
    body = [
        _summary(analysis, _KINDS[evaluation.config.model.gate]),
        f'<div class="columns"><figure>{_cloud(evaluation, faces.result, analysis)}<figcaption>Each dot is a face'
        f"{_sampled(len(analysis.open_counts))}, with a small random vertical offset. The largest 1 % of the errors "
        "are at the end of the axis.</figcaption></figure>"
        f"<figure>{_bars(analysis)}<figcaption>Share of faces for which each channel is open, sorted.</figcaption>"
        "</figure></div>",
        "<h3>Open channels by subset</h3>",
        _subset_table(evaluation),
        "<h3>Correlation of the number of open channels with other quantities</h3>",
        _correlation_table(analysis.correlations),
        "<h3>Groups of faces that share a pattern of open channels</h3>",
        _partition(analysis.partition, faces.result, len(analysis.open_counts)),
        _explained_table(analysis.explained),
    ]
    return Section("gate", "Gate", "".join(body))


def _summary(analysis: GateAnalysis, kind: str) -> str:
    """The numbers of open channels, as paragraphs."""
    channels, counts = len(analysis.open_share), analysis.open_counts
    always, never = int((analysis.open_share == 1).sum()), int((analysis.open_share == 0).sum())
    return (
        f'<p class="soft">The gate of DSAT opens some of {channels} feature channels for each face; this run has '
        f"{kind}. The paper claims that the gate partitions faces by pose and occlusion. The measurements on these "
        f"faces:</p><p>Of {channels} channels, <b>{analysis.switching}</b> are open for some faces and closed for "
        f"others, {always} open for all, {never} closed for all. A face has <b>{number(counts.mean(), 1)}</b> open "
        f"channels on average (standard deviation {number(counts.std(), 1)}, {counts.min()} to {counts.max()}).</p>"
    )


def _sampled(count: int) -> str:
    """A note that the dots are a sample, if they are."""
    return f" ({_MOST_DOTS} of {count}, evenly spaced)" if count > _MOST_DOTS else ""


def _cloud(evaluation: Evaluation, result: SplitResult, analysis: GateAnalysis) -> str:
    """Chart of open channels against NME; the axis of the NME ends at its 99th percentile."""
    measured = np.flatnonzero(np.isfinite(result.nme))
    chosen = measured[np.linspace(0, len(measured) - 1, min(len(measured), _MOST_DOTS)).round().astype(int)]
    nme = 100 * result.nme[chosen]
    end = np.percentile(nme, 99) if len(nme) else 1.0
    chart = charts.Chart(
        charts.axis_for(f"NME ({evaluation.normaliser}), %", np.array([end]), start_at_zero=True),
        charts.axis_for("open channels", analysis.open_counts + np.array([[-0.3], [0.3]])),
        "Open channels against NME",
    )
    # Without an offset, dots of the same count form a line.
    spread = np.random.default_rng(0).uniform(-0.2, 0.2, len(chosen))
    chart.dots(nme, analysis.open_counts[chosen] + spread, 0, radius=2.6)
    return f'<div class="cloud">{chart.svg()}</div>'


def _bars(analysis: GateAnalysis) -> str:
    """Chart of the share of faces for which each channel is open."""
    share = 100 * np.sort(analysis.open_share)[::-1]
    chart = charts.Chart(
        charts.Axis("channel, by share of faces", 0, len(share)),
        charts.Axis("faces for which it is open, %", 0, 100),
        "Share of faces for which each channel is open",
    )
    chart.bars(np.arange(len(share)) + 0.5, share, 0.82, 0)
    return chart.svg()


def _subset_table(evaluation: Evaluation) -> str:
    """Mean and spread of the number of open channels of every subset, as a table."""
    rows = []
    for split, result in evaluation.results.items():
        counts = result.open_channels.sum(axis=1)
        chosen = {split: np.ones(len(counts), bool)}
        chosen |= {f"{split}/{name}": mask for name, mask in split_result.subsets(result).items()}
        for name, mask in chosen.items():
            some = counts[mask]
            rows.append([name, str(len(some)), number(some.mean()), number(some.std())])
    return table(["subset", "faces", "mean open channels", "spread (SD)"], rows, name="gate-table")


def _correlation_table(correlations: dict[str, RankCorrelation]) -> str:
    """Rank correlations of the number of open channels, as a table."""
    rows = [
        [
            name,
            Markup(f'<td class="clear">{number(value.rho)}</td>') if value.clear else number(value.rho),
            f"{number(value.low)} to {number(value.high)}" if value.rho == value.rho else number(value.low),
            Markup(f'<td class="words">{_verdict(value)}</td>'),
        ]
        for name, value in correlations.items()
    ]
    return (
        table(
            ["with", "Spearman's rho", "95 % interval", Markup('<th class="words">meaning</th>')],
            rows,
            name="gate-correlations",
        )
        + '<p class="note">Bold where the interval excludes 0. The intervals are from 1,000 bootstrap resamples of the '
        "faces, without correction for the number of rows: on average one of twenty unrelated quantities appears "
        "bold. Asymmetry of the labels: the difference of a face's landmarks from their mirror image after alignment; "
        "it grows as the head turns.</p>"
    )


def _verdict(correlation: RankCorrelation) -> str:
    """Description of a rank correlation."""
    if np.isnan(correlation.rho):
        return "does not vary"
    if not correlation.clear:
        return "not significant"
    return "larger with more open channels" if correlation.rho > 0 else "larger with fewer open channels"


def _partition(partition: Partition, result: SplitResult, count: int) -> str:
    """The groups as a table: share of open channels as a strip, size, NME and attributes."""
    groups = partition.group.max() + 1
    rest = not partition.clustered and partition.patterns > groups
    common = ", ".join(str(size) for size in partition.common)
    how = (
        f"Even the most common patterns have few faces ({common}); therefore similar ones are clustered (k-means by "
        f"Hamming distance, {groups} groups)."
        if partition.clustered
        else "The groups are the most common patterns, the largest first."
    )
    text = (
        f"<p>{count} faces have <b>{partition.patterns}</b> distinct patterns. {how} A face differs from its group's "
        f"majority in {number(partition.distance_within, 1)} channels on average, and from the majority of all faces "
        f"in {number(partition.distance_whole, 1)}.</p>"
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
    """A row of channels as SVG; a darker channel is open for more faces of the group."""
    cells = "".join(
        f'<rect x="{i}" width=".86" height="10" opacity="{max(value, 0.06):.2f}"/>'
        for i, value in enumerate(share)
    )
    box = f'viewBox="0 0 {len(share)} 10" preserveAspectRatio="none"'
    return f'<svg class="strip" {box} aria-hidden="true">{cells}</svg>'


def _explained_table(explained: dict[str, Explained]) -> str:
    """Share of each quantity's variance between the groups, as a table."""
    if not explained:
        return '<p class="note">All faces have the same pattern, so there are no groups to compare.</p>'
    rows = [
        [
            name,
            number(100 * value.share, 1),
            number(100 * value.chance, 1),
            Markup("<td></td>") if np.isnan(value.p_value) else f"{value.p_value:.3f}",
        ]
        for name, value in explained.items()
    ]
    caption = (
        "Share of the variance of each quantity's ranks between the groups; by chance: the mean over 1,000 random "
        "permutations of the faces; p: the share of permutations that reach the same value"
    )
    return table(["", "between groups, %", "by chance, %", "p"], rows, caption)
