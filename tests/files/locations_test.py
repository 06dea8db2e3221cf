"""Local paths and paths in a bucket."""

import logging
import pathlib
import subprocess
import sys

import pytest

from dsat_jax.errors import UserError
from dsat_jax.files import locations


def test_a_local_name_is_a_local_path_and_needs_no_package():
    program = (
        "import sys; from dsat_jax.files import locations; print(repr(locations.locate('runs/mine'))); "
        "print(sorted({'etils', 'fsspec', 'gcsfs'} & set(sys.modules)))"
    )
    root = pathlib.Path(__file__).parents[2]
    out = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    assert out.stdout.splitlines() == ["PosixPath('runs/mine')", "[]"]


def test_a_local_path_may_contain_a_colon_and_slashes():
    assert locations.locate("./gs://bucket") == pathlib.Path("./gs:/bucket")
    assert not locations.in_bucket("./gs://bucket")


def test_a_tilde_is_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locations.locate("~/runs/mine") == tmp_path / "runs/mine"
    assert locations.locate("runs/~mine") == pathlib.Path("runs/~mine")
    with pytest.raises(UserError, match=r"^~nobody-of-that-name/runs: the home folder is unknown; set HOME"):
        locations.locate("~nobody-of-that-name/runs")


@pytest.mark.parametrize("name", ["s3://bucket/run", "gs://", "gs:///run", "https://host/run"])
def test_other_schemes_and_names_without_a_bucket_are_refused(name):
    with pytest.raises(UserError, match=f"^{name}: expected a local path, or gs://BUCKET/NAME"):
        locations.locate(name)


def test_characters_of_patterns_are_refused_in_a_bucket():
    with pytest.raises(UserError, match=r"^gs://bucket/run\[1\]: found one of \* \? \[ \] in the name"):
        locations.locate("gs://bucket/run[1]")


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(UserError, match=r"gs://b/r needs gcsfs, .*: pip install 'dsat_jax\[gcs\]'"):
        locations.locate("gs://b/r")


def test_a_bucket_that_does_not_exist_is_refused(bucket):
    locations.reach("gs://bucket/no/such/folder")
    with pytest.raises(UserError, match="gs://other/run: found no bucket other"):
        locations.reach("gs://other/run")


def test_errors_that_are_raised_are_not_logged_as_well(caplog):
    locations.locate("gs://bucket/runs")
    logging.getLogger("gcsfs.retry").error("_request out of retries on exception")
    assert not caplog.records


def test_a_bucket_without_permission_is_refused_before_anything_is_written(bucket):
    with pytest.raises(UserError, match="gs://forbidden/run: the bucket forbidden cannot be read: Forbidden"):
        locations.reach("gs://forbidden/run")


def test_files_of_a_folder_are_listed_with_their_sizes(tmp_path, bucket_folder):
    for folder in (tmp_path, bucket_folder):
        for name, content in (("b", b"123"), ("a/c", b"12345"), ("a/d/e", b"")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        assert locations.files_in(folder) == {"a/c": 5, "a/d/e": 0, "b": 3}
        assert list(locations.files_in(folder)) == ["a/c", "a/d/e", "b"]
        assert locations.size(folder / "a" / "c") == 5
        assert locations.files_in(folder / "none") == {}


def test_changes_of_other_programs_are_seen_at_once(bucket, bucket_folder):
    (bucket_folder / "mine").write_bytes(b"1")
    assert not (bucket_folder / "theirs").exists()
    before = locations.versions_in(bucket_folder)
    name = f"{bucket_folder.name}/theirs"
    bucket.objects["bucket", name] = (b"12", 1_000_000)
    assert {path.name for path in bucket_folder.iterdir()} == {"mine", "theirs"}
    assert locations.versions_in(bucket_folder) == before | {"theirs": "1000000"}


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")  # of aiohttp
def test_files_are_copied_to_the_local_disk(tmp_path, bucket_folder):
    content = bytes(range(256)) * 50_000  # more than a client sends or receives at once
    (bucket_folder / "a" / "large.bin").write_bytes(content)
    (bucket_folder / "small").write_bytes(b"s")
    locations.download(bucket_folder, tmp_path / "copy")
    assert (tmp_path / "copy" / "a" / "large.bin").read_bytes() == content
    assert (tmp_path / "copy" / "small").read_bytes() == b"s"
    with locations.local_file(bucket_folder / "a" / "large.bin") as file:
        assert (type(file), file.suffix, file.read_bytes()) == (type(tmp_path), ".bin", content)
    assert not file.exists()
    with locations.local_file(tmp_path / "copy" / "small") as file:
        assert file == tmp_path / "copy" / "small"


def test_only_errors_of_the_packages_for_buckets_are_failures_of_a_bucket():
    retry = pytest.importorskip("gcsfs.retry", reason="gcsfs is not installed")
    error = retry.HttpError({"code": 503, "message": "unavailable\nfor now"})
    assert locations.failure(error) == "Google Cloud Storage: unavailable"
    assert locations.failure(ValueError("unavailable")) is None
