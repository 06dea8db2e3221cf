"""XML of dlib's imglab: a face for each box with parts."""

import pathlib

import numpy as np
import pytest

from dsat_jax.records import DamagedRecord
from tfds_builders.landmark_folder import forms
from tfds_builders.landmark_folder.annotation import Annotation

BOX = "<box top='30' left='40' width='71' height='81'>{}</box>"
FACE = BOX.format("<part name='01' x='50' y='60'/><part name='00' x='70' y='61'/>")


def annotations(root: pathlib.Path, boxes: str) -> list[Annotation]:
    image = f"<image file='anna/0.jpg' width='160' height='120'>{boxes}</image>"
    (root / "a.xml").write_text(f"<dataset><name>mine</name><images>{image}</images></dataset>")
    return list(forms.in_one_file(root, "a.xml"))


def test_parts_and_box(tmp_path: pathlib.Path):
    first, second = annotations(tmp_path, FACE + BOX.format("") + FACE.replace("<box", "<box occluded='1'"))
    assert (first.picture, first.source, first.named) == ("anna/0.jpg", "a.xml, anna/0.jpg, box 0", True)
    assert first.read().names == ["01", "00"]
    np.testing.assert_array_equal(first.read().landmarks, [[50, 60], [70, 61]])
    np.testing.assert_array_equal(first.read().box, [40, 30, 110, 110])  # its last column is 40 + 71 - 1
    np.testing.assert_array_equal(second.read().landmarks, [[50, 60], [70, 61]])


def test_ignored_boxes_are_left_out(tmp_path: pathlib.Path):
    assert annotations(tmp_path, FACE.replace("<box", "<box ignore='1'")) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("x='50'", "", "box 0, part '01': found '? 60', expected 2 finite numbers `x y`"),
        (
            "width='71'",
            "width='w'",
            "box 0: found '40 30 w 81', expected 4 finite numbers `left top width height`",
        ),
        (
            "'01'",
            "'00'",
            "2 points have the name '00', expected another name for each point of a face, and another box",
        ),
    ],
)
def test_damage_is_named(tmp_path: pathlib.Path, old: str, new: str, message: str):
    (annotation,) = annotations(tmp_path, FACE.replace(old, new))
    with pytest.raises(DamagedRecord) as error:
        annotation.read()
    assert message in str(error.value)
