"""The pictures of README.md and docs, of today's code and networks: `python -m examples.pictures runs/synthetic`.

The run is that of README.md's first command, and has been evaluated. The picture of its report needs Chromium and
`pip install playwright`. `benchmarks.robustness` and `benchmarks.scaling` draw the plots of their figures.
"""

import argparse
import pathlib
import shutil
from collections.abc import Sequence

import cv2
import numpy as np

import dsat_jax
from dsat_jax import drawing, geometry
from dsat_jax.evaluation.result_files import REPORT_FILE
from dsat_jax.files import image_files, locations
from dsat_jax.inference.image_input import read_image
from examples import contact_sheet

ROOT = pathlib.Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_PORTRAIT = (84, 14, 372, 302)  # of the astronaut: box in pixels
_PORTRAIT_SIDE = 720
GREEN = (80, 255, 80)  # RGB; red would not stand out from lips and suit
_REPORT_SIZE = {"width": 1080, "height": 760}  # shows the report down to the first table and its curves
_SAMPLES_ROWS = 2


def portrait(predictor: dsat_jax.Predictor) -> np.ndarray:
    """Returns the astronaut's face with its predicted landmarks: uint8 [height, width, 3] RGB."""
    image = read_image(ROOT / "examples" / "astronaut.jpg")
    [face] = predictor(image)
    x_min, y_min, x_max, y_max = _PORTRAIT
    cut = image[y_min:y_max, x_min:x_max]
    shown = cv2.resize(cut, (_PORTRAIT_SIDE, _PORTRAIT_SIDE), interpolation=cv2.INTER_CUBIC)
    points = geometry.resize_points(face.landmarks - (x_min, y_min), _PORTRAIT_SIDE / (x_max - x_min))
    drawing.draw_landmarks(shown, points, predictor.scheme, GREEN, thickness=1)
    return shown


def samples(workdir: pathlib.Path) -> np.ndarray:
    """Returns the first rows of a run's predictions: uint8 [height, width, 3] RGB."""
    grid = read_image(workdir / drawing.SAMPLES_FILE)
    return grid[: _SAMPLES_ROWS * drawing.TILE]


def report(workdir: pathlib.Path) -> np.ndarray:
    """Returns the top of a run's report as a browser shows it: uint8 [height, width, 3] RGB.

    Raises:
      ModuleNotFoundError: if playwright is not installed.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport=_REPORT_SIZE)
        page.goto((workdir / REPORT_FILE).resolve().as_uri())
        shown = image_files.decode(page.screenshot(), upright=True)
        browser.close()
    return shown


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the pictures into docs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("workdir", type=locations.locate, help="folder of the run")
    parser.add_argument(
        "--out", type=locations.locate, default=ROOT / "docs", help="folder of the pictures; docs by default"
    )
    parsed = parser.parse_args(arguments)
    pictures = {
        "astronaut.jpg": portrait(dsat_jax.Predictor.pretrained()),
        "predictions.jpg": samples(parsed.workdir),
        "report.jpg": report(parsed.workdir),
    }
    for name, picture in pictures.items():
        drawing.write_image(parsed.out / name, picture)
    contact_sheet.main([f"--out={parsed.out / 'synthetic_faces.jpg'}", "--seed=6"])
    contact_sheet.main([f"--out={parsed.out / 'schemes.jpg'}", "--schemes", "--seed=1", "--side=320"])


if __name__ == "__main__":
    main()
