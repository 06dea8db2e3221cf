"""XML of labelling programs is recognised by its outermost element."""

import pathlib

import pytest

from tfds_builders import BuildError
from tfds_builders.landmark_folder import forms


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "a.xml: not XML: no element found"),
        (b"<dataset>", "a.xml: not XML: no element found"),
        (b'<?xml version="1.0" encoding="none"?><dataset/>', "a.xml: not XML: unknown encoding"),
        (
            b"<annotation/>",
            "a.xml: found <annotation>, expected <annotations> of CVAT for images 1.1, or <dataset> of",
        ),
    ],
)
def test_other_files_are_refused(tmp_path: pathlib.Path, content: bytes, message: str):
    (tmp_path / "a.xml").write_bytes(content)
    with pytest.raises(BuildError) as error:
        list(forms.in_one_file(tmp_path, "a.xml"))
    assert message in str(error.value)
