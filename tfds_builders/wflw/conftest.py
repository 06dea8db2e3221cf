"""WFLW in its original format, with drawn faces."""

import pathlib
import shutil

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds

from tfds_builders import face_builder
from tfds_builders.synthetic_faces.drawing import draw_face

ATTRIBUTES = ("pose", "expression", "illumination", "makeup", "occlusion", "blur")
SUBSETS = ("largepose", *ATTRIBUTES[1:])
RECT_ATTR = "WFLW_annotations/list_98pt_rect_attr_train_test/list_98pt_rect_attr"
PLAIN = "WFLW_annotations/list_98pt_test/list_98pt_test"

# Image and flags of each line; an image named twice shows two faces, the second to the right of the first.
TRAIN = [
    ("0--Parade/0_Parade_a_1_1.jpg", "000000"),
    ("1--Handshaking/1_Handshaking_b_1_2.jpg", "100001"),
    ("0--Parade/0_Parade_c_1_3.png", "000100"),
    ("1--Handshaking/1_Handshaking_b_1_2.jpg", "000000"),
]
TEST = [
    ("2--Riot/2_Riot_d_1_4.jpg", "100000"),
    ("2--Riot/2_Riot_d_1_4.jpg", "110010"),
    ("37--Soccer/37_Soccer_soccer_ball_37_45.jpg", "001100"),
    ("2--Riot/2_Riot_e_1_5.jpg", "000000"),
    ("2--Riot/2_Riot_lost_1_6.jpg", "000011"),
]
LOST = "WFLW_images/2--Riot/2_Riot_lost_1_6.jpg"  # there is no such image


def write_raw(root: pathlib.Path) -> None:
    """Draws the images and writes all lists, with 207 and with 197 fields per line."""
    (root / RECT_ATTR).parent.mkdir(parents=True)
    (root / PLAIN).parent.mkdir(parents=True)
    seed, short = 0, []
    for split, entries in (("train", TRAIN), ("test", TEST)):
        pictures, written = {}, []
        for name, flags in entries:
            drawing = draw_face(5, 0, seed)
            seed += 1
            points = drawing.points + np.array([256.0 * len(pictures.setdefault(name, [])), 0.0])
            pictures[name].append(drawing.image)
            rectangle = np.concatenate([np.floor(points.min(axis=0) - 4), np.ceil(points.max(axis=0) + 3)])
            coordinates = " ".join(f"{value:.6f}" for value in points.ravel())
            box = " ".join(f"{value:.0f}" for value in rectangle)
            written.append(f"{coordinates} {box} {' '.join(flags)} {name}\n")
            if split == "test":
                short.append((flags, f"{coordinates} {name}\n"))
        (root / f"{RECT_ATTR}_{split}.txt").write_text("".join(written))
        for name, images in pictures.items():
            path = root / "WFLW_images" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if "lost" not in name:
                cv2.imwrite(str(path), np.concatenate(images, axis=1)[..., ::-1])
    for position, subset in enumerate(SUBSETS):
        chosen = [line for flags, line in short if flags[position] == "1"]
        (root / f"{PLAIN}_{subset}.txt").write_text("".join(chosen))


def keep_only_short_lists(root: pathlib.Path, whole: bool) -> None:
    """Removes the lists of 207 fields; with `whole`, also writes the list of the whole test set with 197 fields."""
    lines = (root / f"{RECT_ATTR}_test.txt").read_text().splitlines()
    if whole:
        short = [" ".join([*line.split()[:196], line.split()[-1]]) for line in lines]
        (root / f"{PLAIN}.txt").write_text("\n".join(short))  # no newline at the end
    shutil.rmtree((root / RECT_ATTR).parent)


def read(builder: face_builder.FaceBuilder, split: str) -> dict[tuple[str, int], dict]:
    """The records of a split by image and index of the face, with encoded images."""
    source = builder.as_data_source(split=split, decoders={"image": tfds.decode.SkipDecoding()})
    return {(record["name"].decode(), int(record["face"])): record for record in source}


def sizes(builder: face_builder.FaceBuilder) -> dict[str, int]:
    return {split: info.num_examples for split, info in builder.info.splits.items()}


@pytest.fixture(scope="session")
def raw(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    root = tmp_path_factory.mktemp("raw")
    write_raw(root)
    return root
