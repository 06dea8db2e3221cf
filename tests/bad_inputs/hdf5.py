"""MATLAB files of version 7.3, which are HDF5: images and annotation of COFW."""

import functools
import pathlib
from collections.abc import Callable

import h5py
import numpy as np
from bad_inputs.corpus import Case, Kind, build_message, encode, picture, put_all, write

from tfds_builders.cofw.conftest import write_mat73

FILE = "raw/COFW_test_color.mat"
NAME = "COFW_test_color.mat"
POINTS = np.array([[11 + i % 6 * 14, 11 + i // 6 * 14] for i in range(29)], np.float64)


def prepare(root: pathlib.Path) -> None:
    """Writes one test face; the file of the training faces is missing, which is allowed."""
    (root / "raw").mkdir()
    phis = np.concatenate([*POINTS.T, np.zeros(29)])[None]
    write_mat73(
        root / FILE,
        {"IsT": [np.asarray(picture())]},
        {"phisT": phis, "bboxesT": np.array([[5.0, 5.0, 90.0, 90.0]])},
    )


def change(edit: Callable[[h5py.File], object], *parts: str) -> Case:
    """The file after an edit."""

    def spoil(root: pathlib.Path) -> None:
        with h5py.File(root / FILE, "r+") as file:
            edit(file)

    return Case(spoil, (NAME, *parts))


def variable(name: str, values: object, **settings: object) -> Callable[[h5py.File], object]:
    """Replaces a variable by another array."""

    def edit(file: h5py.File) -> None:
        del file[name]
        file.create_dataset(name, data=values, **settings)

    return edit


def number(name: str, row: int, value: float) -> Callable[[h5py.File], object]:
    def edit(file: h5py.File) -> None:
        file[name][row, 0] = value

    return edit


def cell(*arguments: object, **settings: object) -> Callable[[h5py.File], object]:
    """Replaces the image by another array."""

    def edit(file: h5py.File) -> None:
        file["IsT"][0, 0] = file.create_dataset("#refs#/other", *arguments, **settings).ref

    return edit


def refer(find: Callable[[h5py.File], h5py.Reference]) -> Callable[[h5py.File], object]:
    def edit(file: h5py.File) -> None:
        file["IsT"][0, 0] = find(file)

    return edit


def link(name: str, target: object) -> Callable[[h5py.File], object]:
    def edit(file: h5py.File) -> None:
        del file[name]
        file[name] = target

    return edit


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3, 100, 100), np.uint8)
    layout[:] = h5py.VirtualSource("/etc/secret.h5", "pixels", (3, 100, 100))
    file.create_virtual_dataset("#refs#/virtual", layout)
    file["IsT"][0, 0] = file["#refs#/virtual"].ref


def times(file: h5py.File) -> None:
    kind = h5py.h5t.UNIX_D32LE  # a type that NumPy does not have
    h5py.h5d.create(file["#refs#"].id, b"times", kind, h5py.h5s.create_simple((20, 30)))
    file["IsT"][0, 0] = file["#refs#/times"].ref


def cut(share: float) -> Case:
    def spoil(root: pathlib.Path) -> None:
        data = (root / FILE).read_bytes()
        (root / FILE).write_bytes(data[: int(share * len(data))])

    return Case(spoil, (NAME, NO_HDF5))


def overwrite(mark: bytes) -> Case:
    """Overwrites the structure of the file from a signature of its format on."""

    def spoil(root: pathlib.Path) -> None:
        data = bytearray((root / FILE).read_bytes())
        start = data.index(mark, 512)
        data[start : start + 24] = b"\xff" * 24
        (root / FILE).write_bytes(data)

    return Case(spoil, (NAME,))


NO_HDF5 = "not a readable MATLAB 7.3 (HDF5) file"
UNREADABLE = "0001: the image is unreadable ("
PIXELS = "expected (3, width, height) or (width, height) uint8"
ELSEWHERE = "its numbers are in another file"
GIGAPIXELS = {"shape": (3, 30_000, 30_000), "dtype": np.uint8, "chunks": (3, 64, 64), "compression": "gzip"}
ONE_CHUNK = {
    "shape": (3, 9, 9),
    "dtype": np.uint8,
    "chunks": (3, 20_000, 20_000),
    "maxshape": (3, None, None),
}

CASES = put_all(
    FILE,
    {
        "nothing": (b"", NO_HDF5),
        "text": ("<html>404</html>", NO_HDF5),
        "an image": (encode(picture(), "JPEG"), NO_HDF5),
        "version 5": (b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + bytes(600), NO_HDF5),
        "only a header": (b"MATLAB 7.3 MAT-file".ljust(512), NO_HDF5),
        "only a signature": (bytes(512) + b"\x89HDF\r\n\x1a\n", NO_HDF5),
    },
) | {
    **{f"cut to {share:.0%}": cut(share) for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.99)},
    "a broken superblock": overwrite(b"\x89HDF\r\n\x1a\n"),
    "a broken heap": overwrite(b"HEAP"),
    "a broken tree": overwrite(b"TREE"),
    "a broken node": overwrite(b"SNOD"),
    "no images": change(lambda file: file.pop("IsT"), "no variable IsT; found bboxesT, phisT"),
    "no landmarks": change(lambda file: file.pop("phisT"), "no variable phisT; found IsT, bboxesT"),
    "no boxes": change(lambda file: file.pop("bboxesT"), "no variable bboxesT; found IsT, phisT"),
    "images that are numbers": change(variable("IsT", np.ones((1, 1))), "IsT is (1, 1) float64, expected one row"),
    "images in a group": change(lambda file: (file.pop("IsT"), file.create_group("IsT")), "no variable IsT"),
    "86 numbers": change(variable("phisT", np.ones((86, 1))), "phisT: an array of 86 x 1 float64, expected 87 x 1"),
    "two faces of one": change(variable("phisT", np.ones((87, 2))), "phisT: an array of 87 x 2 float64, expected"),
    "landmarks as text": change(variable("phisT", np.full((87, 1), b"x")), "phisT: an array of 87 x 1 |S1, expected"),
    "landmarks of nothing": change(variable("phisT", h5py.Empty(np.float64)), "no variable phisT"),
    "a box of three": change(variable("bboxesT", np.ones((3, 1))), "bboxesT: an array of 3 x 1 float64, expected 4"),
    "a link to another file": change(link("phisT", h5py.ExternalLink("/etc/secret.h5", "x")), "no variable phisT"),
    "a link to itself": change(link("phisT", h5py.SoftLink("/phisT")), "no variable phisT"),
    "landmarks in another file": change(
        variable("phisT", None, shape=(87, 1), dtype=np.float64, external=[("/etc/passwd", 0, 696)]), ELSEWHERE
    ),
    "an image in another file": change(cell((3, 10, 10), np.uint8, external=[("/etc/passwd", 0, 300)]), ELSEWHERE),
    "a virtual image": change(virtual, UNREADABLE, ELSEWHERE),
    "an image of gigabytes": change(cell(**GIGAPIXELS), UNREADABLE, "it claims to be 3 x 30000 x 30000"),
    "a chunk of gigabytes": change(cell(**ONE_CHUNK), UNREADABLE, "expected at most 536870910 elements"),
    "an image of no size": change(cell(data=np.zeros((0, 9), np.uint8)), "the image is (0, 9) uint8", PIXELS),
    "an image of four channels": change(cell(data=np.zeros((4, 9, 9), np.uint8)), "(4, 9, 9) uint8", PIXELS),
    "an image of decimals": change(cell(data=np.zeros((3, 9, 9))), "the image is (3, 9, 9) float64", PIXELS),
    "an image of one line": change(cell(data=np.zeros(9, np.uint8)), "the image is (9,) uint8", PIXELS),
    "an image of times": change(times, UNREADABLE),
    "an image of nothing": change(cell(data=h5py.Empty(np.uint8)), "the image is None uint8", PIXELS),
    "a reference to nothing": change(refer(lambda file: h5py.Reference()), UNREADABLE),
    "a reference to a group": change(refer(lambda file: file["#refs#"].ref), "the image is not an array", PIXELS),
    "an image too small": change(cell(data=np.zeros((3, 2, 2), np.uint8)), "0001: landmarks within ["),
    "a landmark of NaN": change(number("phisT", 3, np.nan), "0001: 1 of 29 landmarks are not finite numbers"),
    "a landmark far away": change(number("phisT", 3, 1e9), "0001: landmarks within ["),
    "a flag of one half": change(number("phisT", 60, 0.5), "0001: occlusion flags: found [0.5], expected 0 or 1"),
    "a flag of NaN": change(number("phisT", 60, np.nan), "0001: occlusion flags: found [nan], expected 0 or 1"),
    "a box without width": change(number("bboxesT", 2, 0.0), "0001: the face box is [4.0, 4.0, 4.0, 94.0]"),
    "a box of infinity": change(number("bboxesT", 2, np.inf), "0001: the face box is ["),
}  # fmt: skip


def put_folder(root: pathlib.Path) -> None:
    (root / FILE).unlink()
    write(root / FILE / "a.txt", "")


CASES["a folder in its place"] = Case(put_folder, ("neither file of COFW is here",))
KINDS = {"MATLAB 7.3 (COFW)": Kind(prepare, functools.partial(build_message, "cofw"), CASES)}
