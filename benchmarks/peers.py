"""Comparison of the shipped networks with dlib and MediaPipe on a folder of annotated images: errors and times.

python -m benchmarks.peers FOLDER --peers_python=PEERS/bin/python [--only=accuracy|times]

FOLDER has the layout of 300W: NAME.pts, with 68 landmarks of one face, next to NAME.jpg or NAME.png. Each system runs
in its own process, the peers in the interpreter of a virtual environment with benchmarks/requirements-peers.txt.
benchmarks/README.md explains the settings. The times are medians over rounds in which each system has its turn.
"""

import argparse
import json
import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks import peers_figures, peers_process
from benchmarks.peers_figures import LEAST_OVERLAP, SETTINGS, THRESHOLD, Annotated
from benchmarks.peers_process import System
from dsat_jax.errors import UserError
from dsat_jax.files import atomic_files, locations
from dsat_jax.weights import zoo

COLD_START_IMAGE = peers_process.ROOT / "docs" / "astronaut.jpg"
TIMED_IMAGES = 20
# Columns of the table, keys of `peers_figures.summarise`.
FIGURES = ("nme_68", "nme_51", "median_68", "common_68", "common_51", "fr_51")
_OURS = (
    "trained on afw, helen/trainset and lfpw/trainset of 300W, dsat-hard also on SCUT-FBP5500 and FG-NET, so that "
    "figures on these folders are not held out"
)
_COMPARED = (
    "NME in % of the distance of the outer eye corners, over all 68 landmarks of 300W and over the 51 without the jaw; "
    "`common`: over the faces that all systems find. A face is missed if the box of no predicted landmarks overlaps "
    f"the box of the labels by {LEAST_OVERLAP} (intersection over union). FR: faces with an NME over 51 landmarks "
    f"above {100 * THRESHOLD:.0f} %, missed faces included."
)
_GIVEN = (
    "Given boxes are those around the labels. dlib gets a square for its detection, fitted to training faces. "
    "MediaPipe gets the image cut around the box with a margin of half its longer side, in which its detector runs."
)
_CALLS = (
    "ms of wall time (processor time over all threads in brackets): the detector per image, the landmarks per face in "
    "a given box, for MediaPipe by tracking, without its detector. Cold start: from the start of the process to the "
    "landmarks of one image, and the peak memory of the process."
)


def systems(peers_python: str) -> list[System]:
    """Returns the measured systems.

    Args:
      peers_python: interpreter of the virtual environment of the peers.
    """
    return [
        System(
            "dlib 68",
            [peers_python, "-m", "benchmarks.peers_dlib"],
            "trained on all of iBUG 300-W, its test sets included, so that no figure on 300W is held out; its "
            "landmarks are whole pixels",
        ),
        System(
            "MediaPipe",
            [peers_python, "-m", "benchmarks.peers_mediapipe"],
            "its landmarks have another definition, above all on the jaw: compared are the mesh vertices nearest to "
            "the landmarks of 300W, without any fitting",
        ),
        *(
            System(name, [sys.executable, "-m", "benchmarks.peers_ours", name], _OURS)
            for name in zoo.PRETRAINED
        ),
    ]


def accuracy(chosen: Sequence[System], annotated: Sequence[Annotated]) -> dict[str, Any]:
    """Returns the figures of each setting and system, and the NME of each face in percent, None for missed faces.

    Args:
      chosen: systems to measure.
      annotated: annotated faces.
    """
    labels = np.stack([each.landmarks for each in annotated])
    errors: dict[str, dict[str, dict[str, np.ndarray]]] = {task: {} for task in SETTINGS}
    for system in chosen:
        print(f"{system.name}: {len(annotated)} faces", file=sys.stderr)
        with peers_process.start(system) as process:
            for task, of_systems in errors.items():
                predicted = peers_figures.predict(process, task, annotated)
                of_systems[system.name] = peers_figures.face_nme(predicted, labels)
    return {
        "figures": {
            SETTINGS[task]: peers_figures.summarise(of_systems) for task, of_systems in errors.items()
        },
        "images": [each.image.name for each in annotated],
        "face_nme": {
            SETTINGS[task]: {
                name: {part: _percent(values) for part, values in nme.items()}
                for name, nme in of_systems.items()
            }
            for task, of_systems in errors.items()
        },
    }


def times(chosen: Sequence[System], annotated: Sequence[Annotated], rounds: int) -> dict[str, Any]:
    """Returns the times of each system on `TIMED_IMAGES` images, evenly spaced over the folder, and its cold start."""
    indices = np.unique(np.linspace(0, len(annotated) - 1, TIMED_IMAGES).round().astype(int))
    print(f"{rounds} rounds of times", file=sys.stderr)
    return {
        "processors": os.cpu_count(),
        "rounds": rounds,
        "timed_images": [annotated[index].image.name for index in indices],
        "calls": peers_figures.call_times(chosen, [annotated[index] for index in indices], rounds),
        "cold_start": peers_figures.cold_starts(chosen, COLD_START_IMAGE, rounds),
    }


def report(results: Mapping[str, Any]) -> str:
    """Returns the results of `measure` as Markdown."""
    lines = [f"# {results['folder']}: {results['faces']} faces", ""]
    if "accuracy" in results:
        lines += _accuracy_lines(results["accuracy"]["figures"])
    if "times" in results:
        lines += _time_lines(results["times"])
    return "\n".join([*lines, *(f"- {name}: {note}" for name, note in results["notes"].items())])


def _accuracy_lines(by_setting: Mapping[str, Any]) -> list[str]:
    lines = [_COMPARED, "", _GIVEN, ""]
    for setting, figures in by_setting.items():
        lines += [
            f"| {setting} | missed | NME 68 | NME 51 | median, NME 68 | common, NME 68 | common, NME 51 | FR |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for name, values in figures.items():
            lines.append(
                f"| {name} | {values['missed']} | {' | '.join(_number(values[key]) for key in FIGURES)} |"
            )
        lines.append("")
    return lines


def _time_lines(measured: Mapping[str, Any]) -> list[str]:
    lines = [_CALLS, ""]
    lines += [
        f"| {measured['processors']} processors, median of {measured['rounds']} rounds over "
        f"{len(measured['timed_images'])} images | detector, ms | landmarks, ms | cold start, s | memory, MiB |",
        "|---|---|---|---|---|",
    ]
    for name, calls in measured["calls"].items():
        start = measured["cold_start"][name]
        cells = [
            *(_wall_and_processor(calls[part]) for part in ("detector", "landmarks")),
            *(_number(start[key]) for key in ("seconds", "peak_mib")),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def measure(
    chosen: Sequence[System], folder: pathlib.Path, only: str | None = None, rounds: int = 5
) -> dict[str, Any]:
    """Returns all results, as they are written to the .json file.

    Args:
      chosen: systems to measure.
      folder: folder of annotated images.
      only: 'accuracy' or 'times'; None measures both.
      rounds: number of rounds of the times.

    Raises:
      OSError: if a file cannot be read.
      UserError: if the folder holds no annotated faces, or a system cannot be run.
    """
    annotated = peers_figures.read_folder(folder)
    results = {
        "folder": folder.absolute().name,
        "faces": len(annotated),
        "notes": {system.name: system.note for system in chosen},
    }
    if only != "times":
        results["accuracy"] = accuracy(chosen, annotated)
    if only != "accuracy":
        results["times"] = times(chosen, annotated, rounds)
    return results


def _percent(values: np.ndarray) -> list[float | None]:
    return [round(100 * float(value), 3) if np.isfinite(value) else None for value in values]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _wall_and_processor(milliseconds: Sequence[float] | None) -> str:
    return "-" if milliseconds is None else "{:.1f} ({:.1f})".format(*milliseconds)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the tables and writes the .json file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=locations.locate, help="folder of annotated images")
    parser.add_argument("--peers_python", required=True, help="interpreter of the peers' virtual environment")
    parser.add_argument("--only", choices=("accuracy", "times"), help="both by default")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the times")
    parser.add_argument(
        "--out", type=locations.locate, default=pathlib.Path("peers.json"), help="file of results"
    )
    parsed = parser.parse_args(arguments)
    if parsed.rounds < 1:
        parser.error(f"--rounds is {parsed.rounds}, expected at least 1")
    try:
        results = measure(systems(parsed.peers_python), parsed.folder, parsed.only, parsed.rounds)
        atomic_files.write_text(parsed.out, json.dumps(results, indent=1) + "\n")
    except (UserError, OSError) as error:
        parser.error(str(error))
    print(report(results))


if __name__ == "__main__":
    main()
