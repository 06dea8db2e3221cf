"""Reader and writer of video files."""

import contextlib
import pathlib
import struct

import cv2
import numpy as np
import pytest
from drawn_faces import picture, write_video

from dsat_jax.inference import video_files

MOVING = [picture((30 + 1.5 * number, 40)) for number in range(12)]


def test_a_rotated_video_is_read_upright(tmp_path):
    """Phones store a rotation in the matrix of the track, here a quarter clockwise."""
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


def test_a_video_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(OSError, match=r"film\.mp4 could not be written: a video of 240 x 160 px"):
        video_files.VideoWriter(tmp_path / "absent" / "film.mp4", 25.0, (240, 160))
    writer = video_files.VideoWriter(tmp_path / "film.mp4", 25.0, (240, 160))
    writer.write(MOVING[0])
    (tmp_path / "film.mp4").unlink()
    with pytest.raises(OSError, match=r"film\.mp4 could not be written: it contains 0 frames, expected 1"):
        writer.close()


def test_the_last_frame_of_a_slow_video_counts_in_full(tmp_path):
    """A frame lasts two seconds, so does the last one."""
    source = video_files.VideoFile(write_video(tmp_path / "slow.mp4", MOVING[:6], 0.5))
    assert source.seconds == pytest.approx(12)
    assert len(list(source)) == 6


def test_frames_are_numbered_and_in_rgb(tmp_path):
    frames = list(video_files.VideoFile(write_video(tmp_path / "film.mp4", MOVING)))
    assert [frame.number for frame in frames] == list(range(12))
    assert frames[0].image[40, 30, 0] > 200  # the centre of the red dot
    assert frames[0].image[40, 30, 2] < 60


def test_frames_larger_than_any_image_are_refused(tmp_path, monkeypatch):
    path = write_video(tmp_path / "film.mp4", MOVING[:2])
    monkeypatch.setattr(video_files.image_files, "MOST_PIXELS", 240 * 160 - 1)
    with pytest.raises(
        ValueError, match=r"film\.mp4 has frames of 240 x 160 px, expected at most 38399 pixels"
    ):
        video_files.VideoFile(path)


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ValueError, match=r"text\.mp4 is not a video that can be read \(8 bytes\)"):
        video_files.VideoFile(tmp_path / "text.mp4")
    with pytest.raises(FileNotFoundError, match=r"absent\.mp4 is not a file, expected a video"):
        video_files.VideoFile(tmp_path / "absent.mp4")


def grey(value: int) -> np.ndarray:
    return np.full((32, 48, 3), value, np.uint8)


def shown_at(path: pathlib.Path) -> list[tuple[float, int]]:
    """The times at which the frames of a film of grey frames change, and their brightness, to tens."""
    changes = []
    for frame in video_files.VideoFile(path):
        value = 10 * round(float(frame.image.mean()) / 10)
        if not changes or changes[-1][1] != value:
            changes.append((round(frame.time, 3), value))
    return changes


def test_frames_are_shown_at_their_times(tmp_path):
    """Times of a film that starts late, with a pause, and with frames that are too fast for the rate."""
    times = [5.0, 5.1, 5.2, 6.0, 6.02, 6.1]
    with contextlib.closing(video_files.VideoWriter(tmp_path / "film.mp4", 10.0, (48, 32))) as writer:
        for number, time in enumerate(times):
            writer.write(grey(40 * (number + 1)), time)
    expected = [(0.0, 40), (0.1, 80), (0.2, 120), (1.0, 160), (1.1, 240)]  # 200, at 1.02 s, is left out
    assert shown_at(tmp_path / "film.mp4") == expected


def test_a_time_that_jumps_is_a_pause_of_a_minute(tmp_path):
    with contextlib.closing(video_files.VideoWriter(tmp_path / "film.mp4", 2.0, (48, 32))) as writer:
        for value, time in ((40, 0.0), (80, 1e9), (120, 1e9 + 1)):
            writer.write(grey(value), time)
    assert shown_at(tmp_path / "film.mp4") == [(0.0, 40), (60.5, 80), (61.5, 120)]


@pytest.mark.parametrize(
    ("stated", "rate"), [(0.05, 0.1), (0.5, 0.5), (25.0, 25.0), (240.0, 240.0), (1000.0, 60.0)]
)
def test_slow_and_fast_films_have_their_rate(tmp_path, stated, rate):
    with contextlib.closing(video_files.VideoWriter(tmp_path / "film.mp4", stated, (48, 32))) as writer:
        for value in (40, 80, 120):
            writer.write(grey(value))
    film = video_files.VideoFile(tmp_path / "film.mp4")
    assert film.rate == rate
    assert [frame.time for frame in film] == pytest.approx([0, 1 / stated, 2 / stated], abs=1e-6)


def test_pixels_are_shown_square(tmp_path):
    """A film of 48 x 32 pixels that is to be shown 64 pixels wide, as its header says."""
    with contextlib.closing(video_files.VideoWriter(tmp_path / "film.mp4", 25.0, (48, 32))) as writer:
        writer.write(grey(100))
    data = bytearray((tmp_path / "film.mp4").read_bytes())
    start = data.index(b"tkhd")  # its last eight bytes are width and height in 1/65536 of a pixel
    end = start - 4 + int.from_bytes(data[start - 4 : start], "big")
    assert data[end - 8 : end - 4] == (48 << 16).to_bytes(4, "big")
    data[end - 8 : end - 4] = (64 << 16).to_bytes(4, "big")
    (tmp_path / "wide.mp4").write_bytes(data)
    assert [frame.image.shape for frame in video_files.VideoFile(tmp_path / "film.mp4")] == [(32, 48, 3)]
    assert [frame.image.shape for frame in video_files.VideoFile(tmp_path / "wide.mp4")] == [(32, 64, 3)]


class Late:
    """An opened video whose first frame is shown 1.5 s after the start of the file."""

    def __init__(self, path: pathlib.Path):
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        self.read, self.release = self._capture.read, self._capture.release

    def get(self, what: int) -> float:
        late = 1.5 * self._capture.get(cv2.CAP_PROP_FPS) if what == cv2.CAP_PROP_PTS else 0.0
        return self._capture.get(what) + late


@pytest.mark.parametrize(("suffix", "noted"), [(".mp4", True), (".ts", False)])
def test_images_that_begin_after_the_sound_are_noted(tmp_path, caplog, suffix, noted):
    path = tmp_path / "film.mp4"
    write_video(path, [picture()] * 3, rate=25.0)
    with contextlib.closing(video_files.VideoFile(path)) as video:
        list(video)
    assert "begin" not in caplog.text
    with contextlib.closing(video_files.VideoFile(f"late{suffix}", Late(path))) as video:
        assert [frame.time for frame in video] == pytest.approx([0, 0.04, 0.08])
    assert (f"late{suffix}: its images begin 1.50 s after its start" in caplog.text) == noted
