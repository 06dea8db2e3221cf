"""The page of a running prediction: its stream, its status, who may read it, and its end."""

import http.client
import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from drawn_faces import picture

from dsat_jax.inference.live_page import LivePage
from examples.pictures import CHROMIUM


@pytest.fixture
def page() -> Iterator[LivePage]:
    with LivePage(0) as page:
        yield page


def get(url: str) -> bytes:
    return urllib.request.urlopen(url, timeout=10).read()


def status(page: LivePage) -> dict:
    return json.loads(get(f"{page.url}/status"))


def test_the_status_counts_frames_and_their_rate(page):
    assert status(page) == {"source": "", "frames": 0, "faces": 0, "rate": 0.0}
    for _ in range(11):
        page.show("film.mp4", picture(), 3)
        time.sleep(0.05)
    answer = status(page)
    assert (answer["source"], answer["frames"], answer["faces"]) == ("film.mp4", 11, 3)
    assert 2 < answer["rate"] <= 20


def test_the_stream_sends_the_newest_frame(page):
    shown = [picture((20, 30)), picture((150, 90))]
    page.show("film.mp4", shown[0], 1)
    answer = urllib.request.urlopen(f"{page.url}/stream", timeout=10)
    assert answer.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
    for image in shown:
        page.show("film.mp4", image, 1)
        received = None
        while received is None or np.abs(received.astype(int) - image).mean() > 3:
            received = next_part(answer)


def next_part(answer: http.client.HTTPResponse) -> np.ndarray:
    """The next image of a stream, uint8 RGB."""
    length = None
    while (line := answer.readline().strip()) or length is None:
        assert line in (b"", b"--frame") or re.match(rb"Content-(Type: image/jpeg|Length: \d+)", line)
        if line.startswith(b"Content-Length"):
            length = int(line.split()[1])
    return cv2.imdecode(np.frombuffer(answer.read(length), np.uint8), cv2.IMREAD_COLOR_RGB)


def test_only_programs_of_this_machine_may_read_it(page):
    port = page.url.rpartition(":")[2]
    assert page.url == f"http://127.0.0.1:{port}"
    assert b"<img" in get(f"http://localhost:{port}/") == get(page.url)
    connection = http.client.HTTPConnection("127.0.0.1", int(port))
    connection.request("GET", "/stream", headers={"Host": f"other.example:{port}"})
    assert connection.getresponse().status == 403


def test_other_paths_do_not_exist(page):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"{page.url}/etc/passwd")


def test_the_stream_ends_with_the_run():
    with LivePage(0) as page:
        page.show("film.mp4", picture(), 1)
        answer = urllib.request.urlopen(f"{page.url}/stream", timeout=10)
        next_part(answer)
    answer.read()  # returns, because the server has closed the connection
    with pytest.raises(OSError, match="Connection refused"):
        get(page.url)


def test_a_browser_that_leaves_disturbs_nothing(page, capsys):
    page.show("film.mp4", picture(), 1)
    urllib.request.urlopen(f"{page.url}/stream", timeout=10).close()
    for _ in range(5):
        page.show("film.mp4", picture(), 1)
        time.sleep(0.05)
    assert status(page)["frames"] == 6
    assert capsys.readouterr() == ("", "")


def test_a_port_in_use_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ValueError, match=f"--show={port}: Address already in use, expected a free port"):
            LivePage(port)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt install chromium)")
def test_a_browser_shows_the_frames_and_their_rate_until_the_end():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright drives the browser; it is not installed"
    )
    ended = threading.Event()

    def show(page: LivePage) -> None:
        while not ended.wait(0.04):
            page.show("film.mp4", picture((20, 30)), 1)

    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        tab = browser.new_page()
        with LivePage(0) as page:
            frames = threading.Thread(target=show, args=[page])
            frames.start()
            tab.goto(page.url, wait_until="commit")  # a page with a stream is never loaded completely
            line = tab.locator("#status")
            playwright.expect(line).to_have_text(re.compile(r"^film\.mp4: 1 face, \d+\.\d frames/s$"))
            tab.wait_for_function("document.querySelector('img').naturalWidth === 240")
            pixels = cv2.imdecode(
                np.frombuffer(tab.locator("img").screenshot(), np.uint8), cv2.IMREAD_COLOR_RGB
            )
            assert np.abs(pixels.astype(int) - picture((20, 30))).mean() < 4
            ended.set()
            frames.join()
        playwright.expect(line).to_have_text("The prediction has ended.")
        browser.close()
