"""The lists of WFLW, and their lines."""

import functools
import pathlib

from bad_inputs.corpus import Case, Kind, build_message, encode, picture, put_all, put_faces, write

LIST = "raw/WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr_train.txt"
SHORT = "raw/WFLW_annotations/list_98pt_test/list_98pt_test.txt"
NUMBERS = [f"{10 + i % 12 * 6 if axis == 0 else 10 + i // 12 * 8}.5" for i in range(98) for axis in (0, 1)]
FIELDS = [*NUMBERS, *["5", "5", "95", "95"], *"000100", "0--Parade/a.jpg"]
NUMBER, FLAG, PATH = (
    "expected a number of at most 1000000 px",
    "expected 0 or 1",
    "expected a path below the folder",
)


def prepare(root: pathlib.Path) -> None:
    write(root / "raw/WFLW_images/0--Parade/a.jpg", encode(picture(), "JPEG"))
    write(root / LIST, line())


def line(position: int = 0, *new: str) -> str:
    """The line of a face with other fields from a position, counted from 0."""
    return " ".join([*FIELDS[:position], *new, *FIELDS[position + len(new) :]]) + "\n"


LINE_CASES = put_all(
    LIST,
    {
        "nothing but a word": ("hello\n", "line 1: found 1 fields, expected 207"),
        "an error page": ("<html>404</html>\n", "line 1: found 1 fields, expected 207"),
        "an image": (encode(picture(), "JPEG"), "line 1: found"),
        "zeros": (bytes(50), "line 1: found 1 fields, expected 207"),
        "UTF-16": (line().encode("utf-16"), "line 1: f"),
        "a field too few": (" ".join(FIELDS[1:]), "line 1: found 206 fields, expected 207"),
        "a field too many": ("1 " + line(), "line 1: found 208 fields, expected 207"),
        "commas": (line().replace(" ", ","), "line 1: found 1 fields, expected 207"),
        "a blank in the image's name": (line(206, "0--Parade/a b.jpg"), "line 1: found 208 fields, expected 207"),
        "two lines, one of them cut": (line() + line()[:200], "line 2: found"),
        "a word": (line(2, "x"), "line 1: field 3 is 'x'", NUMBER),
        "not a number": (line(2, "nan"), "line 1: field 3 is 'nan'", NUMBER),
        "infinity": (line(2, "inf"), "line 1: field 3 is 'inf'", NUMBER),
        "beyond any float": (line(2, "1e400"), "line 1: field 3 is '1e400'", NUMBER),
        "a million pixels": (line(2, "-1000001"), "line 1: field 3 is '-1000001'", NUMBER),
        "Python's digits": (line(2, "1_0"), "line 1: field 3 is '1_0'", NUMBER),
        "Arabic digits": (line(2, "\u0661"), "line 1: field 3 is '\u0661'", NUMBER),
        "a decimal comma": (line(2, "1,5"), "line 1: field 3 is '1,5'", NUMBER),
        "hexadecimal": (line(2, "0x10"), "line 1: field 3 is '0x10'", NUMBER),
        "a field of 10 kB": (line(2, "9" * 10_000), f"line 1: field 3 is '{'9' * 40}'", NUMBER),
        "a box as text": (line(198, "wide"), "line 1: field 199 is 'wide'", NUMBER),
        "a flag of 2": (line(201, "2"), "line 1: expression is '2'", FLAG),
        "a flag of 1.0": (line(200, "1.0"), "line 1: pose is '1.0'", FLAG),
        "a flag as text": (line(205, "yes"), "line 1: blur is 'yes'", FLAG),
        "an image above the folder": (line(206, "../a.jpg"), "line 1: the image is '../a.jpg'", PATH),
        "an image further above": (line(206, "a/../../../b.jpg"), "line 1: the image is 'a/../../../b.jpg'", PATH),
        "an image from the root": (line(206, "/etc/passwd"), "line 1: the image is '/etc/passwd'", PATH),
        "an image above in Windows": (line(206, "..\\a.jpg"), "line 1: the image is '..\\\\a.jpg'", PATH),
        "an image on another drive": (line(206, "C:a.jpg"), "line 1: the image is 'C:a.jpg'", PATH),
        "an image with a control character": (line(206, "\x1b[2J"), "line 1: the image is '\\x1b[2J'", PATH),
    },
) | put_faces(
    LIST,
    {
        "a box without area": (line(196, "5", "5", "5", "95"), "a.jpg: the face box is [5.0, 5.0, 5.0, 95.0]"),
        "a box in reverse order": (line(196, "95", "95", "5", "5"), "a.jpg: the face box is [95.0, 95.0, 5.0, 5.0]"),
        "a box far away": (line(196, "5000", "5000", "5090", "5090"), "a.jpg: the face box within [5000.0"),
        "a box away from the face": (line(196, "-60", "-60", "-20", "-20"), "none of them in the face box"),
        "a landmark far away": (line(2, "900000"), "a.jpg: landmarks within ["),
        "no image": (line(206, "0--Parade/b.jpg"), "no faces of WFLW here"),
        "an empty list": ("", "no faces of WFLW here"),
    },
)  # fmt: skip


def put_folder(root: pathlib.Path) -> None:
    (root / LIST).unlink()
    (root / LIST).mkdir()


def put_short(root: pathlib.Path) -> None:
    write(root / SHORT, " ".join([*FIELDS[:195], FIELDS[-1]]) + "\n")


LINE_CASES["a folder in its place"] = Case(put_folder, ("no faces of WFLW here",))
LINE_CASES["a short list that is damaged"] = Case(
    put_short, ("list_98pt_test.txt, line 1: found 196 fields, expected 197",)
)

KINDS = {"WFLW": Kind(prepare, functools.partial(build_message, "wflw"), LINE_CASES)}
