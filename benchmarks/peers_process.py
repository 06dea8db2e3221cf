"""A measured system in a separate process, as `benchmarks.peers` sees it."""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from dsat_jax.errors import UserError

ROOT = pathlib.Path(__file__).parents[1]


class System(NamedTuple):
    """A system to measure.

    Attributes:
      name: name in the tables.
      command: command whose process calls `peers_server.serve`.
      note: sentence for the reader of its figures: training data, definition of its landmarks.
    """

    name: str
    command: Sequence[str]
    note: str


class SystemProcess:
    """A running system; `start` returns one."""

    def __init__(self, name: str, process: subprocess.Popen, messages: pathlib.Path):
        """Wraps a process.

        Args:
          name: name of the system, for error messages.
          process: process with text pipes for its standard input and output.
          messages: file of its standard error.
        """
        self._name = name
        self._process = process
        self._messages = messages

    def ask(self, task: str, image: pathlib.Path, box: Sequence[float] | None = None) -> dict[str, Any]:
        """Returns the answer of the system to a task of `peers_server`.

        Args:
          task: 'find', 'align' or 'times'.
          image: file of the image.
          box: box of the landmarks, [4]; None for 'find'.

        Raises:
          UserError: if the process ends instead; the message contains the last line of its standard error.
        """
        request = {"task": task, "image": str(image.absolute()), "box": None if box is None else list(box)}
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(request), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            errors = self._messages.read_text(errors="replace").split("\n")
            last = next((message for message in reversed(errors) if message.strip()), "no message")
            raise UserError(f"{self._name}: its process ended with status {status} at {image.name}: {last}")
        return json.loads(line)


@contextlib.contextmanager
def start(system: System) -> Iterator[SystemProcess]:
    """Starts the process of a system and ends it with the context.

    Raises:
      UserError: if the program of its command does not exist or cannot be run.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as folder:
        messages = pathlib.Path(folder) / "messages.txt"
        with messages.open("w") as stderr:
            try:
                process = subprocess.Popen(
                    system.command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    text=True,
                    env=environment,
                )
            except OSError as error:
                raise UserError(
                    f"{system.name}: {system.command[0]} cannot be run: {error.strerror}"
                ) from error
        try:
            yield SystemProcess(system.name, process, messages)
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.stdout.close()
            process.kill()
            process.wait()
