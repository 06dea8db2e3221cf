"""The fixture that the builders' tests share."""

import pathlib
import shutil

import pytest


@pytest.fixture
def copy(raw: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the fixture `raw` of the test's module or folder. The test may damage the copy."""
    return pathlib.Path(shutil.copytree(raw, tmp_path / "raw"))
