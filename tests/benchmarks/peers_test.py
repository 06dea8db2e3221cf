"""Errors, missed faces and times of made-up systems, each a real process that answers with known numbers."""

import json
import pathlib
import subprocess
import sys

import cv2
import numpy as np
import pytest

from benchmarks import peers, peers_dlib, peers_figures, peers_mediapipe, peers_ours, peers_process
from benchmarks.peers_process import System
from dsat_jax import geometry
from dsat_jax.errors import UserError
from dsat_jax.inference.result_files import write_points
from dsat_jax.schemes import W300_68

INDEX = np.arange(68)
LABELS = np.stack([20.0 + INDEX * 37 % 101, 30.0 + INDEX * 53 % 97], axis=-1)  # all over a box
LABELS[[36, 45]] = [[20, 60], [120, 60]]  # 100 px between the outer eye corners
JAW_LOWER = LABELS + np.where(INDEX[:, None] < 17, [0, 8], [0, 0])

# Answers 'find' with the landmarks in a file, and 'align' with those plus the first corner of the box.
ANSWERING = """
import json, pathlib, sys
import numpy as np
from benchmarks import peers_server

class Made:
    def __init__(self):
        print("a line that is no answer")
        self.answers = json.loads(pathlib.Path(sys.argv[1]).read_text())

    def read(self, path):
        return pathlib.Path(path).stem

    def find(self, image):
        return np.array(self.answers["find"][image]).reshape(-1, 68, 2)

    def align(self, image, box):
        return np.array(self.answers["align"][image]).reshape(-1, 68, 2) + box[:2]

peers_server.serve(Made)
"""
# Without `peers_server`: the n-th request of times takes n * n ms for the detector, ten times that for the
# landmarks, 1 ms more on the processors, and finds no face in b; any other request finds one face.
COUNTING = """
import json, sys
count = 0
for line in sys.stdin:
    request = json.loads(line)
    if request["task"] == "times":
        count += 1
        time = count * count
        landmarks = None if request["image"].endswith("b.png") else [10 * time, 10 * time + 1]
        answer = {"detector": [time, time + 1], "landmarks": landmarks}
    else:
        answer = {"faces": [[[0, 0]] * 68], "peak_mib": 64.5}
    print(json.dumps(answer), flush=True)
"""


def made_system(folder: pathlib.Path, name: str, script: str, *arguments: str) -> System:
    file = folder / f"{name}.py"
    file.write_text(script)
    return System(name, [sys.executable, str(file), *arguments], f"the note of {name}")


def answering(folder: pathlib.Path, name: str, find: dict, align: dict) -> System:
    """A system that answers with these landmarks, a list for each image; those of 'align' are relative to the box."""
    answers = {"find": find, "align": align}
    file = folder / f"{name}.json"
    file.write_text(json.dumps(answers, default=lambda array: array.tolist()))
    return made_system(folder, name, ANSWERING, str(file))


@pytest.fixture
def folder(tmp_path) -> pathlib.Path:
    """Images a, b, c with the same labels, in files that count from 1."""
    images = tmp_path / "images"
    images.mkdir()
    for stem in "abc":
        write_points(images / f"{stem}.pts", LABELS)
        cv2.imwrite(str(images / f"{stem}.png"), np.zeros((4, 4, 3), np.uint8))
    return images


@pytest.fixture
def two_systems(tmp_path) -> list[System]:
    relative = LABELS - LABELS.min(axis=0)
    first = answering(
        tmp_path,
        "first",
        # a: each point 5 px off. b: a stranger and the face, 8 px off at 17 of 68 points. c: a stranger.
        {"a": [LABELS + np.array([3, 4])], "b": [LABELS + 1000, JAW_LOWER], "c": [LABELS - 90]},
        {"a": [relative], "b": [relative], "c": [relative + np.array([10, 0])]},
    )
    second = answering(
        tmp_path,
        "second",
        {"a": [LABELS + np.array([0, 2])], "b": [], "c": []},
        {"a": [], "b": [], "c": []},
    )
    return [first, second]


def test_errors_are_those_of_the_faces_that_overlap(folder, two_systems):
    results = peers.measure(two_systems, folder, only="accuracy")
    own, given = (results["accuracy"]["figures"][setting] for setting in ("own detector", "given boxes"))
    # missed, NME 68, NME 51, median 68, common 68, common 51, FR 51
    assert [*own["first"].values()] == pytest.approx([1, 3.5, 2.5, 3.5, 5.0, 5.0, 100 / 3])
    assert [*own["second"].values()] == pytest.approx([2, 2.0, 2.0, 2.0, 2.0, 2.0, 200 / 3])
    assert [*given["first"].values()] == pytest.approx([0, 10 / 3, 10 / 3, 0.0, None, None, 100 / 3])
    assert tuple(own["first"]) == ("missed", *peers.FIGURES)
    assert given["second"]["missed"] == 3
    assert given["second"]["nme_68"] is None
    assert results["accuracy"]["images"] == ["a.png", "b.png", "c.png"]
    assert results["accuracy"]["face_nme"]["own detector"]["first"] == {
        "68": [5, 2, None],
        "51": [5, 0, None],
    }
    json.dumps(results, allow_nan=False)


def test_the_table_has_a_row_for_each_system_and_its_note(folder, two_systems):
    lines = peers.report(peers.measure(two_systems, folder, only="accuracy")).splitlines()
    assert "| first | 1 | 3.50 | 2.50 | 3.50 | 5.00 | 5.00 | 33.33 |" in lines
    assert "| second | 3 | - | - | - | - | - | 100.00 |" in lines
    assert lines[-2:] == ["- first: the note of first", "- second: the note of second"]
    assert not any("cold start" in line for line in lines)


@pytest.mark.parametrize(("shift", "is_matched"), [(53, True), (55, False)])
def test_a_face_counts_from_an_overlap_of_three_tenths(shift, is_matched):
    """The box of the labels is 100 px wide: (100 - s) / (100 + s) is 0.307 for a shift of 53, 0.290 for 55."""
    assert np.ptp(LABELS[:, 0]) == 100
    shifted = LABELS + np.array([shift, 0])
    face = peers_figures.matched(shifted[None], LABELS)
    np.testing.assert_array_equal(face, shifted if is_matched else np.full((68, 2), np.nan))


def test_times_are_medians_over_rounds_after_a_warm_up(folder, tmp_path):
    results = peers.measure([made_system(tmp_path, "counting", COUNTING)], folder, only="times", rounds=3)
    times = results["times"]
    assert times["timed_images"] == ["a.png", "b.png", "c.png"]
    # Requests 1 to 3 are the warm-up, 4 to 6, 7 to 9 and 10 to 12 the rounds; the second is the median.
    detector, landmarks = (49 + 64 + 81) / 3, 10 * (49 + 81) / 2
    assert times["calls"]["counting"] == {
        "detector": pytest.approx([detector, detector + 1]),
        "landmarks": pytest.approx([landmarks, landmarks + 1]),
    }
    start = times["cold_start"]["counting"]
    assert start["peak_mib"] == 64.5
    assert 0 < start["seconds"] < 60
    assert "| counting | 64.7 (65.7) | 650.0 (651.0) |" in peers.report(results)


def test_a_system_that_finds_no_face_has_no_cold_start(tmp_path):
    system = answering(tmp_path, "blind", {"astronaut": []}, {})
    with pytest.raises(UserError, match=r"blind: found no face in .*astronaut\.jpg, expected one"):
        peers_figures.cold_starts([system], peers.COLD_START_IMAGE, 1)


def test_a_process_that_ends_is_an_error_with_its_last_message(folder, tmp_path):
    system = made_system(tmp_path, "broken", "import no_such_module")
    with (
        pytest.raises(
            UserError, match=r"broken: .* status 1 at a\.png: ModuleNotFoundError: .*no_such_module"
        ),
        peers_process.start(system) as process,
    ):
        process.ask("find", folder / "a.png")
    with (
        pytest.raises(UserError, match="absent: /no/python cannot be run: No such file"),
        peers_process.start(System("absent", ["/no/python"], "")),
    ):
        pass


def test_a_folder_needs_labels_and_their_images(folder, tmp_path, capsys):
    with pytest.raises(UserError, match=r"found no \.pts file, expected NAME\.pts next to NAME\.jpg"):
        peers_figures.read_folder(tmp_path)
    (folder / "b.png").unlink()
    with pytest.raises(UserError, match=r"b\.pts: found no image of this name"):
        peers_figures.read_folder(folder)
    with pytest.raises(SystemExit):
        peers.main([str(tmp_path), "--peers_python=python", f"--out={tmp_path / 'peers.json'}"])
    assert "found no .pts file" in capsys.readouterr().err
    assert not (tmp_path / "peers.json").exists()


def test_dlib_gets_a_square_by_the_size_of_the_box():
    """A box of 80 x 125 has the size 100: the square of 115 has its centre 12 above (60.2, 72.7)."""
    assert peers_dlib.square([20.2, 10.2, 100.2, 135.2]) == (3, 3, 118, 118)


def test_mediapipe_gets_the_image_around_the_box():
    image = np.arange(100 * 90 * 3, dtype=np.uint32).reshape(100, 90, 3)
    part, first = peers_mediapipe.cut_around(image, [40, 40, 50, 60])  # a side of 40 about (45, 50)
    np.testing.assert_array_equal(first, [25, 30])
    np.testing.assert_array_equal(part, image[30:71, 25:66])
    part, first = peers_mediapipe.cut_around(image, [-10, 80, 30, 110])  # a side of 80 about (10, 95)
    np.testing.assert_array_equal(first, [0, 55])
    np.testing.assert_array_equal(part, image[55:, :51])


def test_each_landmark_has_its_own_vertex():
    assert len(set(peers_mediapipe.VERTICES)) == len(peers_mediapipe.VERTICES) == W300_68.num_points
    assert max(peers_mediapipe.VERTICES) < 478


def test_the_processes_of_the_peers_import_no_jax():
    modules = "benchmarks.peers_dlib, benchmarks.peers_mediapipe"
    code = f"import sys, {modules}; print([name for name in ('jax', 'dsat_jax') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=peers_process.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_our_networks_are_measured_as_users_run_them():
    system = peers_ours.Ours("dsat-300w")
    image = system.read(str(peers.COLD_START_IMAGE))
    [face] = system.find(image)
    [aligned] = system.align(image, geometry.box_of_points(face).tolist())
    left, right = face[list(W300_68.eye_corners)]
    assert np.linalg.norm(aligned - face, axis=-1).mean() < 0.05 * np.linalg.norm(left - right)
    assert len(system.detect(image)) == 1
    [landmarks] = system.landmarks_only(image, geometry.box_of_points(face).tolist())()
    np.testing.assert_array_equal(landmarks, aligned)
