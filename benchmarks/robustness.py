"""Robustness of a trained network to disturbances of photographs: NME against the strength of each disturbance.

python -m benchmarks.robustness dsat-300w --dataset=w300 --split=helen_test --out=FOLDER

writes robustness.png and robustness.json, and prints a table. The boxes are those of the labels unless they are
disturbed. The predictions are mirror-averaged, and without a refinement pass except in the rows 'refined', whose
second prediction is in the box around the landmarks of the first, turned so that the face is upright, as in
`--mode=predict`.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from ml_collections import ConfigDict

from benchmarks import network_on_split, robustness_picture
from dsat_jax import metrics, schemes
from dsat_jax.data.decoded_records import DecodedRecords
from dsat_jax.files import locations
from dsat_jax.inference.face_crops import FaceCrop
from dsat_jax.inference.face_network import FaceNetwork
from dsat_jax.inference.landmarks import Landmarks


@dataclasses.dataclass(frozen=True)
class Face:
    """A face that is disturbed.

    Attributes:
      image: image, uint8 [height, width, 3] RGB.
      box: face box for the network, [4], pixels of the image.
      angle: rotation of the crop in degrees, clockwise.
      random: random generator of this face, in the same state for every disturbance and strength.
    """

    image: np.ndarray
    box: np.ndarray
    angle: float
    random: np.random.Generator

    @property
    def width(self) -> float:
        """Width of the box, pixels."""
        return float(self.box[2] - self.box[0])


Disturbance = Callable[[Face, float], Face]


def shift_box(face: Face, strength: float) -> Face:
    """Moves the box in a random direction; the strength is a share of its sides."""
    angle = face.random.uniform(0, 2 * np.pi)
    sides = face.box[2:] - face.box[:2]
    offset = strength * sides * [np.cos(angle), np.sin(angle)]
    return dataclasses.replace(face, box=face.box + np.tile(offset, 2))


def scale_box(face: Face, strength: float) -> Face:
    """Enlarges or shrinks the box at random; the strength is a share of its sides."""
    factor = 1 + strength * face.random.choice([-1, 1])
    centre, half = (face.box[:2] + face.box[2:]) / 2, (face.box[2:] - face.box[:2]) / 2
    return dataclasses.replace(face, box=np.concatenate([centre - factor * half, centre + factor * half]))


def rotate(face: Face, strength: float) -> Face:
    """Rotates the image about the centre of the box, clockwise or not at random; the strength is in degrees."""
    return dataclasses.replace(face, angle=strength * face.random.choice([-1, 1]))


def blur(face: Face, strength: float) -> Face:
    """Blurs the image by a Gaussian; the strength is sigma as a share of the box's width."""
    if strength == 0:
        return face
    return dataclasses.replace(face, image=cv2.GaussianBlur(face.image, (0, 0), strength * face.width))


def compress(face: Face, strength: float) -> Face:
    """Compresses the image, resized to a box 128 pixels wide; the strength is the JPEG quality."""
    scale = 128 / face.width
    small = cv2.resize(face.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(strength)])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1]
    size = face.image.shape[1::-1]
    image = cv2.resize(np.ascontiguousarray(decoded), size, interpolation=cv2.INTER_LINEAR)
    return dataclasses.replace(face, image=image)


def brighten(face: Face, strength: float) -> Face:
    """Multiplies all values by a factor, the strength, and clips them."""
    image = np.clip(np.rint(face.image * strength), 0, 255).astype(np.uint8)
    return dataclasses.replace(face, image=image)


def cover(face: Face, strength: float) -> Face:
    """Covers a random part of the box by a grey square; the strength is a share of the box's area."""
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
      label: description of the strengths, with the unit.
      disturb: function of a face and a strength.
      strengths: strengths; the first one changes nothing.
    """

    label: str
    disturb: Disturbance
    strengths: tuple[float, ...]


_SHARES = (0.0, 0.05, 0.1, 0.2)
SERIES = {
    "shift": Series("shift of the box, share of its sides", shift_box, _SHARES),
    "scale": Series("scale of the box, share of its sides", scale_box, _SHARES),
    "rotation": Series("rotation, degrees", rotate, (0.0, 10.0, 20.0, 30.0, 45.0, 90.0, 135.0, 180.0)),
    "blur": Series("sigma of the blur, share of the width", blur, (0.0, 0.01, 0.02, 0.03, 0.05)),
    "jpeg": Series("JPEG quality, face of 128 px", compress, (100.0, 50.0, 20.0, 10.0, 5.0)),
    "brightness": Series("brightness, factor", brighten, (1.0, 0.5, 0.25, 0.1, 1.5, 2.0, 3.0)),
    "cover": Series("grey square, share of the face", cover, (0.0, 0.1, 0.25, 0.4)),
}
TWICE = ("shift", "scale", "rotation")  # also measured with a refinement pass


class Measured:
    """A network, and the faces of a split on which it is measured.

    Args:
      forward: network as a function of crops, see `network_on_split.crop_forward`.
      config: configuration of the network.
      records: decoded records of the split.
    """

    def __init__(
        self,
        forward: Callable[[np.ndarray], Landmarks],
        config: ConfigDict,
        records: Sequence[Mapping[str, np.ndarray]],
    ):
        scheme = schemes.find(config.data.scheme)
        self._network = FaceNetwork(
            lambda crops, _: forward(crops), scheme, config.input.size, config.input.enlarge
        )
        self._config = config
        self._records = records

    def nme(self, series: Series, strength: float, looks: int = 1) -> float:
        """Returns the NME in percent at a strength.

        Args:
          series: series of the disturbance.
          strength: strength of the disturbance.
          looks: number of times that the network runs on a face at most; 2 is with a refinement pass.
        """
        faces = [
            series.disturb(
                Face(record["image"], record["box"].astype(np.float64), 0.0, np.random.default_rng(index)),
                strength,
            )
            for index, record in enumerate(self._records)
        ]
        crops = [FaceCrop(face.image, face.box, -np.deg2rad(face.angle)) for face in faces]
        mirror = self._config.evaluate.mirror  # as the forward pass does
        predicted = self._network.look(crops, mirror)
        if looks == 2:
            predicted = self._network.look_again(crops, predicted, mirror)
        landmarks = np.stack([face.landmarks for face in predicted])
        nme = network_on_split.face_nme(landmarks, self._records, self._config)
        return metrics.summary(nme, self._config.evaluate.threshold)["nme"]


def measure(measured: Measured) -> dict[str, list[tuple[float, float]]]:
    """Returns strengths and NMEs in percent of each series, and of those of `TWICE` with a refinement pass."""
    nmes = {}
    for name, series in SERIES.items():
        nmes[name] = [(strength, measured.nme(series, strength)) for strength in series.strengths]
        print(name, nmes[name], flush=True)
    for name in TWICE:
        nmes[f"{name}, refined"] = [
            (strength, measured.nme(SERIES[name], strength, looks=2)) for strength in SERIES[name].strengths
        ]
    return nmes


def table(nmes: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Returns a Markdown table with a line for each series: NME % (strength)."""
    lines = ["| | NME % at each strength |", "|---|---|"]
    for name, values in nmes.items():
        label = SERIES[name.partition(",")[0]].label + name.partition(",")[1] + name.partition(",")[2]
        lines.append(
            f"| {label} | " + ", ".join(f"{nme:.2f} ({strength:g})" for strength, nme in values) + " |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, writes the files and prints the table."""
    parser = network_on_split.parser(__doc__)
    parser.add_argument("--out", type=locations.locate, required=True, help="folder of the results")
    parsed = parser.parse_args(arguments)
    network, records = network_on_split.load(parser, parsed)
    forward = network_on_split.crop_forward(network)
    nmes = measure(Measured(forward, network.config, list(DecodedRecords(records))))
    parsed.out.mkdir(parents=True, exist_ok=True)
    contents: dict[str, Any] = {
        "network": parsed.network,
        "split": f"{parsed.dataset}, {parsed.split}",
        "nme": nmes,
    }
    (parsed.out / "robustness.json").write_text(json.dumps(contents, indent=2) + "\n")
    labels = {name: series.label for name, series in SERIES.items()}
    robustness_picture.draw(contents, labels, parsed.out / "robustness.png")
    print(table(nmes))


if __name__ == "__main__":
    main()
