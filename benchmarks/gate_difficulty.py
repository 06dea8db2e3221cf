"""Whether DSAT's gate opens more channels for harder faces, and the errors of each gate on easy and on hard faces.

python -m benchmarks.gate_difficulty learned=RUN1,RUN2 none=RUN3,RUN4 released=RUN5 --folder=FOLDER
    --split=w300:helen_test --split=synthetic_faces/turned:test [--wrong=NAME,NAME] [--out=FILE.json]

Each argument is a gate, `config.model.gate`, and its networks, such as runs that differ in the seed. Faces are
predicted in the boxes of the labels with a refinement pass and mirror averaging, as by `--mode=predict`. The gates are
those of the last pass for the face that is not mirrored. An open channel is one that the learned gate keeps, or that
the released gate doubles. With `--wrong` the images of the folder with these names, whose labels are wrong, are left
out: they would be the hardest faces.

The first table contains Spearman's rho between the number of open channels of a face and its difficulty. Difficulties
are the error by the size of the box around the landmarks, of the network itself and as the mean of all networks; the
absolute yaw; and the strength of a blur and of a cover (`benchmarks.robustness`) that are added to the faces of the
splits. There, each face occurs at every strength. The yaw is that of the labels, from the 3-D head of
`dsat_jax.data.turned_faces`, or from `inference.head_pose` for schemes that the head does not have. The last columns
are the mean numbers of open channels at the lowest and at the highest tenth of the difficulty. A gate whose number of
open channels does not vary has no rho.

The second table contains errors on easy and on hard faces, by the mean error of all networks: the faces are the same
for all. The difference of each gate and 'none' follows. Intervals of 95 % are from resampled faces, each with all its
strengths and with the errors of all networks. They do not contain the variation between seeds.
"""

import argparse
import dataclasses
import json
from collections.abc import Sequence

import numpy as np

from benchmarks import gate_difficulty_figures, hard_faces, labelled_faces, robustness
from benchmarks.gate_difficulty_figures import Measured, Row
from benchmarks.labelled_faces import LabelledFaces
from dsat_jax import Predictor
from dsat_jax.data import turned_faces
from dsat_jax.errors import UserError
from dsat_jax.files import atomic_files, locations
from dsat_jax.inference import head_pose, trained_network
from dsat_jax.inference.detections import NONE, Detections
from dsat_jax.records import UNKNOWN
from dsat_jax.weights import zoo

GATES = ("learned", "released", "none")
DISTURBANCES = ("blur", "cover")  # keys of `robustness.SERIES`


@dataclasses.dataclass(frozen=True)
class Network:
    """A trained network.

    Attributes:
      gate: one of `GATES`.
      name: name as given.
      predictor: its predictor.
    """

    gate: str
    name: str
    predictor: Predictor


def load(arguments: Sequence[str]) -> list[Network]:
    """Loads networks from arguments of the form `GATE=NETWORK,NETWORK`.

    Raises:
      OSError: if there is no such network.
      UserError: if an argument has another form, a network another gate, or the schemes differ.
    """
    networks: list[Network] = []
    for argument in arguments:
        gate, _, names = argument.partition("=")
        if gate not in GATES or not all(names.split(",")):
            raise UserError(f"found {argument!r}, expected GATE=NETWORK,NETWORK with {', '.join(GATES)}")
        for name in names.split(","):
            network = trained_network.load(zoo.find(name))
            if (actual := network.config.model.get("gate")) != gate:
                raise UserError(f"{name} has the gate {actual!r}, expected {gate!r}")
            networks.append(Network(gate, name, Predictor.from_network(network, lambda image: NONE)))
            first, last = networks[0], networks[-1]
            if last.predictor.scheme != first.predictor.scheme:
                raise UserError(f"{last.name} has another scheme than {first.name}, expected the same")
    return networks


def predict(
    predictor: Predictor, data: LabelledFaces, series: robustness.Series, strength: float
) -> tuple[np.ndarray, np.ndarray | None]:
    """Predicts disturbed faces in the boxes of their labels.

    Args:
      predictor: predictor of a network.
      data: labelled faces.
      series: disturbance of the images.
      strength: strength of the disturbance.

    Returns:
      Landmarks, float64 [faces, points, 2] in pixels, and open channels, bool [faces, channels]; None without a gate.
    """
    disturbed = (
        series.disturb(
            robustness.Face(record["image"], record["box"], 0.0, np.random.default_rng(i)), strength
        )
        for i, record in enumerate(data)
    )
    pairs = ((face.image, Detections(face.box[None])) for face in disturbed)
    faces = [face for (face,) in predictor.predict_pairs(pairs)]
    gates = None if faces[0].open_channels is None else np.stack([face.open_channels for face in faces])
    return np.stack([face.landmarks for face in faces]), gates


def measure(network: Network, data: LabelledFaces, disturbances: Sequence[str]) -> Measured:
    """Measures errors and gates of a network; the gates also at every strength of the disturbances.

    Args:
      network: the network.
      data: labelled faces.
      disturbances: keys of `robustness.SERIES`, whose first strength changes nothing.
    """
    series = {name: robustness.SERIES[name] for name in DISTURBANCES}
    predicted, gates = predict(network.predictor, data, series["blur"], 0.0)
    result = hard_faces.measure(network.name, data, hard_faces.LABELS, predicted, network.predictor.scheme)
    if gates is None:
        return Measured(network.gate, network.name, result.errors, None, 0, {})
    counts = gates.sum(axis=1)
    disturbed = {}
    for name in disturbances:
        gates_of = [predict(network.predictor, data, series[name], s)[1] for s in series[name].strengths[1:]]
        disturbed[name] = np.stack([counts, *(each.sum(axis=1) for each in gates_of)], axis=1)
    return Measured(network.gate, network.name, result.errors, counts, gates.shape[1], disturbed)


def absolute_yaw(data: LabelledFaces) -> np.ndarray:
    """Returns the absolute yaw of each face in degrees, [faces]; NaN for a face with an unknown landmark."""

    def yaw(landmarks: np.ndarray) -> float:
        if turned_faces.applies_to(data.scheme):
            return turned_faces.fit_pose(landmarks, data.scheme).angles[0]
        return head_pose.estimate(landmarks, data.scheme).yaw

    records = ((record["landmarks"], record["visibility"] != UNKNOWN) for record in data)
    return np.array([abs(yaw(landmarks)) if known.all() else np.nan for landmarks, known in records])


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the tables, and writes their figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="+", metavar="GATE=NETWORK,NETWORK")
    labelled_faces.add_arguments(parser)
    parser.add_argument("--out", type=locations.locate, help="JSON file of the figures")
    labelled_faces.run(parser, arguments, run)


def run(parsed: argparse.Namespace) -> None:
    """Measures all networks on all data; for the arguments see `main`."""
    folders, splits = labelled_faces.read_correct(parsed)
    all_data = [*((data, ()) for data in folders), *((data, DISTURBANCES) for data in splits)]
    networks = load(parsed.networks)
    correlation: list[Row] = []
    errors: list[Row] = []
    for data, disturbances in all_data:
        results = [measure(network, data, disturbances) for network in networks]
        correlation += [
            {"data": data.name, **row}
            for row in gate_difficulty_figures.correlations(results, absolute_yaw(data))
        ]
        errors += [{"data": data.name, **row} for row in gate_difficulty_figures.error_rows(results)]
    if parsed.out is not None:
        contents = gate_difficulty_figures.as_json({"correlations": correlation, "errors": errors})
        atomic_files.write_text(parsed.out, json.dumps(contents, indent=1) + "\n")
    print(
        gate_difficulty_figures.correlation_table(correlation),
        gate_difficulty_figures.error_table(errors),
        sep="\n\n",
    )


if __name__ == "__main__":
    main()
