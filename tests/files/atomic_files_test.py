"""Atomic files: a failed write keeps the old file and leaves no temporary files."""

import pathlib

import pytest

from dsat_jax.files import atomic_files


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    """A file in an otherwise empty folder."""
    (tmp_path / "file.txt").write_text("old")
    return tmp_path / "file.txt"


def test_a_write_replaces_the_file(path: pathlib.Path):
    atomic_files.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_text_is_written_in_utf_8(path: pathlib.Path):
    atomic_files.write_text(path, "é")
    assert path.read_bytes() == b"\xc3\xa9"


def test_the_old_file_is_visible_until_the_new_one_is_complete(path: pathlib.Path):
    with atomic_files.replacing(path) as temporary:
        temporary.write_text("ne")
        assert path.read_text() == "old"
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_a_failing_write_keeps_the_old_file_and_leaves_no_temporary(path: pathlib.Path):
    def write_half() -> None:
        with atomic_files.replacing(path) as temporary:
            temporary.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path: pathlib.Path):
    with pytest.raises(OSError, match=r"absent/file\.txt could not be written: No such file or directory"):
        atomic_files.write_text(tmp_path / "absent" / "file.txt", "new")


def test_in_a_bucket_only_complete_files_become_objects(bucket, bucket_folder):
    path = bucket_folder / "a" / "file.bin"
    atomic_files.write_bytes(path, b"old")
    with (
        pytest.raises(OSError, match=r"could not be written: No such file"),
        atomic_files.replacing(path) as temporary,
    ):
        (temporary.parent / "none" / "file").write_bytes(b"new")
    assert path.read_bytes() == b"old"
    with atomic_files.replacing(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert bucket.names(bucket_folder.name) == {"a/file.bin"}
