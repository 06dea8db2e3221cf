"""AFLW-19 in its original format and full length, with a few drawn faces; all other faces are hidden."""

import dataclasses
import pathlib

import cv2
import numpy as np
import pytest
import scipy.io

from dsat_jax.records import OCCLUDED, UNKNOWN, VISIBLE
from dsat_jax.schemes import AFLW_19
from tfds_builders.synthetic_faces.drawing import draw_face
from tfds_builders.synthetic_faces.other_schemes import landmarks_in

TOTAL, NUM_TRAIN = 24_386, 20_000
# Hidden landmarks without a usable position: the drawn face, the landmark, its position in the file.
LOST = [(1, 6, (-1.0, -1.0)), (2, 12, (np.nan, np.nan)), (2, 15, (60.0, 1e9))]
Row = tuple[str, np.ndarray, np.ndarray, np.ndarray]  # image, points [19, 2], mask [19], box [4]


@dataclasses.dataclass(frozen=True)
class Face:
    """The expected record of a face.

    Attributes:
      name: name of the record.
      number: index of the face in its image.
      points: float64 [19, 2].
      visibility: [19], records.UNKNOWN, VISIBLE or OCCLUDED.
      box: [4] x_min, y_min, x_max, y_max.
    """

    name: str
    number: int
    points: np.ndarray
    visibility: np.ndarray
    box: np.ndarray


def write_info(file: pathlib.Path, rows: list[Row], order: np.ndarray) -> None:
    """Writes AFLWinfo_release.mat; `order` counts rows from 1."""
    pictures = np.empty((len(rows), 1), object)
    pictures[:, 0] = [picture for picture, *_ in rows]
    points, masks, boxes = (np.stack(column) for column in list(zip(*rows, strict=True))[1:])
    contents = {
        "nameList": pictures,
        "data": points.swapaxes(1, 2).reshape(len(rows), 38),
        "mask_new": masks.astype(np.float64),
        "bbox": boxes[:, [0, 2, 1, 3]].astype(np.float64),
        "ra": order.astype(np.float64)[None],
    }
    scipy.io.savemat(file, contents, do_compression=True)


def draw_rows(root: pathlib.Path) -> dict[str, Row]:
    """Draws four images with five faces below flickr/ and returns the row of each face."""
    drawings = [draw_face(5, 0, index) for index in range(5)]
    points = [landmarks_in(drawing.points.astype(np.float64), AFLW_19) for drawing in drawings]
    shift = [[0, 0], [256, 0], [0, 0], [-100, -30], [0, 0]]
    points = [p + s for p, s in zip(points, shift, strict=True)]
    pictures = {
        "0/image00001.jpg": np.concatenate([drawings[0].image, drawings[1].image], axis=1),
        "2/image00002.png": drawings[2].image,
        "3/image00003.jpg": drawings[3].image[30:, 100:],  # cuts through the face
        "3/image00004.jpg": drawings[4].image,
    }
    for name, picture in pictures.items():
        (root / "flickr" / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(root / "flickr" / name), picture[..., ::-1])
    masks = [np.ones(19, bool) for _ in points]
    masks[1][[0, 1, 6]] = False
    masks[2][10:] = False
    boxes = [np.round([*(p.min(axis=0) - 4), *(p.max(axis=0) + 4)]) for p in points]
    for row, landmark, position in LOST:
        points[row][landmark] = position
    names = ["0/image00001.jpg", *pictures]
    labels = ["left", "right", "png", "cut", "whole"]
    return dict(zip(labels, zip(names, points, masks, boxes, strict=True), strict=True))


@dataclasses.dataclass(frozen=True)
class Raw:
    """A folder in the layout of AFLW-19.

    Attributes:
      root: the folder.
      rows: rows of the drawn faces, see `draw_rows`.
      splits: split -> its expected faces.
    """

    root: pathlib.Path
    rows: dict[str, Row]
    splits: dict[str, list[Face]]


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Raw:
    """Two training faces, three test faces (two of them frontal), one test face without its image."""
    root = tmp_path_factory.mktemp("aflw")
    drawn = draw_rows(root)
    lost = ("2/image99999.jpg", *drawn["whole"][1:])
    hidden = ("0/hidden.jpg", np.zeros((19, 2)), np.zeros(19, bool), np.array([0, 0, 9, 9]))
    rows = [hidden] * TOTAL
    order = np.random.default_rng(0).permutation(TOTAL)
    # Positions in the order of `ra`: the first 20,000 are for training.
    places = {"left": 5, "png": NUM_TRAIN - 1, "right": NUM_TRAIN, "cut": NUM_TRAIN + 7, "whole": TOTAL - 1}
    for label, place in places.items():
        rows[order[place]] = drawn[label]
    rows[order[NUM_TRAIN + 1]] = lost
    write_info(root / "AFLWinfo_release.mat", rows, order + 1)

    # Of two faces in one image, the first in the file has number 0.
    second = "left" if order[places["left"]] > order[places["right"]] else "right"
    written = {}
    for row, (label, (name, points, visible, box)) in enumerate(drawn.items()):
        visibility = np.where(visible, VISIBLE, OCCLUDED)
        visibility[[landmark for lost_row, landmark, _ in LOST if lost_row == row]] = UNKNOWN
        written[label] = Face(f"flickr/{name}", int(label == second), points, visibility, box)
    splits = {
        "train": ["left", "png"],
        "test_full": ["right", "cut", "whole"],
        "test_frontal": ["cut", "whole"],
    }
    return Raw(root, drawn, {split: [written[label] for label in labels] for split, labels in splits.items()})
