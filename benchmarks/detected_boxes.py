"""NME of a trained network in the boxes of a face detector.

python -m benchmarks.detected_boxes dsat-300w --dataset=w300/original --split=helen_test [--detector=YUNET.onnx]

For each labelled face, the detected box with the largest overlap counts; the face is missed if no overlap reaches
`LEAST_OVERLAP`. The table contains the number of missed faces, and the NME of the others in the boxes of the labels and
of the detector. A refinement pass follows the first prediction, as in `--mode=predict`.
"""

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from ml_collections import ConfigDict

from benchmarks import network_on_split
from dsat_jax import Predictor, geometry, metrics
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.inference.detectors.yunet import YuNetDetector

LEAST_OVERLAP = 0.3  # intersection over union


def detected_box(predictor: Predictor, record: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Returns the detector's box [4] of a record's face; None if the detector misses it."""
    boxes = predictor.find_faces(record["image"])
    overlaps = geometry.box_overlaps(boxes, record["box"][None].astype(np.float64))[:, 0]
    if not (overlaps >= LEAST_OVERLAP).any():
        return None
    return boxes[overlaps.argmax()]


def measure(
    predictor: Predictor, records: Sequence[Mapping[str, np.ndarray]], config: ConfigDict
) -> dict[str, np.ndarray]:
    """Returns the errors of each face in the box of the labels and in that of the detector.

    Args:
      predictor: predictor of the network, with its detector.
      records: decoded records with whole images.
      config: configuration of the network.

    Returns:
      'missed': whether the detector misses the face, bool [faces].
      'label', 'detector': NME in either box, [faces], shares of the normaliser; 'detector' is only valid for faces that
        are not missed.
    """
    boxes = np.stack([record["box"] for record in records]).astype(np.float64)
    detected = [detected_box(predictor, record) for record in records]
    # Two boxes for each image; for a missed face the second is the first one again.
    pairs = [
        (box, box if of_detector is None else of_detector)
        for box, of_detector in zip(boxes, detected, strict=True)
    ]
    faces = predictor.predict_many((record["image"] for record in records), map(np.array, pairs))
    landmarks = np.array([[face.landmarks for face in both] for both in faces])  # [images, 2, points, 2]
    label, detector = (network_on_split.face_nme(landmarks[:, i], records, config) for i in (0, 1))
    return {"missed": np.array([box is None for box in detected]), "label": label, "detector": detector}


def report(errors: Mapping[str, np.ndarray], threshold: float) -> str:
    """Returns the figures as a Markdown table; for the arguments see `measure`."""
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
    """Prints the table."""
    parser = network_on_split.parser(__doc__, "w300/original")
    parser.add_argument("--detector", type=pathlib.Path, help="YuNet model; the bundled cascade by default")
    parsed = parser.parse_args(arguments)
    network, records = network_on_split.load(parser, parsed)
    detector = None if parsed.detector is None else YuNetDetector(parsed.detector)
    errors = measure(Predictor.from_network(network, detector), DecodedRecords(records), network.config)
    print(report(errors, network.config.evaluate.threshold))


if __name__ == "__main__":
    main()
