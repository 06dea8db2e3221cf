"""Text files of landmarks and boxes: .pts in the form of 300W, .txt and .rect of JD-landmark."""

import functools
import os
import pathlib

from bad_inputs.corpus import Case, Kind, build_message, encode, picture, put_all, put_faces, write
from bad_inputs.folders import LINES, prepare_pts

PTS = "raw/a.pts"
HEAD = "version: 1\nn_points: 5\n{\n"
BROKEN = "the header is broken, expected `version: 1`, `n_points: N`, `{`, the landmarks, `}`"
TWO = "expected 2 finite numbers `x y`"
ROWS = LINES.splitlines()


def pts(*rows: str, head: str = HEAD, tail: str = "}\n") -> str:
    return head + "".join(f"{row}\n" for row in rows) + tail


def row(third: str) -> str:
    """A file of five landmarks whose third one, in line 6, is given."""
    return pts(*ROWS[:2], third, *ROWS[3:])


PTS_CASES = put_all(
    PTS,
    {
        "nothing": ("", "the file is empty"),
        "blanks": (" \n\t\n", "the file is empty"),
        "only a mark of UTF-8": (b"\xef\xbb\xbf", "the file is empty"),
        "an error page": ("<html>404</html>", "line 1: found '<html>404</html>'", TWO),
        "an image": (encode(picture(), "JPEG"), "a.pts"),
        "zeros": (bytes(100), "line 1: found", TWO),
        "UTF-16": (pts(*ROWS).encode("utf-16"), "a.pts"),
        "no end": (pts(*ROWS, tail=""), BROKEN),
        "no beginning": (pts(*ROWS, head="version: 1\nn_points: 5\n"), BROKEN),
        "no version": (pts(*ROWS, head="n_points: 5\n{\n"), BROKEN),
        "no count": (pts(*ROWS, head="version: 1\n{\n"), BROKEN),
        "a count as text": (pts(*ROWS, head="version: 1\nn_points: five\n{\n"), BROKEN),
        "a negative count": (pts(*ROWS, head="version: 1\nn_points: -5\n{\n"), BROKEN),
        "something behind the end": (pts(*ROWS, tail="}\n1 2\n"), BROKEN),
        "two lists": (pts(*ROWS) * 2, "a.pts"),
        "another count": (pts(*ROWS, head="version: 1\nn_points: 68\n{\n"), "n_points is 68, but 5 landmarks follow"),
        "a count of 5000 digits": (pts(*ROWS, head=f"version: 1\nn_points: {'9' * 5000}\n{{\n"), "a.pts"),
        "no landmarks": (pts(), "n_points is 5, but 0 landmarks follow"),
        "four landmarks": ("".join(f"{row}\n" for row in ROWS[:4]), "4 points, five has 5"),
        "three numbers": (row("1 2 3"), "line 6: found '1 2 3'", TWO),
        "one number": (row("1"), "line 6: found '1'", TWO),
        "a comma behind each": (row("1,2,"), "line 6: found '1,2,'", TWO),
        "a decimal comma": (row("1,5 2"), "line 6: found '1,5 2'", TWO),
        "a word": (row("x y"), "line 6: found 'x y'", TWO),
        "not a number": (row("nan 2"), "line 6: found 'nan 2'", TWO),
        "infinity": (row("1 -inf"), "line 6: found '1 -inf'", TWO),
        "beyond any float": (row("1e400 2"), "line 6: found '1e400 2'", TWO),
        "Python's digits": (row("1_0 2"), "line 6: found '1_0 2'", TWO),
        "Arabic digits": (row("\u0661 2"), "line 6: found", TWO),
        "hexadecimal": (row("0x10 2"), "line 6: found '0x10 2'", TWO),
        "two signs": (row("--1 2"), "line 6: found '--1 2'", TWO),
        "a long line": (row("3 " * 100_000), f"line 6: found '{'3 ' * 20}...'", TWO),
        "bytes that are no text": (row("40 40").encode().replace(b"40 40", b"\xff\xfe"), "line 6: found", TWO),
    },
)  # fmt: skip

PTS_CASES |= put_faces(
    PTS,
    {
        "a landmark far away": (
            row("900000 2"),
            "a.jpg: landmarks within [",
            "far outside the image of 100 x 100",
        ),
        "all to the left": (pts("-90 20", "-60 20", "-70 40", "-90 60", "-60 60"), "outside the image"),
        "the largest float": (row("1.7e308 -1.7e308"), "a.jpg: landmarks within ["),
    },
)


def put_pipe(root: pathlib.Path) -> None:
    (root / PTS).unlink()
    os.mkfifo(root / PTS)


PTS_CASES["a pipe"] = Case(put_pipe, ("a.pts", "found a folder, a pipe or a device, expected a file"))


JD = "raw/Test_data1"
JD_ROWS = [f"{10 + i % 11 * 8}.5 {10 + i // 11 * 8}.25" for i in range(106)]
TXT, RECT = f"{JD}/landmark/1.jpg.txt", f"{JD}/rect/1.jpg.rect"
FOUR = "expected 4 finite numbers `x1 y1 x2 y2`"


def jd(*rows: str) -> str:
    return "".join(f"{row}\n" for row in rows)


def jd_row(third: str) -> str:
    """A file of 106 landmarks whose third one, in line 4, is given."""
    return jd("106", *JD_ROWS[:2], third, *JD_ROWS[3:])


def prepare_jd(root: pathlib.Path) -> None:
    write(root / JD / "picture" / "1.jpg", encode(picture(), "JPEG"))
    write(root / TXT, jd("106", *JD_ROWS))
    write(root / RECT, "5 5 95 95")


JD_CASES = put_all(
    TXT,
    {
        "nothing": ("", "line 1: the file is empty, expected the line `106`"),
        "no count": (jd(*JD_ROWS), "line 1: found '10.5 10.25', expected the line `106`"),
        "another count": (jd("68", *JD_ROWS), "line 1: found '68', expected the line `106`"),
        "an image": (encode(picture(), "PNG"), "line 1: found"),
        "105 landmarks": (jd("106", *JD_ROWS[1:]), "the file ends after 105 landmarks, expected 106"),
        "107 landmarks": (jd("106", *JD_ROWS, "1 2"), "after 107 landmarks, expected 106"),
        "cut in a line": (jd("106", *JD_ROWS)[:-6], "line 107: found", TWO),
        "three numbers": (jd_row("1 2 3"), "line 4: found '1 2 3'", TWO),
        "a word": (jd_row("x 2"), "line 4: found 'x 2'", TWO),
        "not a number": (jd_row("nan 2"), "line 4: found 'nan 2'", TWO),
        "infinity": (jd_row("inf 2"), "line 4: found 'inf 2'", TWO),
    },
)
RECT_CASES = put_all(
    RECT,
    {
        "nothing": ("", "found 0 lines, expected one, `x1 y1 x2 y2`"),
        "two lines": ("5 5 95 95\n5 5 95 95\n", "found 2 lines, expected one"),
        "three numbers": ("5 5 95", "line 1: found '5 5 95'", FOUR),
        "five numbers": ("5 5 95 95 1", "line 1: found '5 5 95 95 1'", FOUR),
        "commas": ("5,5,95,95", "line 1: found '5,5,95,95'", FOUR),
        "a word": ("5 5 95 wide", "line 1: found", FOUR),
        "not a number": ("5 5 nan 95", "line 1: found", FOUR),
        "infinity": ("5 5 inf 95", "line 1: found", FOUR),
        "no area": ("5 5 5 95", "line 1: found the box [5.0, 5.0, 5.0, 95.0], expected one with an area"),
        "upside down": ("95 95 5 5", "line 1: found the box [95.0, 95.0, 5.0, 5.0], expected one with an area"),
        "bytes that are no text": (b"\xff\xfe5 5", "line 1: found", FOUR),
    },
)  # fmt: skip
JD_CASES |= put_faces(
    TXT, {"a landmark far away": (jd_row("1e9 2"), "1.jpg: landmarks within [", "far outside")}
)
RECT_CASES |= put_faces(
    RECT,
    {
        "away from its face": (
            "-80 -80 -50 -50",
            "1.jpg: landmarks within [",
            "none of them in the face box",
        ),
        "far away": ("5000 5000 5090 5090", "1.jpg: the face box within [5000.0", "far outside"),
    },
)

enter_folder = functools.partial(build_message, "landmark_folder")
enter_jd = functools.partial(build_message, "jd_landmark")
KINDS = {
    ".pts": Kind(prepare_pts, enter_folder, PTS_CASES),
    "JD-landmark .txt": Kind(prepare_jd, enter_jd, JD_CASES),
    "JD-landmark .rect": Kind(prepare_jd, enter_jd, RECT_CASES),
}
