"""Seals of checkpoints: damage to the files and to the seal is detected."""

import json
import os
import pathlib
import zlib

import pytest

from dsat_jax.checkpoints import checksums

FACTS = checksums.Facts(step=7, validation_nme=3.5, arrays={"params/w": "float32[4]"})


@pytest.fixture
def folder(tmp_path) -> pathlib.Path:
    """A sealed folder with three files, one of them empty and one in a subfolder."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "array").write_bytes(bytes(range(200)))
    (tmp_path / "manifest").write_bytes(b"tree")
    (tmp_path / "empty").touch()
    checksums.write(tmp_path, FACTS)
    return tmp_path


def test_an_undamaged_folder_passes(folder):
    checksums.check(folder)
    assert checksums.read(folder) == FACTS
    sealed = json.loads((folder / checksums.FILE_NAME).read_text())["sealed"]
    assert sealed["files"] == {
        "d/array": [200, zlib.crc32(bytes(range(200)))],
        "manifest": [4, zlib.crc32(b"tree")],
        "empty": [0, 0],
    }


@pytest.mark.parametrize("position", [0, 57, 199])
def test_every_flipped_bit_is_detected(folder, position):
    for bit in range(8):
        contents = bytearray(range(200))
        contents[position] ^= 1 << bit
        (folder / "d" / "array").write_bytes(contents)
        with pytest.raises(checksums.DamagedError, match=r"^the bytes of array have changed$"):
            checksums.check(folder)


def test_every_changed_byte_of_the_seal_is_detected(folder):
    contents = (folder / checksums.FILE_NAME).read_bytes()
    for position in range(len(contents.rstrip())):
        changed = bytearray(contents)
        changed[position] ^= 0x01
        (folder / checksums.FILE_NAME).write_bytes(changed)
        with pytest.raises(checksums.DamagedError, match=r"^seal\.json is damaged$"):
            checksums.read(folder)


def test_the_message_names_the_damage(folder):
    (folder / "d" / "array").write_bytes(b"short")
    (folder / "manifest").unlink()
    with pytest.raises(checksums.DamagedError) as caught:
        checksums.check(folder)
    assert str(caught.value) == "array has 5 bytes instead of 200; manifest is missing"


def test_the_message_names_three_of_many_damaged_files(tmp_path):
    for number in range(6):
        (tmp_path / str(number)).touch()
    checksums.write(tmp_path, FACTS)
    for number in range(6):
        (tmp_path / str(number)).unlink()
    with pytest.raises(
        checksums.DamagedError, match=r"^0 is missing; 1 is missing; 2 is missing and 3 more$"
    ):
        checksums.check(tmp_path)


@pytest.mark.parametrize(
    "contents", [b"", b"{", b"[]", b"7", b'{"crc32": 0}', b'{"crc32": 0, "sealed": {}}', b"[" * 9999]
)
def test_a_seal_that_is_not_its_json_is_damaged(folder, contents):
    (folder / checksums.FILE_NAME).write_bytes(contents)
    with pytest.raises(checksums.DamagedError, match=r"seal\.json is damaged"):
        checksums.check(folder)


@pytest.mark.parametrize(
    "sealed",
    [
        [],
        {"facts": {}, "files": {}},
        {"facts": {"step": 1, "validation_nme": None, "arrays": {}}, "files": []},
        {"facts": {"step": 1, "validation_nme": None, "arrays": {}}, "files": {"a": 3}},
        {"facts": {"step": 1, "validation_nme": "low", "arrays": {}}, "files": {}},
        {"facts": {"step": 1, "validation_nme": None, "arrays": 3}, "files": {}},
        {"facts": {"step": 1, "validation_nme": None, "arrays": {}, "more": 1}, "files": {}},
    ],
)
def test_a_seal_with_other_contents_is_damaged(folder, sealed):
    crc = zlib.crc32(json.dumps(sealed, sort_keys=True).encode())
    (folder / checksums.FILE_NAME).write_text(json.dumps({"crc32": crc, "sealed": sealed}))
    with pytest.raises(checksums.DamagedError, match=r"seal\.json is damaged"):
        checksums.check(folder)


@pytest.mark.parametrize("make", [lambda path: None, pathlib.Path.mkdir, os.mkfifo])
def test_a_seal_that_is_not_a_regular_file_is_missing(tmp_path, make):
    make(tmp_path / checksums.FILE_NAME)
    with pytest.raises(checksums.DamagedError, match=r"seal\.json is missing"):
        checksums.check(tmp_path)
