"""Decoding of text and JSON files of users, with errors of one sentence."""

import json
import pathlib

from dsat_jax.errors import UserError


def decode(data: bytes) -> str:
    """Decodes text in UTF-8, with or without a byte order mark.

    Raises:
      UserError: if the text is not UTF-8; the message names the line and the byte.
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
      UserError: if the text is not JSON or is nested too deeply, or if an object has a key twice.
    """
    text = decode(data)
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError as error:
        raise UserError("not JSON that can be read: it is nested too deeply") from error
    except ValueError as error:
        raise UserError(f"not JSON: {error}") from error


def read_json(path: pathlib.Path) -> object:
    """Reads a JSON file in UTF-8.

    Raises:
      OSError: if the file does not exist or cannot be read.
      UserError: if `parse_json` refuses the content; the message names the file.
    """
    try:
        return parse_json(path.read_bytes())
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Returns a JSON object; refuses repeated keys, of which `dict` would keep only the last."""
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in values if keys.count(key) > 1)
        raise UserError(f"the key {repeated!r} appears twice in an object")
    return values
