"""A shipped network of this project as a `peers_server.System`: python -m benchmarks.peers_ours dsat-300w"""

import functools
import pathlib
import sys

import numpy as np

from benchmarks import peers_server
from dsat_jax import Predictor
from dsat_jax.files import image_files
from dsat_jax.inference.detections import Detections


class Ours:
    """`Predictor` with its defaults; see `peers_server.System` for the methods."""

    def __init__(self, name: str):
        self._predictor = Predictor.pretrained(name)

    def read(self, path: str) -> np.ndarray:
        return image_files.decode(image_files.read_bytes(pathlib.Path(path)), upright=False)

    def detect(self, image: np.ndarray) -> Detections:
        return self._predictor.find_faces(image)

    def find(self, image: np.ndarray) -> np.ndarray:
        return np.array([face.landmarks for face in self._predictor(image)])

    def align(self, image: np.ndarray, box: peers_server.Box) -> np.ndarray:
        return np.array([face.landmarks for face in self._predictor(image, np.array([box]))])

    def landmarks_only(self, image: np.ndarray, box: peers_server.Box):
        return lambda: self.align(image, box)


if __name__ == "__main__":
    peers_server.serve(functools.partial(Ours, sys.argv[1]))
