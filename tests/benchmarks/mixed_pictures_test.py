"""The files of the benchmark on images of all kinds."""

from PIL import Image

from benchmarks import mixed_pictures


def test_the_folder_has_files_of_all_kinds(tmp_path, monkeypatch):
    monkeypatch.setattr(mixed_pictures, "FILES", 20)
    monkeypatch.setattr(mixed_pictures, "_LARGE", (866, 577))
    mixed_pictures.write_pictures(tmp_path)
    assert len(list(tmp_path.iterdir())) == 20
    with Image.open(tmp_path / "turned.png") as turned, Image.open(tmp_path / "upright.png") as upright:
        assert turned.size == upright.size[::-1]
        assert turned.getexif()[0x0112] == 6
    modes = {}
    for name in ("grey.jpg", "transparent.png", "palette.png", "cmyk.jpg", "sixteen bits.png"):
        with Image.open(tmp_path / name) as image:
            modes[name] = image.mode
    assert list(modes.values()) == ["L", "RGBA", "P", "CMYK", "I;16"]
