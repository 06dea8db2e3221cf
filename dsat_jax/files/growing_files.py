"""Files that grow while a program runs, such as logs: written in place, or sent to a bucket from time to time."""

import pathlib
import tempfile
import time

from dsat_jax.files import locations


class GrowingFiles:
    """A folder of growing files.

    An object of a bucket cannot grow. The files of a bucket's folder are therefore written to a temporary folder, from
    which `send` uploads the whole of each file that has changed.

    Attributes:
      folder: local folder to write the files to; that of the target if it is local.

    Args:
      target: folder of the files.
    """

    def __init__(self, target: pathlib.Path):
        self._target = target
        self._temporary = tempfile.TemporaryDirectory() if locations.in_bucket(target) else None
        self.folder = pathlib.Path(self._temporary.name) if self._temporary else target
        self._sent: dict[str, int] = {}  # sizes in bytes by name
        self._sent_at = time.monotonic()

    def send(self, after: float = 0.0) -> None:
        """Uploads the files that have changed since they were uploaded; does nothing for a local target.

        Args:
          after: seconds since the last upload before which nothing is uploaded.
        """
        if self._temporary is None or time.monotonic() < self._sent_at + after:
            return
        sizes = locations.files_in(self.folder)
        for name in sizes.keys() - {name for name, size in self._sent.items() if size == sizes[name]}:
            (self._target / name).write_bytes((self.folder / name).read_bytes())
        self._sent, self._sent_at = sizes, time.monotonic()

    def close(self) -> None:
        """Sends the files, and removes the temporary folder."""
        if self._temporary is not None:
            with self._temporary:
                self.send()
