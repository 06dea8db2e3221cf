"""Completes the labels of a dataset that has few landmarks of a network's scheme with the predictions of the network.

python -m examples.complete_labels dsat-300w --dataset=landmark_folder --data_dir=DIR --split=train --out=FOLDER
python -m tfds_builders.build landmark_folder --manual_dir=FOLDER --data_dir=OTHER_DIR

The folder gets the image of each face with a JSON file of its landmarks in the network's scheme: those that the dataset
labels at the same position, and the predicted ones between them, moved along with the labels. A face whose predictions
are far from its labels is left out. Labels from a network repeat its errors: train on them beside labels of people.
"""

import json
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np

from benchmarks import network_on_split
from dsat_jax import Predictor, geometry, schemes
from dsat_jax.data import datasets
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.errors import UserError
from dsat_jax.files import locations
from dsat_jax.inference import trained_network
from dsat_jax.inference.detections import Detections
from dsat_jax.records import UNKNOWN
from dsat_jax.schemes import Scheme
from dsat_jax.weights import zoo

LARGEST_ERROR = 0.03  # mean distance of predictions and labels, as a share of the size of the face box
JPEG_QUALITY = 95


def completed(predicted: np.ndarray, labels: np.ndarray, known: np.ndarray, size: float) -> np.ndarray | None:
    """Returns the landmarks of a face, [points, 2]; None if the predictions are too far from the labels.

    Args:
      predicted: predicted landmarks [points, 2] in pixels.
      labels: labels [points, 2] in pixels.
      known: bool [points], whether a landmark is labelled.
      size: size of the face box in pixels.
    """
    if np.linalg.norm(predicted - labels, axis=-1)[known].mean() > LARGEST_ERROR * size:
        return None
    moved = geometry.transform_points(geometry.fit_similarity(predicted[known], labels[known]), predicted)
    return np.where(known[:, None], labels, moved)


def complete(
    predictor: Predictor, records: Sequence[Mapping[str, np.ndarray]], source: Scheme
) -> Iterator[tuple[Mapping[str, np.ndarray], np.ndarray | None]]:
    """Yields each record with its landmarks in the predictor's scheme, or None; see `completed`.

    Args:
      predictor: predictor of the network.
      records: decoded records.
      source: scheme of the records.

    Raises:
      UserError: if fewer than three landmarks have the same position in both schemes.
    """
    indices = schemes.correspondence(source, predictor.scheme)
    if (indices >= 0).sum() < 3:
        raise UserError(
            f"{source.name} labels {(indices >= 0).sum()} landmarks of {predictor.scheme.name}, expected 3 or more"
        )
    pairs = ((record["image"], Detections(record["box"][None].astype(np.float64))) for record in records)
    for record, (face,) in zip(records, predictor.predict_pairs(pairs), strict=True):
        known = (indices >= 0) & (record["visibility"][indices] != UNKNOWN)
        size = float(np.sqrt((record["box"][2:] - record["box"][:2]).prod()))
        labels = record["landmarks"][indices].astype(np.float64)
        yield record, completed(face.landmarks, labels, known, size) if known.sum() >= 3 else None


def write(out: pathlib.Path, record: Mapping[str, np.ndarray], landmarks: np.ndarray) -> None:
    """Writes the image of a record, and its landmarks and box as JSON."""
    name = re.sub(r"[/.]", "_", record["name"].decode())
    stem = out / f"{name}_{record['face']}"
    image = cv2.cvtColor(record["image"], cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(stem.with_suffix(".jpg")), image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    face = {"landmarks": landmarks.round(3).tolist(), "box": geometry.box_of_points(landmarks).tolist()}
    stem.with_suffix(".json").write_text(json.dumps(face))


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the folder."""
    parser = network_on_split.parser(__doc__, "landmark_folder")
    parser.add_argument(
        "--out", type=locations.locate, required=True, help="folder of the images and landmarks"
    )
    parsed = parser.parse_args(arguments)
    try:
        network = trained_network.load(zoo.find(parsed.network))
        config = network.config.copy_and_resolve_references()
        config.data.update(dataset=parsed.dataset, data_dir=parsed.data_dir)
        source = datasets.dataset_scheme(config)
        config.data.scheme = schemes.as_text(source)
        records = DecodedRecords(datasets.read_split(config, parsed.split))
        parsed.out.mkdir(parents=True, exist_ok=True)
        left_out = 0
        for record, landmarks in complete(Predictor.from_network(network), records, source):
            left_out += landmarks is None
            if landmarks is not None:
                write(parsed.out, record, landmarks)
    except (UserError, OSError) as error:
        parser.error(str(error))
    text = network.config.data.scheme
    scheme = text if text in schemes.SCHEMES else json.loads(text)
    options = {"points": "*.json", "first_pixel": 0, "scheme": scheme, "test": 0}
    (parsed.out / "landmarks.json").write_text(json.dumps(options))
    print(f"{parsed.out}: {len(records) - left_out} faces; {left_out} left out")


if __name__ == "__main__":
    main()
