"""MATLAB files of version 5 to 7: the annotation of AFLW-19, and those of COFW-68."""

import functools
import io
import os
import pathlib
import struct
import zlib
from collections.abc import Mapping

import numpy as np
import scipy.io
from bad_inputs import hdf5
from bad_inputs.corpus import Case, Kind, build_message, encode, picture, put_all, put_faces, write

INFO = "raw/AFLWinfo_release.mat"
POINTS = np.array([[10 + i % 5 * 15, 10 + i // 5 * 15] for i in range(19)], np.float64)


def cells(*values: object) -> np.ndarray:
    """A column of MATLAB's cells."""
    column = np.empty((len(values), 1), object)
    column[:, 0] = values
    return column


def mat(variables: Mapping[str, object], compress: bool = True) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, {k: v for k, v in variables.items() if v is not None}, do_compression=compress)
    return stream.getvalue()


def info(**variables: object) -> bytes:
    """The annotation of one face with some variables replaced; None removes a variable."""
    good = {
        "nameList": cells("0/a.jpg"),
        "data": POINTS.T.reshape(1, 38),
        "bbox": np.array([[5.0, 95.0, 5.0, 95.0]]),  # x_min, x_max, y_min, y_max
        "mask_new": np.ones((1, 19)),
        "ra": np.array([[1.0]]),
    }
    return mat(good | variables)


def numbers(name: str, position: int, value: float) -> bytes:
    good = scipy.io.loadmat(io.BytesIO(INFO_MAT))[name]
    good[0, position] = value
    return info(**{name: good})


INFO_MAT = info()
PLAIN_MAT = mat({"data": np.ones((1, 38)), "ra": np.ones((1, 1))}, compress=False)


def prepare_aflw(root: pathlib.Path) -> None:
    write(root / "raw/flickr/0/a.jpg", encode(picture(), "JPEG"))
    write(root / INFO, INFO_MAT)


def header(version: bytes = b"\x00\x01IM") -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(124) + version


def element(kind: int, data: bytes, length: int | None = None) -> bytes:
    return struct.pack("<2I", kind, len(data) if length is None else length) + data


def bomb() -> bytes:
    """Many small compressed elements that together unpack to half a gigabyte."""
    squeezed = zlib.compress(bytes(2**24), 9)
    return header() + element(15, squeezed) * 32


def claim(length: int) -> bytes:
    """An array whose header claims a number of rows."""
    start = PLAIN_MAT.index(struct.pack("<2i", 1, 38))
    return PLAIN_MAT[:start] + struct.pack("<i", length) + PLAIN_MAT[start + 4 :]


NO_MAT = "not a readable MATLAB file"
BELOW = "expected a path below flickr/"
AFLW_CASES = put_all(
    INFO,
    {
        "nothing": (b"", "AFLWinfo_release.mat: "),
        "text": ("hello", "AFLWinfo_release.mat: "),
        "an error page": ("<html>404</html>" * 20, NO_MAT),
        "zeros": (bytes(1000), "AFLWinfo_release.mat: "),
        "an image": (encode(picture(), "JPEG"), "AFLWinfo_release.mat: "),
        "only a header": (header(), "no readable variable nameList"),
        "a header of version 9": (header(b"\x00\x09IM") + bytes(100), NO_MAT),
        "version 7.3": (header(b"\x00\x02IM") + bytes(600), "of version 7.3, expected version 7 or older"),
        **{f"cut to {share:.0%}": (INFO_MAT[: int(share * len(INFO_MAT))], "AFLWinfo_release.mat: ")
           for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.99)},
        "damaged in its compressed part": (INFO_MAT[:200] + b"\xff" * 20 + INFO_MAT[220:], "AFLWinfo_release.mat: "),
        "an element of an unknown type": (header() + element(99, bytes(64)), "AFLWinfo_release.mat: "),
        "an element of 4 GiB": (header() + element(14, bytes(64), 2**32 - 1), "AFLWinfo_release.mat: "),
        "compressed nonsense": (header() + element(15, b"\xff" * 64), "AFLWinfo_release.mat: "),
        "a decompression bomb": (bomb(), "the file unpacks to more than 268435456 bytes"),
        "two billion rows": (claim(2**31 - 1), "data claims to be 2147483647 x 38"),
        "a negative number of rows": (claim(-1), "AFLWinfo_release.mat: "),
        **{f"no {name}": (info(**{name: None}), f"no readable variable {name}, expected nameList, data, bbox")
           for name in ("nameList", "data", "bbox", "mask_new", "ra")},
        "37 columns": (info(data=np.ones((1, 37))), "data: an array of 1 x 37 float64, expected 1 x 38 numbers"),
        "landmarks as text": (info(data=cells("x")), "data: an array of 1 x 1 object, expected 1 x 38 numbers"),
        "complex landmarks": (info(data=np.ones((1, 38)) * 1j), "complex128, expected 1 x 38 numbers"),
        "landmarks in a structure": (info(data={"x": 1.0}), "expected 1 x 38 numbers"),
        "two boxes": (info(bbox=np.ones((2, 4))), "bbox: an array of 2 x 4 float64, expected 1 x 4 numbers"),
        "a mask of 18": (info(mask_new=np.ones((1, 18))), "mask_new: an array of 1 x 18 float64, expected 1 x 19"),
        "an order from 0": (info(ra=np.array([[0.0]])), "found 1 float64 in ra, expected a permutation of 1 to 1"),
        "an order of two": (info(ra=np.array([[1.0, 2.0]])), "found 2 float64 in ra, expected a permutation of 1 to 1"),
        "an order of NaN": (info(ra=np.array([[np.nan]])), "found 1 float64 in ra, expected a permutation of 1 to 1"),
        "an order as text": (info(ra=cells("first")), "expected a permutation of 1 to 1"),
        "a mask of NaN": (numbers("mask_new", 3, np.nan), "row 1, mask_new: found [nan], expected 0 or 1"),
        "a mask of 2": (numbers("mask_new", 3, 2.0), "row 1, mask_new: found [2.0], expected 0 or 1"),
        "an image above the folder": (info(nameList=cells("../a.jpg")), "row 1: found the image '../a.jpg'", BELOW),
        "an image from the root": (info(nameList=cells("/etc/passwd")), "found the image '/etc/passwd'", BELOW),
        "an image on another drive": (info(nameList=cells("C:\\a.jpg")), "found the image 'C:\\\\a.jpg'", BELOW),
        "an image that is a number": (info(nameList=cells(3.0)), "row 1: found the image ''", BELOW),
        "an image without name": (info(nameList=cells("")), "row 1: found the image ''", BELOW),
    },
) | put_faces(
    INFO,
    {
        "a landmark of NaN": (numbers("data", 3, np.nan), "a.jpg: 1 of 19 landmarks are not finite numbers"),
        "a landmark of infinity": (numbers("data", 3, -np.inf), "a.jpg: 1 of 19 landmarks are not finite numbers"),
        "a landmark far away": (numbers("data", 3, 1e9), "a.jpg: landmarks within ["),
        "a box of NaN": (numbers("bbox", 1, np.nan), "a.jpg: the face box is ["),
        "a box without area": (numbers("bbox", 1, 5.0), "a.jpg: the face box is [5.0, 5.0, 5.0, 95.0]"),
        "no faces at all": (info(nameList=np.empty((0, 1), object), data=np.ones((0, 38)), bbox=np.ones((0, 4)),
                                 mask_new=np.ones((0, 19)), ra=np.ones((1, 0))), "AFLWinfo_release.mat"),
        "no landmark is visible": (info(mask_new=np.zeros((1, 19))), "no face of AFLWinfo_release.mat has its image"),
    },
)  # fmt: skip

FOLDER = "raw/COFW68_Data"
BOXES, FACE = f"{FOLDER}/cofw68_test_bboxes.mat", f"{FOLDER}/test_annotations/1_points.mat"
POINTS_68 = np.array([[11 + i % 9 * 8, 11 + i // 9 * 8] for i in range(68)], np.float64)


def prepare_cofw68(root: pathlib.Path) -> None:
    hdf5.prepare(root)
    write(root / BOXES, mat({"bboxes": np.array([[5.0, 5.0, 90.0, 90.0]])}))
    write(root / FACE, mat({"Points": POINTS_68, "Occ": np.zeros((1, 68))}))


def face(points: object = POINTS_68, flags: object = np.zeros((1, 68))) -> bytes:
    return mat({"Points": points, "Occ": flags})


COFW68_CASES = {
    **put_all(
        BOXES,
        {
            "boxes: text": ("<html>404</html>" * 20, NO_MAT),
            "boxes: another variable": (mat({"boxes": np.ones((1, 4))}), "no readable variable bboxes"),
            "boxes: two of one": (mat({"bboxes": np.ones((2, 4))}), "an array of 2 x 4 float64, expected 1 x 4"),
            "boxes: as text": (mat({"bboxes": cells("x")}), "an array of 1 x 1 object, expected 1 x 4"),
        },
    ),
    **put_all(
        FACE,
        {
            "points: text": ("<html>404</html>" * 20, NO_MAT),
            "points: cut short": (face()[:200], "1_points.mat: "),
            "points: 67": (face(POINTS_68[1:]), "Points: an array of 67 x 2 float64, expected 68 x 2 numbers"),
            "points: no flags": (mat({"Points": POINTS_68}), "no readable variable Occ, expected Points, Occ"),
            "points: flags in a column": (face(flags=np.zeros((68, 1))), "Occ: an array of 68 x 1 float64"),
        },
    ),
    **put_faces(
        FACE,
        {
            "points: NaN": (face(POINTS_68 * np.nan), "color.mat/0001: 68 of 68 landmarks are not finite numbers"),
            "points: a flag of 2": (face(flags=np.full((1, 68), 2.0)), "0001: occlusion flags: found [2.0]"),
            "points: far away": (face(POINTS_68 * 1e6), "color.mat/0001: landmarks within ["),
        },
    ),
}  # fmt: skip


def put_link(root: pathlib.Path) -> None:
    (root / INFO).unlink()
    (root / INFO).symlink_to("elsewhere.mat")


def put_pipe(root: pathlib.Path) -> None:
    (root / INFO).unlink()
    os.mkfifo(root / INFO)


AFLW_CASES["a pipe"] = Case(
    put_pipe, ("AFLWinfo_release.mat: found a folder, a pipe or a device, expected a file",)
)
AFLW_CASES["a link to nowhere"] = Case(put_link, ("no AFLWinfo_release.mat here",))

KINDS = {
    "MATLAB 5 to 7 (AFLW-19)": Kind(prepare_aflw, functools.partial(build_message, "aflw19"), AFLW_CASES),
    "MATLAB 5 to 7 (COFW-68)": Kind(
        prepare_cofw68, functools.partial(build_message, "cofw/cofw68"), COFW68_CASES
    ),
}
