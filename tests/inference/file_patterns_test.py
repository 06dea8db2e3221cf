"""Image and video files by files, folders and patterns."""

import pathlib

import numpy as np
import PIL.Image
import pytest
from drawn_faces import write_video

from dsat_jax.inference import file_patterns


@pytest.fixture
def photos(tmp_path) -> pathlib.Path:
    """A folder with empty image files, one in a subfolder, and a text file."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for name in ("b.png", "a.jpg", "more/c.JPG", "notes.txt"):
        (folder / name).touch()
    return folder


def test_files_folders_and_patterns_are_listed_once_in_order(photos):
    listed = file_patterns.list_files([str(photos), f"{photos}/*.png", f"{photos}/*/*"])
    assert [path.name for path in listed] == ["a.jpg", "b.png", "c.JPG"]


@pytest.mark.parametrize("pattern", ["nothing*.jpg", "absent.jpg"])
def test_a_pattern_that_matches_nothing_is_an_error(photos, pattern):
    with pytest.raises(FileNotFoundError, match="matches no image"):
        file_patterns.list_files([str(photos / pattern)])
    with pytest.raises(FileNotFoundError, match="found no name of an image"):
        file_patterns.list_files([])


def test_the_number_of_a_camera_is_answered_with_its_address():
    with pytest.raises(FileNotFoundError, match=r"^0 matches no image or video; camera:0 is a camera"):
        file_patterns.list_files(["0"])


def test_the_pattern_of_ffmpeg_is_answered_with_that_of_this_program():
    with pytest.raises(
        FileNotFoundError, match=r"frames/\*\.png matches numbered .* ffmpeg -i frames/%04d\.png"
    ):
        file_patterns.list_files(["frames/%04d.png"])


NAMES = (
    "a.jpg",
    "b 1.jpg",
    ".hidden.jpg",
    "-c.jpg",
    "trip [1]/d.jpg",
    "trip 1/e.jpg",
    ".no/f.jpg",
    "x/y/g.jpg",
)
MEANINGS = {
    "*.jpg": {"a.jpg", "b 1.jpg", "-c.jpg"},
    "?.jpg": {"a.jpg"},
    "[ab]*": {"a.jpg", "b 1.jpg"},
    "[!ab]*.jpg": {"-c.jpg"},
    ".*.jpg": {".hidden.jpg"},
    "-c*": {"-c.jpg"},
    "b *": {"b 1.jpg"},
    "*/*.jpg": {"trip [1]/d.jpg", "trip 1/e.jpg", "link/g.jpg"},
    "trip [1]/*": {"trip [1]/d.jpg"},
    "trip [12]/*": {"trip 1/e.jpg"},
    "trip [[]1]/*": {"trip [1]/d.jpg"},
    "x/../*.jpg": {"x/../a.jpg", "x/../b 1.jpg", "x/../-c.jpg"},
    "x/**": {"x/y/g.jpg"},
    "**/[dg].jpg": {"trip [1]/d.jpg", "x/y/g.jpg"},
    "**/?.jpg": {"a.jpg", "trip [1]/d.jpg", "trip 1/e.jpg", "x/y/g.jpg"},
    "**/y/**/*.jpg": {"x/y/g.jpg"},
    ".no/**/*.jpg": {".no/f.jpg"},
    "link/**/*": {"link/g.jpg"},
    "a.jpg/*": set(),
    "A.jpg*": set(),
}


@pytest.mark.parametrize("pattern", MEANINGS)
@pytest.mark.parametrize("absolute", [False, True])
def test_a_pattern_has_one_meaning_on_every_python(tmp_path, monkeypatch, pattern, absolute):
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("x/y")
    (tmp_path / "x" / "y" / "back").symlink_to("..")
    monkeypatch.chdir(tmp_path)
    root = tmp_path if absolute else pathlib.Path()
    wanted = sorted(root / name for name in MEANINGS[pattern])
    if wanted:
        assert file_patterns.list_files([str(root / pattern)]) == wanted
    else:
        with pytest.raises(FileNotFoundError, match="matches no image"):
            file_patterns.list_files([str(root / pattern)])


@pytest.mark.parametrize("pattern", ["", "photos/**.jpg", "**x/a.jpg", "***/a.jpg"])
def test_an_invalid_pattern_is_refused(pattern):
    with pytest.raises(
        ValueError, match=r"found an empty name|is not a valid pattern: \*\* stands for folders"
    ):
        file_patterns.list_files([pattern])


def test_a_file_with_two_paths_is_listed_once(photos, monkeypatch):
    monkeypatch.chdir(photos)
    assert len(file_patterns.list_files(["a.jpg", str(photos / "a.jpg")])) == 1


def test_a_pattern_without_matches_comes_with_a_hint(photos):
    (photos / "empty").mkdir()
    with pytest.raises(
        FileNotFoundError, match=r"'.*empty/\*\*/\*\.jpg' also matches files in the folders below it"
    ):
        file_patterns.list_files([str(photos / "empty")])
    with pytest.raises(FileNotFoundError, match="a comma separates names"):
        file_patterns.list_files([str(photos / "a.jpg"), "b"])


def test_a_folder_is_listed_by_content_where_suffixes_say_nothing(photos):
    picture = PIL.Image.new("RGB", (8, 8))
    for name, form in (("d.jfi", "JPEG"), ("no suffix", "PNG"), ("raw.nef", "TIFF"), (".hidden", "PNG")):
        picture.save(photos / name, form)
    write_video(photos / "e.mp4", [np.zeros((16, 16, 3), np.uint8)] * 2).rename(photos / "e.film")
    (photos / "empty").touch()
    inputs = file_patterns.read_inputs([str(photos)])
    assert [path.name for path in inputs.images] == ["a.jpg", "b.png", "d.jfi", "no suffix"]
    assert [path.name for path in inputs.videos] == ["e.film"]
    assert [path.name for path in inputs.passed_over] == ["raw.nef"]


def test_images_videos_and_standard_input_are_told_apart(photos):
    (photos / "film.mp4").touch()
    inputs = file_patterns.read_inputs([str(photos), "-"])
    assert [path.name for path in inputs.images] == ["a.jpg", "b.png"]
    assert [path.name for path in inputs.videos] == ["film.mp4"]
    assert inputs.has_stdin
    assert inputs.address is None
    assert file_patterns.read_inputs(["-"]) == file_patterns.Inputs([], [], has_stdin=True)
    with pytest.raises(FileNotFoundError, match="found no name of an image"):
        file_patterns.read_inputs([])


def test_a_tilde_is_the_home_folder_in_names_folders_and_patterns(photos, monkeypatch):
    monkeypatch.setenv("HOME", str(photos.parent))
    for pattern in ("~/photos", "~/photos/a.jpg", "~/photos/a*"):
        assert file_patterns.list_files([pattern])[0] == photos / "a.jpg"


def test_a_camera_or_stream_is_the_only_input(photos):
    assert file_patterns.read_inputs(["camera:0"]) == file_patterns.Inputs([], [], address="camera:0")
    with pytest.raises(ValueError, match="rtsp://door/live is predicted alone, found 2 inputs"):
        file_patterns.read_inputs([str(photos), "rtsp://me:secret@door/live?key=secret"])


def test_a_file_with_the_name_of_a_camera_is_a_file(photos, monkeypatch):
    monkeypatch.chdir(photos)
    (photos / "camera:0").touch()
    (photos / "a, b.jpg").touch()
    assert file_patterns.read_inputs(["./camera:0", "a, b.jpg"]).images == [
        pathlib.Path("a, b.jpg"),
        pathlib.Path("camera:0"),
    ]
