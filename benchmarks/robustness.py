"""How a trained network bears what photographs do to faces: NME against the strength of each disturbance, one picture.

python -m benchmarks.robustness dsat-300w --dataset=w300 --split=helen_test --out=FOLDER

writes robustness.png and robustness.json, and prints a table. Boxes are those of the labels unless they are disturbed;
each face is seen once in its box, mirror-averaged, except in the rows 'seen twice', where a second look takes the box
of the landmarks that the first one found, as prediction does.
"""

import dataclasses
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import jax
import numpy as np

from benchmarks import network_on_split, robustness_picture
from dsat_jax import geometry, metrics
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.inference.forward import jit_forward
from dsat_jax.inference.trained_network import TrainedNetwork
from dsat_jax.warp import warp

_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Face:
    """A face that is disturbed.

    Attributes:
      image: uint8 [height, width, 3] RGB.
      box: [4], pixels of the image; what the network is told.
      angle: degrees by which the picture is turned, clockwise.
      random: of this face; the same for every disturbance and strength.
    """

    image: np.ndarray
    box: np.ndarray
    angle: float
    random: np.random.Generator

    @property
    def width(self) -> float:
        """Of the box, pixels."""
        return float(self.box[2] - self.box[0])


Disturbance = Callable[[Face, float], Face]


def shift_box(face: Face, strength: float) -> Face:
    """Moves the box by a share of its sides, in a random direction."""
    angle = face.random.uniform(0, 2 * np.pi)
    sides = face.box[2:] - face.box[:2]
    offset = strength * sides * [np.cos(angle), np.sin(angle)]
    return dataclasses.replace(face, box=face.box + np.tile(offset, 2))


def scale_box(face: Face, strength: float) -> Face:
    """Makes the box larger or smaller by a share of its sides, at random."""
    factor = 1 + strength * face.random.choice([-1, 1])
    centre, half = (face.box[:2] + face.box[2:]) / 2, (face.box[2:] - face.box[:2]) / 2
    return dataclasses.replace(face, box=np.concatenate([centre - factor * half, centre + factor * half]))


def rotate(face: Face, strength: float) -> Face:
    """Turns the picture about the middle of the box by so many degrees, to a random side."""
    return dataclasses.replace(face, angle=strength * face.random.choice([-1, 1]))


def blur(face: Face, strength: float) -> Face:
    """A Gaussian whose sigma is a share of the box's width."""
    if strength == 0:
        return face
    return dataclasses.replace(face, image=cv2.GaussianBlur(face.image, (0, 0), strength * face.width))


def compress(face: Face, strength: float) -> Face:
    """JPEG of that quality, the box 128 pixels wide."""
    scale = 128 / face.width
    small = cv2.resize(face.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(strength)])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1]
    size = face.image.shape[1::-1]
    image = cv2.resize(np.ascontiguousarray(decoded), size, interpolation=cv2.INTER_LINEAR)
    return dataclasses.replace(face, image=image)


def brighten(face: Face, strength: float) -> Face:
    """Multiplies all values by a factor, and clips them."""
    image = np.clip(np.rint(face.image * strength), 0, 255).astype(np.uint8)
    return dataclasses.replace(face, image=image)


def cover(face: Face, strength: float) -> Face:
    """A grey square over a share of the box's area, at a random place in it."""
    low, high = face.box[:2], face.box[2:]
    side = np.sqrt(strength * (high - low).prod())
    corner = low + face.random.uniform(0, 1, 2) * np.maximum(high - low - side, 0)
    left, top, right, bottom = np.rint([*corner, *(corner + side)]).astype(int)
    image = face.image.copy()
    image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = 128
    return dataclasses.replace(face, image=image)


@dataclasses.dataclass(frozen=True)
class Series:
    """A disturbance in several strengths.

    Attributes:
      label: of the strengths.
      disturb: the disturbance.
      strengths: the one that changes nothing first.
    """

    label: str
    disturb: Disturbance
    strengths: tuple[float, ...]


_SHARES = (0.0, 0.05, 0.1, 0.2)
SERIES = {
    "shift": Series("shift of the box, share of its sides", shift_box, _SHARES),
    "scale": Series("scale of the box, share of its sides", scale_box, _SHARES),
    "rotation": Series("rotation, degrees", rotate, (0.0, 10.0, 20.0, 30.0, 45.0)),
    "blur": Series("sigma of the blur, share of the width", blur, (0.0, 0.01, 0.02, 0.03, 0.05)),
    "jpeg": Series("JPEG quality, face of 128 px", compress, (100.0, 50.0, 20.0, 10.0, 5.0)),
    "brightness": Series("brightness, factor", brighten, (1.0, 0.5, 0.25, 0.1, 1.5, 2.0, 3.0)),
    "cover": Series("grey square, share of the face", cover, (0.0, 0.1, 0.25, 0.4)),
}
TWICE = ("shift", "scale")  # also seen twice


class Measured:
    """A network, and the faces of a split on which it is measured.

    Args:
      network: the network.
      records: of the split, decoded.
    """

    def __init__(self, network: TrainedNetwork, records: Sequence[Mapping[str, np.ndarray]]):
        self._config = network.config
        step = jit_forward(network.model, network.config, network.mesh)
        self._forward = lambda crops: step(network.variables, crops)
        self._records = records

    def nme(self, series: Series, strength: float, looks: int = 1) -> float:
        """The NME in % at a strength.

        Args:
          series: the disturbance.
          strength: of it.
          looks: how often each face is seen.
        """
        faces = [
            series.disturb(
                Face(record["image"], record["box"].astype(np.float64), 0.0, np.random.default_rng(index)),
                strength,
            )
            for index, record in enumerate(self._records)
        ]
        for _ in range(looks):
            found = self._landmarks(faces)
            faces = [
                dataclasses.replace(face, box=geometry.box_of_points(points))
                for face, points in zip(faces, found, strict=True)
            ]
        nme = network_on_split.face_nme(found, self._records, self._config)
        return metrics.summary(nme, self._config.evaluate.threshold)["nme"]

    def _landmarks(self, faces: Sequence[Face]) -> np.ndarray:
        """Landmarks [faces, points, 2] in pixels of the pictures as they were before they were turned."""
        size, enlarge = self._config.input.size, self._config.input.enlarge
        matrices = [
            geometry.compose(
                geometry.jitter_matrix(size, face.angle, 1.0, np.zeros(2), mirror=False),
                geometry.crop_matrix(face.box, size, enlarge),
            )
            for face in faces
        ]
        points = []
        for start in range(0, len(faces), _BATCH):
            rows = range(start, min(start + _BATCH, len(faces)))
            crops = np.zeros((_BATCH, size, size, 3), np.uint8)
            for row in rows:
                crops[row - start] = warp(faces[row].image, matrices[row], size)
            found = np.asarray(jax.device_get(self._forward(crops).points), np.float64)
            points += [
                geometry.transform_points(geometry.invert(matrices[row]), found[row - start]) for row in rows
            ]
        return np.stack(points)


def measure(measured: Measured) -> dict[str, list[tuple[float, float]]]:
    """Strengths and NMEs in % of each series, and of those of `TWICE` seen twice."""
    found = {}
    for name, series in SERIES.items():
        found[name] = [(strength, measured.nme(series, strength)) for strength in series.strengths]
        print(name, found[name], flush=True)
    for name in TWICE:
        again = [
            (strength, measured.nme(SERIES[name], strength, looks=2)) for strength in SERIES[name].strengths
        ]
        found[f"{name}, seen twice"] = again
    return found


def table(found: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """A line of Markdown for each series: NME % (strength)."""
    lines = ["| | NME % at each strength |", "|---|---|"]
    for name, values in found.items():
        label = SERIES[name.partition(",")[0]].label + name.partition(",")[1] + name.partition(",")[2]
        lines.append(
            f"| {label} | " + ", ".join(f"{nme:.2f} ({strength:g})" for strength, nme in values) + " |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, writes and prints."""
    parser = network_on_split.parser(__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    given = parser.parse_args(arguments)
    network, records = network_on_split.load(parser, given)
    found = measure(Measured(network, list(DecodedRecords(records))))
    given.out.mkdir(parents=True, exist_ok=True)
    said: dict[str, Any] = {
        "network": given.network,
        "split": f"{given.dataset}, {given.split}",
        "nme": found,
    }
    (given.out / "robustness.json").write_text(json.dumps(said, indent=2) + "\n")
    robustness_picture.draw(
        said, {name: series.label for name, series in SERIES.items()}, given.out / "robustness.png"
    )
    print(table(found))


if __name__ == "__main__":
    main()
