"""NME of a trained network in the boxes of a face detector.

python -m benchmarks.detected_boxes dsat-300w --dataset=w300/original --split=helen_test [--detector=cascade]
    [--looks=1] [--no-mirror]

For each labelled face, the detection with the largest overlap counts; the face is missed if no overlap reaches
`LEAST_OVERLAP`. The table contains the number of missed faces, the share of the others for which a refinement pass
follows the first prediction, and their NME in the boxes of the labels and of the detector, which are turned by the roll
of the face if the detector returns it. By default each prediction is averaged with that of the mirrored face, as in
`--mode=predict`.
"""

import argparse
from collections.abc import Mapping, Sequence

import numpy as np
from ml_collections import ConfigDict

from benchmarks import network_on_split
from dsat_jax import Predictor, geometry, metrics
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.errors import UserError
from dsat_jax.inference import detectors
from dsat_jax.inference.detections import Detections
from dsat_jax.inference.predictor import LOOKS, MIRROR

LEAST_OVERLAP = 0.3  # intersection over union


def detected_face(predictor: Predictor, record: Mapping[str, np.ndarray]) -> Detections:
    """Returns the detection of a record's face, or none if the detector misses it."""
    return matching(predictor.find_faces(record["image"]), record)


def matching(detections: Detections, record: Mapping[str, np.ndarray]) -> Detections:
    """Returns that of the detections in a record's image which is its face, or none."""
    label = record["box"][None].astype(np.float64)
    overlaps = geometry.box_overlaps(detections.bounds, label)[:, 0]
    is_found = (overlaps >= LEAST_OVERLAP).any()
    return detections.chosen([overlaps.argmax()] if is_found else [])


def measure(
    predictor: Predictor,
    records: Sequence[Mapping[str, np.ndarray]],
    config: ConfigDict,
    looks: int = LOOKS,
    mirror: bool = MIRROR,
) -> dict[str, np.ndarray]:
    """Returns the errors of each face in the box of the labels and in that of the detector.

    Args:
      predictor: predictor of the network, with its detector.
      records: decoded records with whole images.
      config: configuration of the network.
      looks: number of runs of the network on a face at most.
      mirror: whether to average with the mirrored face.

    Returns:
      'missed': whether the detector misses the face, bool [faces].
      'again': whether a second look follows the first in the detector's box, bool [faces].
      'label', 'detector': NME in either box, [faces], shares of the normaliser; 'detector' is only valid for faces that
        are not missed.
    """
    detected = [detected_face(predictor, record) for record in records]

    def landmarks(looks: int) -> np.ndarray:
        """Returns the landmarks in both boxes, [images, 2, points, 2]."""
        pairs = (
            (record["image"], _with_label(record["box"], face))
            for record, face in zip(records, detected, strict=True)
        )
        faces = predictor.predict_pairs(pairs, looks, mirror)
        return np.array([[face.landmarks for face in both] for both in faces])

    predicted = landmarks(looks)
    first = predicted if looks == 1 else landmarks(1)
    again = (predicted[:, 1] != first[:, 1]).any(axis=(1, 2))
    label, detector = (network_on_split.face_nme(predicted[:, i], records, config) for i in (0, 1))
    missed = np.array([not len(face) for face in detected])
    return {"missed": missed, "again": again, "label": label, "detector": detector}


def _with_label(label: np.ndarray, face: Detections) -> Detections:
    """Returns the box of the label [4] and that of the detected face; for a missed face, the label's box twice."""
    upright = Detections(label[None])
    other = face if len(face) else upright
    boxes, angles = (
        np.concatenate([getattr(each, name) for each in (upright, other)]) for name in ("boxes", "angles")
    )
    return Detections(boxes, angles)


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
        f"a second look for {errors['again'][~missed].sum()} of the found faces, in the boxes of the detector",
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
    parser.add_argument(
        "--detector",
        default=detectors.DEFAULT,
        help=f"{', '.join(detectors.DETECTORS)}, or YuNet's .onnx file",
    )
    parser.add_argument("--looks", type=int, choices=(1, 2), default=LOOKS)
    parser.add_argument("--mirror", action=argparse.BooleanOptionalAction, default=MIRROR)
    parsed = parser.parse_args(arguments)
    network, records = network_on_split.load(parser, parsed)
    try:
        detector = detectors.make(parsed.detector)
    except (UserError, OSError) as error:
        parser.error(str(error))
    errors = measure(
        Predictor.from_network(network, detector),
        DecodedRecords(records),
        network.config,
        parsed.looks,
        parsed.mirror,
    )
    print(report(errors, network.config.evaluate.threshold))


if __name__ == "__main__":
    main()
