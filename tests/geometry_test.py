"""Geometric conventions: resize, mirror, crop and jitter."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsat_jax import geometry, metrics
from dsat_jax.schemes import W300_68


def test_compose_and_invert_agree_with_applying_one_after_the_other():
    rng = np.random.default_rng(0)
    outer, inner, points = rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), rng.normal(size=(5, 2))
    composed = geometry.transform_points(geometry.compose(outer, inner), points)
    np.testing.assert_allclose(
        composed, geometry.transform_points(outer, geometry.transform_points(inner, points))
    )
    np.testing.assert_allclose(
        geometry.transform_points(geometry.invert(outer), geometry.transform_points(outer, points)), points
    )


def test_transforms_of_a_batch_equal_those_of_its_rows():
    rng = np.random.default_rng(1)
    matrices, points = rng.normal(size=(3, 2, 3)), rng.normal(size=(3, 4, 2))
    batched = geometry.transform_points(matrices, points)
    for row in range(3):
        np.testing.assert_allclose(batched[row], geometry.transform_points(matrices[row], points[row]))


def test_resized_points_by_hand():
    # x' = (x + 0.5) * 4 - 0.5 and y' = (y + 0.5) * 0.5 - 0.5.
    points = np.array([[0.0, 0.0], [3.0, 1.0], [-0.5, -0.5]])
    expected = [[1.5, -0.25], [13.5, 0.25], [-0.5, -0.5]]
    np.testing.assert_array_equal(geometry.resize_points(points, np.array([4.0, 0.5])), expected)
    np.testing.assert_array_equal(geometry.resize_points(points, 2.0), [[0.5, 0.5], [6.5, 2.5], [-0.5, -0.5]])
    np.testing.assert_array_equal(
        geometry.resize_points(np.array([[0.0, 1.0, 9.0, 4.0]]), 0.5), [[-0.25, 0.25, 4.25, 1.75]]
    )


def test_resized_points_of_jax_are_a_float32_array_of_jax():
    resized = jax.jit(geometry.resize_points)(jnp.array([[0.0, 3.0]]), 2.0)
    assert isinstance(resized, jax.Array)
    assert resized.dtype == jnp.float32
    np.testing.assert_array_equal(resized, [[0.5, 6.5]])


def test_the_resize_matrix_by_hand_is_that_of_resized_points():
    np.testing.assert_array_equal(geometry.resize_matrix(4.0, 0.5), [[4, 0, 1.5], [0, 0.5, -0.25]])
    points = np.random.default_rng(0).uniform(-5, 50, (6, 2))
    np.testing.assert_allclose(
        geometry.transform_points(geometry.resize_matrix(1.7), points), geometry.resize_points(points, 1.7)
    )


def test_opencv_resizes_by_the_same_pixel_centres():
    image = np.zeros((16, 16), np.float32)
    image[5, 9] = 1.0
    resized = cv2.resize(image, (64, 64), interpolation=cv2.INTER_LINEAR)
    y, x = np.mgrid[:64, :64]
    centre = np.array([(x * resized).sum(), (y * resized).sum()]) / resized.sum()
    np.testing.assert_allclose(centre, geometry.resize_points(np.array([9.0, 5.0]), 4), atol=1e-4)


def test_resize_keeps_the_edges_of_the_image():
    edges = np.array([[-0.5, -0.5], [99.5, 49.5]])
    np.testing.assert_allclose(
        geometry.transform_points(geometry.resize_matrix(2.0), edges), [[-0.5, -0.5], [199.5, 99.5]]
    )


def test_mirror_matrix_and_mirror_points_follow_a_mirrored_image():
    image = np.zeros((8, 11), np.uint8)
    image[3, 2] = 255
    mirrored = image[:, ::-1]
    assert mirrored[3, 8] == 255
    np.testing.assert_allclose(
        geometry.transform_points(geometry.mirror_matrix(11), np.array([[2.0, 3.0]])), [[8, 3]]
    )
    points = np.array([[2.0, 3.0], [4.0, 5.0]])
    np.testing.assert_allclose(geometry.mirror_points(points, 11, np.array([1, 0])), [[6, 5], [8, 3]])


def test_crop_of_a_square_box_maps_corners_to_corner_pixels():
    matrix = geometry.crop_matrix(np.array([10.0, 20.0, 110.0, 120.0]), size=128, enlarge=0.1)
    corners = np.array([[0.0, 10.0], [120.0, 130.0]])
    np.testing.assert_allclose(geometry.transform_points(matrix, corners), [[0, 0], [127, 127]], atol=1e-9)


def test_crop_equals_the_original_on_recorded_faces(recorded):
    crop = recorded("targets.npz")
    for keypoints, matrix, cropped in zip(
        crop["crop/keypoints"], crop["crop/matrix"], crop["crop/cropped_keypoints"], strict=True
    ):
        ours = geometry.crop_matrix(geometry.box_of_points(keypoints), 128, 0.05)
        np.testing.assert_allclose(ours, matrix, atol=1e-4)
        np.testing.assert_allclose(geometry.transform_points(ours, keypoints), cropped, atol=1e-4)


def test_nme_equals_the_original_on_recorded_faces(recorded):
    crop = recorded("targets.npz")
    truth, predicted = crop["crop/keypoints"], crop["crop/predictions"]
    known, boxes = np.ones(truth.shape[:2], bool), geometry.box_of_points(truth)
    for name, expected in (
        ("inter_pupil", crop["crop/nme_interpupil"]),
        ("inter_ocular", crop["crop/nme_interocular"]),
    ):
        errors = metrics.point_errors(predicted, truth, metrics.NORMALISERS[name](truth, boxes, W300_68))
        np.testing.assert_allclose(metrics.nme(errors, known), expected, atol=1e-4)


@pytest.mark.parametrize("box", [[0, 0, 0, 5], [5, 5, 1, 9], [0, 0, np.nan, 5], [0, 0, np.inf, 5]])
def test_box_without_area_is_refused(box):
    with pytest.raises(ValueError, match="positive size, got"):
        geometry.crop_matrix(np.array(box, float), 128, 0.1)


def test_jitter_turns_scales_and_mirrors_about_the_centre():
    centre = np.array([[63.5, 63.5]])
    right = np.array([[73.5, 63.5]])
    turned = geometry.jitter_matrix(128, angle=90, scale=1.0, shift=np.zeros(2), mirror=False)
    np.testing.assert_allclose(geometry.transform_points(turned, centre), centre)
    np.testing.assert_allclose(
        geometry.transform_points(turned, right), [[63.5, 73.5]], atol=1e-9
    )  # clockwise
    moved = geometry.jitter_matrix(128, angle=0, scale=2.0, shift=np.array([3.0, -1.0]), mirror=True)
    np.testing.assert_allclose(geometry.transform_points(moved, right), [[127 - 86.5, 62.5]])


def test_opencv_warps_by_the_same_pixel_centres():
    image = np.zeros((40, 40), np.float32)
    image[12, 25] = 1.0
    matrix = geometry.compose(
        geometry.jitter_matrix(40, 30.0, 1.3, np.array([2.0, -3.0]), True), geometry.IDENTITY
    )
    warped = cv2.warpAffine(image, matrix, (40, 40))
    y, x = np.mgrid[:40, :40]
    centre = np.array([(x * warped).sum(), (y * warped).sum()]) / warped.sum()
    np.testing.assert_allclose(
        centre, geometry.transform_points(matrix, np.array([[25.0, 12.0]]))[0], atol=0.1
    )
