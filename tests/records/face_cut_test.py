"""Cuts: pixels and coordinates agree, and every training crop is inside the cut."""

import hypothesis
import numpy as np
from hypothesis import strategies as st

from dsat_jax import geometry
from dsat_jax.records import CUT_SIDE, cut_face


def gradient(width: int, height: int) -> np.ndarray:
    """An image, uint8 [height, width, 3]; red is x / 8, green is y / 8, both rounded."""
    y, x = np.mgrid[:height, :width]
    return np.stack([np.round(x / 8), np.round(y / 8), np.zeros_like(x)], axis=-1).astype(np.uint8)


def test_cut_by_hand():
    # The square fitted to a box 100 wide and 50 high has side (100^2 + 50^2) / 150 = 83.33. It reaches
    # 1.15 * 83.33 = 95.83 from the centre (350, 225): columns 254..446, rows 129..321.
    box = np.array([300.0, 200.0, 400.0, 250.0])
    cut, to_original = cut_face(gradient(1000, 800), [box])
    assert cut.shape == (193, 193, 3)
    np.testing.assert_array_equal(to_original, [[1, 0, 254], [0, 1, 129]])
    np.testing.assert_array_equal(cut, gradient(1000, 800)[129:322, 254:447])


def test_cut_ends_at_the_border_of_the_image_and_is_never_enlarged():
    cut, to_original = cut_face(gradient(60, 40), [np.array([-10.0, 5.0, 30.0, 35.0])])
    assert cut.shape == (40, 53, 3)
    np.testing.assert_array_equal(to_original, [[1, 0, 0], [0, 1, 0]])


def test_the_pixels_of_a_shrunk_cut_fit_its_transform():
    image = gradient(1999, 1800)
    cut, to_original = cut_face(image, [np.array([700.0, 500.0, 1303.0, 1203.0])])
    height, width = cut.shape[:2]
    assert max(height, width) == CUT_SIDE
    columns = geometry.transform_points(to_original, np.stack([np.arange(width), np.zeros(width)], axis=1))[
        :, 0
    ]
    rows = geometry.transform_points(to_original, np.stack([np.zeros(height), np.arange(height)], axis=1))[
        :, 1
    ]
    # A gradient keeps its values at the centres of averaged areas. Half a pixel of the cut would be 0.25.
    red, green = cut[..., 0].mean(axis=0), cut[..., 1].mean(axis=1)
    assert abs(np.mean(red - columns / 8)) < 0.03
    assert abs(np.mean(green - rows / 8)) < 0.03


coordinate = st.floats(400, 1100)
side = st.floats(20, 500)


@hypothesis.settings(max_examples=60, deadline=None)
@hypothesis.given(
    box=st.tuples(coordinate, coordinate, side, side),
    offset=st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(0.7, 1.4)),
    size=st.sampled_from([128, 192, 256]),
    angle=st.sampled_from([-30.0, 0.0, 30.0]),
    mirror=st.booleans(),
)
def test_every_training_crop_is_inside_the_cut(box, offset, size, angle, mirror):
    x, y, width, height = box
    landmark_box = np.array([x, y, x + width, y + height])
    dataset_box = landmark_box.reshape(2, 2) + np.array(offset[:2]) * [width, height]
    dataset_box[1] = dataset_box[0] + (dataset_box[1] - dataset_box[0]) * offset[2]
    dataset_box = dataset_box.reshape(4)
    image = np.zeros((2600, 2600, 3), np.uint8)
    cut, to_original = cut_face(image, [landmark_box, dataset_box])
    edge = np.array([-0.5, size - 0.5])
    corners = np.stack(np.meshgrid(edge, edge), axis=-1).reshape(-1, 2)
    for crop_box in (landmark_box, dataset_box):
        for shift in ([0.1, 0.1], [-0.1, 0.1], [0.1, -0.1], [-0.1, -0.1]):
            jitter = geometry.jitter_matrix(size, angle, 0.9, size * np.array(shift), mirror)
            to_input = geometry.compose(jitter, geometry.crop_matrix(crop_box, size, 0.125))
            in_original = geometry.transform_points(geometry.invert(to_input), corners)
            in_cut = geometry.transform_points(
                geometry.invert(to_original), np.clip(in_original, -0.5, 2599.5)
            )
            assert in_cut.min() >= -0.5 - 1e-6
            assert (in_cut <= np.array(cut.shape[1::-1]) - 0.5 + 1e-6).all()
