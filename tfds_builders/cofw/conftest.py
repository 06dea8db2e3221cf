"""COFW and COFW-68 in their original formats, with drawn faces."""

import dataclasses
import pathlib
import shutil

import h5py
import numpy as np
import pytest
import scipy.io

from dsat_jax.schemes import COFW_29, W300_68, Scheme
from tfds_builders import face_builder
from tfds_builders.synthetic_faces.drawing import Drawing, draw_face
from tfds_builders.synthetic_faces.other_schemes import landmarks_in

FILES = {"train": "COFW_train_color.mat", "test": "COFW_test_color.mat"}


@dataclasses.dataclass(frozen=True)
class Raw:
    """A folder in the layout of COFW, and its contents by split.

    Attributes:
      root: the folder.
      pictures: images, uint8 [height, width, 3], or [height, width] for grey ones.
      phis: [faces, 87].
      boxes: [faces, 4].
      points68: [test faces, 68, 2].
      flags68: [test faces, 68].
      boxes68: [test faces, 4].
    """

    root: pathlib.Path
    pictures: dict[str, list[np.ndarray]]
    phis: dict[str, np.ndarray]
    boxes: dict[str, np.ndarray]
    points68: np.ndarray
    flags68: np.ndarray
    boxes68: np.ndarray


def write_mat73(
    file: pathlib.Path, cells: dict[str, list[np.ndarray]], matrices: dict[str, np.ndarray]
) -> None:
    """Writes a MATLAB 7.3 file: HDF5 behind a header of 512 bytes, arrays transposed, cells as references."""
    with h5py.File(file, "w", userblock_size=512) as h5:
        for variable, arrays in cells.items():
            dataset = h5.create_dataset(variable, (1, len(arrays)), dtype=h5py.ref_dtype)
            dataset.attrs["MATLAB_class"] = np.bytes_("cell")
            for index, array in enumerate(arrays):
                cell = h5.create_dataset(f"#refs#/{variable}{index}", data=array.T, compression="gzip")
                cell.attrs["MATLAB_class"] = np.bytes_(array.dtype.name)
                dataset[0, index] = cell.ref
        for variable, matrix in matrices.items():
            h5.create_dataset(variable, data=matrix.T).attrs["MATLAB_class"] = np.bytes_("double")
    with file.open("r+b") as stream:
        header = (
            b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Jan  1 00:00:00 2024 HDF5 schema 1.00 ."
        )
        stream.write(header.ljust(124) + b"\x00\x02IM")


def points_of(drawing: Drawing, scheme: Scheme) -> np.ndarray:
    """Landmarks of a drawn face, float64 [N, 2], in pixels counted from 1 as in MATLAB."""
    return landmarks_in(drawing.points.astype(np.float64), scheme) + 1


def left_top_width_height(points: np.ndarray) -> np.ndarray:
    """A box [4] around landmarks [points, 2], as from a detector."""
    low, high = points.min(axis=0), points.max(axis=0)
    return np.round([*(low - 3), *(high - low + 6)])


def read(builder: face_builder.FaceBuilder, split: str) -> dict[str, dict]:
    """The records of a split by name, in the order of the names."""
    records = {record["name"].decode(): record for record in builder.as_data_source(split=split)}
    return dict(sorted(records.items()))


def names(split: str, count: int) -> list[str]:
    return [f"{FILES[split]}/{number:04d}" for number in range(1, count + 1)]


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Raw:
    """Three training faces, the second one grey, and two test faces with both annotations."""
    root, random = tmp_path_factory.mktemp("cofw"), np.random.default_rng(0)
    drawn = {"train": [draw_face(3, 0, i) for i in range(3)], "test": [draw_face(3, 1, i) for i in range(2)]}
    pictures, phis, boxes = {}, {}, {}
    for split, faces in drawn.items():
        # Not square, so that exchanged rows and columns are detected.
        pictures[split] = [face.image[: 240 - 5 * index] for index, face in enumerate(faces)]
        points = [points_of(face, COFW_29) for face in faces]
        flags = random.random((len(faces), 29)) < 0.3
        phis[split] = np.stack([np.concatenate([*p.T, f]) for p, f in zip(points, flags, strict=True)])
        boxes[split] = np.stack([left_top_width_height(p) for p in points])
    pictures["train"][1] = pictures["train"][1].mean(axis=-1).astype(np.uint8)
    for split, suffix in (("train", "Tr"), ("test", "T")):
        matrices = {f"phis{suffix}": phis[split], f"bboxes{suffix}": boxes[split]}
        write_mat73(root / FILES[split], {f"Is{suffix}": pictures[split]}, matrices)

    points68 = np.stack([points_of(face, W300_68) for face in drawn["test"]])
    flags68 = (random.random((2, 68)) < 0.3).astype(np.float64)
    boxes68 = np.stack([left_top_width_height(points) + 0.25 for points in points68])
    folder = root / "COFW68_Data"
    (folder / "test_annotations").mkdir(parents=True)
    scipy.io.savemat(folder / "cofw68_test_bboxes.mat", {"bboxes": boxes68})
    for index in range(2):
        annotation = {"Points": points68[index], "Occ": flags68[index][None]}
        scipy.io.savemat(
            folder / "test_annotations" / f"{index + 1}_points.mat", annotation, do_compression=True
        )
    return Raw(root, pictures, phis, boxes, points68, flags68, boxes68)


@pytest.fixture
def copy(raw, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the raw data that a test may damage."""
    return pathlib.Path(shutil.copytree(raw.root, tmp_path / "raw"))
