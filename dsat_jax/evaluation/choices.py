"""What a user chooses for an evaluation, and the folder of its results."""

import dataclasses
import hashlib
import pathlib
import tempfile
from collections.abc import Sequence

from ml_collections import ConfigDict

from dsat_jax import metrics
from dsat_jax.config import choose
from dsat_jax.errors import UserError
from dsat_jax.files import locations
from dsat_jax.weights import zoo


@dataclasses.dataclass(frozen=True)
class Choices:
    """The choices of an evaluation; the defaults are those of the run.

    Attributes:
      dataset: name of another dataset; None for the run's dataset.
      splits: TFDS splits; empty for the test splits of the run or of the other dataset.
      scheme: name of a scheme that the network predicts; None for the one that fits the labels best, see
        `schemes.part_for`.
      data_dir: root folder of the built datasets; None for the run's.
      normalisers: keys of `metrics.NORMALISERS`; files and curves are by the first, tables by each; empty for the run.
      threshold: NME threshold of FR and AUC, a share of the normaliser; None for the run's.
      out: folder of the results; None for `results_folder`.
    """

    dataset: str | None = None
    splits: Sequence[str] = ()
    scheme: str | None = None
    data_dir: str | None = None
    normalisers: Sequence[str] = ()
    threshold: float | None = None
    out: pathlib.Path | None = None

    def __post_init__(self):
        """Raises UserError if a choice is not possible."""
        if len(set(self.splits)) < len(self.splits):
            raise UserError(f"--split={','.join(self.splits)} names a split more than once")
        for normaliser in self.normalisers:
            choose(metrics.NORMALISERS, normaliser, "normaliser")
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise UserError(
                f"--failure_threshold={self.threshold:g} is no share of the normaliser, expected 0 to 1, such as 0.08"
            )

    def apply(self, config: ConfigDict) -> None:
        """Writes the choices into the configuration of a run, but for splits and scheme."""
        config.data.dataset = self.dataset or config.data.dataset
        config.data.data_dir = self.data_dir or config.data.data_dir
        config.evaluate.normaliser = next(iter(self.normalisers), config.evaluate.normaliser)
        config.evaluate.threshold = self.threshold or config.evaluate.threshold

    def results_folder(self, network: pathlib.Path, dataset: str) -> pathlib.Path:
        """Returns the folder of the results of a run or a weights file on a dataset.

        The results of a run without any choice but the folder of the datasets go to the run folder. Others go to its
        subfolder `evaluations/<choices>`; those of a weights file go to `evaluations/<file>/<choices>` in the current
        folder. Unless the file is a shipped network, <file> ends in the first digits of its SHA-256.
        """
        if self.out is not None:
            return self.out
        own = Choices(data_dir=self.data_dir) == dataclasses.replace(
            self, splits=tuple(self.splits), normalisers=tuple(self.normalisers)
        )
        if own and not network.is_file():
            return network
        above = (
            pathlib.Path("evaluations") / _file_name(network)
            if network.is_file()
            else network / "evaluations"
        )
        # Unique for each choice: splits contain neither commas nor /, dataset names no point, and the names of schemes
        # and normalisers are in parentheses and brackets.
        parts = [
            dataset.replace("/", "."),
            *([f"({self.scheme})"] if self.scheme else []),
            *([f"[{','.join(self.normalisers)}]"] if self.normalisers else []),
            *([f"[{self.threshold:g}]"] if self.threshold else []),
            *([",".join(self.splits)] if self.splits else []),
        ]
        return above / "+".join(parts)


def check_writable(folder: pathlib.Path) -> None:
    """Makes a folder and a file in it, so that a folder that cannot be written to is found before the first face.

    A bucket is not tried: `locations.reach` has done so.

    Raises:
      UserError: if it cannot be written to.
    """
    if locations.in_bucket(folder):
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(
            f"{folder}: the results cannot be written there ({error.strerror}); choose another folder with --out"
        ) from error


def _file_name(weights: pathlib.Path) -> str:
    """Returns a unique name for a weights file; files in several folders may have the same name."""
    if zoo.is_shipped(weights):
        return weights.stem
    return f"{weights.stem}-{hashlib.sha256(weights.read_bytes()).hexdigest()[:8]}"
