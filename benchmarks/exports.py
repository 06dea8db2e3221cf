"""A run, its export and its ONNX model side by side: size, largest difference of landmarks and confidence, speed.

python -m benchmarks.exports RUN ...           needs jax2onnx and onnxruntime beside the requirements
"""

import pathlib
import sys
import tempfile
import time
from collections.abc import Sequence

import jax
import numpy as np
import onnxruntime

import dsat_jax
from dsat_jax import geometry, schemes
from dsat_jax.config import load_config
from dsat_jax.export import exporter
from dsat_jax.inference.landmarks import Landmarks
from dsat_jax.inference.predictor import FACES_AT_ONCE, Predictor
from dsat_jax.warp import warp
from tfds_builders.synthetic_faces.drawing import Drawing, draw_face

_FACES = 64
_ROUNDS = 7


def load_onnx(path: pathlib.Path, workdir: pathlib.Path) -> Predictor:
    """An ONNX model as a predictor."""
    config = load_config(workdir)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def forward(crops: np.ndarray) -> Landmarks:
        found = dict(zip(names, session.run(names, {"images": crops}), strict=True))
        return Landmarks(found["points"], found.get("confidence"), found.get("gates"))

    return Predictor(forward, schemes.find(config.data.scheme), config.input.size, config.input.enlarge)


def crops_of(drawings: Sequence[Drawing], workdir: pathlib.Path) -> np.ndarray:
    """The crops of some faces that a run's network sees, uint8 [faces, size, size, 3]."""
    crop = load_config(workdir).input
    matrices = [
        geometry.crop_matrix(geometry.box_of_points(drawing.points), crop.size, crop.enlarge)
        for drawing in drawings
    ]
    return np.stack(
        [warp(drawing.image, matrix, crop.size) for drawing, matrix in zip(drawings, matrices, strict=True)]
    )


def outputs(predictor: Predictor, crops: np.ndarray) -> Landmarks:
    """What the network of a predictor finds in crops."""
    # its first look alone: a second crop around landmarks that differ by 1e-5 px has other pixels here and there
    parts = [
        jax.device_get(predictor._forward(crops[start : start + FACES_AT_ONCE]))
        for start in range(0, len(crops), FACES_AT_ONCE)
    ]
    return jax.tree.map(lambda *rows: np.concatenate(rows), *parts)


def milliseconds(predictor: Predictor, drawings: Sequence[Drawing]) -> float:
    """The least time for a face of several rounds, cropping included; each face is seen twice."""
    pairs = [(drawing.image, geometry.box_of_points(drawing.points)[None]) for drawing in drawings]
    seconds = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for _ in predictor.predict_pairs(pairs):
            pass
        seconds.append(time.perf_counter() - started)
    return 1000 * min(seconds) / len(pairs)


def load_forms(workdir: pathlib.Path) -> dict[str, tuple[Predictor, float]]:
    """A run and its exports as predictors, with the sizes of their files in MB."""
    with tempfile.TemporaryDirectory() as place:
        exported, onnx = pathlib.Path(place) / "a.export", pathlib.Path(place) / "a.onnx"
        exporter.export_run(workdir, exported)
        exporter.export_run(workdir, onnx)
        return {
            "run": (Predictor.from_run(workdir), np.nan),
            "export": (dsat_jax.load_exported(exported), exported.stat().st_size / 1e6),
            "ONNX": (load_onnx(onnx, workdir), onnx.stat().st_size / 1e6),
        }


def main() -> None:
    """Prints a line for each form of each run."""
    drawings = [draw_face(seed=5, split=1, index=index) for index in range(_FACES)]
    print(
        f"{_FACES} drawn faces, {FACES_AT_ONCE} at once; the largest differences from the run on the same crops"
    )
    lines = ["run  form  MB  points, px  confidence  ms per face, seen twice"]
    for workdir in map(pathlib.Path, sys.argv[1:]):
        crops, expected = crops_of(drawings, workdir), None
        for name, (predictor, size) in load_forms(workdir).items():
            found = outputs(predictor, crops)
            expected = expected or found
            differences = [
                np.nan if right is None else float(np.abs(value - right).max())
                for value, right in zip(found[:2], expected[:2], strict=True)
            ]
            figures = "  ".join(f"{difference:.1e}" for difference in differences)
            lines.append(
                f"{workdir.name}  {name}  {size:.2f}  {figures}  {milliseconds(predictor, drawings):.1f}"
            )
    print("\n".join(lines))


if __name__ == "__main__":
    main()
