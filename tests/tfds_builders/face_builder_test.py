"""The log of a build: what it counts, lists and refuses."""

import pytest

from tfds_builders import BuildError, face_builder


def test_one_percent_of_damage_passes_and_more_does_not():
    log = face_builder.BuildLog()
    log.damaged["a.jpg: broken"].append("train")
    log.check_damage("train", 100)
    log.damaged["b.jpg: broken"].append("train")
    log.damaged["c.jpg: broken"].append("test")
    with pytest.raises(BuildError) as error:
        log.check_damage("train", 199)
    assert str(error.value) == (
        "train: 2 of 199 records are damaged, at most 1.00% may be:\n  a.jpg: broken\n  b.jpg: broken"
    )


def test_incomplete_samples_are_no_damage():
    log = face_builder.BuildLog()
    log.incomplete["a.pts: no picture beside it"].append("train")
    log.check_damage("train", 1)
    assert log.summary() == "Skipped 1 incomplete and 0 damaged records:\n  a.pts: no picture beside it"


def test_summary_is_short_and_the_text_is_whole():
    log = face_builder.BuildLog()
    for i in range(25):
        log.damaged[f"{i}.jpg: broken"] += ["test", "test_full"]
    assert log.summary().splitlines()[0] == "Skipped 0 incomplete and 25 damaged records:"
    assert log.summary().splitlines()[-1] == "  and 15 more"
    assert log.text().splitlines() == [f"damaged: {i}.jpg: broken (test, test_full)" for i in range(25)]


def test_notes_are_shown_at_once_and_kept(capsys: pytest.CaptureFixture):
    log = face_builder.BuildLog()
    log.note("ibug: missing")
    assert capsys.readouterr().err == "ibug: missing\n"
    assert log.text() == "ibug: missing\n"
    assert log.summary() == "Skipped nothing."
