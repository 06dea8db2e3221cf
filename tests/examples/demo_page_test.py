"""The page of the demo in a browser, with photographs and with a camera that Chromium simulates."""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import cv2
import jax
import pytest

pytest.importorskip("gradio", reason="the page needs Gradio: pip install '.[demo]'")
playwright = pytest.importorskip(
    "playwright.sync_api", reason="playwright drives the browser; it is not installed"
)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt install chromium)"),
    pytest.mark.slow,
]
ROOT = pathlib.Path(__file__).parents[2]
PORTRAIT = ROOT / "docs" / "astronaut.jpg"
PATIENCE = 120_000  # ms; networks are compiled


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    """The address of a running demo, which was started from another folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("elsewhere")
    cache = {"JAX_COMPILATION_CACHE_DIR": jax.config.jax_compilation_cache_dir}
    process = subprocess.Popen(
        [sys.executable, ROOT / "examples" / "demo.py", f"--port={port}"],
        cwd=folder,
        env=os.environ | cache | {"GRADIO_TEMP_DIR": str(folder), "no_proxy": "127.0.0.1"},
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_until_served(url, process)
        yield url
    finally:
        process.terminate()
        process.wait()


def wait_until_served(url: str, process: subprocess.Popen) -> None:
    for _ in range(120):
        assert process.poll() is None, "the demo has stopped"
        try:
            urllib.request.urlopen(url).close()
            return
        except urllib.error.URLError:
            time.sleep(0.5)
    raise TimeoutError(url)


@pytest.fixture(scope="module")
def camera(tmp_path_factory) -> pathlib.Path:
    """A film of the portrait, as Chromium's simulated camera takes it."""
    file = tmp_path_factory.mktemp("camera") / "portrait.y4m"
    image = cv2.resize(cv2.imread(str(PORTRAIT)), (480, 480), interpolation=cv2.INTER_AREA)
    frame = b"FRAME\n" + cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420).tobytes()
    file.write_bytes(b"YUV4MPEG2 W480 H480 F10:1 Ip A1:1 C420jpeg\n" + 10 * frame)
    return file


@pytest.fixture
def page(address, camera) -> Iterator["playwright.Page"]:
    """The opened page; it requests nothing from other addresses and raises no error."""
    devices = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    arguments = ["--no-sandbox", *devices, f"--use-file-for-fake-video-capture={camera}"]
    requests, errors = [], []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: requests.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        yield page
        browser.close()
    assert errors == []
    assert [url for url in requests if not url.startswith((address, "data:", "blob:"))] == []


def test_a_photograph_is_uploaded_and_its_results_are_downloaded(page, tmp_path):
    page.locator("input[type=file]").first.set_input_files(PORTRAIT)
    page.get_by_text("1 face with 68 landmarks.").wait_for()
    page.get_by_text("Heatmaps of face 0").wait_for()
    for name in ("astronaut.json", "astronaut.pts"):
        with page.expect_download() as download:
            page.locator(f"a[download='{name}']").click()
        download.value.save_as(tmp_path / name)
    [face] = json.loads((tmp_path / "astronaut.json").read_text())["faces"]
    assert len(face["landmarks"]) == 68
    assert (tmp_path / "astronaut.pts").read_text().startswith("version: 1\nn_points: 68\n")
    page.get_by_label("lotr-300w").check()
    page.get_by_text("Attention of face 0").wait_for()
    assert not page.get_by_text("bright squares are open channels").is_visible()


def test_a_file_that_is_no_image_is_refused_in_one_sentence(page, tmp_path):
    file = tmp_path / "notes.jpg"
    file.write_text("no image")
    page.locator("input[type=file]").first.set_input_files(file)
    page.get_by_text("notes.jpg is not an image that can be read").wait_for()


def test_the_webcam_is_followed(page):
    page.get_by_role("tab", name="Live webcam").click()
    page.get_by_text("Click to Access Webcam").last.click()
    page.locator("button:visible", has_text="Record").click()
    page.locator("p:visible", has_text="1 face with 68 landmarks.").wait_for()
    drawn = page.locator("img[src*='/file=']:visible")
    drawn.wait_for()
    assert drawn.evaluate("image => image.naturalWidth") == 480
