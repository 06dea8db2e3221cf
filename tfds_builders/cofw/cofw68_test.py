"""The configurations cofw68 and cofw68_original: annotations that are missing, superfluous or damaged."""

import pathlib

import numpy as np
import pytest
import scipy.io

from tfds_builders import BuildError, build
from tfds_builders.cofw.conftest import names, read

ANNOTATIONS = pathlib.Path("COFW68_Data", "test_annotations")


def test_the_annotation_may_be_in_the_folder_of_the_images(copy: pathlib.Path, raw, tmp_path: pathlib.Path):
    for part in list((copy / "COFW68_Data").iterdir()):
        part.rename(copy / part.name)
    (copy / "COFW68_Data").rmdir()
    builder, _ = build.build("cofw/cofw68_original", copy, tmp_path / "built")
    for index, record in enumerate(read(builder, "test").values()):
        np.testing.assert_array_equal(record["landmarks"], np.float32(raw.points68[index] - 1))


def test_annotations_without_an_image_and_the_reverse_are_listed(copy: pathlib.Path, tmp_path: pathlib.Path):
    folder = copy / ANNOTATIONS
    (folder / "1_points.mat").rename(folder / "9_points.mat")
    (folder / "._2_points.mat").write_bytes(b"left by macOS")
    builder, _ = build.build("cofw/cofw68", copy, tmp_path / "built")
    assert list(read(builder, "test")) == names("test", 2)[1:]
    assert dict(builder.log.incomplete) == {
        "test_annotations/1_points.mat: missing": ["test"],
        "test_annotations/9_points.mat: no image of this number": ["test"],
    }
    assert "test: found 1 face, the official set has 507." in builder.log.notes


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (None, "test_annotations/2_points.mat: not a readable MATLAB file ("),
        (
            {"Points": np.ones((68, 2))},
            "test_annotations/2_points.mat: no readable variable Occ, expected Points, Occ",
        ),
        (
            {"Points": np.ones((67, 2)), "Occ": np.zeros((1, 68))},
            "test_annotations/2_points.mat, Points: an array of 67 x 2 float64, expected 68 x 2 numbers",
        ),
        (
            {"Points": np.ones((68, 2)), "Occ": np.zeros((68, 1))},
            "test_annotations/2_points.mat, Occ: an array of 68 x 1 float64, expected 1 x 68 numbers",
        ),
        (
            {"Points": np.full((68, 2), np.nan), "Occ": np.zeros((1, 68))},
            "COFW_test_color.mat/0002: 68 of 68 landmarks are not finite numbers",
        ),
    ],
    ids=["no-mat", "no-occ", "67-points", "transposed", "nan"],
)
def test_a_damaged_annotation_is_skipped_and_named(copy, tmp_path, annotation, reason: str):
    file = copy / ANNOTATIONS / "2_points.mat"
    if annotation is None:
        file.write_bytes(b"<html>not found</html>" * 20)
    else:
        scipy.io.savemat(file, annotation)
    builder, _ = build.build("cofw/cofw68", copy, tmp_path / "built", max_skipped=0.5)
    assert list(read(builder, "test")) == names("test", 2)[:1]
    (logged,) = builder.log.damaged
    assert logged.startswith(reason)


@pytest.mark.parametrize(
    "part", ["COFW_test_color.mat", "COFW68_Data/test_annotations", "COFW68_Data/cofw68_test_bboxes.mat"]
)
def test_without_its_parts_the_expected_tree_is_shown(copy: pathlib.Path, tmp_path: pathlib.Path, part: str):
    (copy / part).rename(tmp_path / "elsewhere")
    with pytest.raises(BuildError) as error:
        build.build("cofw/cofw68", copy, tmp_path / "built")
    assert str(error.value).startswith(
        f"{copy}: no {pathlib.Path(part).name} here.\nCOFW (colour) comes from"
    )
    assert "COFW68_Data/cofw68_test_bboxes.mat" in str(error.value)


def test_the_boxes_must_fit(copy: pathlib.Path, tmp_path: pathlib.Path):
    file = copy / "COFW68_Data" / "cofw68_test_bboxes.mat"
    scipy.io.savemat(file, {"bboxes": np.ones((3, 4))})
    with pytest.raises(
        BuildError, match=r"^cofw68_test_bboxes\.mat, bboxes: an array of 3 x 4 float64, expected 2 x 4"
    ):
        build.build("cofw/cofw68", copy, tmp_path / "built")
