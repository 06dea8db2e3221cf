"""Drawings: the colours of mirrored landmarks, and landmarks without a position."""

import cv2
import numpy as np

from dsat_jax import drawing, geometry, schemes
from dsat_jax.evaluation import error_curves
from dsat_jax.schemes import SCHEMES
from tfds_builders.synthetic_faces.drawing import draw_face
from tfds_builders.synthetic_faces.other_schemes import landmarks_in


def test_both_faces_of_every_scheme_are_green_on_the_left_and_red_on_the_right(tmp_path):
    drawn = draw_face(seed=0, split=1, index=0)
    landmarks = {name: landmarks_in(drawn.points, scheme) for name, scheme in SCHEMES.items()}
    drawing.draw_schemes(drawn.image, landmarks, tmp_path / "schemes.png", side=512)
    sheet = cv2.imread(str(tmp_path / "schemes.png"), cv2.IMREAD_COLOR_RGB)
    assert sheet.shape == (2 * 512, len(SCHEMES) * 512, 3)
    for column, (name, points) in enumerate(landmarks.items()):
        left, right = geometry.resize_points(points[list(SCHEMES[name].eye_corners)], 512 / 256)
        for (x, y), colour in (
            (left, drawing.LEFT),
            (right, drawing.RIGHT),
            ((511 - right[0], 512 + right[1]), drawing.LEFT),
            ((511 - left[0], 512 + left[1]), drawing.RIGHT),
        ):
            pixel = sheet[round(float(y)), column * 512 + round(float(x))]
            np.testing.assert_array_equal(pixel, colour, err_msg=name)


def test_unknown_landmarks_are_not_drawn():
    points = np.full((68, 2), np.nan)
    points[36:42] = [[20, 30], [22, 28], [24, 28], [26, 30], [24, 32], [22, 32]]
    image = np.zeros((64, 64, 3), np.uint8)
    drawing.draw_landmarks(image, points, schemes.W300_68, drawing.TRUTH)
    rows, columns = np.nonzero(image.any(axis=-1))
    assert 24 < rows.min() < rows.max() < 36
    assert 16 < columns.min() < columns.max() < 30


def test_names_that_matplotlib_would_interpret_are_drawn(tmp_path):
    curves = {"_base": np.array([0.02, 0.05]), "a$x_{1$": np.array([0.03])}
    error_curves.draw_error_curves(curves, 0.08, "inter-ocular", tmp_path / "ced.png")
    assert (tmp_path / "ced.png").stat().st_size > 1000


def test_an_image_in_a_bucket_has_the_bytes_of_a_local_one(tmp_path, bucket_folder):
    image = draw_face(seed=0, split=1, index=0).image
    for name in ("face.png", "face.jpg"):
        for folder in (tmp_path, bucket_folder):
            drawing.write_image(folder / name, image)
        assert (bucket_folder / name).read_bytes() == (tmp_path / name).read_bytes()
