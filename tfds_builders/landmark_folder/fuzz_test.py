"""Valid documents damaged at random: they must be read exactly, or refused."""

import contextlib
import csv
import json
import pathlib
import re

import hypothesis
import numpy as np
from hypothesis import strategies as st

from dsat_jax.errors import UserError
from dsat_jax.records import OCCLUDED, UNKNOWN, VISIBLE, DamagedRecord
from tfds_builders import BuildError
from tfds_builders.landmark_folder import division, folder, forms, json_form, labelme_form
from tfds_builders.landmark_folder.annotation import Face
from tfds_builders.landmark_folder.options import Options, read_options

JUNK = [None, True, False, "", "1", [], [1], {}, float("nan"), float("inf"), 10**400, -1, 3, 0.5, 1, 2.0]
number = st.floats(-1e6, 1e6) | st.integers(-1000, 1000)
visibility = st.sampled_from([0, 1, 2])


@st.composite
def broken(draw: st.DrawFn, values: list, junk: list = JUNK) -> list:
    """A list in which some elements may be replaced, removed or inserted."""
    values = list(values)
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        index = draw(st.integers(0, max(0, len(values) - 1)))
        how = draw(st.sampled_from(["exchange", "take", "put"]))
        values[index : index + (how != "put")] = [] if how == "take" else [draw(st.sampled_from(junk))]
    return values


def is_number(value: object) -> bool:
    return type(value) in (int, float) and -1e308 < value < 1e308


def are_numbers(values: object, count: int) -> bool:
    return isinstance(values, list) and len(values) == count and all(map(is_number, values))


def read(path: pathlib.Path) -> list[Face | str]:
    """The faces of a file; for a damaged face, the reason."""
    faces = []
    for annotation in forms.in_one_file(path.parent, path.name):
        try:
            faces.append(annotation.read())
        except DamagedRecord as damage:
            faces.append(str(damage))
    return faces


def check(faces: list[Face | str], expected: Face | None) -> None:
    """Checks that the only face is the expected one, or is damaged if `expected` is None."""
    (face,) = faces
    if expected is None:
        assert isinstance(face, str)
        assert face.startswith("fuzz.")
    else:
        np.testing.assert_array_equal(face.landmarks, expected.landmarks)
        np.testing.assert_array_equal(face.visibility, expected.visibility)
        np.testing.assert_array_equal(face.box, expected.box)


@st.composite
def coco_faces(draw: st.DrawFn) -> tuple[list, list | None]:
    points = draw(st.lists(st.tuples(number, number, visibility), min_size=1, max_size=4))
    keypoints = draw(broken([value for point in points for value in point]))
    return keypoints, draw(st.none() | st.lists(number, min_size=4, max_size=4).flatmap(broken))


@hypothesis.settings(deadline=None)
@hypothesis.given(face=coco_faces())
def test_coco_is_read_exactly_or_refused(face: tuple[list, list | None], tmp_path_factory):
    keypoints, bbox = face
    path = tmp_path_factory.getbasetemp() / "fuzz.json"
    annotation = {"id": 3, "image_id": 7, "keypoints": keypoints, "bbox": bbox}
    path.write_text(json.dumps({"images": [{"id": 7, "file_name": "a.jpg"}], "annotations": [annotation]}))
    if not keypoints:
        assert read(path) == []
        return
    bbox = None if bbox in ([], [0, 0, 0, 0]) else bbox
    fits = len(keypoints) % 3 == 0 and are_numbers(keypoints, len(keypoints))
    fits = fits and set(keypoints[2::3]) <= {0, 1, 2} and (bbox is None or are_numbers(bbox, 4))
    expected = None
    if fits:
        seen = [{0: UNKNOWN, 1: OCCLUDED, 2: VISIBLE}[v] for v in keypoints[2::3]]
        box = bbox and [bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3]]
        expected = Face([*zip(keypoints[::3], keypoints[1::3], strict=True)], seen, box)
    check(read(path), expected)


@st.composite
def json_faces(draw: st.DrawFn) -> dict[str, object]:
    points = draw(st.lists(st.lists(number, min_size=2, max_size=2).flatmap(broken), min_size=1, max_size=4))
    count = len(points)
    return {
        "landmarks": draw(broken(points, [*JUNK, [None, None], [1, None]])),
        "visibility": draw(st.none() | st.lists(visibility, min_size=count, max_size=count).flatmap(broken)),
        "box": draw(st.none() | st.lists(number, min_size=4, max_size=4).flatmap(broken)),
        "confidence": None,
    }


@hypothesis.settings(deadline=None)
@hypothesis.given(face=json_faces(), predicted=st.booleans())
def test_json_is_read_exactly_or_refused(face: dict, predicted: bool, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "fuzz.json"
    path.write_text(json.dumps({"a.jpg": {"faces": [face]} if predicted else face}))
    points, seen, box = (face[key] for key in ("landmarks", "visibility", "box"))
    known = [point not in (None, [None, None]) for point in points]
    fits = bool(points) and all(
        are_numbers(p, 2) for p, has_position in zip(points, known, strict=True) if has_position
    )
    fits = fits and (seen is None or (are_numbers(seen, len(points)) and set(seen) <= {0, 1, 2}))
    expected = None
    if fits and (box is None or are_numbers(box, 4)):
        landmarks = [p if has_position else (0, 0) for p, has_position in zip(points, known, strict=True)]
        seen = [has_position and v for has_position, v in zip(known, seen or [1] * len(points), strict=True)]
        expected = Face(landmarks, seen, box)
    check(read(path), expected)


CELLS = [
    "",
    " ",
    "0 0",
    "1 2",
    " 5 ",
    "nan",
    "inf",
    "1_0",
    "x",
    "\u0661",
    "1e400",
    "1e3",
    "0x10",
    "+1",
    ".5",
    "-",
]
DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII)


def numbers_in(cells: list[str]) -> list[float] | None:
    """The numbers of some cells; None if one of them is not a finite number."""
    fits = all(DECIMAL.fullmatch(cell.strip()) and abs(float(cell)) < 1e308 for cell in cells)
    return [float(cell) for cell in cells] if fits else None


@hypothesis.settings(deadline=None)
@hypothesis.given(
    cells=st.lists(number.map(repr), min_size=8, max_size=8).flatmap(lambda c: broken(c, CELLS))
)
@hypothesis.example(cells=["", "0 0", "0.0", "0.0", "", "", "", ""])
@hypothesis.example(cells=["", "", "0.0", "0.0", "1 2", "", "3", "4"])
def test_csv_is_read_exactly_or_refused(cells: list[str], tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        header = ["image", "x0", "y0", "x1", "y1", "x_min", "y_min", "x_max", "y_max"]
        csv.writer(file).writerows([header, ["a.jpg", *cells]])
    expected = None
    if len(cells) == 8:
        known = ["".join(cells[i : i + 2]).strip() != "" for i in (0, 2)]
        points = [numbers_in(cells[2 * i : 2 * i + 2]) if known[i] else [0, 0] for i in (0, 1)]
        boxed = "".join(cells[4:]).strip() != ""
        box = numbers_in(cells[4:]) if boxed else None
        if None not in points and (box is not None or not boxed):
            expected = Face(points, known, box)
    check(read(path), expected)


KEYS = ["landmarks", "faces", "box", "visibility", "keypoints", "bbox", "id", "file_name", "image_id"]
KEYS += ["filename", "regions", "shape_attributes", "region_attributes", "name", "cx"]  # VIA
KEYS += [
    "data",
    "img",
    "annotations",
    "result",
    "type",
    "value",
    "keypointlabels",
    "parentID",
]  # Label Studio
TOP_KEYS = [
    "a.jpg",
    "images",
    "annotations",
    "_via_img_metadata",
    "project",
    "file",
    "metadata",
    "view",
    "attribute",
]
anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)


@hypothesis.settings(deadline=None)
@hypothesis.given(content=st.dictionaries(st.sampled_from(["shapes", "version"]), anything, min_size=1))
def test_any_json_of_an_image_is_either_read_or_damaged(content: dict[str, object]):
    for form in (labelme_form, json_form):
        if form is json_form or form.fits(content):
            for annotation in form.annotations("a.jpg", content, "a.json"):
                with contextlib.suppress(DamagedRecord):
                    annotation.read()


@hypothesis.settings(deadline=None)
@hypothesis.given(
    data=st.binary(max_size=30),
    start=st.sampled_from([b"", b"image,x0,y0\n", b'{"images":', b'"\n', b"<dataset><image file='a'><box>"]),
)
def test_any_bytes_are_read_or_refused(data: bytes, start: bytes, tmp_path_factory):
    root = tmp_path_factory.mktemp("fuzz", numbered=True)
    for file in ("fuzz.csv", "fuzz.json", "fuzz.xml", "fuzz.txt", "landmarks.json"):
        (root / file).write_bytes(start + data)
    attempts = [
        lambda: read(root / "fuzz.csv"),
        lambda: read(root / "fuzz.json"),
        lambda: read(root / "fuzz.xml"),
        lambda: read_options(root),
        lambda: division.make_division(root, Options(test="fuzz.txt"), folder.make_finder(["a.jpg"])),
    ]
    for attempt in attempts:
        with contextlib.suppress(UserError):
            attempt()


@hypothesis.settings(deadline=None)
@hypothesis.given(
    content=st.dictionaries(st.sampled_from(TOP_KEYS), anything)
    | st.lists(st.dictionaries(st.sampled_from(KEYS), anything | st.just("a.jpg"), max_size=4), max_size=3)
)
def test_any_json_is_either_read_or_refused(content: dict[str, object] | list, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "fuzz.json"
    path.write_text(json.dumps(content))
    try:
        faces = read(path)
    except BuildError:
        return
    for face in faces:
        if not isinstance(face, str):
            assert face.landmarks.shape == (len(face.visibility), 2)
            assert np.isfinite(face.landmarks).all()
