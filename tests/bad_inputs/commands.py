"""The command line of run.py: images, boxes, folders, datasets, splits."""

import json
import os
import pathlib
from collections.abc import Sequence

import numpy as np
from bad_inputs.corpus import (
    ROOT,
    Case,
    Kind,
    Spoil,
    build_message,
    encode,
    picture,
    put,
    put_all,
    reader_message,
    run_message,
    write,
)
from bad_inputs.documents import NO_JSON
from bad_inputs.folders import prepare_pts

from dsat_jax.config import default, save_config
from dsat_jax.data import datasets, mixture
from dsat_jax.inference import face_boxes
from tfds_builders import build

ASKED = "asked.json"
FORM = 'expected {"photo.jpg": [[x_min, y_min, x_max, y_max], ...], ...}'


def prepare(root: pathlib.Path) -> None:
    """A run, a folder of two images, their boxes, and the arguments of a prediction."""
    save_config(default(), root / "run")
    for name in ("a.jpg", "b.jpg"):
        write(root / "photos" / name, encode(picture(), "JPEG"))
    write(root / "boxes.json", {"a.jpg": [[10, 10, 90, 90]], "b.jpg": []})
    write(root / ASKED, [])


def enter_mode(root: pathlib.Path, *good: str) -> str | None:
    """The message of a mode; the arguments of the case override the accepted ones."""
    here = os.getcwd()
    os.chdir(root)
    try:
        message = run_message(*good, *json.loads((root / ASKED).read_text()))
    finally:
        os.chdir(here)
    return None if message is None or "holds no checkpoint" in message else message


def prepare_evaluated(root: pathlib.Path) -> None:
    """Two evaluated runs, and the arguments of their comparison."""
    for name in ("first", "second"):
        measured = {"dataset": "w300", "scheme": "w300_68", "normaliser": "inter_ocular", "threshold": 0.08}
        write(root / name / "metrics.json", measured)
        write(root / name / "faces.csv", "split,record,name,nme_inter_ocular_percent\ntest,0,a.jpg,5\n")
    write(root / "boxes.json", {})
    write(root / ASKED, ["first", "second"])


def predict(root: pathlib.Path) -> str | None:
    return enter_mode(
        root, "--mode=predict", "--workdir=run", "--images=photos", "--out=out", "--boxes=boxes.json"
    )


def other_mode(root: pathlib.Path) -> str | None:
    return enter_mode(root, "--mode=export", "--workdir=run")


def without_run(root: pathlib.Path) -> str | None:
    return enter_mode(root, "--mode=export", "--weights=run")


def compare(root: pathlib.Path) -> str | None:
    return enter_mode(root, "--mode=compare")


def ask(*arguments: str, parts: Sequence[str], spoil: Spoil = lambda root: None) -> Case:
    def spoil_and_ask(root: pathlib.Path) -> None:
        spoil(root)
        write(root / ASKED, arguments)

    return Case(spoil_and_ask, parts)


def rename(old: str, new: bytes) -> Spoil:
    return lambda root: os.rename(os.fsencode(root / old), os.fsencode(root / "photos") + b"/" + new)


COMMAND_CASES = {
    "an image that is missing": ask("--images=absent.jpg", parts=["absent.jpg matches no image"]),
    "a pattern that matches nothing": ask("--images=photos/*.png", parts=["photos/*.png matches no image"]),
    "a pattern that is none": ask("--images=photos/**.jpg", parts=["photos/**.jpg is not a valid pattern"]),
    "a folder without images": ask("--images=run", parts=["run matches no image"]),
    "a folder that is missing": ask("--images=absent/", parts=["absent/ matches no image"]),
    "a pattern of folders": ask("--images=phot*", parts=["phot* matches no image"]),
    "an empty name": ask("--images=photos,", parts=["found an empty name of an image, expected a file"]),
    "no images": ask("--images=", parts=["found no name of an image: expected predict FILE, FOLDER"]),
    "a name that is too long": ask(f"--images={'x' * 300}", parts=["File name too long"]),
    "a name that is no text": ask(parts=["caf\\udce9.jpg' is not in"], spoil=rename("photos/a.jpg", b"caf\xe9.jpg")),
    "results in the images folder": ask("--out=photos", parts=["photos is the folder of", "could be overwritten"]),
    "results in a file": ask("--out=boxes.json", parts=["boxes.json is not a folder, expected one for the results"]),
    "results below a file": ask("--out=boxes.json/out", parts=["boxes.json is not a folder, expected one"]),
    "results in a link to nowhere": ask(parts=["out is not a folder, expected one for the results"], spoil=lambda root:
                                        (root / "out").symlink_to("absent")),
    "a run that is missing": ask("--workdir=absent", parts=["absent holds no run: absent/config.json does not exist"]),
    "a run that is a file": ask("--workdir=boxes.json", parts=["--workdir=boxes.json is not a folder, expected that"]),
    "a run that is a folder of images": ask("--workdir=photos", parts=["photos holds no run"]),
    "a run and a shipped network": ask("--weights=dsat-300w", parts=["--workdir and --weights exclude each other"]),
    "a run without a name": ask("--workdir=", parts=["--workdir is empty, expected the name of a network"]),
    "a configuration in addition to the run": ask("--config=a.py", parts=["No such file or directory: 'a.py'"]),
    "boxes that are missing": ask("--boxes=absent.json", parts=["No such file or directory: 'absent.json'"]),
    "boxes that are a folder": ask("--boxes=photos", parts=["Is a directory: 'photos'"]),
    "boxes without name": ask("--boxes=", parts=["Is a directory: '.'"]),
    "boxes and whole images": ask("--whole-image", parts=["--boxes and --whole-image exclude each other"]),
    "boxes of two images of one name": ask("--images=photos,more", spoil=lambda root:
                                             write(root / "more/a.jpg", encode(picture(), "JPEG")),
                                             parts=["boxes.json has boxes for a.jpg", "several images have that name"]),
    "an unknown mode": ask("--mode=guess", parts=["flag --mode=guess: value should be one of <train|evaluate|pr"]),
    "an unknown flag": ask("--imagse=a.jpg", parts=["Unknown command line flag 'imagse'"]),
    "an argument too many": ask("a.jpg", parts=["--images and the arguments a.jpg both name images"]),
    "a flag of another mode": ask("--dataset=w300", parts=["--dataset is for --mode=evaluate: --mode="]),
    "a configuration": ask(f"--config={ROOT}/configs/w300.py", parts=["--config is for --mode=train and"]),
    "a detector that is missing": ask("--boxes=boxes.json", "--detector=absent.onnx", parts=["--boxes and --detector"]),
    "a steady image": ask("--smooth", parts=["--smooth is for videos and cameras, found only images"]),
    "boxes for a video": ask("--images=film.mp4", parts=["--boxes is for images, and film.mp4 is"], spoil=lambda root:
                             write(root / "film.mp4", "")),
    "a camera with others": ask("--images=camera:0,photos", parts=["camera:0 is predicted alone, found 2 inputs"]),
    "a camera and boxes": ask("--images=camera:0", parts=["--boxes is for images, and camera:0 is a video"]),
    "a page for images": ask("--show", parts=["--show is for videos and cameras, found only images"]),
    "a page at no port": ask("--show=65536", parts=["flag --show=65536: found '65536', expected a port from 0"]),
    "two modes": ask("predict", parts=["predict and --mode=predict both name a mode, expected one of them"]),
    "a truth as text": ask("--whole-image=maybe", parts=["flag --whole-image=maybe: "]),
}  # fmt: skip

OTHER_MODE_CASES = {
    "an unknown dataset": ask("--mode=evaluate", "--dataset=faces", parts=["no dataset is called 'faces'; there are "]),
    "a dataset above the builders": ask("--mode=evaluate", "--dataset=../faces", parts=["no dataset is called '..'"]),
    "a dataset of an unknown form": ask("--mode=evaluate", "--dataset=w300/cut", parts=["has no configuration called"]),
    "a dataset of other landmarks": ask("--mode=evaluate", "--dataset=cofw", parts=["cannot be converted to cofw_29"]),
    "a folder that is no argument": ask("--mode=evaluate", "run", parts=["unexpected arguments: run"]),
    "images to evaluate": ask("--mode=evaluate", "--images=photos", parts=["--images is for --mode=predict"]),
    "an export into a folder": ask("--mode=export", "--out=photos", parts=["photos is a folder, expected"]),
    "an export below a file": ask("--mode=export", "--out=boxes.json/a", parts=["boxes.json", "a"]),
    "an export of a split": ask("--mode=export", "--split=test", parts=["--split is for --mode=evaluate"]),
}  # fmt: skip
WEIGHTS_CASES = {
    "an unknown network": ask("--weights=dsat", parts=["dsat is neither a file or folder, nor a network"]),
    "a network without a name": ask("--weights=", parts=["--weights is empty, expected the name of a network"]),
    "an image": ask("--weights=photos/a.jpg", parts=["photos/a.jpg is not a weights file: expected a name that ends"]),
}  # fmt: skip
COMPARE_CASES = {
    "nothing to compare": ask(parts=["--mode=compare needs the folders of at least two runs, each named once"]),
    "one run": ask("first", parts=["--mode=compare needs the folders of at least two runs"]),
    "a run twice": ask("first", "second/../first", parts=["--mode=compare needs the folders of at least two runs"]),
    "a run without an evaluation": ask("first", "third", parts=["third does not exist, expected the folder of an"]),
    "a comparison in a file": ask("first", "second", "--out=boxes.json", parts=["boxes.json is not a folder"]),
    "a folder by its flag": ask("first", "second", "--workdir=run", parts=["--workdir is for --mode=train and"]),
}  # fmt: skip

BOXES = "boxes.json"


def box(*values: object) -> dict:
    return {"a.jpg": [list(values)]}


ORDER = "expected x_min < x_max and y_min < y_max, at least a pixel apart"
BOX_CASES = put_all(BOXES, NO_JSON) | put_all(
    BOXES,
    {
        "a list": ([[10, 10, 90, 90]], "found [[10, 10, 90, 90]], expected"),
        "a number as the whole": (3, "found 3", FORM),
        "null": (None, "found None", FORM),
        "boxes that are null": ({"a.jpg": None}, "found None for 'a.jpg'", FORM),
        "boxes as text": ({"a.jpg": "face"}, "found 'face' for 'a.jpg'", FORM),
        "boxes in an object": ({"a.jpg": {"x": 1}}, "found {'x': 1} for 'a.jpg'", FORM),
        "a box that is not in a list": ({"a.jpg": [10, 10, 90, 90]}, "found [10, 10, 90, 90] for 'a.jpg'", FORM),
        "pairs of corners": ({"a.jpg": [[[10, 10], [90, 90]]]}, "for 'a.jpg'", FORM),
        "three numbers": (box(10, 10, 90), "found [[10, 10, 90]] for 'a.jpg'", FORM),
        "five numbers": (box(10, 10, 90, 90, 1), "found [[10, 10, 90, 90, 1]] for 'a.jpg'", FORM),
        "numbers in quotes": (box("10", "10", "90", "90"), "for 'a.jpg'", FORM),
        "true for a number": (box(True, 10, 90, 90), "for 'a.jpg'", FORM),
        "null for a number": (box(None, 10, 90, 90), "for 'a.jpg'", FORM),
        "NaN": (box(10, 10, float("nan"), 90), "for 'a.jpg'", FORM),
        "infinity": (box(10, 10, float("inf"), 90), "for 'a.jpg'", FORM),
        "beyond any float": (box(10, 10, 10**400, 90), "for 'a.jpg'", FORM),
        "in reverse order": (box(90, 90, 10, 10), "found [[90, 90, 10, 10]] for 'a.jpg'", ORDER),
        "without width": (box(10, 10, 10, 90), "for 'a.jpg'", ORDER),
        "narrower than a pixel": (box(10, 10, 10.5, 90), "for 'a.jpg'", ORDER),
        "of an image that is not named": ({"c.jpg": []}, "boxes.json has boxes for c.jpg, which are not among"),
    },
)  # fmt: skip


def enter_place(root: pathlib.Path) -> str | None:
    """Checks boxes with the function that prediction calls once the network is loaded."""
    image, path = np.zeros((100, 100, 3), np.uint8), root / BOXES
    return reader_message(
        lambda: face_boxes.check_inside(face_boxes.read_boxes(path)["a.jpg"], image, f"{path}, a.jpg")
    )


OUTSIDE = "is outside the image of 100 x 100 px"
PLACE_CASES = {
    name: put(BOXES, box(*corners), "boxes.json, a.jpg: the box [", OUTSIDE)
    for name, corners in {
        "to the left": (-90, 10, -10, 90),
        "below": (10, 110, 90, 190),
        "far larger": (-1000, -1000, 1000, 1000),
        "almost as large as a float": (-1e308, 10, 1e308, 90),
    }.items()
}


def prepare_built(root: pathlib.Path) -> None:
    prepare_pts(root)
    build.build("landmark_folder", root / "raw", root / "built")
    write(root / ASKED, "train")


def read_split(root: pathlib.Path) -> str | None:
    config = default()
    config.data.update(dataset="landmark_folder", data_dir=str(root / "built"), scheme="")
    config = mixture.with_scheme(config)
    return reader_message(lambda: datasets.read_split(config, (root / ASKED).read_text()))


SPLIT_CASES = {
    f"split {split!r}": Case(
        lambda root, split=split: write(root / ASKED, split), ("landmark_folder has no ", "train")
    )
    for split in (
        *(
            "",
            "test",
            "TRAIN",
            "../train",
            "train[",
            "train]",
            "train[]",
            "train[:",
            "train[a:b]",
            "train[::2]",
        ),
        *("train[5:2]", "train[:200%]", "train[50%]", "train[0.5:]", "train+", "train+test", "é"),
    )
}


def prepare_build(root: pathlib.Path) -> None:
    prepare_pts(root)
    write(root / ASKED, ["landmark_folder"])


def enter_build(root: pathlib.Path) -> str | None:
    name, *arguments = json.loads((root / ASKED).read_text())
    return build_message(name, root, *(argument.format(root=root) for argument in arguments))


BUILD_CASES = {
    "an unknown dataset": ask("faces", parts=["no dataset is called 'faces'; there are aflw19, "]),
    "a dataset above the builders": ask("../faces", parts=["no dataset is called '..'; there are"]),
    "an unknown form": ask("landmark_folder/cut", parts=["landmark_folder has no configuration called 'cut'"]),
    "no raw folder": ask("landmark_folder", "--manual_dir=", parts=["landmark_folder needs --manual_dir=DIR"]),
    "a raw folder that is missing": ask("w300", "--manual_dir=absent", parts=["absent: no such folder"]),
    "a raw folder that is a file": ask("w300", "--manual_dir={root}/raw/a.jpg", parts=["a.jpg: no such"]),
    "a raw folder of something else": ask("w300", parts=["raw: no faces of 300W here"]),
    "built in a file": ask("landmark_folder", "--data_dir={root}/raw/a.jpg", parts=["raw/a.jpg"]),
    "a share of NaN": ask("landmark_folder", "--max_skipped=nan", parts=["max_skipped is nan, expected a share from"]),
    "a share of two": ask("landmark_folder", "--max_skipped=2", parts=["max_skipped is 2.0, expected a share from 0"]),
    "a negative share": ask("landmark_folder", "--max_skipped=-1", parts=["max_skipped is -1.0, expected a share"]),
}  # fmt: skip

KINDS = {
    "command line of the builders": Kind(prepare_build, enter_build, BUILD_CASES),
    "command line": Kind(prepare, predict, COMMAND_CASES),
    "command line of other modes": Kind(prepare, other_mode, OTHER_MODE_CASES),
    "command line of weights": Kind(prepare, without_run, WEIGHTS_CASES),
    "command line of the comparison": Kind(prepare_evaluated, compare, COMPARE_CASES),
    "--boxes": Kind(prepare, predict, BOX_CASES),
    "--boxes, on the image": Kind(prepare, enter_place, PLACE_CASES),
    "splits": Kind(prepare_built, read_split, SPLIT_CASES),
}
