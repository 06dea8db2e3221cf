"""Confidences of a trained DSAT on faces and on boxes without a face, from which `zoo.LEAST_CONFIDENCE` comes.

python -m benchmarks.confidence dsat-300w dsat-hard --split='w300/original:train[95%:]'

Each face is predicted in the box of its label and in that of the detector. The boxes without a face are squares of the
same photographs that neither a label nor a detection touches, drawn backgrounds (walls, textures, clutter) and noise.
The limit is midway between the lowest confidence of a face and the highest of the others. The last column is
Spearman's rho, with a 95 % interval over faces, of the confidence of a face and its error by the size of the box around
the landmarks, in the boxes of the labels.
"""

import argparse
import itertools
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from benchmarks import detected_boxes, hard_faces, labelled_faces
from benchmarks.labelled_faces import LabelledFaces
from dsat_jax import Predictor, geometry
from dsat_jax.errors import UserError
from dsat_jax.evaluation import rank_correlation
from dsat_jax.inference.detections import Detections, FindFaces
from dsat_jax.inference.landmarks import Face
from dsat_jax.weights import zoo
from tfds_builders.synthetic_faces.paint import Canvas
from tfds_builders.synthetic_faces.photo import draw_background

Pair = tuple[np.ndarray, Detections]  # an image, uint8 [height, width, 3] RGB, and its boxes
_BACKGROUNDS, _DRAWN, _NOISE = 80, 120, 60  # largest numbers of boxes without a face
_SIDE = 192  # of drawn images, pixels
_TRIES = 50  # squares that are tried in a photograph


def drawn(count: int, seed: int = 0) -> Iterator[Pair]:
    """Yields drawn backgrounds without a face, each as one box."""
    for number in range(count):
        canvas = Canvas.blank(_SIDE)
        draw_background(canvas, np.random.default_rng((seed, number)))
        yield canvas.image, _whole(canvas.image)


def noise(count: int, seed: int = 0) -> Iterator[Pair]:
    """Yields images of independent pixels, each as one box."""
    for number in range(count):
        random = np.random.default_rng((seed, number))
        image = random.integers(0, 256, (_SIDE, _SIDE, 3), np.uint8)
        yield image, _whole(image)


def background(images: Iterable[np.ndarray], taken: Iterable[np.ndarray], seed: int = 0) -> Iterator[Pair]:
    """Yields photographs with a random square that touches no face; those without room are left out.

    Args:
      images: photographs, uint8 [height, width, 3] RGB.
      taken: boxes of all faces of each photograph, [faces, 4] pixels.
      seed: seed of the squares.
    """
    for number, (image, faces) in enumerate(zip(images, taken, strict=True)):
        random = np.random.default_rng((seed, number))
        height, width = image.shape[:2]
        for _ in range(_TRIES):
            side = random.uniform(0.15, 0.4) * min(height, width)
            corner = random.uniform(0, 1, 2) * (width - side, height - side)
            square = np.concatenate([corner, corner + side])[None]
            if not geometry.box_overlaps(square, faces).any():
                yield image, Detections(square)
                break


def _whole(image: np.ndarray) -> Detections:
    height, width = image.shape[:2]
    return Detections(np.array([[0.0, 0.0, width, height]]))


def predict(predictor: Predictor, pairs: Iterable[Pair]) -> list[Face]:
    """Returns the face of each box of some images.

    Raises:
      UserError: if the network has no heatmaps.
    """
    found = [face for faces in predictor.predict_pairs(pairs) for face in faces]
    if any(face.confidence is None for face in found):
        raise UserError("the network has no heatmaps and thus no confidence")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    labelled_faces.add_networks(parser)
    parser.add_argument("--split", required=True, help="DATASET:SPLIT of a built dataset with whole images")
    parser.add_argument("--data_dir", help="folder of the built datasets; TFDS's own by default")
    parsed = parser.parse_args(arguments)
    try:
        data = labelled_faces.read_split(parsed.split, parsed.data_dir)
        predictors = {name: Predictor.from_run(zoo.find(name)) for name in parsed.networks}
        faces, others = _pairs(data, next(iter(predictors.values())).find_faces)
        rows = [_row(name, predictor, data, faces, others) for name, predictor in predictors.items()]
    except (UserError, OSError) as error:
        parser.error(str(error))
    kinds = " | ".join(f"{kind}, median, highest" for kind in others)
    header = f"| network | faces, lowest, median | {kinds} | limit | rho with the error |"
    print(header, "|---" * 7 + "|", *rows, sep="\n")


def _pairs(data: LabelledFaces, find_faces: FindFaces) -> tuple[list[Pair], dict[str, list[Pair]]]:
    """Returns the faces, first all in the boxes of the labels, and the boxes without a face by kind."""
    images = [record["image"] for record in data]
    labels = [record["box"][None].astype(np.float64) for record in data]
    found = [find_faces(image) for image in images]
    matched = [detected_boxes.matching(each, record) for each, record in zip(found, data, strict=True)]
    faces = list(zip([*images, *images], [*map(Detections, labels), *matched], strict=True))
    taken = [np.concatenate([label, each.bounds]) for label, each in zip(labels, found, strict=True)]
    squares = itertools.islice(background(images, taken), _BACKGROUNDS)
    return faces, {"background": list(squares), "drawn": list(drawn(_DRAWN)), "noise": list(noise(_NOISE))}


def _row(
    name: str,
    predictor: Predictor,
    data: LabelledFaces,
    faces: list[Pair],
    others: dict[str, list[Pair]],
) -> str:
    """Returns the line of a network."""
    predicted = predict(predictor, faces)
    in_labels = predicted[: len(data)]
    of_faces = _confidences(predicted)
    of_others = [_confidences(predict(predictor, pairs)) for pairs in others.values()]
    limit = (of_faces.min() + max(values.max() for values in of_others)) / 2
    points = np.stack([face.landmarks for face in in_labels])
    measured = hard_faces.measure(name, data, hard_faces.LABELS, points, predictor.scheme)
    rho = rank_correlation.spearman(_confidences(in_labels), measured.errors["landmark_box_size"])
    cells = [f"{len(values)}: {np.median(values):.2f}, {values.max():.2f}" for values in of_others]
    first = f"{len(of_faces)}: {of_faces.min():.2f}, {np.median(of_faces):.2f}"
    last = f"{rho.rho:.2f} ({rho.low:.2f} to {rho.high:.2f})"
    return f"| {name} | {first} | {' | '.join(cells)} | {limit:.2f} | {last} |"


def _confidences(faces: Iterable[Face]) -> np.ndarray:
    return np.array([face.confidence for face in faces])


if __name__ == "__main__":
    main()
