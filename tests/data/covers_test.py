"""Objects drawn in front of faces of training crops."""

import numpy as np
import pytest

from dsat_jax import five_points, geometry, schemes
from dsat_jax.config import check_config, default
from dsat_jax.data import cover_sprites, covers
from dsat_jax.schemes import COFW_29, W300_68

SIZE = 96
SEEDS = range(60)


def face_points(scale: float = 0.6, offset: tuple[float, float] = (14.0, 4.0)) -> np.ndarray:
    """Returns 68 landmarks whose five points are those of the template, scaled and shifted."""
    points = np.zeros((68, 2), np.float32)
    for members, place in zip(W300_68.five_points, five_points.TEMPLATE, strict=True):
        points[list(members)] = place * scale + offset
    return points


def covered(image: np.ndarray, points: np.ndarray, seed: int, weight: float = 1.0) -> np.ndarray:
    return covers.cover(
        image, points, np.full(len(points), weight, np.float32), W300_68, np.random.default_rng(seed)
    )


def flat(value: int | tuple[int, int, int]) -> np.ndarray:
    return np.full((SIZE, SIZE, 3), value, np.uint8)


def block_means(image: np.ndarray, side: int) -> np.ndarray:
    return image.reshape(SIZE // side, side, SIZE // side, side, 3).mean(axis=(1, 3))


def test_a_cover_changes_a_part_of_a_copy():
    image = flat(150)
    shares = []
    for seed in SEEDS:
        after = covered(image, face_points(), seed)
        assert (after.shape, after.dtype) == (image.shape, np.uint8)
        np.testing.assert_array_equal(after, covered(image, face_points(), seed))
        shares.append((np.abs(after.astype(int) - image) > 8).any(axis=-1).mean())
    assert (image == 150).all()
    assert 0.02 < min(shares) < 0.1
    assert 0.3 < max(shares) < 0.9


def test_a_cover_turns_with_the_face():
    points = face_points()
    turned = np.stack([SIZE - 1 - points[:, 1], points[:, 0]], axis=-1)  # a quarter turn clockwise
    for seed in SEEDS:
        upright = covered(flat(150), points, seed).astype(int)
        after = covered(flat(150), turned, seed).astype(int)
        assert np.abs(np.rot90(upright, -1) - after).mean() < 0.3


def test_a_cover_grows_and_moves_with_the_face():
    """A face of half the size in the top-left quarter has the cover of the whole crop, at half the size."""
    small = (face_points() + 0.5) / 2 - 0.5
    changes = []
    for seed in SEEDS:
        large = block_means(covered(flat(150), face_points(), seed), 8)  # single hairs are aliased
        after = block_means(covered(flat(150), small, seed), 4)[: SIZE // 8, : SIZE // 8]
        assert np.abs(large - after).mean() < 1.2
        changes.append(np.abs(large - 150).mean())
    assert np.mean(changes) > 8


def test_unknown_landmarks_place_the_cover_in_the_middle():
    scale = SIZE / 140
    middle = face_points(scale, tuple((SIZE - 1) / 2 - scale * np.array([56.0, 72.0])))
    elsewhere = np.random.default_rng(0).uniform(0, SIZE, (68, 2)).astype(np.float32)
    for seed in SEEDS:
        unknown = covered(flat(150), elsewhere, seed, weight=0.0).astype(int)
        assert np.abs(unknown - covered(flat(150), middle, seed)).mean() < 0.1
        np.testing.assert_array_equal(unknown, covered(flat(150), np.full((68, 2), 7.0), seed))


def test_a_cover_turns_with_a_face_whose_nose_is_unknown():
    """Four of the five points are known, as in datasets that do not label the tip of the nose."""
    weights = np.ones(68)
    weights[30] = 0
    points = face_points(1.0, (0.0, 0.0)).astype(np.float64)
    upright = covers._face_matrix(points, weights, W300_68, SIZE)
    np.testing.assert_allclose(upright, np.eye(3)[:2], atol=1e-4)
    turned = geometry.transform_points(geometry.roll_matrix(np.pi / 2, np.full(2, 47.5)), points)
    matrix = covers._face_matrix(turned, weights, W300_68, SIZE)
    np.testing.assert_allclose(matrix[:, :2], [[0, -1], [1, 0]], atol=1e-6)


def test_landmarks_of_any_part_of_a_joint_scheme_place_the_cover():
    joint = schemes.join([COFW_29, W300_68], tied=False)
    points = np.zeros((joint.num_points, 2))
    weights = np.zeros(joint.num_points)
    weights[29:] = 1
    for number, members in enumerate(W300_68.five_points):
        points[29 + np.array(members)] = five_points.TEMPLATE[number]
    np.testing.assert_allclose(covers._face_matrix(points, weights, joint, SIZE), np.eye(3)[:2], atol=1e-6)


def test_covers_of_grey_images_are_grey():
    for seed in SEEDS:
        assert np.ptp(covered(flat(110), face_points(), seed), axis=-1).max() <= 1


def test_covers_are_dark_on_a_dark_face():
    dark = max(covered(flat((24, 20, 16)), face_points(), seed).max() for seed in SEEDS)
    light = max(covered(flat((190, 150, 130)), face_points(), seed).max() for seed in SEEDS)
    assert dark < 70
    assert light > 230


@pytest.mark.parametrize(
    ("kind", "hidden", "visible"),
    [("sunglasses", (0, 1), (2, 3, 4)), ("mask", (2, 3, 4), (0, 1)), ("hair", (), (2, 3, 4))],
)
def test_a_sprite_hides_the_parts_that_it_covers(kind, hidden, visible):
    forms = [sprite for sprite in cover_sprites.sprites() if sprite.kind == kind]
    assert len(forms) > 1
    for sprite in forms:
        places = np.round(five_points.TEMPLATE).astype(int) + cover_sprites.MARGIN
        opacity = sprite.pixels[places[:, 1], places[:, 0], 1] / 255
        assert (opacity[list(hidden)] > 0.85).all()
        assert (opacity[list(visible)] < 0.1).all()
        assert (
            sprite.pixels[..., 0] <= sprite.pixels[..., 1]
        ).all()  # the shade is multiplied by the opacity


def test_covers_need_images_on_the_host():
    config = default()
    config.augment.cover = 0.3
    check_config(config, "here")
    config.data.resident = True
    with pytest.raises(ValueError, match=r"here: augment\.cover is 0\.3, expected 0 with data\.resident"):
        check_config(config, "here")
