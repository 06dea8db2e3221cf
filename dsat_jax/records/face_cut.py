"""Cutting a face out of its image, with a margin that contains every training crop."""

from collections.abc import Sequence

import cv2
import numpy as np

from dsat_jax import geometry

CUT_SIDE = 384

# Distance from the centre of a face box to the edges of the cut, in sides of the square that `geometry.crop_matrix`
# fits to the box. With a margin of 12.5 % a training crop is 1.25 such sides wide. A shift of 10 % moves its edge to
# 0.5 + 0.1 = 0.6 crop widths from the centre of the box. A rotation by 30 degrees multiplies this distance by
# cos 30 + sin 30 = 1.366, and a scale of 0.9 multiplies it by 1 / 0.9. The product is 1.25 * 0.6 * 1.366 / 0.9 = 1.138;
# the remaining 1 % covers the half pixels around the outermost pixel centres of the crop.
REACH = 1.15


def cut_face(picture: np.ndarray, boxes: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Cuts a face out of an image. The cut contains every training crop around its boxes (see `REACH`).

    The cut ends at the border of the image. It is scaled down to at most `CUT_SIDE` pixels and never enlarged.

    Args:
      picture: image, uint8 [height, width, 3].
      boxes: face boxes, each [4] x_min, y_min, x_max, y_max with a positive area.

    Returns:
      Cut, uint8 [cut height, cut width, 3], and transform, float64 [2, 3], from pixels of the cut to pixels of the
      image. The sides of the cut are rounded to whole pixels, so that the horizontal and vertical scales can differ in
      the third digit.
    """
    height, width = picture.shape[:2]
    views = np.stack([_view(box) for box in boxes])
    last = [width - 1, height - 1]
    x_min, y_min = np.clip(np.floor(views[:, :2].min(axis=0)), 0, last).astype(int)
    x_max, y_max = np.clip(np.ceil(views[:, 2:].max(axis=0)), 0, last).astype(int)
    cut = picture[y_min : y_max + 1, x_min : x_max + 1]

    rows, columns = cut.shape[:2]
    shrink = min(1.0, CUT_SIDE / max(rows, columns))
    size = (max(1, round(columns * shrink)), max(1, round(rows * shrink)))
    if shrink < 1.0:
        cut = cv2.resize(cut, size, interpolation=cv2.INTER_AREA)
    to_region = geometry.resize_matrix(columns / size[0], rows / size[1])
    return cut, geometry.compose(np.array([[1.0, 0.0, x_min], [0.0, 1.0, y_min]]), to_region)


def _view(box: np.ndarray) -> np.ndarray:
    """Returns the square [4] that contains the training crops around a box."""
    side = 1 / geometry.crop_matrix(box, size=2, enlarge=0.0)[0, 0]
    centre = box.reshape(2, 2).mean(axis=0)
    return np.concatenate([centre - REACH * side, centre + REACH * side])
