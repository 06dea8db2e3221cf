"""Prediction on 100 files of all kinds: the result for each file, speed, and the number of compilations.

python -m benchmarks.mixed_pictures RUN

The images are drawn faces, 60 px to 50 megapixels, in all formats, grey, with transparency, with 16 bits, and with an
EXIF orientation; some files are damaged or not images. An image with an EXIF orientation must have the landmarks of the
same image stored upright.
"""

import argparse
import json
import pathlib
import tempfile
import time
from collections.abc import Sequence

import jax
import numpy as np
from PIL import Image

from dsat_jax.files import locations
from dsat_jax.inference import predict_files
from tfds_builders.synthetic_faces.drawing import draw_face

FILES = 100
_FORMATS = (".jpg", ".png", ".webp", ".bmp", ".tif", ".jpeg")
_ORIENTATION = 0x0112  # the EXIF tag
_TURNED = 6  # viewers rotate the image by 90 degrees clockwise
_LARGE = (8660, 5774)  # 50 megapixels


def face(index: int) -> Image.Image:
    """Returns the image of a drawn face."""
    return Image.fromarray(draw_face(seed=3, split=1, index=index).image)


def write_special(folder: pathlib.Path) -> None:
    """Writes the files that are not plain RGB images."""
    face(0).convert("L").save(folder / "grey.jpg")
    face(0).convert("RGBA").save(folder / "transparent.png")
    face(0).convert("P").save(folder / "palette.png")
    face(0).convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(np.asarray(face(0).convert("L")).astype(np.uint16) * 257).save(
        folder / "sixteen bits.png"
    )
    face(0).save(folder / "upright.png")
    exif = Image.Exif()
    exif[_ORIENTATION] = _TURNED
    face(0).transpose(Image.Transpose.ROTATE_90).save(folder / "turned.png", exif=exif)
    face(1).resize(_LARGE).save(folder / "fifty megapixels.jpg")
    Image.new("RGB", (1, 1), (90, 90, 90)).save(folder / "one pixel.png")
    whole = folder / "truncated.jpg"
    face(2).save(whole)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (folder / "no picture.jpg").write_text("these are words\n")
    (folder / "empty.png").touch()


def write_pictures(folder: pathlib.Path) -> None:
    """Writes `FILES` files into a folder."""
    write_special(folder)
    sizes = np.random.default_rng(0).integers(60, 2000, FILES)
    for index in range(FILES - len(list(folder.iterdir()))):
        side = int(sizes[index])
        suffix = _FORMATS[index % len(_FORMATS)]
        face(index).resize((side, side * 3 // 4 if index % 3 else side)).save(
            folder / f"face {index}{suffix}"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Predicts and prints the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=locations.locate, metavar="RUN", help="run folder")
    workdir = parser.parse_args(arguments).run
    compiled: list[str] = []

    def listen(event: str, duration: float, **details: object) -> None:
        if event.endswith("backend_compile_duration"):
            compiled.append(f"{details.get('fun_name')} {duration:.1f} s")

    jax.monitoring.register_event_duration_secs_listener(listen)
    with tempfile.TemporaryDirectory() as parent:
        folder, out = pathlib.Path(parent) / "pictures", pathlib.Path(parent) / "out"
        folder.mkdir()
        write_pictures(folder)
        started = time.monotonic()
        counts = predict_files.predict_files(workdir, [str(folder)], out, predict_files.Options())
        seconds = time.monotonic() - started
        upright, turned = (json.loads((out / f"{name}.json").read_text()) for name in ("upright", "turned"))
        shift = np.abs(np.subtract(upright["faces"][0]["landmarks"], turned["faces"][0]["landmarks"])).max()
    rate = FILES / seconds
    print(f"{dict(counts)} in {FILES} files, {seconds:.1f} s, {rate:.1f} files/s, compilation included")
    print("compilations of more than 0.05 seconds:")
    print("\n".join(line for line in compiled if not line.endswith(" 0.0 s")))
    print(
        f"the landmarks of the image with EXIF orientation differ by {shift:.3f} px from the upright image's"
    )


if __name__ == "__main__":
    main()
