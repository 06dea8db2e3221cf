"""XML of CVAT for images 1.1: skeletons, elements with several points, and groups of elements with one point."""

import pathlib

import numpy as np
import pytest

from dsat_jax.records import OCCLUDED, UNKNOWN, VISIBLE, DamagedRecord
from tfds_builders import BuildError
from tfds_builders.landmark_folder import forms
from tfds_builders.landmark_folder.annotation import Annotation

SKELETON = """<skeleton label="face" source="manual" z_order="0">
  <points label="1" source="manual" outside="0" occluded="1" points="50.25,60.5"></points>
  <points label="0" source="manual" outside="0" occluded="0" points="70.00,61.00"></points>
  <points label="2" source="manual" outside="1" occluded="0" points="0.00,0.00"></points>
</skeleton>"""
# Written by datumaro 1.13.12, which also writes the fields of the task, more labels, and more points.
BY_DATUMARO = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta><task><name>annotations</name><size>2</size><mode>annotation</mode></task></meta>
  <image id="0" name="a.jpg" width="160" height="120">
    <points label="face" occluded="0" outside="0" keyframe="0" points="63.70,26.98;4.10,1.65;81.33,91.28" z_order="0">
    </points>
  </image>
</annotations>
"""
SINGLE = '<points label="{}" occluded="0" points="{}" group_id="{}"/>'


def annotations(root: pathlib.Path, elements: str) -> list[Annotation]:
    image = f'<image id="0" name="anna/0.jpg" width="160" height="120">{elements}</image>'
    (root / "a.xml").write_text(f"<annotations><version>1.1</version>{image}</annotations>")
    return list(forms.in_one_file(root, "a.xml"))


def test_a_skeleton_has_names_and_visibility(tmp_path: pathlib.Path):
    (annotation,) = annotations(tmp_path, '<box label="face"/>' + SKELETON)
    assert (annotation.picture, annotation.source) == ("anna/0.jpg", "a.xml, anna/0.jpg, element 1")
    face = annotation.read()
    assert (annotation.named, face.names) == (True, ["1", "0", "2"])
    np.testing.assert_array_equal(face.landmarks[:2], [[50.25, 60.5], [70, 61]])
    np.testing.assert_array_equal(face.visibility, [OCCLUDED, VISIBLE, UNKNOWN])


def test_points_of_one_element_are_in_the_order_of_the_scheme(tmp_path: pathlib.Path):
    first, second = annotations(
        tmp_path,
        '<points label="face" points="1,2;3.5,4"/><points label="face" occluded="1" points="5,6;7,8"/>',
    )
    np.testing.assert_array_equal(first.read().landmarks, [[1, 2], [3.5, 4]])
    np.testing.assert_array_equal(second.read().visibility, [OCCLUDED, OCCLUDED])
    assert not first.named


def test_the_file_of_another_program_is_read(tmp_path: pathlib.Path):
    (tmp_path / "a.xml").write_text(BY_DATUMARO)
    (annotation,) = forms.in_one_file(tmp_path, "a.xml")
    np.testing.assert_array_equal(annotation.read().landmarks, [[63.7, 26.98], [4.1, 1.65], [81.33, 91.28]])


def test_elements_of_one_point_are_faces_by_their_group(tmp_path: pathlib.Path):
    points = [SINGLE.format(*values) for values in (("b", "1,2", 1), ("a", "3,4", 2), ("a", "5,6", 1))]
    first, second = annotations(tmp_path, "".join(points))
    assert (first.read().names, second.read().names) == (["b", "a"], ["a"])
    np.testing.assert_array_equal(first.read().landmarks, [[1, 2], [5, 6]])


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ('<points label="face" points="1,2;3"/>', "element 0: found '3', expected 2 finite numbers `x y`"),
        (
            SKELETON.replace("50.25", "nan"),
            "element 0, point '1': found 'nan 60.5', expected 2 finite numbers `x y`",
        ),
        (
            SKELETON.replace('"0" s', '"1" s'),
            "2 points have the name '1', expected another name for each point of a",
        ),
        ("<skeleton/>", "a.xml, anna/0.jpg, element 0: found a skeleton without points"),
    ],
)
def test_damage_is_named(tmp_path: pathlib.Path, elements: str, message: str):
    (annotation,) = annotations(tmp_path, elements)
    with pytest.raises(DamagedRecord) as error:
        annotation.read()
    assert message in str(error.value)


def test_the_export_of_a_video_is_refused(tmp_path: pathlib.Path):
    (tmp_path / "a.xml").write_text('<annotations><track id="0"/></annotations>')
    with pytest.raises(
        BuildError, match=r"found tracks of a video, expected the export CVAT for images 1\.1"
    ):
        list(forms.in_one_file(tmp_path, "a.xml"))
