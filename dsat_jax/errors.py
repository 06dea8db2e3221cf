"""The error of bad input, which the command line answers with one sentence."""


class UserError(ValueError):
    """Bad input: a file, a configuration or an argument that cannot be used.

    The message is one sentence that names the input, what was found and what was expected. Any other `ValueError` is a
    fault of the program and keeps its traceback.
    """
