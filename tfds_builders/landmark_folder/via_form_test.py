"""VIA 2 and 3, as JSON and CSV: the same two points in each of them."""

import json
import pathlib

import numpy as np
import pytest

from dsat_jax.records import DamagedRecord
from tfds_builders import BuildError
from tfds_builders.landmark_folder import forms
from tfds_builders.landmark_folder.annotation import Annotation
from tfds_builders.landmark_folder.example_points import write

REGIONS = [
    {"shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4}, "region_attributes": {}},
    {"shape_attributes": {"name": "point", "cx": 50, "cy": 60}, "region_attributes": {"name": "1"}},
    {"shape_attributes": {"name": "point", "cx": 70.5, "cy": 61}, "region_attributes": {"name": "0"}},
]
IMAGE = {"a.jpg99": {"filename": "a.jpg", "size": 99, "regions": REGIONS, "file_attributes": {}}}
TWO_CSV = """filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes
a.jpg,99,"{}",2,0,"{""name"":""point"",""cx"":50,""cy"":60}","{""name"":""1""}"
a.jpg,99,"{}",2,1,"{""name"":""point"",""cx"":70.5,""cy"":61}","{""name"":""0""}"
b.jpg,99,"{}",0,0,"{}","{}"
"""
ATTRIBUTE = {"1": {"aname": "name", "type": 4, "options": {"5": "0", "6": "1"}}}
THREE = {
    "project": {"pid": "__VIA_PROJECT_ID__"},
    "config": {},
    "attribute": ATTRIBUTE,
    "file": {"1": {"fid": "1", "fname": "a.jpg", "type": 2, "loc": 1, "src": ""}},
    "metadata": {
        "1_a": {"vid": "1", "flg": 0, "z": [], "xy": [1, 50, 60], "av": {"1": "6"}},
        "1_b": {"vid": "1", "flg": 0, "z": [], "xy": [1, 70.5, 61], "av": {"1": "5"}},
        "1_c": {"vid": "1", "flg": 0, "z": [], "xy": [2, 1, 2, 3, 4], "av": {}},
        "1_d": {"vid": "1", "flg": 0, "z": [], "xy": [], "av": {"1": "5"}},
    },
    "view": {"1": {"fid_list": ["1"]}},
}
THREE_CSV = f"""# Exported using VGG Image Annotator (http://www.robots.ox.ac.uk/~vgg/software/via)
# SHAPE_ID = {{"POINT":1}}
# ATTRIBUTE = {json.dumps(ATTRIBUTE)}
# CSV_HEADER = metadata_id,file_list,flags,temporal_coordinates,spatial_coordinates,metadata
"1_a","[""a.jpg""]",0,"[]","[1,50,60]","{{""1"":""6""}}"
"1_b","[""a.jpg""]",0,"[]","[1,70.5,61]","{{""1"":""5""}}"
"""


def annotations(root: pathlib.Path, file: str, content: object) -> list[Annotation]:
    write(root, file, content)
    return list(forms.in_one_file(root, file))


def of_regions(root: pathlib.Path, *regions: tuple[dict, dict]) -> list[Annotation]:
    """The annotations of an image with points, of fields of their shape and attributes."""
    shapes = [
        {"shape_attributes": {"name": "point", "cx": i, "cy": 9, **shape}, "region_attributes": attributes}
        for i, (shape, attributes) in enumerate(regions)
    ]
    return annotations(root, "a.json", {"a": {"filename": "a.jpg", "regions": shapes}})


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("a.json", IMAGE),
        ("a.json", {"a.jpg99": {**IMAGE["a.jpg99"], "regions": dict(enumerate(REGIONS))}}),
        ("a.json", {"_via_settings": {}, "_via_img_metadata": IMAGE, "_via_attributes": {}}),
        ("a.csv", TWO_CSV),
        ("a.csv", f"#{TWO_CSV}"),
        ("a.json", THREE),
        ("a.csv", THREE_CSV),
    ],
)
def test_each_version_and_form(tmp_path: pathlib.Path, file: str, content: object):
    (annotation,) = annotations(tmp_path, file, content)
    assert (annotation.picture, annotation.source, annotation.named) == ("a.jpg", f"{file}, a.jpg", True)
    face = annotation.read()
    assert face.names == ["1", "0"]
    np.testing.assert_array_equal(face.landmarks, [[50, 60], [70.5, 61]])


def test_points_without_attributes_are_in_the_order_of_the_scheme(tmp_path: pathlib.Path):
    (annotation,) = of_regions(tmp_path, ({}, {}), ({}, {"name": ""}))
    assert not annotation.named
    np.testing.assert_array_equal(annotation.read().landmarks, [[0, 9], [1, 9]])


def test_faces_are_told_apart_by_an_attribute(tmp_path: pathlib.Path):
    first, second = of_regions(tmp_path, ({}, {"face": "1", "part": "b"}), ({}, {"face": "2", "part": "b"}))
    assert (first.source, first.read().names) == ("a.json, a.jpg, face 0", ["b"])
    np.testing.assert_array_equal(second.read().landmarks, [[1, 9]])


@pytest.mark.parametrize(
    ("shape", "attributes", "message"),
    [
        ({"cx": "1"}, {"name": "0"}, "a.json, a.jpg, point 0: found ['1', 9], expected 2 finite numbers"),
        (
            {},
            {"a": "0", "b": "1"},
            "found the attributes ['a', 'b'], expected the point's name in one called `name`",
        ),
        (
            {},
            {"name": "1"},
            "2 points have the name '1', expected another name for each point of a face, and an attr",
        ),
        ({}, {}, "a.json, a.jpg: found a point without a name beside points with names"),
    ],
)
def test_damage_is_named(tmp_path: pathlib.Path, shape: dict, attributes: dict, message: str):
    (annotation,) = of_regions(tmp_path, (shape, attributes), ({}, {"name": "1"}))
    with pytest.raises(DamagedRecord) as error:
        annotation.read()
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("a.json", {"_via_img_metadata": 3}),
        ("a.json", {"a": {"filename": 3, "regions": REGIONS}}),
        ("a.json", {**THREE, "view": {}}),
        ("a.csv", TWO_CSV.replace('"{""name"":""1""}"', "{")),
        ("a.csv", THREE_CSV.replace("[1,50,60]", "[1")),
    ],
)
def test_files_in_another_form_are_refused(tmp_path: pathlib.Path, file: str, content: object):
    with pytest.raises(BuildError, match=rf"{file}: not "):
        annotations(tmp_path, file, content)
