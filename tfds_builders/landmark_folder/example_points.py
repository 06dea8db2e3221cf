"""Five points on drawn images, written in every form, for tests."""

import json
import pathlib

import numpy as np

# With a share of 0.3, the hash puts some into each split.
PICTURES = [f"{folder}/{i}.jpg" for folder in ("anna", "bert") for i in range(4)]
FIVE = {
    "name": "five",
    "num_points": 5,
    "mirror_pairs": [[0, 1], [3, 4]],
    "normaliser_points": [0, 1],
    "lines": [[0, 1], [3, 4]],
}
POINTS = np.array([[40.5, 50.25], [90.0, 52.0], [64.0, 80.125], [50.0, 100.0], [80.0, 101.0]])
BOX = np.array([20.0, 30.0, 110.0, 125.0])


def points_of(picture: str) -> np.ndarray:
    """The points of an image, float64 [5, 2], different for each image."""
    return POINTS + PICTURES.index(picture)


def write(root: pathlib.Path, file: str, content: object) -> None:
    path = root / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def write_pts(root: pathlib.Path) -> None:
    for picture in PICTURES:
        lines = "".join(f"{x + 1!r} {y + 1!r}\n" for x, y in points_of(picture).tolist())
        write(root, picture.replace(".jpg", ".pts"), f"version: 1\nn_points: 5\n{{\n{lines}}}\n")


def write_json_beside(root: pathlib.Path) -> None:
    for picture in PICTURES:
        write(root, picture.replace(".jpg", ".json"), points_of(picture).tolist())


def write_predictions(root: pathlib.Path) -> None:
    for picture in PICTURES:
        face = {"box": BOX.tolist(), "landmarks": points_of(picture).tolist(), "confidence": None}
        write(root, picture.replace(".jpg", ".json"), {"image": picture, "scheme": "five", "faces": [face]})


def write_one_json(root: pathlib.Path) -> None:
    write(root, "points.json", {picture: {"landmarks": points_of(picture).tolist()} for picture in PICTURES})


def csv_of(rows: dict[str, np.ndarray], boxes: bool = False) -> str:
    header = ["image", *(f"{axis}{i}" for i in range(5) for axis in "xy")]
    lines = [",".join([*header, *(["x_min", "y_min", "x_max", "y_max"] if boxes else []), "who"])]
    for picture, points in rows.items():
        numbers = [*points.ravel().tolist(), *(BOX.tolist() if boxes else [])]
        lines.append(",".join([picture, *map(repr, numbers), '"Anna, or Bert"']))
    return "\n".join(lines) + "\n"


def write_csv(root: pathlib.Path) -> None:
    write(root, "points.csv", csv_of({picture: points_of(picture) for picture in PICTURES}))


def write_csv_with_boxes(root: pathlib.Path) -> None:
    write(root, "points.csv", csv_of({picture: points_of(picture) for picture in PICTURES}, boxes=True))


def coco_of(keypoints: dict[str, list[float]], **fields: object) -> dict[str, object]:
    return {
        "images": [{"id": 10 + i, "file_name": picture} for i, picture in enumerate(PICTURES)],
        "annotations": [
            {"id": i, "image_id": 10 + PICTURES.index(picture), "keypoints": values, **fields}
            for i, (picture, values) in enumerate(keypoints.items())
        ],
        "categories": [{"id": 1, "name": "face"}],
    }


def write_coco(root: pathlib.Path) -> None:
    keypoints = {
        picture: np.concatenate([points_of(picture), np.full((5, 1), 2)], axis=1).ravel().tolist()
        for picture in PICTURES
    }
    write(root, "annotations.json", coco_of(keypoints, bbox=[20, 30, 90, 95]))
