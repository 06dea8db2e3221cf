"""Recall and false detections of face detectors, with images and detectors whose answers are known."""

import cv2
import numpy as np
import pytest

from benchmarks import detectors
from benchmarks.detectors import Labelled
from dsat_jax import five_points, geometry
from dsat_jax.inference.detections import Detections
from dsat_jax.schemes import W300_68


def upright_face(box: np.ndarray) -> np.ndarray:
    """Landmarks [68, 2] of an upright face: eyes, tip of the nose and mouth, and corners of the box elsewhere."""
    points = np.tile(box.reshape(2, 2), (34, 1))  # [2, 2] -> [68, 2]
    template = five_points.TEMPLATE / five_points.TEMPLATE_SIZE * (box[2:] - box[:2]) + box[:2]
    for members, point in zip(W300_68.five_points, template, strict=True):
        points[list(members)] = point
    return points


def white_square(side: int = 100) -> Labelled:
    """An image of 200 px with a white square, whose box is labelled as a face."""
    image = np.zeros((200, 200, 3), np.uint8)
    image[50 : 50 + side, 50 : 50 + side] = 255
    return Labelled(image, upright_face(np.array([50.0, 50.0, 49.0 + side, 49.0 + side]))[None])


def squares(image: np.ndarray) -> Detections:
    """Finds white regions."""
    white = (image.min(axis=-1) > 230).astype(np.uint8)
    _, _, blobs, _ = cv2.connectedComponentsWithStats(white)
    blobs = blobs[1:][blobs[1:, cv2.CC_STAT_AREA] > 50].astype(float)
    low = blobs[:, :2]
    return Detections(np.concatenate([low, low + blobs[:, 2:4] - 1], axis=1).reshape(-1, 4))


def test_found_missed_and_false_detections_are_counted():
    images = [white_square(), white_square(80)]
    assert detectors.count(squares, images)[:4] == (2, 2, 2, 0)
    # In the second image the overlap is (79 / 99)^2 = 0.64, which counts.
    box = np.array([[50.0, 50.0, 149.0, 149.0]])
    assert detectors.count(lambda image: Detections(box), images)[:4] == (2, 2, 2, 0)
    upside_down = Detections(box, rolls=np.array([np.pi]))
    assert detectors.count(lambda image: upside_down, images)[:4] == (2, 2, 0, 0)
    half = np.array([[50.0, 50.0, 99.0, 99.0]])
    # (49 / 99)^2 = 0.24 and (49 / 79)^2 = 0.38: missed, but not false.
    assert detectors.count(lambda image: Detections(half), images)[:4] == (2, 0, 0, 0)
    elsewhere = np.array([[0.0, 0.0, 30.0, 30.0], [50.0, 50.0, 149.0, 149.0]])
    assert detectors.count(lambda image: Detections(elsewhere), images)[:4] == (2, 2, 2, 2)


def test_crowded_images_hold_separate_faces_of_the_given_sizes():
    images = list(detectors.crowded([white_square()], count=8, seed=1))
    assert [image.image.shape for image in images] == [(768, 1024, 3)] * 8
    sides = np.concatenate([(image.boxes[:, 2:] - image.boxes[:, :2]).max(axis=1) for image in images])
    assert 18 < sides.min() < 60
    assert 200 < sides.max() < 302
    for image in images:
        assert 1 <= len(image.boxes) <= 20
        overlaps = geometry.box_overlaps(image.boxes, image.boxes)
        assert overlaps[~np.eye(len(overlaps), dtype=bool)].max(initial=0) == 0
    counts = detectors.count(squares, images)  # the labels are where the squares are
    assert counts.found == counts.faces == len(sides)
    again = next(detectors.crowded([white_square()], count=1, seed=1))
    np.testing.assert_array_equal(again.image, images[0].image)


def test_a_turned_image_is_turned_with_its_landmarks():
    labelled = detectors.turned(white_square(), 90)
    assert labelled.image.shape == (283, 283, 3)
    np.testing.assert_allclose(labelled.rolls, [np.pi / 2])
    found = Detections(labelled.boxes, rolls=np.array([np.deg2rad(70)]))
    assert detectors.count(lambda image: found, [labelled])[:4] == (1, 1, 1, 0)
    assert detectors.count(squares, [labelled])[:4] == (1, 1, 0, 0)  # its detections have no roll


def test_the_table_names_every_set_and_detector(tmp_path, capsys):
    image, landmarks = white_square()
    cv2.imwrite(str(tmp_path / "a.png"), image)
    lines = "\n".join(f"{x} {y}" for x, y in landmarks[0] + 1)
    (tmp_path / "a.pts").write_text(f"version: 1\nn_points: 68\n{{\n{lines}\n}}\n")
    detectors.main([str(tmp_path), "--detectors=squares", "--crowded=1"], make=lambda name: squares)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith(f"| {tmp_path}, 1 | 1 | squares | 100.0 | 100.0 | 0 |")
    assert lines[3].startswith("| crowded, 1 | ")
    with pytest.raises(SystemExit):
        detectors.main(["--detectors=squares"])
