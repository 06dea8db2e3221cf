"""JSON with the points of a folder: a file per image, one file for all, and COCO's keypoints."""

import functools
import pathlib

from bad_inputs.corpus import Kind, build_message, put_all, put_faces, write
from bad_inputs.folders import POINTS, prepare

DEEP = "[" * 100_000
HUGE = 10**400
NUMBERS = "expected 5 x 2 finite numbers"

# Content that is not JSON, for any file.
NO_JSON = {
    "nothing": ("", "not JSON: Expecting value"),
    "half of it": ('{"a.jpg": [[1, 2', "not JSON: "),
    "a comma too many": ('{"a.jpg": [],}', "not JSON: "),
    "single quotes": ("{'a.jpg': []}", "not JSON: "),
    "two documents": ("{} {}", "not JSON: Extra data"),
    "nested too deeply": (DEEP, "nested too deeply"),
    "a number of 5000 digits": ("[" + "9" * 5000 + "]", "not JSON: Exceeds the limit"),
    "UTF-16": ("{}".encode("utf-16"), "line 1: found the byte 0xff, expected text in UTF-8"),
    "Latin-1": ('\n{"é.jpg": 1}'.encode("latin-1"), "line 2: found the byte 0xe9, expected text in UTF-8"),
    "a zip archive": (b"PK\x03\x04\xff\xff", "expected text in UTF-8"),
    "a key twice": ('{"a.jpg": [], "a.jpg": []}', "the key 'a.jpg' appears twice in an object"),
}


def points(third: object) -> list:
    return [*POINTS[:2], third, *POINTS[3:]]


# Values that are not a face, for any form.
NO_FACE = {
    "nothing": (None, "found no landmarks, expected [[x, y], ...]"),
    "a number": (3, "found no landmarks"),
    "text": ("x", "found no landmarks"),
    "no points": ([], ""),
    "an object of other fields": ({"points": POINTS}, "found no landmarks"),
    "three coordinates": (points([1, 2, 3]), NUMBERS),
    "one coordinate": (points([1]), NUMBERS),
    "half a position": (points([None, 2]), NUMBERS),
    "a number for a point": (points(3), NUMBERS),
    "a coordinate in quotes": (points(["1", 2]), NUMBERS),
    "true for a coordinate": (points([True, 2]), NUMBERS),
    "NaN": (points([float("nan"), 2]), NUMBERS),
    "infinity": (points([1, float("-inf")]), NUMBERS),
    "beyond any float": (points([HUGE, 2]), NUMBERS),
    "a list for a coordinate": (points([[1], 2]), NUMBERS),
    "six points": ([*POINTS, [1, 2]], "6 points, five has 5"),
    "too few visibilities": ({"landmarks": POINTS, "visibility": [1]}, "visibility: found [1], expected 5 finite"),
    "a visibility of 3": ({"landmarks": POINTS, "visibility": [1, 1, 1, 1, 3]}, "values other than 0, 1 and 2"),
    "visibilities as text": ({"landmarks": POINTS, "visibility": ["yes"] * 5}, "expected 5 finite numbers"),
    "a box of three": ({"landmarks": POINTS, "box": [1, 2, 3]}, "box: found [1, 2, 3], expected 4 finite numbers"),
    "a box of objects": ({"landmarks": POINTS, "box": {"x": 1}}, "expected 4 finite numbers"),
    "a box of NaN": ({"landmarks": POINTS, "box": [1, 2, float("nan"), 4]}, "expected 4 finite numbers"),
}  # fmt: skip
# Faces in the right form that do not fit the image.
NO_PLACE = {
    "a landmark far away": (points([1e9, 2]), "a.jpg: landmarks within [", "far outside the image"),
    "all positions unknown": ([None] * 5, "a.jpg: no landmark has a known position"),
    "a box without area": ({"landmarks": POINTS, "box": [9, 9, 9, 20]}, "a.jpg: the face box is [9.0, 9.0, 9.0, 20.0]"),
    "a box away from the face": ({"landmarks": POINTS, "box": [-50, -50, -20, -20]}, "none of them in the face box"),
}  # fmt: skip


def prepare_json(root: pathlib.Path) -> None:
    prepare(root)
    write(root / "raw" / "a.json", POINTS)


def prepare_one(root: pathlib.Path) -> None:
    prepare(root)
    write(root / "raw" / "points.json", {"a.jpg": POINTS})


def of_a_jpg(contents: dict[str, tuple]) -> dict[str, tuple]:
    return {name: ({"a.jpg": content}, *parts) for name, (content, *parts) in contents.items()}


BESIDE, ONE = "raw/a.json", "raw/points.json"
BESIDE_CASES = {
    **put_all(BESIDE, {name: case for name, case in NO_JSON.items() if name != "a key twice"}),
    **put_all(
        BESIDE,
        {f"{name}, as a face": case for name, case in NO_FACE.items() if name not in ("text", "no points")},
    ),
    **put_faces(BESIDE, NO_PLACE),
    **put_all(
        BESIDE, {"one face of two": ([{"landmarks": POINTS}, {"landmarks": 3}], "a.json, face 1: found no")}
    ),
}
ONE_CASES = {
    **put_all(ONE, NO_JSON),
    **put_all(ONE, {f"{name}, as a face": case for name, case in of_a_jpg(NO_FACE).items()}),
    **put_faces(ONE, of_a_jpg(NO_PLACE)),
    **put_all(
        ONE,
        {
            "a list of all": ([POINTS], "found [[[", "expected COCO's form or an object from images to points"),
            "an image above the folder": ({"../a.jpg": POINTS}, "the image is '../a.jpg', expected a path below"),
            "an image from the root": ({"/etc/passwd": POINTS}, "the image is '/etc/passwd', expected a path below"),
            "an image on another drive": ({"C:\\other.jpg": POINTS}, "expected a path below"),
            "an image with a control character": ({"\u001b[2J.jpg": POINTS}, "the image is '\\x1b[2J.jpg'"),
            "half a surrogate pair": ('{"\\ud800.jpg": [[1, 2]]}', "the image is '\\ud800.jpg'"),
            "no image of the folder": ({"b.jpg": POINTS}, "no image has points in points.json"),
            "no image at all": ({}, "no image has points in points.json"),
        },
    ),
}  # fmt: skip


def coco(**changes: object) -> dict:
    """COCO's form with the five points; `changes` replace fields of the image or of the annotation."""
    keypoints = [number for x, y in POINTS for number in (x, y, 2)]
    image = {"id": 1, "file_name": "a.jpg"}
    annotation = {"id": 7, "image_id": 1, "keypoints": keypoints, "bbox": [10, 10, 80, 80]}
    for name, value in changes.items():
        (image if name == "file_name" else annotation)[name] = value
    return {"images": [image], "annotations": [annotation]}


def prepare_coco(root: pathlib.Path) -> None:
    prepare(root)
    write(root / ONE, coco())


def keypoints(*third: object) -> list:
    values = coco()["annotations"][0]["keypoints"]
    return [*values[:6], *third, *values[9:]]


IMAGES = "not COCO's form: every image needs id and file_name, every annotation image_id"
FIFTEEN = "expected 15 finite numbers"
COCO_CASES = put_all(
    ONE,
    {
        "images that are none": ({"images": 3, "annotations": []}, IMAGES),
        "images of nothing": ({"images": [None], "annotations": []}, IMAGES),
        "an image without id": ({"images": [{"file_name": "a.jpg"}], "annotations": []}, IMAGES),
        "an image whose id is a list": ({"images": [{"id": [1], "file_name": "a"}], "annotations": []}, IMAGES),
        "an image without file": ({"images": [{"id": 1}], "annotations": []}, IMAGES),
        "an image whose file is a number": (coco(file_name=3), "found the file_name 3, expected the path of an image"),
        "two images of one id": ({"images": [{"id": 1, "file_name": "a"}] * 2, "annotations": []}, "have the id 1"),
        "annotations that are none": ({"images": [], "annotations": 3}, IMAGES),
        "annotations of nothing": ({"images": [], "annotations": [None]}, IMAGES),
        "an annotation that is text": ({"images": [], "annotations": ["x"]}, IMAGES),
        "an annotation without image": ({"images": [], "annotations": [{"keypoints": [1, 2, 2]}]}, IMAGES),
        "an annotation of no image": (coco(image_id=9), "annotation 7: no image has the id 9"),
        "an annotation of an image in a list": (coco(image_id=[1]), IMAGES),
        "a file above the folder": (coco(file_name="../a.jpg"), "the image is '../a.jpg', expected a path below"),
        "a file from the root": (coco(file_name="/etc/passwd"), "the image is '/etc/passwd', expected a path below"),
        "keypoints as text": (coco(keypoints="many"), "annotation 7: keypoints: found 'many'"),
        "keypoints as an object": (coco(keypoints={"x": 1}), "annotation 7: keypoints: found {'x': 1}"),
        "two keypoints": (coco(keypoints=[1, 2]), "annotation 7: keypoints: found [1, 2]"),
        "sixteen numbers": (coco(keypoints=[*keypoints(1, 2, 2), 1]), FIFTEEN),
        "a word among them": (coco(keypoints=keypoints("x", 2, 2)), FIFTEEN),
        "true among them": (coco(keypoints=keypoints(True, 2, 2)), FIFTEEN),
        "NaN among them": (coco(keypoints=keypoints(float("nan"), 2, 2)), FIFTEEN),
        "null among them": (coco(keypoints=keypoints(None, 2, 2)), FIFTEEN),
        "beyond any float": (coco(keypoints=keypoints(HUGE, 2, 2)), FIFTEEN),
        "a list among them": (coco(keypoints=keypoints([1], 2, 2)), FIFTEEN),
        "a visibility of 3": (coco(keypoints=keypoints(1, 2, 3)), "a visibility other than 0, 1 and 2"),
        "a visibility of one half": (coco(keypoints=keypoints(1, 2, 0.5)), "a visibility other than 0, 1 and 2"),
        "six keypoints": (coco(keypoints=[*keypoints(1, 2, 2), 1, 2, 2]), "6 points, five has 5"),
        "a box of three": (coco(bbox=[1, 2, 3]), "annotation 7: bbox: found [1, 2, 3], expected 4 finite numbers"),
        "a box as text": (coco(bbox="wide"), "annotation 7: bbox: found 'wide', expected 4 finite numbers"),
        "a box of NaN": (coco(bbox=[1, 2, float("nan"), 3]), "expected 4 finite numbers"),
    },
) | put_faces(
    ONE,
    {
        "a box without area": (coco(bbox=[10, 10, 0, 80]), "a.jpg: the face box is [10.0, 10.0, 10.0, 90.0]"),
        "a box in reverse order": (coco(bbox=[90, 90, -80, -80]), "a.jpg: the face box is [90.0, 90.0, 10.0, 10.0]"),
        "a box beyond any float": (coco(bbox=[1e308, 1e308, 1e308, 1e308]), "a.jpg: the face box is ["),
        "a landmark far away": (coco(keypoints=keypoints(1e9, 2, 2)), "a.jpg: landmarks within ["),
    },
)  # fmt: skip

enter = functools.partial(build_message, "landmark_folder")
KINDS = {
    ".json of an image": Kind(prepare_json, enter, BESIDE_CASES),
    ".json for all": Kind(prepare_one, enter, ONE_CASES),
    "COCO": Kind(prepare_coco, enter, COCO_CASES),
}
