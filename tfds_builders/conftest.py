"""The fixture that the builders' tests share."""

import pathlib
import shutil

import pytest


@pytest.fixture
def copy(raw: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the raw data, the fixture `raw` of a test's module or folder, that the test may damage."""
    return pathlib.Path(shutil.copytree(raw, tmp_path / "raw"))
