"""The file format of exports: contents survive a round trip, and unwritable paths are refused early."""

import zipfile

import numpy as np
import pytest

from dsat_jax.inference import export_archive
from dsat_jax.inference.export_archive import Export, Settings
from dsat_jax.schemes import AFLW_19, read_scheme

OWN = {"name": "dots", "num_points": 3, "mirror_pairs": [[0, 1]], "normaliser_points": [0, 1]}


def made_export(scheme=AFLW_19):
    weights = {
        "params/a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
        "params/b": np.ones((), np.float32),
    }
    return Export(Settings(96, 0.125, scheme, "0.10.2"), b"program", b"mirrored program", weights)


@pytest.mark.parametrize("scheme", [AFLW_19, read_scheme(OWN, "here")], ids=["bundled", "own"])
def test_an_export_is_read_as_it_was_written(tmp_path, scheme):
    written = made_export(scheme)
    export_archive.write(tmp_path / "run.export", written)
    read = export_archive.read(tmp_path / "run.export")
    assert read.settings == written.settings
    assert read.network == b"program"
    assert read.mirrored == b"mirrored program"
    assert list(read.weights) == list(written.weights)
    for name, array in written.weights.items():
        np.testing.assert_array_equal(read.weights[name], array, strict=True)


def test_equal_exports_are_equal_files_without_compression(tmp_path):
    for name in ("first", "second"):
        export_archive.write(tmp_path / name, made_export())
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    with zipfile.ZipFile(tmp_path / "first") as archive:
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


def test_paths_that_cannot_be_written_are_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder, expected the name of a file"):
        export_archive.check_target(tmp_path)
    with pytest.raises(
        FileNotFoundError, match=r"missing does not exist, expected one for the file run\.export"
    ):
        export_archive.check_target(tmp_path / "missing" / "run.export")
    export_archive.check_target(tmp_path / "run.export")
    assert not list(tmp_path.iterdir())


def test_an_onnx_model_and_an_absent_file_are_refused(tmp_path):
    (tmp_path / "run.onnx").touch()
    with pytest.raises(ValueError, match="is an ONNX model, to be run by an ONNX runtime"):
        export_archive.read(tmp_path / "run.onnx")
    with pytest.raises(FileNotFoundError, match=r"absent\.export is not a file, expected an export"):
        export_archive.read(tmp_path / "absent.export")
