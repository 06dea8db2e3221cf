"""The faces of several lists: their attributes, their numbers, and damaged lines."""

import pathlib

import numpy as np

from tfds_builders.wflw import face_lists
from tfds_builders.wflw.face_lists import SHORT_LISTS


def line(first: float, picture: str = "a.jpg") -> str:
    """A line of 197 fields; `first` makes its face different from others."""
    return " ".join([str(first), *["5"] * 195, picture]) + "\n"


def lists(root: pathlib.Path, **texts: str) -> dict[str, list[face_lists.Sample]]:
    """Writes short lists, by split, and reads them."""
    chosen = {split: SHORT_LISTS[split] for split in texts}
    for split, text in texts.items():
        path = root / chosen[split].file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return face_lists.list_faces(root, chosen)


def test_a_face_has_the_attributes_of_all_lists_that_contain_it(tmp_path: pathlib.Path):
    samples = lists(
        tmp_path, test=line(1) + line(2) + line(3), test_largepose=line(2), test_blur=line(2) + line(3)
    )
    assert [sample.attributes for sample in samples["test"]] == [set(), {"pose", "blur"}, {"blur"}]
    assert samples["test_largepose"][0].attributes == {"pose", "blur"}


def test_faces_of_an_image_are_numbered_and_keep_their_number_in_other_lists(tmp_path: pathlib.Path):
    samples = lists(
        tmp_path, test=line(1) + line(1, "b.jpg") + line(2) + line(2), test_blur=line(2) + line(4)
    )
    assert [sample.key for sample in samples["test"]] == [
        "WFLW_images/a.jpg#0",
        "WFLW_images/b.jpg#0",
        "WFLW_images/a.jpg#1",
        "WFLW_images/a.jpg#2",  # the same line twice is two faces
    ]
    assert [sample.face for sample in samples["test_blur"]] == [1, 3]
    np.testing.assert_array_equal(samples["test"][2].annotation.landmarks[0], [2, 5])


def test_a_damaged_line_is_a_sample_without_annotation(tmp_path: pathlib.Path):
    damaged, good = lists(tmp_path, test="1 2 3\n" + line(1))["test"]
    reason = f"{SHORT_LISTS['test'].file}, line 1: found 3 fields, expected 197"
    assert (damaged.annotation, damaged.damage, damaged.key, damaged.picture) == (None, reason, reason, "")
    assert (good.face, good.damage) == (0, "")
