"""Listing and reading of raw files, and paths that leave a folder."""

import pathlib

import pytest

from dsat_jax.records import DamagedRecord
from tfds_builders import BuildError, raw_files


def test_lists_the_visible_files_with_a_suffix_in_order(tmp_path: pathlib.Path):
    for name in ("b.JPG", "a.jpg", "c.png", "._a.jpg", "a.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "d.jpg").mkdir()
    assert [path.name for path in raw_files.list_files(tmp_path, (".jpg",))] == ["a.jpg", "b.JPG"]
    assert [path.name for path in raw_files.list_files(tmp_path)] == ["a.jpg", "a.txt", "b.JPG", "c.png"]
    assert raw_files.list_files(tmp_path / "missing") == []


def test_a_name_that_is_not_utf_8_is_refused():
    with pytest.raises(BuildError, match=r"^raw: the name of the file 'caf\\udce9' is not in UTF-8"):
        raw_files.check_name("caf\udce9", pathlib.Path("raw"))
    raw_files.check_name("café", pathlib.Path("raw"))


def test_a_file_that_cannot_be_read_is_damage_of_its_face(tmp_path: pathlib.Path):
    (tmp_path / "a.pts").write_bytes(b"1 2")
    assert raw_files.read_file(tmp_path, "a.pts") == b"1 2"
    with pytest.raises(DamagedRecord, match=r"^b\.pts: cannot be read: No such file or directory$"):
        raw_files.read_file(tmp_path, "b.pts")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DamagedRecord, match=r"^folder: .*expected a file"):
        raw_files.read_file(tmp_path, "folder")


@pytest.mark.parametrize("path", ["a.jpg", "a/b.jpg", "a\\b.jpg", "./a.jpg", "a..b/c.jpg", "é.jpg"])
def test_paths_below_the_folder(path: str):
    assert raw_files.stays_inside(path)


@pytest.mark.parametrize(
    "path", ["", ".", "..", "../a", "a/../../b", "/a", "\\a", "C:a", "C:\\a", "..\\a", "a\x1b.jpg"]
)
def test_paths_out_of_the_folder(path: str):
    assert not raw_files.stays_inside(path)
