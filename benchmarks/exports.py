"""Comparison of a run, its export and its ONNX model: size, largest differences of landmarks and confidence, speed.

python -m benchmarks.exports RUN ...           needs jax2onnx and onnxruntime in addition to the requirements
"""

import argparse
import pathlib
import tempfile
import time
from collections.abc import Sequence

import numpy as np

import dsat_jax
from dsat_jax import geometry, schemes
from dsat_jax.config import load_config
from dsat_jax.errors import UserError
from dsat_jax.export import exporter
from dsat_jax.files import locations
from dsat_jax.inference.face_crops import FACES_AT_ONCE
from dsat_jax.inference.landmarks import Face, Landmarks
from dsat_jax.inference.predictor import Predictor
from tfds_builders.synthetic_faces.drawing import Drawing, draw_face

_FACES = 64
_ROUNDS = 7


def load_onnx(path: pathlib.Path, workdir: pathlib.Path) -> Predictor:
    """Returns an ONNX model as a predictor.

    Args:
      path: ONNX file.
      workdir: run folder of the same network, for its configuration.
    """
    import onnxruntime

    config = load_config(workdir)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def forward(crops: np.ndarray, mirror: bool) -> Landmarks:
        if mirror != config.evaluate.mirror:
            raise UserError(
                f"{path} was exported with mirror={config.evaluate.mirror}, found mirror={mirror}"
            )
        outputs = dict(zip(names, session.run(names, {"images": crops}), strict=True))
        return Landmarks(outputs["points"], outputs.get("confidence"), outputs.get("gates"))

    return Predictor(forward, schemes.find(config.data.scheme), config.input.size, config.input.enlarge)


def predict(predictor: Predictor, drawings: Sequence[Drawing], looks: int, mirror: bool) -> list[Face]:
    """Returns the predictions of drawn faces in the boxes around their true landmarks.

    Args:
      predictor: predictor under test.
      drawings: drawn faces.
      looks: number of times that the network runs on each face, 1 or 2.
      mirror: whether to average with the mirrored faces.
    """
    images = [drawing.image for drawing in drawings]
    boxes = [geometry.box_of_points(drawing.points)[None] for drawing in drawings]
    return [face for (face,) in predictor.predict_many(images, boxes, looks, mirror)]


def largest_difference(values: Sequence[np.ndarray | None], expected: Sequence[np.ndarray | None]) -> float:
    """Returns the largest absolute difference of two sequences of arrays; NaN if any array is None."""
    if any(array is None for array in (*values, *expected)):
        return np.nan
    return float(np.abs(np.subtract(np.stack(values), np.stack(expected), dtype=np.float64)).max())


def milliseconds(predictor: Predictor, drawings: Sequence[Drawing], mirror: bool) -> float:
    """Returns the milliseconds per face of the fastest round, cropping and refinement pass included."""
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        predict(predictor, drawings, looks=2, mirror=mirror)
        seconds.append(time.perf_counter() - started)
    return 1000 * min(seconds) / len(drawings)


def load_forms(workdir: pathlib.Path) -> dict[str, tuple[Predictor, float]]:
    """Returns a run and its exports as predictors, with the sizes of their files in MB."""
    with tempfile.TemporaryDirectory() as folder:
        exported, onnx = pathlib.Path(folder) / "a.export", pathlib.Path(folder) / "a.onnx"
        exporter.export_run(workdir, exported)
        exporter.export_run(workdir, onnx)
        return {
            "run": (Predictor.from_run(workdir), np.nan),
            "export": (dsat_jax.load_exported(exported), exported.stat().st_size / 1e6),
            "ONNX": (load_onnx(onnx, workdir), onnx.stat().st_size / 1e6),
        }


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints three lines per run: the run, its export and its ONNX model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=locations.locate, metavar="RUN", help="run folder")
    workdirs = parser.parse_args(arguments).runs
    drawings = [draw_face(seed=5, split=1, index=index) for index in range(_FACES)]
    print(
        f"{_FACES} drawn faces, batches of at most {FACES_AT_ONCE}; largest differences from the run, looks=1"
    )
    lines = ["run  form  MB  points, px  confidence  ms per face, looks=2"]
    for workdir in workdirs:
        expected: list[Face] = []
        mirror = load_config(workdir).evaluate.mirror  # an ONNX model contains only this forward pass
        for name, (predictor, size) in load_forms(workdir).items():
            # No refinement pass: a difference of 1e-5 px in the first prediction changes some pixels of its crop.
            faces = predict(predictor, drawings, looks=1, mirror=mirror)
            expected = expected or faces
            points = largest_difference([f.landmarks for f in faces], [f.landmarks for f in expected])
            confidence = largest_difference([f.confidence for f in faces], [f.confidence for f in expected])
            speed = milliseconds(predictor, drawings, mirror)
            lines.append(f"{workdir.name}  {name}  {size:.2f}  {points:.1e}  {confidence:.1e}  {speed:.1f}")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
