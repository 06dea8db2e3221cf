"""Points with names are put in the order of the scheme, by landmarks.json or by the numbers in the names."""

import pathlib

import numpy as np
import pytest

from dsat_jax.records import UNKNOWN, VISIBLE, DamagedRecord
from tfds_builders import BuildError
from tfds_builders.landmark_folder.annotation import Annotation, Face
from tfds_builders.landmark_folder.point_names import NamedPoint, face_of, in_order

ROOT = pathlib.Path("raw")


def annotation(*names: str) -> Annotation:
    """A face whose points, in the order of the names, are at (0, 0), (1, 10), (2, 20), ..."""
    points = [NamedPoint(name, (i, 10 * i), VISIBLE) for i, name in enumerate(names)]
    return Annotation("a.jpg", "a.xml, a.jpg", lambda: face_of(points, "a.xml", "another face"), named=True)


def ordered(*faces: tuple[str, ...], names: list[str] | None = None, count: int | None = None) -> list[Face]:
    return [a.read() for a in in_order(ROOT, [annotation(*face) for face in faces], names, count)]


def test_names_of_the_folder_are_the_order():
    (face,) = ordered(("nose", "left"), names=["left", "right", "nose"])
    np.testing.assert_array_equal(face.landmarks, [[1, 10], [0, 0], [0, 0]])
    np.testing.assert_array_equal(face.visibility, [VISIBLE, UNKNOWN, VISIBLE])


@pytest.mark.parametrize(
    "names",
    [
        ("2", "0", "10", "1", *"3456789"),
        ("kp-3", "kp-1", "kp-11", "kp-2", *(f"kp-{i}" for i in range(4, 11))),
    ],
)
def test_numbers_from_0_or_1_are_the_order(names: tuple[str, ...]):
    (face,) = ordered(names)
    np.testing.assert_array_equal(face.landmarks[:, 0], [1, 3, 0, *range(4, 11), 2])


def test_points_that_a_face_does_not_have_are_unknown():
    first, second = ordered(("left_eye_0", "nose_2"), ("nose_2", "right_eye_1"))
    np.testing.assert_array_equal(first.visibility, [VISIBLE, UNKNOWN, VISIBLE])
    np.testing.assert_array_equal(second.landmarks, [[0, 0], [1, 10], [0, 0]])
    np.testing.assert_array_equal(second.visibility, [UNKNOWN, VISIBLE, VISIBLE])


def test_a_scheme_says_how_many_points_there_are():
    for names in (("0", "2"), ("1", "3", "4")):  # from 0 without the last, and from 1 without the second
        (face,) = ordered(names, count=4)
        assert len(face.landmarks) == 4
        first = int(names[0])
        np.testing.assert_array_equal(np.flatnonzero(face.visibility), [int(name) - first for name in names])


@pytest.mark.parametrize(
    ("names", "count", "problem"),
    [
        (("nose", "chin"), None, "'nose' has no number"),
        (("eye_1_2", "3"), None, "'eye_1_2' has several numbers"),
        (("left_eye_0", "right_eye_0"), None, "'left_eye_0' and 'right_eye_0' have the same number"),
        (("0", "3"), None, "their numbers go from 0 to 3, expected 2 numbers from 0 or 1"),
        (("1", "2"), 4, "their numbers go from 1 to 2, expected 4 numbers from 0 or 1"),  # from 0, or from 1
        (("0", "4"), 4, "their numbers go from 0 to 4, expected 4 numbers from 0 or 1"),
    ],
)
def test_an_order_that_the_numbers_leave_open_is_refused(
    names: tuple[str, ...], count: int | None, problem: str
):
    with pytest.raises(BuildError) as error:
        ordered(names, count=count)
    assert str(error.value) == (
        f"raw: the names of the points do not say their order: {problem}; add all names in the order of the scheme to "
        f'landmarks.json, such as "names": ["{names[0]}", "{names[1]}"]'
    )


def test_names_for_points_without_names_are_refused():
    plain = Annotation("a.jpg", "a.pts", lambda: Face(np.zeros((1, 2)), np.ones(1, np.uint8)))
    with pytest.raises(BuildError, match=r"names is for points with names, those of a\.pts have none"):
        in_order(ROOT, [plain], ["nose"], None)
    assert in_order(ROOT, [plain], None, None) == [plain]


def test_a_face_with_a_foreign_or_repeated_name_is_damaged():
    with pytest.raises(DamagedRecord, match=r"found the point 'ear', which `names` does not have"):
        ordered(("nose", "ear"), names=["nose"])
    with pytest.raises(DamagedRecord) as error:
        annotation("nose", "nose").read()
    assert str(error.value) == (
        "a.xml: 2 points have the name 'nose', expected another name for each point of a face, and another face"
    )
    with pytest.raises(DamagedRecord, match="a point without a name"):
        annotation("nose", "").read()
