"""Growing files of a local folder and of a bucket."""

from dsat_jax.files.growing_files import GrowingFiles


def test_files_of_a_local_folder_are_written_in_place(tmp_path):
    files = GrowingFiles(tmp_path)
    assert files.folder == tmp_path
    (files.folder / "log").write_text("1")
    files.send()
    files.close()
    assert (tmp_path / "log").read_text() == "1"


def test_a_bucket_gets_the_files_that_have_changed(bucket, bucket_folder):
    files = GrowingFiles(bucket_folder)
    for name in ("log", "events"):
        (files.folder / name).write_text("1\n")
    files.send(after=1000.0)
    assert bucket.names(bucket_folder.name) == set()
    files.send()
    with (files.folder / "log").open("a") as log:
        log.write("2\n")
    bucket.requests.clear()
    files.send()
    uploads = [path for method, path in bucket.requests if method == "POST"]
    assert any("name=" in path and "/log" in path for path in uploads)
    assert not any("events" in path for path in uploads)
    files.close()
    assert [(bucket_folder / name).read_text() for name in ("log", "events")] == ["1\n2\n", "1\n"]


def test_closing_sends_the_end_and_removes_the_temporary_folder(bucket_folder):
    files = GrowingFiles(bucket_folder)
    (files.folder / "log").write_text("1\n")
    files.close()
    assert (bucket_folder / "log").read_text() == "1\n"
    assert not files.folder.exists()
