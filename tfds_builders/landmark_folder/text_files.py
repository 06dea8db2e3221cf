"""The text and the JSON that users write: decoded, or refused with one sentence."""

import json


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
        raise ValueError(f"line {line}: found the byte 0x{byte:02x}, expected text in UTF-8") from error


def parse_json(data: bytes) -> object:
    """Decodes JSON in UTF-8.

    Raises:
      ValueError: if it is none, or nested too deeply to be read.
    """
    text = decode(data)
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("not JSON that can be read: it is nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from error
