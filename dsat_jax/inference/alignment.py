"""Aligned faces: upright images of one size, as face recognition networks expect them."""

import numpy as np

from dsat_jax import five_points, geometry
from dsat_jax.errors import UserError
from dsat_jax.inference.image_input import Image, as_image
from dsat_jax.inference.landmarks import Face
from dsat_jax.warp import warp


def align(image: Image, face: Face, size: int = five_points.TEMPLATE_SIZE) -> np.ndarray:
    """Returns the aligned image of a face, uint8 [size, size, 3] RGB; pixels outside the image are black.

    The five points of the face are mapped to `five_points.TEMPLATE`, resized to `size`, by the similarity with the
    least squared error.

    Args:
      image: image of the face, a file or an array as in `Predictor.__call__`.
      face: one of the faces that the predictor returns for this image.
      size: side of the aligned image in pixels.

    Raises:
      OSError: if there is no such file.
      UserError: if the file or the array is not an image, the face's scheme does not define the five points, they are
        all equal, or the size is not a positive whole number.
    """
    if not isinstance(size, int | np.integer) or size < 1:
        raise UserError(f"align: size is {size!r}, expected a positive whole number of pixels")
    template = geometry.resize_points(five_points.TEMPLATE, size / five_points.TEMPLATE_SIZE)
    matrix = geometry.fit_similarity(face.five_points, template)
    if not np.isfinite(matrix).all():
        raise UserError(
            f"align: the five points of the face are {face.five_points.tolist()}, expected finite, different positions"
        )
    return warp(as_image(image), matrix, int(size))
