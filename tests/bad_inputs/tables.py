"""CSV with the points of a folder, and the options of a folder: landmarks.json and lists of images."""

import functools
import os
import pathlib

from bad_inputs.corpus import Case, Kind, build_message, put, put_all, put_faces, write
from bad_inputs.documents import NO_JSON
from bad_inputs.folders import OPTIONS, POINTS, prepare, prepare_pts

from tfds_builders.landmark_folder.example_points import FIVE

CSV = "raw/points.csv"
COLUMNS = ["image", *(f"{axis}{i}" for i in range(5) for axis in "xy")]
CELLS = ["a.jpg", *(str(number) for point in POINTS for number in point)]
TWO = "expected 2 finite numbers `x y`"
HEADER = "expected image,x0,y0,x1,y1,..."


def csv(cells: list[str] = CELLS, columns: list[str] = COLUMNS) -> str:
    return ",".join(columns) + "\n" + ",".join(cells) + "\n"


def cell(index: int, text: str) -> str:
    return csv([*CELLS[:index], text, *CELLS[index + 1 :]])


def boxed(*corners: str) -> str:
    return csv([*CELLS, *corners], [*COLUMNS, "x_min", "y_min", "x_max", "y_max"])


def prepare_csv(root: pathlib.Path) -> None:
    prepare(root)
    write(root / CSV, csv())


CSV_CASES = put_all(
    CSV,
    {
        "nothing": ("", "found the columns", HEADER),
        "a blank line": ("\n\n", HEADER),
        "no header": (",".join(CELLS) + "\n", HEADER),
        "only a header": (csv().splitlines()[0], "no image has points in points.csv"),
        "no column of images": (csv(columns=["file", *COLUMNS[1:]]), HEADER),
        "no coordinates": ("image\na.jpg\n", HEADER),
        "a coordinate is missing": (csv([*CELLS[:-1]], COLUMNS[:-1]), HEADER),
        "bars": (csv().replace(",", "|"), HEADER),
        "UTF-16": (csv().encode("utf-16"), "line 1: found the byte 0xff, expected text in UTF-8"),
        "Latin-1": (csv(["é.jpg", *CELLS[1:]]).encode("latin-1"), "line 2: found the byte 0xe9"),
        "zeros": (bytes(50), "points.csv"),
        "a cell of 200 kB in the header": (f"image,{'x' * 200_000}", "line 1: not CSV: field larger than field limit"),
        "a cell of 200 kB": (cell(0, "x" * 200_000), "line 2: not CSV: field larger than field limit"),
        "a quote that does not end": (cell(0, '"a.jpg'), "points.csv"),
        "a cell too few": (csv(CELLS[:-1]), "line 2: found 10 fields, expected 11"),
        "a cell too many": (csv([*CELLS, "1"]), "line 2: found 12 fields, expected 11"),
        "a word": (cell(5, "x"), "line 2, point 2: found 'x 40.5'", TWO),
        "not a number": (cell(5, "nan"), "line 2, point 2: found 'nan 40.5'", TWO),
        "infinity": (cell(6, "inf"), "line 2, point 2: found '40.0 inf'", TWO),
        "beyond any float": (cell(6, "1e999"), "line 2, point 2: found '40.0 1e999'", TWO),
        "half a position": (cell(6, ""), "line 2, point 2: found '40.0'", TWO),
        "two numbers in a cell": (cell(5, "1 2"), "line 2, point 2: found the cell '1 2', expected one number"),
        "Python's digits": (cell(5, "1_0"), "line 2, point 2: found '1_0 40.5'", TWO),
        "Arabic digits": (cell(5, "\u0661"), "line 2, point 2: found", TWO),
        "a decimal comma": (cell(5, '"1,5"'), "line 2, point 2: found '1,5 40.5'", TWO),
        "a formula": (cell(5, "=1+1"), "line 2, point 2: found '=1+1 40.5'", TWO),
        "an image above the folder": (cell(0, "../a.jpg"), "line 2: the image is '../a.jpg', expected a path below"),
        "an image from the root": (cell(0, "/etc/passwd"), "the image is '/etc/passwd', expected a path below"),
        "no image of the folder": (cell(0, "b.jpg"), "no image has points in points.csv"),
        "half a box": (boxed("10", "10", "", ""), "line 2: found '10 10", "expected 4 finite numbers"),
        "a box as text": (boxed("10", "10", "wide", "90"), "line 2: found", "expected 4 finite numbers"),
    },
) | put_faces(
    CSV,
    {
        "a box without area": (boxed("10", "10", "10", "90"), "a.jpg: the face box is [10.0, 10.0, 10.0, 90.0]"),
        "a landmark far away": (cell(5, "1e9"), "a.jpg: landmarks within ["),
        "all positions unknown": (csv(["a.jpg", *[""] * 10]), "a.jpg: no landmark has a known position"),
    },
)  # fmt: skip

OWN = "raw/landmarks.json"


def options(**fields: object) -> dict:
    return OPTIONS | fields


def scheme(**fields: object) -> dict:
    return options(scheme=FIVE | fields)


SHARE = "expected a list (.txt) or a share from 0 to 1"
OWN_CASES = {
    **put_all(OWN, NO_JSON),
    **put_all(
        OWN,
        {
            "a list": (
                [],
                "found [], expected an object with some of points, first_pixel, points_unit, missing, orientation, "
                "scheme, names, check_mirror, box_points, train, test",
            ),
            "a number as the whole": (3, "found 3, expected an object"),
            "an unknown field": (options(sceme=1), "found sceme, expected an object with some of"),
            "an unknown scheme": (options(scheme="w68"), "scheme: unknown scheme 'w68', expected one of wflw_98, "),
            "a scheme that is a number": (options(scheme=3), "scheme: found 3, expected the name of a scheme"),
            "a scheme that is empty": (options(scheme={}), "scheme: unknown nothing, missing"),
            "a built-in scheme name": (scheme(name="wflw_98"), "name is 'wflw_98', the name of a built-in scheme"),
            "a scheme without name": (scheme(name=""), "name is '', expected some text"),
            "a scheme of one point": (scheme(num_points=1), "num_points is 1, expected a whole number from 2"),
            "a scheme of 5.0 points": (scheme(num_points=5.0), "num_points is 5.0, expected a whole number"),
            "a scheme with an unknown field": (scheme(nose=3), "unknown nose, missing nothing"),
            "a mirror pair of three": (scheme(mirror_pairs=[[0, 1, 2]]), "mirror_pairs has [0, 1, 2], expected two"),
            "a mirror pair of no point": (scheme(mirror_pairs=[[0, 5]]), "found the point 5, expected 0 to 4"),
            "a point mirrored twice": (scheme(mirror_pairs=[[0, 1], [1, 2]]), "names point 1 more than once"),
            "mirror pairs as text": (scheme(mirror_pairs="all"), "found 'all', expected a list of lists of points"),
            "one normaliser point": (scheme(normaliser_points=[0, 0]), "expected two different points"),
            "a normaliser that is a number": (scheme(normaliser_points=3), "found 3, expected a list of points"),
            "a line of decimals": (scheme(lines=[[0.5, 1]]), "found the point 0.5, expected 0 to 4"),
            "a line of nothing": (scheme(lines=[[]]), "found [], expected a list of points"),
            "a boundary that no mirror meets": (scheme(boundaries=[[0, 2]]), "one of them has no mirror image"),
            "a share of two": (options(test=2), "test is 2", SHARE),
            "a negative share": (options(test=-0.1), "test is -0.1", SHARE),
            "a share that is true": (options(test=True), "test is True", SHARE),
            "a share of NaN": (options(test=float("nan")), "test is nan", SHARE),
            "a share in a list": (options(test=[0.1]), "test is [0.1]", SHARE),
            "a list above the folder": (options(test="../a.txt"), "test is '../a.txt', expected a .txt file below"),
            "a list from the root": (options(train="/etc/a.txt"), "train is '/etc/a.txt', expected a .txt file below"),
            "a list that is a number": ({"scheme": FIVE, "train": 3}, "train is 3, expected a .txt file"),
            "points above the folder": (options(points="../a.csv"), "points is '../a.csv', expected *.pts"),
            "points in MATLAB": (options(points="a.mat"), "points is 'a.mat', expected *.pts or *.json or "),
            "points in files of MATLAB": (options(points=["a.csv", "a.mat"]), "points is 'a.mat', expected a .csv"),
            "a check that is no choice": (options(check_mirror=1), "check_mirror is 1, expected true or false"),
            "a first pixel of 2": (options(first_pixel=2), "first_pixel is 2, expected 0 or 1"),
            "a first pixel that is true": (options(first_pixel=True), "first_pixel is True, expected 0 or 1"),
            "a first pixel as text": (options(first_pixel="1"), "first_pixel is '1', expected 0 or 1"),
        },
    ),
    "points that are not there": Case(
        put(OWN, options(points="b.csv")).spoil, ("b.csv: no such file of points",)
    ),
    "a list that is not there": Case(
        put(OWN, {"scheme": FIVE, "test": "b.txt"}).spoil, ("b.txt: no such list of images",)
    ),
}  # fmt: skip


def pipe(root: pathlib.Path) -> None:
    (root / OWN).unlink()
    os.mkfifo(root / OWN)


OWN_CASES["a pipe"] = Case(pipe, ("landmarks.json: found a folder, a pipe or a device, expected a file",))

LIST = "raw/test.txt"
LIST_CASES = put_all(
    LIST,
    {
        "nothing": ("", "the list is empty, expected the path of an image on each line"),
        "blanks": ("\n \n", "the list is empty"),
        "UTF-16": ("a.jpg\n".encode("utf-16"), "line 1: found the byte 0xff, expected text in UTF-8"),
        "no image of the folder": ("b.jpg\n", "none of its images is in the folder, the first is 'b.jpg'"),
        "an image above the folder": (
            "a.jpg\n../b.jpg\n",
            "found '../b.jpg', expected the path of an image below",
        ),
        "an image from the root": (
            "/etc/passwd\n",
            "found '/etc/passwd', expected the path of an image below",
        ),
        "a control character": ("a.jpg\n\x1b[2J\n", "found '\\x1b[2J', expected the path of an image below"),
        "JSON": ('["a.jpg"]', "none of its images is in the folder"),
    },
)


def prepare_list(root: pathlib.Path) -> None:
    prepare_pts(root)
    write(root / OWN, {"scheme": FIVE, "test": "test.txt"})
    write(root / LIST, "a.jpg\n")


enter = functools.partial(build_message, "landmark_folder")
KINDS = {
    ".csv": Kind(prepare_csv, enter, CSV_CASES),
    "landmarks.json": Kind(prepare_pts, enter, OWN_CASES),
    "lists of images": Kind(prepare_list, enter, LIST_CASES),
}
