"""The build command and the loader, with the drawn data of the tests of 300W."""

import errno
import importlib.util
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import pytest
import tensorflow_datasets as tfds

import tfds_builders
from tfds_builders import BuildError, build

ROOT = pathlib.Path(tfds_builders.__file__).parent
RAW = ROOT / "w300" / "dummy_data"


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("built")
    build.build("w300", RAW, folder)
    return folder


def test_the_command_reports_the_folder_the_splits_and_the_skipped_records(tmp_path: pathlib.Path):
    """Runs in a new process, to include anything that TFDS prints."""
    command = [sys.executable, "-m", "tfds_builders.build", "w300", f"--manual_dir={RAW}"]
    done = subprocess.run(
        command,
        cwd=ROOT.parent,
        env=os.environ | {"TFDS_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Built w300/faces/1.0.0 in ")
    assert lines[0].endswith(str(tmp_path / "w300" / "faces" / "1.0.0"))
    assert "  helen_test              2 faces" in lines
    assert lines[-2:] == [
        "Skipped 1 incomplete and 0 damaged records:",
        "  lfpw/testset/image_0002.pts: no image of the same name",
    ]
    assert all("official set has" in line for line in done.stderr.splitlines())


def test_building_again_does_nothing(data_dir: pathlib.Path, capsys: pytest.CaptureFixture):
    files = {path: path.stat().st_mtime_ns for path in data_dir.rglob("*") if path.is_file()}
    assert build.main(["w300", f"--data_dir={data_dir}"]) == 0
    assert {path: path.stat().st_mtime_ns for path in data_dir.rglob("*") if path.is_file()} == files
    out = capsys.readouterr().out
    assert out.startswith("w300/faces/1.0.0 is already built, nothing to do: ")
    assert "  train                   3 faces\n" in out


def test_tfds_does_not_speak_of_a_dataset_that_is_not_built_yet(tmp_path: pathlib.Path, caplog):
    assert not tfds_builders.make_builder("w300", tmp_path).is_prepared()
    assert caplog.text == ""


def test_a_copy_of_the_raw_files_is_no_change(data_dir: pathlib.Path, tmp_path: pathlib.Path):
    shutil.copytree(RAW, tmp_path / "raw", copy_function=shutil.copyfile)
    assert not build.build("w300", tmp_path / "raw", data_dir)[1]


def test_other_raw_files_are_named_and_overwrite_builds_them(tmp_path: pathlib.Path, capsys):
    shutil.copytree(RAW, tmp_path / "raw")
    arguments = ["w300", f"--manual_dir={tmp_path}/raw", f"--data_dir={tmp_path}/built"]
    assert build.main(arguments) == 0
    (first,), (second,) = ([*(tmp_path / "raw" / part).glob("*.pts")] for part in ("afw", "helen/trainset"))
    first.unlink()
    second.write_text(second.read_text() + "\n")
    (tmp_path / "raw" / "notes.txt").write_text("more")
    assert build.main(arguments) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    names = [path.relative_to(tmp_path / "raw").as_posix() for path in (second, first)]
    assert (
        f"from other files: 1 new (notes.txt), 1 changed ({names[0]}), 1 missing ({names[1]}); add "
        in message
    )
    assert build.main([*arguments, "--overwrite"]) == 0
    assert capsys.readouterr().out.startswith("Built w300/faces/1.0.0 in ")
    assert build.main(arguments) == 0
    assert build.build("w300", None, tmp_path / "built")[0].info.splits["train"].num_examples == 2  # of 3
    assert [path.name for path in (tmp_path / "built").iterdir() if path.name[0] == "."] == []


def test_a_failed_overwrite_keeps_the_dataset(tmp_path: pathlib.Path):
    build.build("w300", RAW, tmp_path / "built")
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "built").rglob("*") if path.is_file()}
    (tmp_path / "empty").mkdir()
    with pytest.raises(BuildError, match="the folder is empty"):
        build.build("w300", tmp_path / "empty", tmp_path / "built", overwrite=True)
    assert {
        path: path.stat().st_mtime_ns for path in (tmp_path / "built").rglob("*") if path.is_file()
    } == files


def records(data_dir: str | pathlib.Path) -> list[tuple]:
    """All records of synthetic_faces/tiny as comparable tuples, with encoded images."""
    builder = tfds_builders.load_builder("synthetic_faces/tiny", data_dir)
    sources = [
        builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})
        for split in ("train", "test")
    ]
    arrays = ("landmarks", "visibility", "box", "to_original")
    return [
        (record["name"], record["image"], *(record[name].tobytes() for name in arrays))
        for source in sources
        for record in source
    ]


def test_a_killed_build_leaves_no_dataset_and_does_not_change_the_next_build(
    tiny_dataset: str, tmp_path: pathlib.Path
):
    # The build kills itself at its twentieth face, so that the test does not depend on timing.
    program = """
import os, signal, sys
from tfds_builders import build, faces
made = faces.make_record
def make_record(*arguments, **details):
    if details["name"].endswith("000020"):
        os.kill(os.getpid(), signal.SIGKILL)
    return made(*arguments, **details)
faces.make_record = make_record
build.build("synthetic_faces/tiny", data_dir=sys.argv[1])
"""
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT.parent)
    folder = tmp_path / "synthetic_faces" / "tiny"
    assert process.wait() == -signal.SIGKILL
    assert sorted(path.name.partition(".")[0] for path in folder.iterdir()) == ["", "incomplete"]
    with pytest.raises(FileNotFoundError, match="has not been built"):
        tfds_builders.load_builder("synthetic_faces/tiny", tmp_path)

    assert build.main(["synthetic_faces/tiny", f"--data_dir={tmp_path}"]) == 0
    assert [path.name for path in folder.iterdir()] == ["1.0.0"]
    names = {path.name for path in (folder / "1.0.0").iterdir()}
    assert names == {path.name for path in pathlib.Path(tiny_dataset, "synthetic_faces/tiny/1.0.0").iterdir()}
    assert records(tmp_path) == records(tiny_dataset)


@pytest.mark.skipif(importlib.util.find_spec("tensorflow") is not None, reason="TensorFlow is installed")
def test_tfrecord_needs_tensorflow(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture):
    command = ["synthetic_faces/tiny", "--file_format=tfrecord", f"--data_dir={tmp_path}"]
    assert build.main(command) == 1
    assert "error: TFRecord is written by TensorFlow, which is not installed" in capsys.readouterr().err


def test_a_dataset_that_exists_in_another_format_is_refused(data_dir: pathlib.Path, capsys):
    assert build.main(["w300", f"--data_dir={data_dir}", "--file_format=tfrecord"]) == 1
    assert (
        "w300/faces/1.0.0: built as array_record, expected tfrecord; choose another"
        in capsys.readouterr().err
    )


def test_a_name_that_no_dataset_can_store_is_refused(tmp_path: pathlib.Path):
    raw = pathlib.Path(shutil.copytree(RAW, tmp_path / "raw"))
    (raw / "afw" / os.fsdecode(b"caf\xe9.pts")).write_bytes(b"")
    with pytest.raises(BuildError, match=r"name of the file .*caf.*is not in UTF-8; rename it"):
        build.build("w300", raw, tmp_path / "data")
    assert not (tmp_path / "data" / "w300" / "faces" / "1.0.0").exists()


def test_two_processes_build_the_same_dataset_once(tmp_path: pathlib.Path):
    command = [sys.executable, "-m", "tfds_builders.build", "w300", f"--manual_dir={RAW}"]
    processes = [
        subprocess.Popen(
            [*command, f"--data_dir={tmp_path}"], cwd=ROOT.parent, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    lines = sorted(process.communicate()[0] for process in processes)
    assert lines[0].startswith("Built w300/faces/1.0.0 in ")
    assert lines[1].startswith("w300/faces/1.0.0 is already built, nothing to do: ")


def test_a_user_without_an_account_is_told(tmp_path, monkeypatch):
    def unknown(number: int) -> None:
        raise KeyError(number)

    monkeypatch.setattr("pwd.getpwuid", unknown)
    with pytest.raises(BuildError, match=r"the user \d+ has no entry in /etc/passwd, which TFDS needs"):
        build.build("w300", RAW, tmp_path)


def test_a_dataset_is_built_where_files_have_no_locks(tmp_path, monkeypatch, caplog):
    def no_locks(handle: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    _, built = build.build("w300", RAW, tmp_path)
    assert built
    (warning,) = (message for message in caplog.messages if "lock" in message)
    assert warning.endswith("(No locks available): do not start another build of this dataset in it")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["w3000"], "error: no dataset is called 'w3000'; there are "),
        (["w300/cut"], "error: w300 has no configuration called 'cut'; there are faces, original"),
        (["w300"], "error: w300 needs --manual_dir=DIR."),
        (["w300", "--manual_dir=missing"], "error: missing: no such folder."),
        (["w300", "--manual_dir=empty"], "error: empty: the folder is empty."),
        (["w300", "--manual_dir=other"], "error: other: no faces of 300W here."),
    ],
)
def test_a_mistake_is_one_clear_message(
    arguments: list[str],
    message: str,
    tmp_path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("empty").mkdir()
    pathlib.Path("other", "wflw").mkdir(parents=True)
    assert build.main([*arguments, "--data_dir=built"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert ("helen/trainset/" in captured.err) == (
        "dir" in message or "folder" in message or "300W" in message
    )


def test_the_message_on_an_unknown_dataset_lists_the_available_ones(capsys: pytest.CaptureFixture):
    assert build.main(["nothing"]) == 1
    assert ", ".join(tfds_builders.builder_names()) in capsys.readouterr().err


def test_builders_are_found_by_their_folder():
    assert "w300" in tfds_builders.builder_names()


def test_a_built_dataset_is_loaded(data_dir: pathlib.Path):
    builder = tfds_builders.load_builder("w300", data_dir)
    source = builder.as_data_source(split="train[:67%]", decoders={"image": tfds.decode.SkipDecoding()})
    assert len(source) == 2
    assert isinstance(source[0]["image"], bytes)


def test_loading_a_dataset_that_has_not_been_built_names_the_command(data_dir: pathlib.Path):
    with pytest.raises(FileNotFoundError) as error:
        tfds_builders.load_builder("w300/original", data_dir)
    command = f"`python -m tfds_builders.build w300/original --manual_dir=DIR --data_dir={data_dir}`"
    assert command in str(error.value)
    assert str(data_dir / "w300" / "original" / "1.0.0") in str(error.value)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_built_dataset_that_is_damaged_is_one_clear_message(
    tmp_path: pathlib.Path, content: bytes, capsys: pytest.CaptureFixture
):
    build.build("w300", RAW, tmp_path)
    (tmp_path / "w300/faces/1.0.0/dataset_info.json").write_bytes(content)
    with pytest.raises(tfds_builders.BuildError, match="the built dataset w300 is damaged"):
        tfds_builders.load_builder("w300", tmp_path)
    assert build.main(["w300", f"--data_dir={tmp_path}"]) == 1
    assert f"error: {tmp_path}: the built dataset w300 is damaged (" in capsys.readouterr().err


def test_a_dataset_is_not_built_in_a_bucket(capsys: pytest.CaptureFixture, bucket):
    assert build.main(["synthetic_faces/tiny", "--data_dir=gs://bucket/data"]) == 1
    error = capsys.readouterr().err
    assert "gs://bucket/data/synthetic_faces/tiny/1.0.0: ArrayRecord writes local files only" in error
    assert "gcloud storage rsync -r" in error


def test_a_bucket_without_its_package_is_no_damage():
    program = """
import sys
sys.modules["gcsfs"] = None
import tfds_builders
try:
    tfds_builders.make_builder("synthetic_faces/tiny", "gs://b/ds")
except tfds_builders.BuildError as error:
    print(error)
"""
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert printed.startswith("gs://b/ds needs a package that is not installed (")
    assert printed.endswith("for a bucket, pip install 'dsat_jax[gcs]'\n")


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    builder = tfds_builders.make_builder("synthetic_faces/tiny", "~/data")
    assert pathlib.Path(builder.data_path).is_relative_to(tmp_path / "data")
    (tmp_path / "raw").mkdir()
    with pytest.raises(BuildError, match=f"{tmp_path}/raw: the folder is empty"):
        build.build("w300", "~/raw", "~/data")
