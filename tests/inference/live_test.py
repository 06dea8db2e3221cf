"""Cameras and streams: their names, the newest frame, and sources that cannot be opened."""

import contextlib
import time

import numpy as np
import pytest
from drawn_faces import picture
from mjpeg_stream import MjpegStream, served_folder

from dsat_jax.errors import UserError
from dsat_jax.inference import live, video_files


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("camera:0", True),
        ("camera:12", True),
        ("rtsp://192.168.0.5:554/door", True),
        ("http://door/live", True),
        ("HTTPS://door/live", True),
        ("./camera:0", False),
        ("camera:x", False),
        ("camera:-1", False),
        ("file:///etc/passwd", False),
        ("concat:a.mp4", False),
        ("photo.jpg", False),
        ("http://", False),
    ],
)
def test_cameras_and_streams_are_recognised(name, expected):
    assert live.is_address(name) is expected


@pytest.mark.parametrize(
    ("address", "shown", "results"),
    [
        ("camera:0", "camera:0", "camera0"),
        ("camera:007", "camera:007", "camera7"),
        (
            "rtsp://me:secret@192.168.0.5:554/door?key=secret",
            "rtsp://192.168.0.5:554/door",
            "192.168.0.5_554_door",
        ),
        ("http://[::1]:81/a b/../c.mjpg#part", "http://[::1]:81/a b/../c.mjpg", "1_81_a_b_.._c.mjpg"),
        ("http://../..", "http://../..", "stream"),
        ("http://door/" + "x" * 300, "http://door/" + "x" * 300, ("door_" + "x" * 300)[:100]),
    ],
)
def test_names_of_addresses_are_safe_and_without_secrets(address, shown, results):
    assert live.shown_name(address) == shown
    assert live.results_name(address) == results


def test_an_address_with_an_invalid_host_is_refused():
    with pytest.raises(ValueError, match="found the address of a stream with an invalid host"):
        live.shown_name("http://[1")


def test_a_reader_that_pauses_gets_the_newest_frame():
    """Brightness counts the frames, 50 in a second; in a pause of half a second about 25 arrive."""
    images = [np.full((64, 64, 3), 2 * number, np.uint8) for number in range(100)]
    with MjpegStream(images, rate=50) as stream, contextlib.closing(live.open_source(stream.url)) as source:
        frames = iter(source)
        next(frames)
        before = next(frames)
        time.sleep(0.5)
        after = next(frames)
        assert 5 <= after.number - before.number <= 50
        assert after.time - before.time >= 0.4
        for frame in (before, after):
            assert frame.image.mean() == pytest.approx(2 * frame.number, abs=2)


def test_frames_are_in_rgb_and_end_with_the_stream():
    with (
        MjpegStream([picture((30, 40))] * 5) as stream,
        contextlib.closing(live.open_source(stream.url)) as source,
    ):
        frames = list(source)
    assert isinstance(source, live.LiveSource)
    assert 1 <= len(frames) <= 5
    assert frames[0].image[40, 30, 0] > 200  # the centre of the red dot
    assert frames[0].image[40, 30, 2] < 60


def test_a_closed_source_has_no_thread():
    with MjpegStream([picture((30, 40))] * 10_000, rate=100) as stream:
        source = live.open_source(stream.url)
        next(iter(source))
        source.close()
        assert not source._reader.is_alive()


def test_a_source_that_cannot_be_opened_is_refused(tmp_path):
    with pytest.raises(ValueError, match="camera:99 cannot be opened, expected a camera that is connected"):
        live.open_source("camera:99")
    with served_folder(tmp_path) as url:
        (tmp_path / "text.mjpg").write_text("no video")
        for name in ("text.mjpg", "absent.mjpg"):
            address = f"{url.replace('://', '://me:secret@')}/{name}?key=secret"
            message = rf"http://127.*/{name} cannot be opened, expected a stream"
            with pytest.raises(ValueError, match=message) as refused:
                live.open_source(address)
            assert "secret" not in str(refused.value)


def test_frames_larger_than_any_image_are_refused(monkeypatch):
    monkeypatch.setattr(video_files.image_files, "MOST_PIXELS", 240 * 160 - 1)
    with (
        MjpegStream([picture((30, 40))] * 50) as stream,
        pytest.raises(ValueError, match="has frames of 240 x 160 px, expected at most 38399 pixels"),
    ):
        live.open_source(stream.url)


class Frames:
    """A capture of given frames."""

    def __init__(self, *frames: np.ndarray):
        self._frames = iter(frames)

    def read(self) -> tuple[bool, np.ndarray | None]:
        frame = next(self._frames, None)
        return frame is not None, frame

    def release(self) -> None: ...


def test_grey_frames_are_images_and_a_frame_of_another_form_ends_the_source():
    grey, odd = np.full((4, 6), 7, np.uint8), np.zeros((4, 6, 2), np.uint8)
    source = live.LiveSource("camera", Frames(grey, odd, grey))
    source._reader.join(5)
    (frame,) = list(source)
    np.testing.assert_array_equal(frame.image, np.full((4, 6, 3), 7))


def test_the_address_of_an_image_is_refused():
    with pytest.raises(UserError, match=r"http://here/a\.jpg is an image, expected a stream of video: curl"):
        live.open_source("http://here/a.jpg?key=1")
