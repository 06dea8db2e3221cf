"""The exception for bad input, which the command line reports in one sentence without a traceback."""


class UserError(ValueError):
    """Bad input: a file, a configuration or an argument that cannot be used.

    The message is one sentence that names the input, what was found and what was expected. Any other `ValueError` is a
    bug of the program and keeps its traceback.
    """
