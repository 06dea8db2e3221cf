"""Sheets that explain a prediction: LOTR's attention or DSAT's heatmaps, drawn over the crop of a face."""

import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from ml_collections import ConfigDict

from dsat_jax import decode, drawing, geometry, preprocess, schemes
from dsat_jax.config import choose
from dsat_jax.inference.face_crops import FaceCrop
from dsat_jax.inference.trained_network import TrainedNetwork
from dsat_jax.models.lotr import LOTR, attention_maps
from dsat_jax.schemes import BOUNDARY_NAMES, Scheme
from dsat_jax.warp import warp

_LARGE = 392  # side of an overview tile in pixels
_SMALL = 168  # side of the tile of a part
_COLUMNS = 7  # small tiles in a row, which is as wide as three large tiles
_TEXT = (255, 255, 255)
_OPACITY = 0.75  # opacity of the largest value
_LEAST_MASS = 1e-9  # an empty heatmap stays empty


class Explainer:
    """Draws the attention or the heatmaps of a trained model for a face, without mirror averaging.

    Args:
      network: trained network.

    Attributes:
      kind: content of the sheets, 'attention' or 'heatmaps'; also a part of their file names.
    """

    def __init__(self, network: TrainedNetwork):
        model, config = network.model, network.config
        self._scheme = schemes.find(config.data.scheme)
        self._size, self._enlarge = config.input.size, config.input.enlarge
        self.kind = "attention" if isinstance(model, LOTR) else "heatmaps"
        maps = _attention if isinstance(model, LOTR) else _heatmaps
        self._maps = jax.jit(functools.partial(maps, model, config, self._scheme))
        self._variables = network.variables

    def __call__(self, face: FaceCrop) -> np.ndarray:
        """Returns the sheet of a face.

        The upper tiles show the crop with the predicted landmarks, and the overview maps over the crop. The lower tiles
        show the map of each part of the face.

        Args:
          face: the crop around the face's landmarks.

        Returns:
          uint8 [height, width, 3] RGB.

        Raises:
          UserError: if the box has no area.
        """
        matrix = geometry.crop_matrix(face.box, self._size, self._enlarge, face.roll)
        crop = warp(face.image, matrix, self._size)
        points, overviews, parts = jax.device_get(self._maps(self._variables, crop[None]))
        large = [_tile(crop, _LARGE, "landmarks", points=points, lines=self._scheme.lines)]
        large += [_tile(crop, _LARGE, name, values) for name, values in overviews.items()]
        small = [
            _tile(crop, _SMALL, name, parts[i], points, [line])
            for i, (name, line) in enumerate(_parts(self._scheme).items())
        ]
        rows = [large[i : i + 3] for i in range(0, len(large), 3)]
        rows += [small[i : i + _COLUMNS] for i in range(0, len(small), _COLUMNS)]
        width = _COLUMNS * _SMALL
        return np.concatenate([_filled(np.concatenate(row, axis=1), width) for row in rows])


def write(explainer: Explainer, faces: Sequence[FaceCrop], stem: pathlib.Path) -> list[pathlib.Path]:
    """Writes a sheet for each face: NAME_heatmaps.png for the first, NAME.face1_heatmaps.png for the second ...

    For LOTR the names end in _attention.png.

    Args:
      explainer: explainer of the network.
      faces: the crop around the landmarks of each face.
      stem: path of the sheets up to NAME.

    Returns:
      The paths of the sheets.

    Raises:
      OSError: if a sheet cannot be written.
      UserError: if a box has no area.
    """
    paths = []
    for i, face in enumerate(faces):
        number = f".face{i}" if i else ""
        paths.append(stem.with_name(f"{stem.name}{number}_{explainer.kind}.png"))
        drawing.write_image(paths[-1], explainer(face))
    return paths


def _parts(scheme: Scheme) -> dict[str, tuple[int, ...]]:
    """Returns landmark indices by part of the face: boundaries, lines if it has none, or else single landmarks."""
    if len(scheme.boundaries) == len(BOUNDARY_NAMES):
        return dict(zip(BOUNDARY_NAMES, scheme.boundaries, strict=True))
    if scheme.boundaries:
        return {f"boundary {i + 1}": boundary for i, boundary in enumerate(scheme.boundaries)}
    if scheme.lines:
        return {f"line {i + 1}": line for i, line in enumerate(scheme.lines)}
    return {f"landmark {i}": (i,) for i in range(scheme.num_points)}


# Results for a batch of one crop: points [points, 2] in input pixels; overview maps [height, width] by name; and
# maps of the parts [parts, height, width].
Maps = tuple[jax.Array, dict[str, jax.Array], jax.Array]


def _normalised(config: ConfigDict, images: jax.Array) -> jax.Array:
    return preprocess.normalise(preprocess.to_unit_range(images), config.input.mean, config.input.std)


def _heatmaps(
    model: nn.Module, config: ConfigDict, scheme: Scheme, variables: Mapping[str, Any], images: jax.Array
) -> Maps:
    """Maps of a model with heatmaps: all landmarks, all boundaries, and each boundary heatmap.

    The map of all landmarks is the maximum of their heatmaps. For landmarks that are read by soft-argmax, it is instead
    the mean of their masses, the weights of the pixels divided by their sum: these heatmaps need not have a peak.
    """
    maps = model.apply(variables, _normalised(config, images), train=False).heatmaps
    decoder = choose(decode.DECODERS, config.evaluate.decoder, "decoder")
    stride = images.shape[1] / maps.shape[1]
    points = decode.to_input_pixels(decoder(maps[..., : scheme.num_points]), stride)[0]
    landmarks = jnp.moveaxis(maps[0, ..., : scheme.num_points], -1, 0)  # [points, height, width]
    boundaries = jnp.moveaxis(maps[0, ..., scheme.num_points :], -1, 0)
    name, together = "all landmarks, maximum", functools.partial(jnp.max, axis=0)
    if decoder is decode.soft_argmax:
        weights = decode.soft_argmax_weights(landmarks)
        landmarks = weights / jnp.maximum(weights.sum(axis=(1, 2), keepdims=True), _LEAST_MASS)
        name, together = "all landmarks, mass of soft-argmax", functools.partial(jnp.mean, axis=0)
    overviews = {name: together(landmarks)}
    if len(boundaries):
        return points, overviews | {"boundaries": boundaries.max(axis=0)}, boundaries
    parts = [together(landmarks[jnp.array(line)]) for line in _parts(scheme).values()]
    return points, overviews, jnp.stack(parts)


def _attention(
    model: LOTR, config: ConfigDict, scheme: Scheme, variables: Mapping[str, Any], images: jax.Array
) -> Maps:
    """Maps of LOTR: attention of the last decoder layer, averaged over heads, for all queries and for each part."""
    prepared = _normalised(config, images)
    points = model.apply(variables, prepared, train=False).points[0]
    attention = attention_maps(model, variables, prepared)[0].mean(axis=0)  # [points, height, width]
    # Each query's map is scaled by its peak; otherwise a few concentrated maps would hide all others.
    peaks = (attention / attention.max(axis=(1, 2), keepdims=True)).max(axis=0)
    overviews = {"attention, mean": attention.mean(axis=0), "attention, peaks": peaks}
    parts = [attention[jnp.array(line)].mean(axis=0) for line in _parts(scheme).values()]
    return points, overviews, jnp.stack(parts)


def _tile(
    crop: np.ndarray,
    side: int,
    name: str,
    values: np.ndarray | None = None,
    points: np.ndarray | None = None,
    lines: Sequence[Sequence[int]] = (),
) -> np.ndarray:
    """Draws a crop with a map, lines of landmarks, and a name that is followed by the map's largest value.

    Args:
      crop: uint8 [size, size, 3].
      side: side of the tile in pixels.
      name: text in the tile.
      values: map [height, width]; its colours range from 0 to the largest value. None draws no map.
      points: [points, 2], pixels of the crop; None draws no lines.
      lines: indices of the landmarks of each line.
    """
    tile = cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC)
    if values is not None:
        tile = _overlaid(tile, values.astype(np.float32))
        name = f"{name} {float(values.max()):.2g}"
    if points is not None:
        placed = geometry.transform_points(geometry.resize_matrix(side / crop.shape[1]), points)
        for line in lines:
            drawing.draw_line(tile, placed[list(line)], _TEXT if values is not None else drawing.PREDICTED)
    size = 0.5 if side == _LARGE else 0.36
    corner = (8, side - 10)
    for colour, thickness in (((0, 0, 0), 3), (_TEXT, 1)):
        cv2.putText(tile, name, corner, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thickness, cv2.LINE_AA)
    return tile


def _overlaid(tile: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Blends a map [height, width] over a tile: dark grey where it is 0, bright colours at its largest value."""
    side = tile.shape[0]
    # `cv2.resize` uses the same coordinates as `geometry.resize_points`.
    shown = cv2.resize(np.maximum(values, 0), (side, side), interpolation=cv2.INTER_LINEAR)
    shown = shown / max(float(shown.max()), 1e-9)
    colours = cv2.applyColorMap((255 * shown).round().astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    grey = cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY)[..., None] * 0.6
    opacity = _OPACITY * np.sqrt(shown)[..., None]
    return np.ascontiguousarray((grey * (1 - opacity) + colours * opacity).astype(np.uint8))


def _filled(row: np.ndarray, width: int) -> np.ndarray:
    """Pads a row of tiles with black to a width."""
    return np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)))
