"""Errors of evaluated runs as their files hold them, and the check that runs were measured alike."""

import csv
import dataclasses
import io
import pathlib
import shlex
from collections.abc import Mapping

import numpy as np

from dsat_jax import metrics
from dsat_jax.errors import UserError
from dsat_jax.evaluation.result_files import FACE_COLUMNS, FACES_FILE, METRICS_FILE, nme_column
from dsat_jax.files import text_files
from dsat_jax.schemes import SCHEMES


@dataclasses.dataclass(frozen=True)
class Errors:
    """Errors of one evaluated run.

    Attributes:
      folder: folder of the evaluation.
      measured: dataset, scheme and normaliser by field name; runs can be compared only if these are equal.
      normaliser: name of the normaliser for tables and plots, see `metrics.normaliser_name`.
      threshold: NME above which a face counts as a failure.
      nme: NME of each face by split, then by record and image name; NaN where it is unknown.
      other_nme: mean NME in percent by the name of a further normaliser, then by split.
    """

    folder: pathlib.Path
    measured: Mapping[str, object]
    normaliser: str
    threshold: float
    nme: Mapping[str, Mapping[tuple[int, str], float]]
    other_nme: Mapping[str, Mapping[str, float]]


def read_errors(folder: pathlib.Path) -> Errors:
    """Reads the metrics and the table of faces of an evaluation.

    Args:
      folder: run folder, or the folder of another evaluation of a run.

    Raises:
      OSError: if the folder holds no evaluation.
      UserError: if one of the files is not of the form that `--mode=evaluate` writes.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} does not exist, expected the folder of an evaluated run")
    for name in (METRICS_FILE, FACES_FILE):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"{folder} holds no {name}: run --mode=evaluate --workdir={shlex.quote(str(folder))} first"
            )
    contents = text_files.read_json(folder / METRICS_FILE)
    try:
        measured = {field: contents[field] for field in ("dataset", "scheme", "normaliser")}
        threshold = float(contents["threshold"])
        if not (np.isfinite(threshold) and threshold > 0):
            raise ValueError(f"the threshold is {threshold}")
        scheme, normaliser = measured["scheme"], measured["normaliser"]
        # Files of earlier versions lack the name.
        written_name = contents.get("normaliser_name") or _normaliser_name(scheme, normaliser)
        other_nme = {
            _normaliser_name(scheme, name): {
                split: np.nan if row["nme"] is None else float(row["nme"]) for split, row in rows.items()
            }
            for name, rows in contents.get("other_normalisers", {}).items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{folder / METRICS_FILE} has no dataset, scheme, normaliser or positive threshold, expected the file that "
            "--mode=evaluate writes"
        ) from error
    nme = _read_faces(folder / FACES_FILE, nme_column(normaliser))
    return Errors(folder, measured, str(written_name), threshold, nme, other_nme)


def _normaliser_name(scheme: str, normaliser: str) -> str:
    """Name of a normaliser for tables and plots."""
    known = scheme in SCHEMES and normaliser in metrics.NORMALISERS
    return metrics.normaliser_name(normaliser, SCHEMES[scheme]) if known else str(normaliser)


def _read_faces(path: pathlib.Path, column: str) -> dict[str, dict[tuple[int, str], float]]:
    """The NME of each face, by split, then by record and image name."""
    try:
        lines = io.StringIO(text_files.decode(path.read_bytes()), newline="")
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    reader = csv.DictReader(lines)
    splits: dict[str, dict[tuple[int, str], float]] = {}
    try:
        missing = [name for name in (*FACE_COLUMNS, column) if name not in (reader.fieldnames or ())]
        if missing:
            raise UserError(f"no column {missing[0]}")
        for row in reader:
            face = int(row["record"]), row["name"]
            faces = splits.setdefault(row["split"], {})
            if None in row.values():
                raise UserError("too few columns")
            if face in faces:
                raise UserError(f"record {face[0]} of {row['split']} occurs twice")
            faces[face] = float(row[column]) / 100 if row[column] else np.nan
    except (ValueError, TypeError, csv.Error) as error:
        raise UserError(
            f"{path}, line {reader.line_num}: {error}, expected the file that --mode=evaluate writes"
        ) from error
    if not splits:
        raise UserError(f"{path} holds no face, expected a line for each face")
    return splits


def check_comparable(first: Errors, other: Errors) -> None:
    """Raises UserError if two evaluations differ in dataset, scheme, normaliser, splits or faces."""
    for field in first.measured:
        if first.measured[field] != other.measured[field]:
            raise UserError(
                f"{first.folder} and {other.folder} cannot be compared: {field} is {first.measured[field]} in the "
                f"first and {other.measured[field]} in the second"
            )
    if first.nme.keys() != other.nme.keys():
        raise UserError(
            f"{first.folder} and {other.folder} cannot be compared: splits are {', '.join(first.nme)} in the first and "
            f"{', '.join(other.nme)} in the second"
        )
    for split in first.nme:
        lacking = first.nme[split].keys() ^ other.nme[split].keys()
        if lacking:
            record, name = min(lacking)
            raise UserError(
                f"{first.folder} and {other.folder} cannot be compared: record {record} ({name}) of {split} is not in "
                "both; the dataset may have been built again in between"
            )
