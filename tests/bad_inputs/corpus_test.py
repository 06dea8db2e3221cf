"""Hundreds of bad inputs: each is refused with one sentence that names file, finding and expectation."""

import pathlib

import pytest
from bad_inputs import (
    commands,
    configurations,
    documents,
    exports,
    hdf5,
    mat,
    pictures,
    points,
    pth,
    tables,
    weights,
    wflw,
)

MODULES = (
    pictures,
    points,
    wflw,
    mat,
    hdf5,
    documents,
    tables,
    weights,
    pth,
    exports,
    configurations,
    commands,
)
KINDS = {name: kind for module in MODULES for name, kind in module.KINDS.items()}
pytestmark = pytest.mark.filterwarnings("ignore")  # other libraries warn of bad inputs, which is no failure
CASES = [(kind, name) for kind in KINDS for name in KINDS[kind].cases]


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_a_bad_input_is_refused_with_a_sentence(kind: str, name: str, tmp_path: pathlib.Path):
    case = KINDS[kind].cases[name]
    KINDS[kind].prepare(tmp_path)
    case.spoil(tmp_path)
    message = KINDS[kind].enter(tmp_path)
    assert message is not None, "accepted"
    for part in case.parts:
        assert part in message


@pytest.mark.parametrize("kind", KINDS)
def test_the_unchanged_inputs_are_accepted(kind: str, tmp_path: pathlib.Path):
    KINDS[kind].prepare(tmp_path)
    assert KINDS[kind].enter(tmp_path) is None


def test_the_corpus_is_large():
    counts = {kind: len(KINDS[kind].cases) for kind in KINDS}
    print("\n".join(f"{count:4} {kind}" for kind, count in counts.items()))
    assert sum(counts.values()) >= 300
