"""The exception for bad input, which the command line reports in one sentence, and numbers in sentences."""


class UserError(ValueError):
    """Bad input: a file, a configuration or an argument that cannot be used.

    The message is one sentence that names the input, what was found and what was expected. Any other `ValueError` is a
    bug of the program and keeps its traceback.
    """


def counted(number: int, noun: str) -> str:
    """Returns a number of things in words: "1 face", "2 faces"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
