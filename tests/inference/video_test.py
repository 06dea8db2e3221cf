"""Videos in, annotated videos and lines of landmarks out; damaged and foreign files."""

import json
import struct

import cv2
import numpy as np
import pytest
from drawn_faces import DOTS, DotFinder, picture

from dsat_jax import geometry
from dsat_jax.inference import video, video_files
from dsat_jax.inference.one_euro import OneEuro, smooth

WAY = [(30 + 1.5 * number, 40 + 0.5 * number) for number in range(12)]
MOVING = [picture(at) for at in WAY]


def write_video(path, pictures, rate=25.0):
    writer = video_files.VideoWriter(path, rate, pictures[0].shape[1::-1])
    for image in pictures:
        writer.write(image)
    writer.close()
    return path


def write_avi(path, count):
    """Noise as an .avi file, whose head says how many frames follow."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (240, 160))
    for image in np.random.default_rng(0).integers(0, 60, (count, 160, 240, 3), np.uint8):
        writer.write(image)
    writer.release()
    return path.read_bytes()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A face that moves, and a second one from the third frame on."""
    pictures = [np.maximum(image, picture((160, 90)) * (number >= 3)) for number, image in enumerate(MOVING)]
    return write_video(tmp_path_factory.mktemp("films") / "my film.mp4", pictures)


@pytest.fixture(scope="module")
def results(film, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "new"
    return video.predict_video(DotFinder().predictor, film, out, look_every=5)


def test_every_frame_has_a_line_with_its_faces(results):
    assert results.landmarks.name == "my film.jsonl"
    assert (results.frames, results.faces, results.tracks) == (12, 12 + 7, 2)
    found = lines(results.landmarks)
    assert [line["frame"] for line in found] == list(range(12))
    np.testing.assert_allclose([line["time"] for line in found], np.arange(12) / 25, atol=1e-6)
    for number, (line, at) in enumerate(zip(found, WAY, strict=True)):
        faces = {face["track"]: face for face in line["faces"]}
        assert sorted(faces) == ([0, 1] if number >= 5 else [0])
        landmarks = np.array(faces[0]["landmarks"])
        np.testing.assert_allclose(landmarks, DOTS + at, atol=1.0)  # after compression
        np.testing.assert_allclose(faces[0]["box"], geometry.box_of_points(landmarks))
        assert len(faces[0]["confidence"]) == 3


def test_the_annotated_video_shows_the_same_frames_with_landmarks(film, results):
    assert results.video.name == "my film_landmarks.mp4"
    before, after = (list(video_files.VideoFile(path)) for path in (film, results.video))
    assert [frame.time for frame in after] == [frame.time for frame in before]
    for frame, drawn in zip(before, after, strict=True):
        difference = np.abs(frame.image.astype(int) - drawn.image).sum(axis=-1)
        changed = np.argwhere(difference > 120)
        assert len(changed) > 20
        assert difference[:10].max() < 60


def test_nothing_is_written_beside_the_video(film, tmp_path):
    with pytest.raises(ValueError, match="give another --out"):
        video.predict_video(DotFinder().predictor, film, film.parent)
    assert [path.name for path in film.parent.iterdir()] == ["my film.mp4"]


def test_smoothing_changes_the_landmarks_as_the_filter_does_and_not_the_tracks(film, results, tmp_path):
    settings = OneEuro(beta=0.5)
    smoothed = video.predict_video(DotFinder().predictor, film, tmp_path, settings, look_every=5)
    assert (smoothed.faces, smoothed.tracks) == (results.faces, results.tracks)
    states = {}
    for raw, line in zip(lines(results.landmarks), lines(smoothed.landmarks), strict=True):
        for before, after in zip(raw["faces"], line["faces"], strict=True):
            number = after["track"]
            states[number] = smooth(settings, states.get(number), np.array(before["landmarks"]), raw["time"])
            np.testing.assert_allclose(after["landmarks"], states[number].landmarks, atol=2e-3)


def test_a_video_without_a_face_has_empty_lines(tmp_path):
    film = write_video(tmp_path / "dark.mp4", [np.zeros((160, 240, 3), np.uint8)] * 3)
    results = video.predict_video(DotFinder().predictor, film, tmp_path / "out")
    assert [line["faces"] for line in lines(results.landmarks)] == [[], [], []]
    assert (results.frames, results.faces, results.tracks) == (3, 0, 0)


def test_files_that_are_no_video_are_refused_before_anything_is_written(tmp_path):
    content = write_video(tmp_path / "whole.mp4", MOVING).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(
        content[: len(content) // 2]
    )  # its table of contents stands at the end
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    for name in ("cut", "text", "empty"):
        with pytest.raises(ValueError, match=rf"{name}\.mp4 is not a video that can be read \(\d+ bytes\)"):
            video.predict_video(DotFinder().predictor, tmp_path / f"{name}.mp4", tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=r"absent\.mp4 is no file, expected a video"):
        video.predict_video(DotFinder().predictor, tmp_path / "absent.mp4", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_was_made_of_a_video_that_stops_is_kept(tmp_path):
    content = write_avi(tmp_path / "whole.avi", 40)
    (tmp_path / "cut.avi").write_bytes(content[: len(content) // 2])
    with pytest.raises(
        ValueError,
        match=r"cut\.avi stops after 0\.\d\d s \((\d+) frames\), expected 1\.60 s; what was made .* is in",
    ) as refused:
        video.predict_video(DotFinder().predictor, tmp_path / "cut.avi", tmp_path / "out")
    count = int(str(refused.value).split("(")[1].split()[0])
    assert 15 <= count <= 20
    assert len(lines(tmp_path / "out/cut.jsonl")) == count
    assert len(list(video_files.VideoFile(tmp_path / "out/cut_landmarks.mp4"))) == count
    whole = video.predict_video(DotFinder().predictor, tmp_path / "whole.avi", tmp_path / "out")
    assert whole.frames == 40


def test_an_interrupted_prediction_leaves_whole_files(film, tmp_path):
    predictor = DotFinder().predictor
    predict, calls = predictor._forward, iter(range(7))

    def interrupted(crops):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return predict(crops)

    predictor._forward = interrupted
    with pytest.raises(KeyboardInterrupt):
        video.predict_video(predictor, film, tmp_path, together=1)
    kept = len(lines(tmp_path / "my film.jsonl"))
    assert 0 < kept < 12
    assert len(list(video_files.VideoFile(tmp_path / "my film_landmarks.mp4"))) == kept


def test_a_video_on_its_side_is_shown_upright(tmp_path):
    """A telephone's way: the matrix of the track turns the picture a quarter clockwise."""
    content = write_video(tmp_path / "film.mp4", MOVING).read_bytes()
    start = content.index(b"tkhd") + 44
    matrix = struct.pack(">9i", 0, 1 << 16, 0, -(1 << 16), 0, 0, 160 << 16, 0, 1 << 30)
    (tmp_path / "turned.mp4").write_bytes(content[:start] + matrix + content[start + 36 :])
    upright, turned = (
        next(iter(video_files.VideoFile(tmp_path / f"{name}.mp4"))) for name in ("film", "turned")
    )
    np.testing.assert_array_equal(turned.image, np.rot90(upright.image, -1))


@pytest.mark.parametrize("rate", [24000 / 1001, 29.97, 12.3456789, 60.0])
def test_any_rate_is_written_and_read_to_a_hundredth(tmp_path, rate):
    source = video_files.VideoFile(write_video(tmp_path / "film.mp4", MOVING[:4], rate))
    assert source.rate == pytest.approx(rate, abs=0.01)
    assert [frame.time for frame in source] == pytest.approx(np.arange(4) / rate, abs=0.002)


def test_results_that_cannot_be_written_are_said(tmp_path):
    with pytest.raises(OSError, match=r"film\.mp4 could not be written: a video of 240 x 160 px"):
        video_files.VideoWriter(tmp_path / "absent" / "film.mp4", 25.0, (240, 160))
    writer = video_files.VideoWriter(tmp_path / "film.mp4", 25.0, (240, 160))
    writer.write(MOVING[0])
    (tmp_path / "film.mp4").unlink()
    with pytest.raises(OSError, match=r"film\.mp4 could not be written: 1 frames, and 0 of them are there"):
        writer.close()


def test_a_slow_video_is_whole(tmp_path):
    """The last frame of a video with one in two seconds lasts two seconds."""
    source = video_files.VideoFile(write_video(tmp_path / "slow.mp4", MOVING[:6], 0.5))
    assert source.seconds == pytest.approx(12)
    assert len(list(source)) == 6
