"""Images and boxes as users give them: files, arrays of several forms, lists of numbers."""

import cv2
import numpy as np
import pytest
from PIL import Image

from dsat_jax.errors import UserError
from dsat_jax.inference import image_input

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)


def test_a_file_is_an_rgb_image_whether_named_by_text_or_path(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), RGB[..., ::-1])
    for source in (tmp_path / "a.png", str(tmp_path / "a.png")):
        np.testing.assert_array_equal(image_input.as_image(source), RGB)


def test_a_photograph_is_turned_upright_by_its_exif_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a right angle
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(image_input.read_image(tmp_path / "a.png"), np.rot90(RGB, -1))


def test_grey_and_transparent_arrays_are_images():
    grey, opacity = RGB[..., 0], np.full((20, 30, 1), 7, np.uint8)
    np.testing.assert_array_equal(image_input.as_image(RGB), RGB)
    np.testing.assert_array_equal(image_input.as_image(np.concatenate([RGB, opacity], axis=-1)), RGB)
    for array in (grey, grey[..., None]):
        np.testing.assert_array_equal(image_input.as_image(array), np.stack([grey] * 3, axis=-1))


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"]
)
def test_an_image_of_pillow_is_that_which_pillow_shows(mode):
    image = Image.fromarray(RGB)
    for step in {"La": ["LA", "La"], "RGBa": ["RGBA", "RGBa"], "PA": ["P", "PA"], "LA": ["L", "LA"]}.get(
        mode, [mode]
    ):
        image = image.convert(step)
    shown = image.convert({"La": "LA", "RGBa": "RGBA"}.get(mode, mode)).convert("RGB")
    np.testing.assert_array_equal(image_input.as_image(image), np.asarray(shown))


def test_an_image_of_pillow_is_turned_and_brightened_like_its_file(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.fromarray(RGB).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(RGB[..., 0].astype(np.uint16) << 4).save(tmp_path / "deep.png")
    for file in ("turned.png", "deep.png"):
        with Image.open(tmp_path / file) as opened:
            np.testing.assert_array_equal(image_input.as_image(opened), image_input.as_image(tmp_path / file))


@pytest.mark.parametrize("mode", ["I", "F"])
def test_an_image_of_pillow_with_32_bits_is_refused(mode):
    with pytest.raises(UserError, match=f"an image of Pillow in mode {mode}, expected one of 8 or 16 bits"):
        image_input.as_image(Image.new(mode, (4, 4)))


def test_boxes_in_shares_of_the_image_are_refused():
    message = r"the box \[0\.25, 0\.1, 0\.75, 1\.0\] is between 0 and 1, .* 30 x 20 px: multiply shares by its width"
    with pytest.raises(UserError, match=message):
        image_input.as_boxes([[1, 2, 11, 12], [0.25, 0.1, 0.75, 1]], RGB)


@pytest.mark.parametrize(
    ("array", "described"),
    [
        (np.zeros((20, 30, 3)), r"float64\[20, 30, 3\]"),
        (np.zeros((3, 20, 30), np.uint8), r"uint8\[3, 20, 30\]"),
        (np.zeros((20, 30, 2), np.uint8), r"uint8\[20, 30, 2\]"),
        (np.zeros((1, 20, 30, 3), np.uint8), r"uint8\[1, 20, 30, 3\]"),
        (np.zeros((0, 0, 3), np.uint8), r"uint8\[0, 0, 3\]"),
    ],
)
def test_arrays_of_another_form_are_refused(array, described):
    with pytest.raises(UserError, match=rf"found an array {described}, expected an image uint8"):
        image_input.as_image(array)


def test_files_that_are_no_images_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        image_input.as_image(tmp_path / "absent.jpg")
    (tmp_path / "fake.jpg").write_text("no image")
    with pytest.raises(UserError, match=r"fake\.jpg is not an image that can be read: .* do not decode"):
        image_input.as_image(tmp_path / "fake.jpg")
    with pytest.raises(UserError, match="is not an image that can be read"):
        image_input.as_image("nul\0.jpg")


@pytest.mark.parametrize("boxes", [[[1, 2, 11, 12], [0, 0, 5, 5]], [], np.empty((0, 4)), [(0.5, 0, 29, 19)]])
def test_boxes_are_rows_of_four_numbers(boxes):
    array = image_input.as_boxes(boxes, RGB)
    assert array.shape == (len(boxes), 4)
    assert array.dtype == np.float64
    np.testing.assert_array_equal(array, np.reshape(boxes, (-1, 4)))


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        ([[5, 5, 9, 9, 1]], r"found boxes of shape \[1, 5\], expected \[faces, 4\]"),
        ([5, 5, 9, 9], r"found boxes of shape \[4\], expected \[faces, 4\]"),
        ([[1, 2], [1]], "found boxes that are not numbers"),
        (["no numbers"], "found boxes that are not numbers"),
        ([[8300, 6900, 9900, 9900]], "is outside the image of 30 x 20 px"),
    ],
)
def test_other_values_than_boxes_of_the_image_are_refused(boxes, message):
    with pytest.raises(UserError, match=message):
        image_input.as_boxes(boxes, RGB)
