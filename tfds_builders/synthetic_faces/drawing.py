"""A synthetic face from its parameters: image, landmarks, visibility."""

import dataclasses

import numpy as np

from dsat_jax.records import OCCLUDED, VISIBLE
from tfds_builders.synthetic_faces import body, eyes, features, hair, occluders, photo
from tfds_builders.synthetic_faces.paint import Canvas
from tfds_builders.synthetic_faces.parameters import SIZE, Parameters, sample
from tfds_builders.synthetic_faces.portrait import Portrait
from tfds_builders.synthetic_faces.turned import sample_turned

MIN_COVERED = 6  # number of covered landmarks from which a face has the attribute `occlusion`


@dataclasses.dataclass(frozen=True)
class Drawing:
    """One synthetic image and its annotation.

    Attributes:
      image: uint8 [size, size, 3] RGB.
      points: float32 [98, 2] landmarks in pixels.
      visibility: uint8 [98], VISIBLE or OCCLUDED.
      attributes: name -> value.
    """

    image: np.ndarray
    points: np.ndarray
    visibility: np.ndarray
    attributes: dict[str, bool]


def draw(parameters: Parameters) -> Drawing:
    """Draws one face, from back to front."""
    portrait, canvas = Portrait.of(parameters), Canvas.blank(SIZE)
    photo.draw_background(canvas, portrait.random)
    strands = hair.hair_shade(portrait)
    hair.draw_behind(canvas, portrait, strands)
    body.draw_neck(canvas, portrait)
    hair.draw_on_skull(canvas, portrait, strands)
    body.draw_ears(canvas, portrait)
    features.draw_skin(canvas, portrait)
    features.draw_folds(canvas, portrait)
    features.draw_beard(canvas, portrait)
    features.draw_mouth(canvas, portrait)
    eyes.draw_eyes(canvas, portrait)
    features.draw_nose(canvas, portrait)
    features.draw_brows(canvas, portrait)
    hair.draw_in_front(canvas, portrait, strands)
    occluders.draw_occluder(canvas, portrait)
    covered = _covered(portrait.points, canvas)
    hidden = covered | portrait.hidden
    return Drawing(
        image=photo.develop(canvas.image, parameters.photo, portrait.random),
        points=portrait.points.astype(np.float32),
        visibility=np.where(hidden, OCCLUDED, VISIBLE).astype(np.uint8),
        attributes=parameters.attributes | {"occlusion": int(covered.sum()) >= MIN_COVERED},
    )


def _covered(points: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Whether each point is under an occluder or hair: bool [points]."""
    x, y = np.clip(np.rint(points).astype(int), 0, canvas.size - 1).T
    return canvas.cover[y, x] > 127


def draw_face(seed: int, split: int, index: int, turned: bool = False) -> Drawing:
    """Draws face `index` of a split, which depends on the arguments alone.

    Args:
      seed: seed of the dataset.
      split: number of the split.
      index: index of the face within its split.
      turned: whether to draw a face of any yaw, see `turned.sample_turned`.
    """
    random = np.random.default_rng([seed, split, index])
    return draw(sample_turned(random) if turned else sample(random))
