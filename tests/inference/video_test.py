"""Prediction of videos: annotated videos, lines of landmarks, and damaged files."""

import dataclasses
import json
import time

import cv2
import numpy as np
import pytest
from drawn_faces import DOTS, DotFinder, picture, write_video
from mjpeg_stream import MjpegStream, served_folder

from dsat_jax import geometry
from dsat_jax.inference import video, video_files
from dsat_jax.inference.one_euro import OneEuro, smooth

WAY = [(30 + 1.5 * number, 40 + 0.5 * number) for number in range(12)]
MOVING = [picture(at) for at in WAY]


def write_avi(path, count):
    """Writes noise as an .avi file, whose header states the number of frames."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (240, 160))
    for image in np.random.default_rng(0).integers(0, 60, (count, 160, 240, 3), np.uint8):
        writer.write(image)
    writer.release()
    return path.read_bytes()


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A moving face, and a second one from the fourth frame on."""
    images = [np.maximum(image, picture((160, 90)) * (number >= 3)) for number, image in enumerate(MOVING)]
    return write_video(tmp_path_factory.mktemp("films") / "my film.mp4", images)


@pytest.fixture(scope="module")
def results(film, tmp_path_factory):
    out = tmp_path_factory.mktemp("results") / "new"
    return video.predict_video(DotFinder().predictor, film, out, video.Settings(look_every=5))


def test_every_frame_has_a_line_with_its_faces(results):
    assert results.landmarks.name == "my film.jsonl"
    assert (results.frames, results.faces, results.tracks) == (12, 12 + 7, 2)
    written = lines(results.landmarks)
    assert [line["frame"] for line in written] == list(range(12))
    np.testing.assert_allclose([line["time"] for line in written], np.arange(12) / 25, atol=1e-6)
    for number, (line, at) in enumerate(zip(written, WAY, strict=True)):
        faces = {face["track"]: face for face in line["faces"]}
        assert sorted(faces) == ([0, 1] if number >= 5 else [0])
        landmarks = np.array(faces[0]["landmarks"])
        np.testing.assert_allclose(landmarks, DOTS + at, atol=1.0)  # after compression
        np.testing.assert_allclose(faces[0]["box"], geometry.box_of_points(landmarks))
        assert 0 < faces[0]["confidence"] <= 1
        assert faces[0]["score"] is None  # the detector has no scores


def test_the_annotated_video_shows_the_same_frames_with_landmarks(film, results):
    assert results.video.name == "my film_landmarks.mp4"
    before, after = (list(video_files.VideoFile(path)) for path in (film, results.video))
    assert [frame.time for frame in after] == [frame.time for frame in before]
    for frame, drawn in zip(before, after, strict=True):
        difference = np.abs(frame.image.astype(int) - drawn.image).sum(axis=-1)
        changed = np.argwhere(difference > 120)
        assert len(changed) > 20
        assert difference[:10].max() < 60


def test_nothing_is_written_to_the_folder_of_the_video(film, tmp_path):
    with pytest.raises(ValueError, match="expected another --out"):
        video.predict_video(DotFinder().predictor, film, film.parent)
    assert [path.name for path in film.parent.iterdir()] == ["my film.mp4"]


def test_smoothing_changes_the_landmarks_as_the_filter_does_and_not_the_tracks(film, results, tmp_path):
    settings = OneEuro(beta=0.5)
    smoothed = video.predict_video(
        DotFinder().predictor, film, tmp_path, video.Settings(settings, look_every=5)
    )
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


def test_files_that_are_not_videos_are_refused_before_anything_is_written(tmp_path):
    content = write_video(tmp_path / "whole.mp4", MOVING).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(
        content[: len(content) // 2]
    )  # without the table of contents at its end
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    for name in ("cut", "text", "empty"):
        with pytest.raises(ValueError, match=rf"{name}\.mp4 is not a video that can be read \(\d+ bytes\)"):
            video.predict_video(DotFinder().predictor, tmp_path / f"{name}.mp4", tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=r"absent\.mp4 is not a file, expected a video"):
        video.predict_video(DotFinder().predictor, tmp_path / "absent.mp4", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_results_of_a_video_that_ends_early_are_kept(tmp_path):
    content = write_avi(tmp_path / "whole.avi", 40)
    (tmp_path / "cut.avi").write_bytes(content[: len(content) // 2])
    with pytest.raises(
        ValueError,
        match=r"cut\.avi stops after 0\.\d\d s \((\d+) frames\), expected 1\.60 s; the results up to there are in",
    ) as refused:
        video.predict_video(DotFinder().predictor, tmp_path / "cut.avi", tmp_path / "out")
    count = int(str(refused.value).split("(")[1].split()[0])
    assert 15 <= count <= 20
    assert len(lines(tmp_path / "out/cut.jsonl")) == count
    assert len(list(video_files.VideoFile(tmp_path / "out/cut_landmarks.mp4"))) == count
    whole = video.predict_video(DotFinder().predictor, tmp_path / "whole.avi", tmp_path / "out")
    assert whole.frames == 40


def test_an_interrupted_prediction_leaves_complete_files(film, tmp_path):
    predictor = DotFinder().predictor
    predict, calls = predictor._network.forward, iter(range(7))

    def interrupted(crops, mirror):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return predict(crops, mirror)

    predictor._network.forward = interrupted
    with pytest.raises(KeyboardInterrupt):
        video.predict_video(predictor, film, tmp_path, video.Settings(together=1))
    kept = len(lines(tmp_path / "my film.jsonl"))
    assert 0 < kept < 12
    assert len(list(video_files.VideoFile(tmp_path / "my film_landmarks.mp4"))) == kept


def test_a_line_has_the_score_of_the_last_detection(tmp_path):
    finder = DotFinder()
    find, scores = finder.predictor._find_faces, iter((0.9, 0.8, 0.7))
    finder.predictor._find_faces = lambda image: dataclasses.replace(
        find(image), scores=np.array([next(scores)])
    )
    film = write_video(tmp_path / "film.mp4", [picture((30, 40))] * 5)
    results = video.predict_video(
        finder.predictor, film, tmp_path / "out", video.Settings(look_every=2, together=1)
    )
    assert [line["faces"][0]["score"] for line in lines(results.landmarks)] == [0.9, 0.9, 0.8, 0.8, 0.7]


def test_a_stream_has_lines_with_the_times_of_arrival_and_no_video(tmp_path):
    with MjpegStream([picture((30, 40))] * 15, rate=50) as stream:
        results = video.predict_address(DotFinder().predictor, stream.url, tmp_path / "out")
    assert results.video is None
    assert [path.name for path in (tmp_path / "out").iterdir()] == [results.landmarks.name]
    written = lines(results.landmarks)
    assert 1 <= len(written) == results.frames <= 15
    numbers, times = [line["frame"] for line in written], [line["time"] for line in written]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] <= 14
    assert times == sorted(times)
    for line in written:
        np.testing.assert_allclose(line["faces"][0]["landmarks"], DOTS + WAY[0], atol=1.0)


def test_a_slow_network_sees_the_newest_frame_of_a_stream(tmp_path):
    """At 50 frames/s, a network that takes 0.1 s sees about each fifth frame, and never waits for old ones."""
    finder = DotFinder()
    predict = finder.predictor._network.forward

    def slow(crops, mirror):
        time.sleep(0.1)
        return predict(crops, mirror)

    finder.predictor._network.forward = slow
    with MjpegStream([picture((30, 40))] * 60, rate=50) as stream:
        results = video.predict_address(finder.predictor, stream.url, tmp_path / "out")
    numbers = [line["frame"] for line in lines(results.landmarks)]
    assert len(numbers) < 40
    assert max(np.diff(numbers)) >= 3
    assert numbers[-1] >= 50


def test_an_interrupted_stream_ends_as_usual(tmp_path):
    finder = DotFinder()
    # 2 calls compile, 1 is the look at the face in the first frame, and 1 is for each of four more frames.
    predict, calls = finder.predictor._network.forward, iter(range(2 + 1 + 4))

    def interrupted(crops, mirror):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return predict(crops, mirror)

    finder.predictor._network.forward = interrupted
    with MjpegStream([picture((30, 40))] * 10_000, rate=100) as stream:
        results = video.predict_address(finder.predictor, stream.url, tmp_path / "out")
    assert len(lines(results.landmarks)) == results.frames == 5


def test_frames_are_shown_as_they_are_written(film, tmp_path):
    shown = []
    settings = video.Settings(show=lambda name, image, faces: shown.append((name, image, faces)))
    results = video.predict_video(DotFinder().predictor, film, tmp_path, settings)
    assert [(name, faces) for name, _, faces in shown] == [
        ("my film.mp4", len(line["faces"])) for line in lines(results.landmarks)
    ]
    for (_, image, _), frame in zip(shown, video_files.VideoFile(results.video), strict=True):
        assert np.abs(image.astype(int) - frame.image).mean() < 4  # after compression


def test_a_stream_that_states_its_length_is_a_video_of_which_each_frame_counts(tmp_path):
    (tmp_path / "web").mkdir()
    write_avi(tmp_path / "web/film.avi", 20)
    with served_folder(tmp_path / "web") as url:
        results = video.predict_address(DotFinder().predictor, f"{url}/film.avi", tmp_path / "out")
    assert (results.frames, results.video.name.split("_")[0]) == (20, "127.0.0.1")
    assert [line["frame"] for line in lines(results.landmarks)] == list(range(20))
