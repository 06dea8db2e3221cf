"""What a trained network finds where nobody says where the face is: NME in boxes of a face detector.

python -m benchmarks.detected_boxes dsat-300w --dataset=w300/original --split=helen_test [--detector=YUNET.onnx]

Of the faces that the detector finds in a picture, the one whose box overlaps most with that of the labels is taken; a
face is missed where none overlaps by `LEAST_OVERLAP`. Printed are the missed faces, and the NME of the others in both
boxes: of the labels, and of the detector. Each face is seen twice, as prediction does.
"""

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from ml_collections import ConfigDict

from benchmarks import network_on_split
from dsat_jax import Predictor, metrics
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.inference.detectors.yunet import YuNetDetector

LEAST_OVERLAP = 0.3  # intersection over union


def overlap(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Intersection over union [faces] of boxes [faces, 4] with a box [4]."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    common = np.maximum(sides, 0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) + (box[2:] - box[:2]).prod()
    return common / (areas - common)


def detected_box(predictor: Predictor, record: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The box [4] that a detector gives a record's face; None if it misses it."""
    boxes = predictor.find_faces(record["image"])
    overlaps = overlap(boxes, record["box"].astype(np.float64))
    if not (overlaps >= LEAST_OVERLAP).any():
        return None
    return boxes[overlaps.argmax()]


def measure(
    predictor: Predictor, records: Sequence[Mapping[str, np.ndarray]], config: ConfigDict
) -> dict[str, np.ndarray]:
    """What is found in each face's box of the labels, and in that of the detector.

    Args:
      predictor: of the network, with its detector.
      records: decoded, whole pictures.
      config: of the network.

    Returns:
      'missed' bool [faces], where the detector finds nothing; 'label' and 'detector' [faces], NME as shares of the
      normaliser in either box; 'detector' is of no meaning for a missed face.
    """
    boxes = np.stack([record["box"] for record in records]).astype(np.float64)
    # Two boxes of each picture: that of the labels, and the detector's or, where there is none, the same once more.
    detected = [detected_box(predictor, record) for record in records]
    pairs = [(box, box if found is None else found) for box, found in zip(boxes, detected, strict=True)]
    faces = predictor.predict_many((record["image"] for record in records), map(np.array, pairs))
    found = np.array([[face.landmarks for face in both] for both in faces])  # [pictures, 2, points, 2]
    label, detector = (network_on_split.face_nme(found[:, i], records, config) for i in (0, 1))
    return {"missed": np.array([box is None for box in detected]), "label": label, "detector": detector}


def report(errors: Mapping[str, np.ndarray], threshold: float) -> str:
    """The figures as a table."""
    missed = errors["missed"]
    rows = {
        "boxes of the labels, all faces": errors["label"],
        "boxes of the labels, found faces": errors["label"][~missed],
        "boxes of the detector, found faces": errors["detector"][~missed],
    }
    lines = [
        f"{missed.sum()} of {len(missed)} faces missed",
        "| | NME % | FR % | AUC % |",
        "|---|---|---|---|",
    ]
    for name, values in rows.items():
        summary = metrics.summary(values, threshold)
        lines.append(f"| {name} | {summary['nme']:.2f} | {summary['fr']:.2f} | {summary['auc']:.2f} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints."""
    parser = network_on_split.parser(__doc__, "w300/original")
    parser.add_argument("--detector", type=pathlib.Path, help="YuNet; the bundled cascade if not given")
    given = parser.parse_args(arguments)
    network, records = network_on_split.load(parser, given)
    detector = None if given.detector is None else YuNetDetector(given.detector)
    predictor = Predictor.from_network(network, detector)
    print(
        report(measure(predictor, DecodedRecords(records), network.config), network.config.evaluate.threshold)
    )


if __name__ == "__main__":
    main()
