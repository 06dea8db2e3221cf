"""Errors of trained networks on hard faces, in the boxes of the labels and, on request, of a face detector.

python -m benchmarks.hard_faces dsat-300w RUN --folder=FOLDER --split=w300:helen_test --split='w300:train[95%:]'
    [--wrong=NAME,NAME] [--detector=cascade] [--looks=1] [--no-mirror] [--csv=FILE] [--worst=16 --out=FOLDER]

A folder contains images and a file NAME.pts of 68 landmarks next to each, in pixels that count from 1. A split is that
of a built dataset; the faces of each of its attributes have a row of their own. Faces are predicted as by
`--mode=predict`, in the box of their known landmarks. If a network has another scheme than the data, its landmarks or
the labels are converted. With `--wrong` there is also a row without the images of these names, whose labels are wrong.

The eye corners of a face in profile are close together. The table therefore contains two errors: the NME by the
distance of the outer eye corners, and the error by the size of the box around the landmarks. `beyond` is the share of
faces with an NME above 8 %. Missed faces are only counted.
"""

import argparse
import csv
import dataclasses
import io
import pathlib
from collections.abc import Sequence

import numpy as np

from benchmarks import detected_boxes, labelled_faces, peers_figures
from benchmarks.labelled_faces import LabelledFaces
from dsat_jax import Predictor, drawing, geometry, metrics, schemes
from dsat_jax.errors import UserError
from dsat_jax.files import atomic_files, locations
from dsat_jax.inference import detectors
from dsat_jax.inference.detections import NONE, Detections, FindFaces
from dsat_jax.inference.predictor import LOOKS, MIRROR
from dsat_jax.records import UNKNOWN
from dsat_jax.schemes import Scheme
from dsat_jax.warp import warp
from dsat_jax.weights import zoo

NORMALISERS = {"inter_ocular": "NME %", "landmark_box_size": "error by box size %"}
LABELS = "labels"  # name of the boxes of the labels
_TILE = 256  # side of a drawn face, pixels
_MARGIN = 0.3  # margin of a drawn face around the box of its labels, as a share of the box
_COLUMNS = 6  # faces in a row of `drawing.sample_grid`


def predict(
    predictor: Predictor, data: LabelledFaces, in_detected: bool, looks: int, mirror: bool
) -> np.ndarray:
    """Returns the predicted landmarks of all faces, float64 [faces, points, 2] in pixels; NaN for missed faces.

    Args:
      predictor: predictor of a network.
      data: labelled faces.
      in_detected: whether to predict in the boxes of the predictor's detector instead of those of the labels.
      looks: number of runs of the network on each face.
      mirror: whether to average with the mirrored face.
    """
    pairs = (
        (
            record["image"],
            detected_boxes.detected_face(predictor, record)
            if in_detected
            else Detections(record["box"][None]),
        )
        for record in data
    )
    missed = np.full((predictor.scheme.num_points, 2), np.nan)
    faces = predictor.predict_pairs(pairs, looks, mirror)
    return np.stack([each[0].landmarks if each else missed for each in faces])


def common_scheme(network: Scheme, data: Scheme) -> Scheme:
    """Returns the scheme in which errors are measured: that of the data, or of the network if only the labels convert.

    Raises:
      UserError: if neither converts to the other.
    """
    if schemes.can_convert(network, data):
        return data
    schemes.conversion_indices(data, network)
    return network


@dataclasses.dataclass(frozen=True)
class Measured:
    """Errors of a network on labelled faces in one kind of boxes.

    Attributes:
      network, data, boxes: names of the three.
      names: name of each face.
      missed: whether the detector misses the face, bool [faces].
      errors: error of each face as a share of each of `NORMALISERS`, [faces]; infinite for missed faces.
      attributes: whether each face has the attribute, bool [faces], by name of the attribute.
      scheme: scheme of the compared landmarks.
      predicted: compared predictions, [faces, points, 2] pixels; NaN for missed faces.
      labels: their labels, [faces, points, 2] pixels; NaN where unknown.
    """

    network: str
    data: str
    boxes: str
    names: list[str]
    missed: np.ndarray
    errors: dict[str, np.ndarray]
    attributes: dict[str, np.ndarray]
    scheme: Scheme
    predicted: np.ndarray
    labels: np.ndarray


def measure(network: str, data: LabelledFaces, boxes: str, predicted: np.ndarray, scheme: Scheme) -> Measured:
    """Returns the errors of predictions.

    Args:
      network: name of the network.
      data: labelled faces.
      boxes: name of the boxes.
      predicted: result of `predict`.
      scheme: scheme of the network.

    Raises:
      UserError: if the schemes cannot be converted.
    """
    rows = [{key: value for key, value in record.items() if key != "image"} for record in data]
    common = common_scheme(scheme, data.scheme)
    predicted = schemes.convert(predicted, scheme, common)
    kept = schemes.conversion_indices(data.scheme, common)
    labels = np.stack([row["landmarks"][kept] for row in rows]).astype(np.float64)
    known = np.stack([row["visibility"][kept] for row in rows]) != UNKNOWN
    unused = np.empty((len(rows), 4))  # boxes, of which neither normaliser depends
    errors = {
        name: metrics.nme(metrics.labelled_errors(predicted, labels, known, unused, name, common), known)
        for name in NORMALISERS
    }
    attributes = {
        name: np.array([row["attributes"][name] for row in rows]) for name in rows[0].get("attributes", ())
    }
    return Measured(
        network=network,
        data=data.name,
        boxes=boxes,
        names=[row["name"].decode() for row in rows],
        missed=np.isnan(predicted).all(axis=(1, 2)),
        errors=errors,
        attributes=attributes,
        scheme=common,
        predicted=predicted,
        labels=np.where(known[..., None], labels, np.nan),
    )


def table(results: Sequence[Measured]) -> str:
    """Returns the figures as a Markdown table, with a row for each result and each of its attributes."""
    lines = [
        f"| data | network | boxes | faces | missed | {' | '.join(NORMALISERS.values())} | beyond 8 % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        subsets = {"": np.ones(len(result.names), bool)} | {
            f", {name}": chosen for name, chosen in result.attributes.items() if chosen.any()
        }
        for suffix, chosen in subsets.items():
            found = chosen & ~result.missed
            figures = [
                metrics.summary(errors[found], peers_figures.THRESHOLD) for errors in result.errors.values()
            ]
            cells = [f"{value:.2f}" for value in (*(each["nme"] for each in figures), figures[0]["fr"])]
            count, missed = chosen.sum(), (chosen & result.missed).sum()
            start = f"{result.data}{suffix} | {result.network} | {result.boxes}"
            lines.append(f"| {start} | {count} | {missed} | {' | '.join(cells)} |")
    return "\n".join(lines)


def face_table(results: Sequence[Measured]) -> str:
    """Returns the errors of each face in percent as CSV; the cells of missed faces and of unknown errors are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["data", "network", "boxes", "face", "missed", *NORMALISERS])
    for result in results:
        for i, name in enumerate(result.names):
            errors = (100 * float(values[i]) for values in result.errors.values())
            cells = [f"{error:.3f}" if np.isfinite(error) else "" for error in errors]
            writer.writerow([result.data, result.network, result.boxes, name, int(result.missed[i]), *cells])
    return text.getvalue()


def draw(result: Measured, data: LabelledFaces, count: int, folder: pathlib.Path) -> None:
    """Writes an image of the worst faces by box size, worst first, and one of random faces; missed faces are left out.

    Args:
      result: errors on the faces.
      data: the faces.
      count: largest number of faces of an image.
      folder: existing folder of the images.
    """
    errors = np.nan_to_num(result.errors["landmark_box_size"], nan=-1.0, posinf=-1.0)
    found = np.flatnonzero(errors >= 0)
    worst = found[np.argsort(-errors[found], kind="stable")][:count]
    by_chance = np.random.default_rng(0).permutation(found)[:count]
    stem = (
        "-".join((result.data, pathlib.Path(result.network).stem, result.boxes))
        .replace("/", "_")
        .replace(" ", "-")
    )
    for name, chosen in (("worst", worst), ("random", by_chance)):
        if len(chosen):
            grid = drawing.sample_grid(sample(result, data, chosen), result.scheme, -(-count // _COLUMNS))
            drawing.write_image(folder / f"{stem}-{name}.jpg", grid)


def sample(result: Measured, data: LabelledFaces, chosen: Sequence[int]) -> dict[str, np.ndarray]:
    """Returns crops around the chosen faces with labels and predictions, see `drawing.sample_grid`."""
    sample: dict[str, list[np.ndarray]] = {"image": [], "points": [], "predicted": []}
    for index in chosen:
        record = data[index]
        matrix = geometry.crop_matrix(record["box"], _TILE, _MARGIN)
        sample["image"].append(warp(record["image"], matrix, _TILE))
        for name, points in (("points", result.labels), ("predicted", result.predicted)):
            sample[name].append(geometry.transform_points(matrix, points[index]))
    return {name: np.stack(values) for name, values in sample.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table, and writes the errors and images of faces."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    labelled_faces.add_networks(parser)
    labelled_faces.add_arguments(parser)
    names = ", ".join(detectors.DETECTORS)
    parser.add_argument("--detector", help=f"{names}, or YuNet's .onnx file: also in its boxes")
    parser.add_argument("--looks", type=int, choices=(1, 2), default=LOOKS)
    parser.add_argument("--mirror", action=argparse.BooleanOptionalAction, default=MIRROR)
    parser.add_argument("--csv", type=locations.locate, help="file of the errors of each face")
    parser.add_argument("--worst", type=int, default=0, help="number of worst and of random faces to draw")
    parser.add_argument("--out", type=locations.locate, help="folder of the drawn faces")
    labelled_faces.run(parser, arguments, run)


def run(parsed: argparse.Namespace) -> None:
    """Measures all networks on all data; for the arguments see `main`.

    Raises:
      UserError: if only one of the arguments of drawn faces is given.
    """
    if (parsed.worst > 0) != (parsed.out is not None):
        raise UserError("found one of --worst and --out, expected both or none")
    find_faces: FindFaces = detectors.make(parsed.detector) if parsed.detector else lambda image: NONE
    predictors = {name: Predictor.from_run(zoo.find(name), find_faces) for name in parsed.networks}
    wrong = labelled_faces.wrong_names(parsed)
    all_data = [
        *(labelled_faces.read_folder(folder, wrong) for folder in parsed.folder),
        *(labelled_faces.read_split(text, parsed.data_dir) for text in parsed.split),
    ]
    if parsed.out is not None:
        parsed.out.mkdir(parents=True, exist_ok=True)
    results = []
    for data in all_data:
        for name, predictor in predictors.items():
            for boxes in [LABELS, *([parsed.detector] if parsed.detector else [])]:
                predicted = predict(predictor, data, boxes != LABELS, parsed.looks, parsed.mirror)
                result = measure(name, data, boxes, predicted, predictor.scheme)
                results.append(result)
                if parsed.out is not None:
                    draw(result, data, parsed.worst, parsed.out)
    print(table(results))
    if parsed.csv is not None:
        atomic_files.write_text(parsed.csv, face_table(results))


if __name__ == "__main__":
    main()
