"""The text and the JSON that users write: decoded, or refused with one sentence."""

import json
import pathlib

from dsat_jax.errors import UserError


def decode(data: bytes) -> str:
    """Text in UTF-8, with or without the mark that Windows puts in front.

    Raises:
      ValueError: if it is in something else; the message names the line.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        raise UserError(f"line {line}: found the byte 0x{byte:02x}, expected text in UTF-8") from error


def parse_json(data: bytes) -> object:
    """Decodes JSON in UTF-8.

    Raises:
      ValueError: if it is none, nested too deeply to be read, or an object has a key twice, of which one would be lost.
    """
    text = decode(data)
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError as error:
        raise UserError("not JSON that can be read: it is nested too deeply") from error
    except ValueError as error:
        raise UserError(f"not JSON: {error}") from error


def read_json(path: pathlib.Path) -> object:
    """Decodes a file of JSON in UTF-8.

    Raises:
      OSError: if there is no such file, or it cannot be read.
      ValueError: see `parse_json`; the message names the file.
    """
    try:
        return parse_json(path.read_bytes())
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise UserError(f"the key {twice!r} stands twice in an object")
    return found
