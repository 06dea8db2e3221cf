"""The pictures of the documents."""

import numpy as np

import dsat_jax
from dsat_jax import drawing
from examples import pictures


def test_the_portrait_shows_landmarks_around_the_mouth_and_none_beside_the_face():
    shown = pictures.portrait(dsat_jax.Predictor.pretrained())
    assert shown.shape == (720, 720, 3)
    is_drawn = (shown == pictures.GREEN).all(axis=-1)
    assert is_drawn[300:360, 290:410].any()
    assert not is_drawn[:, 500:].any()


def test_the_samples_are_the_first_rows_of_the_grid(tmp_path):
    grid = np.random.default_rng(0).integers(0, 255, (3 * drawing.TILE, 2 * drawing.TILE, 3), np.uint8)
    drawing.write_image(tmp_path / drawing.SAMPLES_FILE, grid)
    np.testing.assert_array_equal(pictures.samples(tmp_path), grid[: 2 * drawing.TILE])
