"""WFLW damaged in every known way: damage is skipped and named, and too much of it stops the build."""

import errno
import pathlib
import shutil

import pytest

from tfds_builders import BuildError, build
from tfds_builders.wflw.conftest import PLAIN, RECT_ATTR, keep_only_short_lists, read, sizes


def edit_line(root: pathlib.Path, number: int, old: str, new: str) -> str:
    """Replaces text in a line of the test list; returns the list and line for messages."""
    path = root / f"{RECT_ATTR}_test.txt"
    written = path.read_text().splitlines()
    assert old in written[number - 1]
    written[number - 1] = written[number - 1].replace(old, new, 1)
    path.write_text("\n".join(written))
    return f"{RECT_ATTR}_test.txt, line {number}"


def replace_fields(root: pathlib.Path, number: int, first: int, new: str) -> None:
    """Replaces as many fields of a line of the test list as there are new ones."""
    fields = (root / f"{RECT_ATTR}_test.txt").read_text().splitlines()[number - 1].split()
    replaced = fields.copy()
    replaced[first : first + len(new.split())] = new.split()
    edit_line(root, number, " ".join(fields), " ".join(replaced))


def lose_a_field(root: pathlib.Path) -> str:
    return f"{edit_line(root, 3, ' ', '')}: found 206 fields, expected 207"


def add_a_field(root: pathlib.Path) -> str:
    return f"{edit_line(root, 3, ' ', ' 1 ')}: found 208 fields, expected 207"


def spoil_a_number(root: pathlib.Path) -> str:
    return f"{edit_line(root, 3, ' ', ' nan')}: field 2 is 'nan"


def leave_the_folder(root: pathlib.Path) -> str:
    return f"{edit_line(root, 3, '37--Soccer/', '../')}: the image is '../37_Soccer"


def collapse_the_box(root: pathlib.Path) -> str:
    replace_fields(root, 4, 196, "5 5 5 5")
    return "WFLW_images/2--Riot/2_Riot_e_1_5.jpg: the face box is [5.0, 5.0, 5.0, 5.0], expected"


def throw_a_landmark_far_out(root: pathlib.Path) -> str:
    replace_fields(root, 4, 120, "900000")
    return "WFLW_images/2--Riot/2_Riot_e_1_5.jpg: landmarks within ["


def throw_the_box_far_out(root: pathlib.Path) -> str:
    replace_fields(root, 4, 196, "50000 50000 50010 50010")
    return "WFLW_images/2--Riot/2_Riot_e_1_5.jpg: the face box within [50000.0, 50000.0, 50010.0, 50010.0], far outside"


def truncate_a_picture(root: pathlib.Path) -> str:
    picture = root / "WFLW_images/2--Riot/2_Riot_e_1_5.jpg"
    picture.write_bytes(picture.read_bytes()[:900])
    return "WFLW_images/2--Riot/2_Riot_e_1_5.jpg: 900 bytes that do not decode as an image"


@pytest.mark.parametrize(
    "damage",
    [
        lose_a_field,
        add_a_field,
        spoil_a_number,
        leave_the_folder,
        collapse_the_box,
        throw_a_landmark_far_out,
        throw_the_box_far_out,
        truncate_a_picture,
    ],
)
def test_damage_is_skipped_and_named_up_to_the_limit(copy: pathlib.Path, tmp_path: pathlib.Path, damage):
    reason = damage(copy)
    with pytest.raises(BuildError) as error:
        build.build("wflw", copy, tmp_path / "built")
    start = f"test: 1 of 5 records are damaged, at most 1.00% may be:\n  {reason}"
    assert str(error.value).startswith(start)
    assert not list((tmp_path / "built" / "wflw" / "faces").iterdir())

    builder, _ = build.build("wflw", copy, tmp_path / "built", max_skipped=0.5)
    assert sizes(builder) == {"train": 4, "test": 3}
    ((logged, splits),) = builder.log.damaged.items()
    assert logged.startswith(reason)
    assert splits == ["test"]


def test_each_face_of_a_damaged_image_counts(copy: pathlib.Path, tmp_path: pathlib.Path):
    (copy / "WFLW_images/2--Riot/2_Riot_d_1_4.jpg").write_bytes(b"")
    builder, _ = build.build("wflw", copy, tmp_path / "built", max_skipped=0.5)
    assert [reason.partition(" that do not")[0] for reason in sorted(builder.log.damaged)] == [
        "WFLW_images/2--Riot/2_Riot_d_1_4.jpg, face 1: 0 bytes",
        "WFLW_images/2--Riot/2_Riot_d_1_4.jpg: 0 bytes",
    ]


def test_an_unreadable_image_is_damage(copy: pathlib.Path, tmp_path: pathlib.Path, monkeypatch):
    name = "WFLW_images/2--Riot/2_Riot_e_1_5.jpg"
    read_bytes = pathlib.Path.read_bytes

    def read_or_fail(path: pathlib.Path) -> bytes:
        if path == copy / name:
            raise OSError(errno.EIO, "Input/output error")
        return read_bytes(path)

    monkeypatch.setattr(pathlib.Path, "read_bytes", read_or_fail)
    builder, _ = build.build("wflw", copy, tmp_path / "built", max_skipped=0.5)
    assert sizes(builder) == {"train": 4, "test": 3}
    assert dict(builder.log.damaged) == {f"{name}: cannot be read: Input/output error": ["test"]}


def test_bad_lines_of_a_list_of_attributes_are_damage(copy: pathlib.Path, tmp_path: pathlib.Path):
    keep_only_short_lists(copy, whole=True)
    (copy / f"{PLAIN}_makeup.txt").write_text("1 2 3\n")
    with pytest.raises(BuildError, match=r"^test_makeup: 1 of 1 records are damaged"):
        build.build("wflw", copy, tmp_path / "built")
    with (copy / f"{PLAIN}_makeup.txt").open("a") as file:
        file.write((copy / f"{PLAIN}_illumination.txt").read_text())  # the only face with makeup
    builder, _ = build.build("wflw", copy, tmp_path / "built", max_skipped=0.5)
    assert sizes(builder) == {"test": 4}
    assert dict(builder.log.damaged) == {
        f"{PLAIN}_makeup.txt, line 1: found 3 fields, expected 197": ["test_makeup"]
    }
    assert sum(record["attributes"]["makeup"] for record in read(builder, "test").values()) == 1


def test_bad_lines_are_a_share_of_the_list_even_if_its_images_are_missing(
    copy: pathlib.Path, tmp_path: pathlib.Path
):
    reason = lose_a_field(copy)
    for folder in ("2--Riot", "37--Soccer"):  # the images for testing
        shutil.rmtree(copy / "WFLW_images" / folder)
    with pytest.raises(BuildError, match=r"^test: 1 of 5 records are damaged"):
        build.build("wflw", copy, tmp_path / "built")
    builder, _ = build.build("wflw", copy, tmp_path / "built", max_skipped=0.2)
    assert sizes(builder) == {"train": 4}
    assert dict(builder.log.damaged) == {reason: ["test"]}
    assert "test: left out, the list has no face with an existing image." in builder.log.notes


def test_a_split_of_which_nothing_can_be_read_is_an_error(copy: pathlib.Path, tmp_path: pathlib.Path):
    for picture in (copy / "WFLW_images").glob("*/*_[de]_*"):
        picture.unlink()
    (copy / "WFLW_images/37--Soccer/37_Soccer_soccer_ball_37_45.jpg").write_bytes(b"")
    with pytest.raises(BuildError, match=r"^test: 1 of 1 records are damaged"):
        build.build("wflw", copy, tmp_path / "built", max_skipped=0.5)
