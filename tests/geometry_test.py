"""Geometric conventions: resize, mirror, crop and jitter."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dsat_jax import geometry, metrics
from dsat_jax.schemes import W300_68
from dsat_jax.warp import warp
from tfds_builders.synthetic_faces.drawing import draw_face


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


@pytest.mark.parametrize("mirror", [False, True])
def test_the_transform_of_a_training_crop_is_the_same_with_jax(mirror):
    """float64 inside jit, as in `training/device_crops.py`."""
    crop, shift = geometry.crop_matrix(np.array([10.0, 20, 90, 110]), 64, 0.125), np.array([3.0, -2.0])

    def transform(angle, scale, shift, mirror):
        jitter = geometry.jitter_matrix(64, angle, scale, shift, mirror)
        return geometry.compose(
            geometry.invert(geometry.resize_matrix(scale)), geometry.compose(jitter, crop)
        )

    with jax.enable_x64(True):
        traced = jax.jit(transform)(
            jnp.float64(25.0), jnp.float64(1.1), jnp.asarray(shift), jnp.asarray(mirror)
        )
        assert isinstance(traced, jax.Array)
        np.testing.assert_allclose(
            np.asarray(traced), transform(25.0, 1.1, shift, mirror), rtol=1e-12, atol=1e-11
        )


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


@pytest.mark.parametrize("count", [2, 3, 40])
@pytest.mark.parametrize("degrees", [0, 30, 180, -100])
def test_a_known_similarity_is_recovered(count, degrees):
    """Rotation by an angle, scale 2.5 and a shift, from exact points."""
    cos, sin = 2.5 * np.cos(np.deg2rad(degrees)), 2.5 * np.sin(np.deg2rad(degrees))
    expected = np.array([[cos, -sin, 7.0], [sin, cos, -90.0]])
    points = np.random.default_rng(count).uniform(-50, 50, (count, 2))
    fitted = geometry.fit_similarity(points, geometry.transform_points(expected, points))
    np.testing.assert_allclose(fitted, expected, atol=1e-9)


def test_a_similarity_has_the_least_squared_error():
    """The independent solution of the linear system in a, b and the shift: x' = a x - b y + c, y' = b x + a y + d."""
    random = np.random.default_rng(0)
    points, targets = random.normal(0, 10, (2, 6, 2))
    zero, one = np.zeros(6), np.ones(6)
    x, y = points.T
    rows = np.concatenate([np.stack([x, -y, one, zero], axis=1), np.stack([y, x, zero, one], axis=1)])
    a, b, c, d = np.linalg.lstsq(rows, targets.T.ravel(), rcond=None)[0]
    np.testing.assert_allclose(geometry.fit_similarity(points, targets), [[a, -b, c], [b, a, d]], atol=1e-9)


def test_a_similarity_is_never_a_reflection():
    random = np.random.default_rng(0)
    for _ in range(20):
        points = random.normal(size=(5, 2))
        matrix = geometry.fit_similarity(points, points * [-1, 1] + random.normal(0, 0.1, (5, 2)))
        assert np.linalg.det(matrix[:, :2]) >= 0
        np.testing.assert_allclose(matrix[0, 0], matrix[1, 1])
        np.testing.assert_allclose(matrix[0, 1], -matrix[1, 0])


def test_equal_points_have_no_similarity():
    assert not np.isfinite(geometry.fit_similarity(np.ones((5, 2)), np.zeros((5, 2)))).any()


def test_a_roll_turns_clockwise_about_its_centre():
    matrix = geometry.roll_matrix(np.pi / 2, np.array([10.0, 20.0]))
    points = np.array([[10.0, 20.0], [15.0, 20.0], [10.0, 21.0]])
    np.testing.assert_allclose(
        geometry.transform_points(matrix, points), [[10, 20], [10, 25], [9, 20]], atol=1e-9
    )


def test_the_rolled_box_of_a_diamond_worked_out_by_hand():
    """The corners of a square of side 10 sqrt(2), turned by 45 degrees, and of a rectangle turned by 90 degrees."""
    diamond = np.array([[50, 20], [60, 30], [50, 40], [40, 30]], float)
    half = 5 * np.sqrt(2)
    expected = [50 - half, 30 - half, 50 + half, 30 + half]
    np.testing.assert_allclose(geometry.rolled_box(diamond, np.pi / 4), expected)
    np.testing.assert_allclose(geometry.rolled_box(diamond, 0.0), [40, 20, 60, 40])
    rectangle = np.array(
        [[0, 0], [20, 0], [20, 6], [0, 6]], float
    )  # 20 px wide, seen from the side 20 px high
    np.testing.assert_allclose(geometry.rolled_box(rectangle, np.pi / 2), [7, -7, 13, 13], atol=1e-9)


@pytest.mark.parametrize("roll", [0.0, 0.4, -1.2, np.pi / 2, 3.0])
def test_the_bounds_of_a_rolled_box_are_those_of_its_ellipse(roll):
    box = np.array([10.0, 20.0, 50.0, 80.0])
    angles = np.linspace(0, 2 * np.pi, 20_000)
    ellipse = np.array([30, 50]) + np.stack([20 * np.cos(angles), 30 * np.sin(angles)], axis=1)
    turned = geometry.transform_points(geometry.roll_matrix(roll, np.array([30.0, 50.0])), ellipse)
    np.testing.assert_allclose(
        geometry.box_of_rolled(box, roll), [*turned.min(axis=0), *turned.max(axis=0)], atol=1e-4
    )


def test_the_crop_of_a_rolled_box_worked_out_by_hand():
    """A face turned clockwise by a right angle: its upper left corner is at the upper right of the box."""
    box = np.array([10.0, 20.0, 110.0, 120.0])
    matrix = geometry.crop_matrix(box, size=101, enlarge=0.0, roll=np.pi / 2)
    corners = np.array([[110, 20], [110, 120], [10, 120], [10, 20]], float)
    np.testing.assert_allclose(
        geometry.transform_points(matrix, corners), [[0, 0], [100, 0], [100, 100], [0, 100]], atol=1e-9
    )
    np.testing.assert_array_equal(
        geometry.crop_matrix(box, 101, 0.1, roll=0.0), geometry.crop_matrix(box, 101, 0.1)
    )


@pytest.mark.parametrize("degrees", [20, -75, 160])
def test_a_rolled_face_has_the_crop_of_the_upright_face(degrees):
    """A drawn face, turned by OpenCV in an image that is large enough, in the box of its turned landmarks."""
    drawing = draw_face(seed=0, split=1, index=3)
    points = drawing.points.astype(np.float64)
    image = cv2.copyMakeBorder(drawing.image, 150, 150, 150, 150, cv2.BORDER_REPLICATE)
    points = points + 150
    centre = points.mean(axis=0)
    # OpenCV's angles are counter-clockwise.
    turn = cv2.getRotationMatrix2D(centre.tolist(), -degrees, 1.0)
    turned = cv2.warpAffine(image, turn, image.shape[1::-1], flags=cv2.INTER_CUBIC)
    roll = np.deg2rad(degrees)
    upright_matrix = geometry.crop_matrix(geometry.box_of_points(points), 64, 0.1)
    rolled_box = geometry.rolled_box(geometry.transform_points(turn, points), roll)
    matrix = geometry.crop_matrix(rolled_box, 64, 0.1, roll)
    np.testing.assert_allclose(geometry.compose(matrix, turn), upright_matrix, atol=1e-6)
    upright, crop = warp(image, upright_matrix, 64), warp(turned, matrix, 64)
    difference = np.abs(upright.astype(int) - crop).mean()
    assert difference < 4
    without_roll = warp(turned, geometry.crop_matrix(rolled_box, 64, 0.1), 64)
    assert np.abs(upright.astype(int) - without_roll).mean() > 3 * difference
