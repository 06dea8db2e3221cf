"""Background and camera."""

import cv2
import numpy as np

from tfds_builders.synthetic_faces.paint import Canvas
from tfds_builders.synthetic_faces.parameters import Photo
from tfds_builders.synthetic_faces.textures import GRAIN, cloud, grain


def draw_background(canvas: Canvas, random: np.random.Generator) -> None:
    """Draws a wall, a gradient, a texture or blurred clutter, at half the resolution."""
    size = canvas.size // 2
    base, spread = _muted(random), random.choice([4, 15, 40])
    corners = np.clip(
        base + random.normal(0, spread, (2, 2, 1)) + random.normal(0, spread / 4, (2, 2, 3)), 0, 255
    )
    image = cv2.resize(corners.astype(np.float32), (size, size))
    row, column = random.integers(0, 512 - size, 2)
    noise = cloud(float(random.choice([1.0, 4.0, 14.0])))[row : row + size, column : column + size]
    image = np.clip(image + random.uniform(1, 14) * noise[..., None], 0, 255).astype(np.uint8)
    for _ in range(int(random.choice([0, 2, 5, 10]))):
        _clutter(image, random)
    blur = random.uniform(0, 3)
    if blur > 0.4:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    canvas.image[:] = cv2.resize(image, (canvas.size, canvas.size))


def _muted(random: np.random.Generator) -> np.ndarray:
    """A mostly dull colour, as of walls, plants and furniture: float64 [3]."""
    hue, saturation, value = (
        random.uniform(0, 2 * np.pi),
        0.75 * random.random() ** 2,
        random.uniform(20, 235),
    )
    wheel = 0.5 + 0.5 * np.cos(hue + np.array([0, 2.1, 4.2]))
    return value * (1 - saturation * wheel)


def _clutter(image: np.ndarray, random: np.random.Generator) -> None:
    size, colour = image.shape[0], _muted(random).tolist()
    centre = random.uniform(0, size, 2)
    kind = random.integers(4)
    if kind == 0:
        corners = centre + random.normal(0, size / 6, (int(random.integers(3, 7)), 2))
        cv2.fillPoly(image, [np.rint(corners).astype(np.int32)], colour, cv2.LINE_AA)
    elif kind == 1:
        cv2.circle(
            image, centre.astype(int).tolist(), int(random.integers(4, size // 5)), colour, -1, cv2.LINE_AA
        )
    elif kind == 2:
        end = centre + random.normal(0, size / 2, 2)
        cv2.line(
            image,
            centre.astype(int).tolist(),
            end.astype(int).tolist(),
            colour,
            int(random.integers(1, 12)),
            cv2.LINE_AA,
        )
    else:
        far = centre + random.uniform(10, size / 2, 2)
        cv2.rectangle(image, centre.astype(int).tolist(), far.astype(int).tolist(), colour, -1)


def develop(image: np.ndarray, photo: Photo, random: np.random.Generator) -> np.ndarray:
    """Applies the effects of the camera to an image.

    Args:
      image: uint8 [size, size, 3] RGB.
      photo: effects of the camera.
      random: random generator of the noise.

    Returns:
      uint8 [size, size, 3] RGB.
    """
    size = image.shape[0]
    if photo.blur > 0.4:
        image = cv2.GaussianBlur(image, (0, 0), photo.blur)
    if photo.motion:
        image = cv2.filter2D(image, -1, _motion_kernel(photo.motion, photo.motion_angle))
    levels = (np.arange(256)[None, :, None] - 110) * photo.contrast + 110
    image = cv2.LUT(image, np.clip(levels * photo.tint, 0, 255).astype(np.uint8))
    y, x = random.integers(0, 512 - size, 2)
    strength = photo.noise / GRAIN
    image = cv2.addWeighted(image, 1.0, grain()[y : y + size, x : x + size], strength, -128 * strength)
    if photo.jpeg is not None:
        stored = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, photo.jpeg])[1]
        image = cv2.imdecode(stored, cv2.IMREAD_COLOR)
    return image


def _motion_kernel(length: float, angle: float) -> np.ndarray:
    """A line of `length` pixels, centred so that landmarks do not move: float32 [odd, odd], sum 1."""
    side = int(np.ceil(length)) | 1
    kernel = np.zeros((side, side), np.float32)
    half = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))]) * length / 2
    middle = np.array([side // 2, side // 2])
    ends = [np.rint((middle + s * half) * 16).astype(int).tolist() for s in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_AA, 4)
    return kernel / kernel.sum()
