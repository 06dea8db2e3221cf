"""Files of labelling programs, built into records: points in any order, points without a position, several faces."""

import pathlib
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest

from dsat_jax.records import UNKNOWN, VISIBLE
from tfds_builders import BuildError, build
from tfds_builders.landmark_folder.example_points import PICTURES, points_of, write

SHUFFLED = [3, 0, 4, 1, 2]
LEFT_OUT = PICTURES[1], 1  # an image, and the point that it does not have
SECOND = np.array([5.0, 7.0])  # from each point of an image's first face to that of its second


def points(picture: str, face: int) -> list[tuple[str, float, float]]:
    """The name and the position of each point that a face has."""
    numbers = [number for number in SHUFFLED if (picture, number) != LEFT_OUT]
    positions = points_of(picture) + face * SECOND
    return [(f"kp-{number + 1}", *positions[number].tolist()) for number in numbers]


def size_of(root: pathlib.Path, picture: str) -> tuple[int, int]:
    return cv2.imread(str(root / picture)).shape[1::-1]


def write_labelme(root: pathlib.Path) -> None:
    for picture in PICTURES:
        shapes = [
            {"label": name, "points": [position], "group_id": face, "shape_type": "point"}
            for face in (0, 1)
            for name, *position in points(picture, face)
        ]
        write(
            root, picture.replace(".jpg", ".json"), {"version": "6.3.1", "shapes": shapes, "imagePath": "?"}
        )


def write_cvat(root: pathlib.Path) -> None:
    images = ""
    for picture in PICTURES:
        faces = [
            "".join(
                f'<points label="{name}" outside="0" points="{x},{y}"/>'
                for name, x, y in points(picture, face)
            )
            for face in (0, 1)
        ]
        skeletons = "".join(f'<skeleton label="face">{face}</skeleton>' for face in faces)
        images += f'<image name="{picture}">{skeletons}</image>'
    write(root, "annotations.xml", f"<annotations><version>1.1</version>{images}</annotations>")


def write_imglab(root: pathlib.Path) -> None:
    images = ""
    for picture in PICTURES:
        faces = [
            "".join(f"<part name='{n}' x='{x}' y='{y}'/>" for n, x, y in points(picture, face))
            for face in (0, 1)
        ]
        boxes = "".join(f"<box left='20' top='30' width='91' height='96'>{face}</box>" for face in faces)
        images += f"<image file='{picture}'>{boxes}</image>"
    write(root, "training.xml", f"<dataset><images>{images}</images></dataset>")


def write_via(root: pathlib.Path) -> None:
    content = {}
    for picture in PICTURES:
        regions = [
            {
                "shape_attributes": {"name": "point", "cx": x, "cy": y},
                "region_attributes": {"name": name, "face": str(face)},
            }
            for face in (0, 1)
            for name, x, y in points(picture, face)
        ]
        content[f"{picture}1"] = {"filename": picture, "size": 1, "regions": regions, "file_attributes": {}}
    write(root, "via.json", {"_via_settings": {}, "_via_img_metadata": content})


def write_label_studio(root: pathlib.Path) -> None:
    tasks = []
    for picture in PICTURES:
        width, height = size_of(root, picture)
        regions = [
            {
                "type": "keypointlabels",
                "parentID": f"face {face}",
                # A percentage counts from the border of the image, half a pixel before the first centre.
                "value": {
                    "x": (x + 0.5) / width * 100,
                    "y": (y + 0.5) / height * 100,
                    "width": 0.5,
                    "keypointlabels": [name],
                },
            }
            for face in (0, 1)
            for name, x, y in points(picture, face)
        ]
        image = f"/data/local-files/?d={picture}"
        tasks.append({"data": {"image": image}, "annotations": [{"result": regions}]})
    write(root, "export.json", tasks)


PROGRAMS = [write_labelme, write_cvat, write_imglab, write_via, write_label_studio]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_every_program_gives_the_same_records(root: pathlib.Path, program: Callable[[pathlib.Path], None]):
    program(root)
    builder, *_ = build.build("landmark_folder/original", root, root.parent / "built")
    records = [record for split in builder.info.splits for record in builder.as_data_source(split=split)]
    assert sorted((r["name"].decode(), int(r["face"])) for r in records) == [
        (p, f) for p in PICTURES for f in (0, 1)
    ]
    for record in records:
        picture = record["name"].decode()
        known = np.array([(picture, number) != LEFT_OUT for number in range(5)])
        np.testing.assert_array_equal(record["visibility"], np.where(known, VISIBLE, UNKNOWN))
        expected = points_of(picture) + int(record["face"]) * SECOND
        np.testing.assert_allclose(record["landmarks"][known], expected[known], atol=1e-4)
    assert builder.log.summary() == "Skipped nothing."


def names(root: pathlib.Path, order: Sequence[str]) -> None:
    text = (root / "landmarks.json").read_text()
    write(root, "landmarks.json", text.replace("{", f'{{"names": {list(order)}, '.replace("'", '"'), 1))


def test_names_of_landmarks_json_are_the_order(root: pathlib.Path):
    write_labelme(root)
    for path in root.rglob("*/*.json"):
        path.write_text(path.read_text().replace("kp-", "point "))
    names(root, [f"point {number}" for number in (5, 4, 3, 2, 1)])
    builder, *_ = build.build("landmark_folder/original", root, root.parent / "built")
    record = builder.as_data_source(split="train")[0]
    expected = points_of(record["name"].decode()) + int(record["face"]) * SECOND
    known = record["visibility"] != UNKNOWN
    np.testing.assert_array_equal(record["landmarks"][known], expected[::-1][known])


@pytest.mark.parametrize("option", ['"points_unit": "pixel"', '"points_unit": "share"', '"first_pixel": 1'])
def test_label_studio_fixes_its_unit(root: pathlib.Path, option: str):
    write_label_studio(root)
    text = (root / "landmarks.json").read_text()
    write(root, "landmarks.json", text.replace("{", f"{{{option}, ", 1))
    with pytest.raises(
        BuildError, match=r"export\.json, task 0, face 0 are in percent of the image's sides, expected"
    ):
        build.build("landmark_folder", root, root.parent / "built")
