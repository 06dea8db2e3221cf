"""Printed lines of a prediction, and its progress bar."""

import dataclasses
import pathlib

import numpy as np
import pytest
from drawn_faces import SCHEME

from dsat_jax.inference import terminal
from dsat_jax.inference.landmarks import Face
from dsat_jax.inference.video import VideoResults

FACE = Face(np.array([229.6, 170.2, 463.4, 398.7]), np.zeros((3, 2)), None, None, SCHEME, score=0.99951)


@pytest.mark.parametrize(("score", "column"), [(0.98765, "score 0.988"), (None, "score -")])
def test_a_face_is_a_line_of_columns_between_tabs(score, column):
    face, overlay = dataclasses.replace(FACE, score=score), pathlib.Path("out/my photo_landmarks.jpg")
    line = terminal.face_line(pathlib.Path("my photo.jpg"), 1, face, overlay)
    assert line.split("\t") == [
        "my photo.jpg",
        "face 1",
        column,
        "box 230 170 463 399",
        "-> out/my photo_landmarks.jpg",
    ]


def test_the_line_of_a_video_names_what_shows_it():
    results = VideoResults(pathlib.Path("a.jsonl"), pathlib.Path("a_landmarks.mp4"), 12, 20, 2)
    assert terminal.video_line("a.mp4", results) == "a.mp4\tframes 12\tdifferent faces 2\t-> a_landmarks.mp4"
    live = dataclasses.replace(results, video=None)
    assert terminal.video_line("camera:0", live).endswith("\t-> a.jsonl")


def test_results_and_notes_have_separate_outputs_and_a_pipe_has_no_bar(capsys):
    with terminal.bar(2, "image") as bar:
        terminal.result("a line")
        bar.update()
        terminal.note("a note")
    assert list(terminal.progress([1, 2], "film", 2)) == [1, 2]
    assert capsys.readouterr() == ("a line\n", "a note\n")
