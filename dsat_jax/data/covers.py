"""Objects in front of a face, drawn on training crops on the host: sunglasses, masks, hands, hair, solids.

The network has to estimate the positions of the covered landmarks, as in photographs of partly hidden faces.
"""

from typing import NamedTuple

import cv2
import numpy as np

from dsat_jax import five_points, geometry
from dsat_jax.data import cover_sprites
from dsat_jax.schemes import Scheme, parts_of

_GREY_SPREAD = 4.0  # largest difference of the channels of a skin without colour
_NORMAL_BRIGHTNESS = 130.0  # mean pixel value of a well-lit face
_CENTRE = np.array([56.0, 72.0])  # middle of a face in the template
# Without the five points, a face in the template is assumed to fill this part of the crop.
_TEMPLATE_SHARE = five_points.TEMPLATE_SIZE / 140


class _Placement(NamedTuple):
    """Ranges of the random placement of a kind of sprite.

    Attributes:
      angle: largest rotation in degrees, in either direction.
      scale: interval of the scale of both axes.
      left_right: largest shift along x in pixels of the template, in either direction.
      up_down: interval of the shift along y in pixels of the template.
      colours: RGB colours of white parts in good light; empty: see `_colour`.
    """

    angle: float
    scale: tuple[float, float]
    left_right: float
    up_down: tuple[float, float]
    colours: tuple[tuple[int, int, int], ...] = ()


_BLACK, _WHITE = (34, 34, 38), (245, 245, 245)
_PLACEMENTS = {
    "sunglasses": _Placement(
        4, (0.95, 1.2), 1.5, (-2, 2), ((110, 110, 110), (60, 60, 64), (140, 90, 60), (80, 95, 130))
    ),
    "mask": _Placement(
        4, (0.95, 1.1), 2, (-3, 3), (_WHITE, (170, 205, 230), (170, 205, 230), _BLACK, (220, 170, 180))
    ),
    "hand": _Placement(75, (0.95, 1.35), 40, (-35, 35)),
    "hair": _Placement(
        6,
        (1.0, 1.2),
        4,
        (-4, 6),
        ((40, 34, 32), (85, 58, 40), (150, 108, 68), (225, 190, 135), (190, 190, 190)),
    ),
    "object": _Placement(90, (0.6, 1.3), 34, (-35, 50)),
}


def cover(
    image: np.ndarray, points: np.ndarray, weights: np.ndarray, scheme: Scheme, rng: np.random.Generator
) -> np.ndarray:
    """Returns a crop with a random object in front of the face.

    Args:
      image: crop, uint8 [size, size, 3].
      points: landmarks [points, 2] in pixels of the crop.
      weights: weights of the landmarks [points], 0 where a position is unknown.
      scheme: scheme of the landmarks.
      rng: source of the random draws.

    Returns:
      uint8 [size, size, 3], a new array. The object is placed by the known ones of the five points. With fewer than two
      of them, it is placed as on an upright face in the middle of the crop.
    """
    all_sprites = cover_sprites.sprites()
    sprite = all_sprites[rng.integers(len(all_sprites))]
    on_face = _face_matrix(points, weights, scheme, len(image))
    colour = _colour(sprite.kind, image, geometry.transform_points(on_face, five_points.TEMPLATE), rng)
    matrix = geometry.compose(on_face, _sprite_matrix(_PLACEMENTS[sprite.kind], rng))
    warped = cv2.warpAffine(sprite.pixels, matrix, image.shape[1::-1], flags=cv2.INTER_LINEAR)
    shade, opacity = cv2.split(warped.astype(np.float32) / 255)
    covered = cv2.merge([shade * value for value in colour.tolist()]) + image * (1 - opacity)[..., None]
    return np.round(np.minimum(covered, 255)).astype(np.uint8)


def _face_matrix(points: np.ndarray, weights: np.ndarray, scheme: Scheme, size: int) -> np.ndarray:
    """Returns the transform [2, 3] from the template of the five points to the crop.

    It is the mean of the similarity and of the affine transform with the least squared error. A sprite thus becomes
    narrower on a turned face, but never vanishes. If some of the five points are unknown, it is the similarity alone.
    """
    known, targets = _known_five_points(points, weights, scheme)
    if np.ptp(targets, axis=0).any():
        template = five_points.TEMPLATE[known]
        similarity = geometry.fit_similarity(template, targets)
        if len(targets) < 5:
            return similarity
        rows = np.concatenate([template, np.ones((5, 1))], axis=1)
        affine = np.linalg.lstsq(rows, targets, rcond=None)[0].T
        return (similarity + affine) / 2
    scale = size * _TEMPLATE_SHARE / five_points.TEMPLATE_SIZE
    return np.concatenate([scale * np.eye(2), ((size - 1) / 2 - scale * _CENTRE)[:, None]], axis=1)


def _known_five_points(
    points: np.ndarray, weights: np.ndarray, scheme: Scheme
) -> tuple[list[int], np.ndarray]:
    """Returns which of the five points have a known landmark in any part of the scheme, and their positions [n, 2]."""
    positions: dict[int, np.ndarray] = {}
    for part in parts_of(scheme):
        for number, members in enumerate(part.scheme.five_points or ()):
            group = [part.points[i] for i in members if weights[part.points[i]] > 0]
            if group:
                positions.setdefault(number, points[group].mean(axis=0))
    known = sorted(positions)
    # Without any, one position that is no face.
    return known, np.array([positions[number] for number in known] or [[0, 0]], np.float64)


def _sprite_matrix(placement: _Placement, rng: np.random.Generator) -> np.ndarray:
    """Returns a random transform [2, 3] from a sprite's pixels to the template of the five points."""
    to_centre = np.concatenate([np.eye(2), -(cover_sprites.MARGIN + _CENTRE)[:, None]], axis=1)
    angle = np.deg2rad(rng.uniform(-placement.angle, placement.angle))
    scale = rng.uniform(*placement.scale, 2) * (rng.choice((-1, 1)), 1)  # half of the sprites are mirrored
    shift = (rng.uniform(-placement.left_right, placement.left_right), rng.uniform(*placement.up_down))
    turn = geometry.roll_matrix(angle, np.zeros(2))[:, :2] * scale
    return geometry.compose(np.concatenate([turn, (_CENTRE + shift)[:, None]], axis=1), to_centre)


def _colour(kind: str, image: np.ndarray, face: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns the RGB colour [3] of the white parts of a sprite.

    A hand has the colour of the cheeks, a solid has any colour, the other kinds have those of `_PLACEMENTS`. All but
    the hand become as bright or dark as the face. In grey images they are grey.

    Args:
      kind: kind of the sprite.
      image: crop, uint8 [size, size, 3].
      face: the five points [5, 2] in pixels of the crop.
      rng: source of the random draws.
    """
    cheeks = [_mean_colour(image, (face[eye] + face[eye + 3]) / 2) for eye in (0, 1)]
    skin = np.mean(cheeks, axis=0)
    if kind == "hand":
        return np.clip(skin * rng.uniform(0.85, 1.3), 0, 255)
    colours = _PLACEMENTS[kind].colours
    colour = (
        np.array(colours[rng.integers(len(colours))])
        if colours
        else rng.uniform(30, 240) + rng.normal(0, 30, 3)
    )
    if np.ptp(skin) < _GREY_SPREAD:
        colour = np.full(3, colour.mean())
    return np.clip(
        colour * np.clip(skin.mean() / _NORMAL_BRIGHTNESS, 0.2, 1.25) * rng.uniform(0.85, 1.15), 0, 255
    )


def _mean_colour(image: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Returns the mean colour [3] of the 5 x 5 pixels around a position [2]; outside the image, of its nearest ones."""
    x, y = np.clip(np.round(place).astype(int), 2, np.array(image.shape[1::-1]) - 3)
    return image[y - 2 : y + 3, x - 2 : x + 3].mean(axis=(0, 1))
