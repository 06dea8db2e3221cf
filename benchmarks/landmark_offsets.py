"""Where the labels of a dataset lie beside the predictions of a network: a part of an error that no face explains.

python -m benchmarks.landmark_offsets dsat-hard dsat-300w --folder=FOLDER --split='w300:train[95%:]' [--wrong=NAME,NAME]

Annotators of different datasets place the same landmark differently, above all along the jaw. Such an offset is the
same for all faces of a dataset, and an error of all networks that were trained on another one. Faces are predicted as
by `--mode=predict` in the boxes of their labels. With `--wrong` the images of the folder with these names, whose labels
are wrong, are left out.

Offsets are measured along the ray from the middle of the labels of a face through the predicted landmark, and across
it, so that the roll of a face does not matter, as a share of the size of the box around its labels. The first table
contains the errors of all landmarks, of the jaw and of the others: the NME by the distance of the outer eye corners,
the share of faces in which it is above 8 %, the error by box size, and the same after the median offset of each
landmark over all faces has been removed. The second contains the median offset along the ray of each landmark of the
jaw, in %: negative where labels lie inside of the predictions.
"""

import argparse
from collections.abc import Sequence

import numpy as np

from benchmarks import hard_faces, labelled_faces, peers_figures
from benchmarks.hard_faces import Measured
from dsat_jax import Predictor, metrics
from dsat_jax.errors import UserError
from dsat_jax.inference.detections import NONE
from dsat_jax.inference.predictor import LOOKS, MIRROR
from dsat_jax.schemes import Scheme
from dsat_jax.schemes.scheme import BOUNDARY_NAMES
from dsat_jax.weights import zoo


def offsets(predicted: np.ndarray, labels: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Returns the offset of each label from its prediction, along and across the ray through the prediction.

    Args:
      predicted: predictions, [faces, points, 2] pixels.
      labels: labels, [faces, points, 2] pixels; NaN where unknown.
      sizes: size of each face in pixels, [faces].

    Returns:
      Offsets as shares of the size, float64 [faces, points, 2]; the first is positive for a label that is farther from
      the middle of the labels. NaN where the label is unknown.
    """
    rays = predicted - np.nanmean(labels, axis=1, keepdims=True)
    along = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    moved = (labels - predicted) / sizes[:, None, None]
    return np.stack([(moved * along).sum(axis=-1), (moved * across).sum(axis=-1)], axis=-1)


def median_offsets(moved: np.ndarray) -> np.ndarray:
    """Returns the medians of `offsets` over faces, [points, 2]; NaN for a landmark that no face has."""
    return np.ma.median(np.ma.masked_invalid(moved), axis=0).filled(np.nan)


def landmark_groups(scheme: Scheme) -> dict[str, np.ndarray]:
    """Returns the landmarks of each group of the first table, bool [points], by name of the group.

    Raises:
      UserError: if the scheme defines no jaw.
    """
    if not scheme.boundaries:
        raise UserError(f"scheme {scheme.name} has no boundaries, expected one of the chin")
    jaw = np.isin(np.arange(scheme.num_points), scheme.boundaries[BOUNDARY_NAMES.index("chin")])
    return {"all": np.ones(scheme.num_points, bool), "jaw": jaw, "others": ~jaw}


def rows(result: Measured) -> tuple[list[str], str]:
    """Returns the lines of the first table for a network and its faces, and that of the second."""
    unused = np.empty((len(result.labels), 4))  # boxes, on which neither normaliser depends
    sizes = metrics.landmark_box_size(result.labels, unused, result.scheme)
    moved = offsets(result.predicted, result.labels, sizes)
    known = ~np.isnan(result.labels).any(axis=-1)
    by_eyes = metrics.labelled_errors(
        result.predicted, result.labels, known, unused, "inter_ocular", result.scheme
    )
    medians = median_offsets(moved)
    by_size = [np.linalg.norm(each, axis=-1) for each in (moved, moved - medians)]
    lines = []
    groups = landmark_groups(result.scheme)
    for name, chosen in groups.items():
        nme, *shares = (metrics.nme(errors, known & chosen) for errors in (by_eyes, *by_size))
        figures = metrics.summary(nme, peers_figures.THRESHOLD)
        means = [100 * np.nanmean(each) for each in shares]
        cells = " | ".join(f"{value:.2f}" for value in (figures["nme"], figures["fr"], *means))
        lines.append(f"| {result.data} | {result.network} | {len(known)} | {name} | {cells} |")
    jaw = ", ".join(f"{index}: {100 * medians[index, 0]:.1f}" for index in np.flatnonzero(groups["jaw"]))
    return lines, f"| {result.data} | {result.network} | {jaw} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    labelled_faces.add_networks(parser)
    labelled_faces.add_arguments(parser)
    labelled_faces.run(parser, arguments, run)


def run(parsed: argparse.Namespace) -> None:
    """Measures all networks on all data; for the arguments see `main`."""
    folders, splits = labelled_faces.read_correct(parsed)
    errors, medians = [], []
    for name in parsed.networks:
        predictor = Predictor.from_run(zoo.find(name), lambda image: NONE)
        for data in [*folders, *splits]:
            predicted = hard_faces.predict(predictor, data, False, LOOKS, MIRROR)
            result = hard_faces.measure(name, data, hard_faces.LABELS, predicted, predictor.scheme)
            lines, line = rows(result)
            errors += lines
            medians.append(line)
    header = (
        "| data | network | faces | landmarks | NME % | beyond 8 % | error by box size % | without offsets |"
    )
    print(header, "|---" * 8 + "|", *errors, sep="\n")
    print(
        "\n| data | network | median offsets of the jaw, % of box size |", "|---|---|---|", *medians, sep="\n"
    )


if __name__ == "__main__":
    main()
