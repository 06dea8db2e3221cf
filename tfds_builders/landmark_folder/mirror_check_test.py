"""Mirror pairs compared with drawn faces: right, wrong, missing, and points in another order."""

import dataclasses

import numpy as np
import pytest

from dsat_jax.records import UNKNOWN, VISIBLE
from dsat_jax.schemes import WFLW_98, Scheme
from tfds_builders import BuildError, build
from tfds_builders.landmark_folder import mirror_check
from tfds_builders.landmark_folder.annotation import Face
from tfds_builders.landmark_folder.example_points import write
from tfds_builders.synthetic_faces.workers import draw_faces

RIGHT = set(WFLW_98.mirror_pairs)


@pytest.fixture(scope="module")
def faces() -> list[Face]:
    drawings = draw_faces(0, 0, range(30), processes=0)
    return [Face(drawing.points.astype(np.float64), np.full(98, VISIBLE, np.uint8)) for drawing in drawings]


def with_pairs(*pairs: tuple[int, int]) -> Scheme:
    return dataclasses.replace(WFLW_98, mirror_pairs=pairs, boundaries=())


def test_right_pairs_are_not_doubted(faces: list[Face]):
    assert mirror_check.doubt(WFLW_98, faces) is None


def test_missing_pairs_are_found(faces: list[Face]):
    doubt = mirror_check.doubt(with_pairs(), faces)
    assert set(doubt.suggested) == RIGHT
    assert doubt.faces == 30


def test_exchanged_partners_are_found(faces: list[Face]):
    """The outer corner of an eye with a corner of the mouth."""
    kept = RIGHT - {(60, 72), (76, 82)}
    doubt = mirror_check.doubt(with_pairs(*kept, (60, 82), (72, 76)), faces)
    assert doubt.wrong == [60, 72, 76, 82]
    assert set(doubt.suggested) == RIGHT


def test_another_order_is_found(faces: list[Face]):
    order = np.random.default_rng(0).permutation(98)
    doubt = mirror_check.doubt(
        WFLW_98, [dataclasses.replace(face, landmarks=face.landmarks[order]) for face in faces]
    )
    assert len(doubt.wrong) > 80
    assert {tuple(sorted((order[a], order[b]))) for a, b in doubt.suggested} == RIGHT


def test_few_faces_and_faces_without_all_points_say_nothing(faces: list[Face]):
    assert mirror_check.doubt(with_pairs(), faces[:19]) is None
    unknown = np.where(np.arange(98) == 3, UNKNOWN, VISIBLE).astype(np.uint8)
    partial = [dataclasses.replace(face, visibility=unknown) for face in faces]
    assert mirror_check.doubt(with_pairs(), partial) is None


def test_the_mean_has_a_fixed_size_and_place():
    square = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]])
    mean = mirror_check.mean_face(np.stack([square, 5 * square + 3]))
    np.testing.assert_allclose(mean, (square - 1) / np.sqrt(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {},
            "the points are not in the order of wflw_98: in the mean of 24 faces, the mirror images of points",
        ),
        (
            {"scheme": {"name": "mine", "num_points": 98, "mirror_pairs": [], "normaliser_points": [60, 72]}},
            "landmarks.json: mirror_pairs do not fit the faces: in the mean of 24 faces",
        ),
    ],
)
def test_a_build_is_refused_unless_the_check_is_left_out(
    faces: list[Face], tmp_path, root, options: dict, message: str
):
    """Images of the fixture with several faces each."""
    pictures = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.jpg"))
    order = [0, *range(97, 0, -1)]
    points = {
        picture: [{"landmarks": face.landmarks[order].tolist()} for face in faces[i : i + 3]]
        for i, picture in enumerate(pictures)
    }
    write(root, "points.json", points)
    write(root, "landmarks.json", options)
    with pytest.raises(BuildError) as error:
        build.build("landmark_folder/original", root, tmp_path / "built")
    assert message in str(error.value)
    assert str(error.value).endswith('; correct the scheme, or add "check_mirror": false')
    write(root, "landmarks.json", options | {"check_mirror": False})
    assert build.build("landmark_folder/original", root, tmp_path / "built")[1]
