"""Decoding of text and JSON, and the errors for invalid files."""

import pathlib

import pytest

from dsat_jax.files import text_files


@pytest.mark.parametrize(
    "data", [b"a\xc3\xa9\n", b"\xef\xbb\xbfa\xc3\xa9\n"], ids=["plain", "byte order mark"]
)
def test_utf_8_is_decoded_with_and_without_a_byte_order_mark(data: bytes):
    assert text_files.decode(data) == "aé\n"


def test_another_encoding_is_refused_with_its_line():
    with pytest.raises(ValueError, match="line 3: found the byte 0xe9, expected text in UTF-8"):
        text_files.decode("one\ntwo\n\xe9".encode("latin-1"))


def test_json_is_decoded():
    assert text_files.parse_json(b'{"a": [1, 2.5, null], "b": {"a": true}}') == {
        "a": [1, 2.5, None],
        "b": {"a": True},
    }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "not JSON: Expecting property name"),
        (b"", "not JSON: Expecting value"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": {"b": 1, "c": 2, "b": 1}}', "the key 'b' appears twice in an object"),
    ],
    ids=["incomplete", "empty", "deep", "a key twice"],
)
def test_invalid_json_is_refused(data: bytes, message: str):
    with pytest.raises(ValueError, match=message):
        text_files.parse_json(data)


def test_an_error_in_a_file_names_the_file(tmp_path: pathlib.Path):
    path = tmp_path / "points.json"
    path.write_text("[1")
    with pytest.raises(ValueError, match=r"points\.json: not JSON: Expecting ',' delimiter"):
        text_files.read_json(path)
    path.write_text("[1]")
    assert text_files.read_json(path) == [1]
    with pytest.raises(FileNotFoundError):
        text_files.read_json(tmp_path / "absent.json")
