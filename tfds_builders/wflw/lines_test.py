"""Reading lines of annotation lists, whole, broken, and made up by hypothesis."""

import codecs
import pathlib

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from dsat_jax.records import DamagedRecord
from tfds_builders.wflw import lines
from tfds_builders.wflw.face_lists import FULL_LAYOUT, SHORT_LAYOUT

SMALL = lines.Layout(num_points=2, box=True, flags=("pose", "blur"))  # 11 fields
LINE = "1.5 2 -3.25 4e1 0 0 10 20.5 1 0 0--Parade/a.jpg"


def test_the_layouts_of_wflw():
    assert (FULL_LAYOUT.num_fields, SHORT_LAYOUT.num_fields) == (207, 197)


@pytest.mark.parametrize("text", [LINE, f"  {LINE}\r\n", LINE.replace(" ", "\t  ")])
def test_reads_a_line(text: str):
    annotation = lines.parse_line(text, "a.txt, line 1", SMALL)
    np.testing.assert_array_equal(annotation.landmarks, [[1.5, 2.0], [-3.25, 40.0]])
    np.testing.assert_array_equal(annotation.box, [0.0, 0.0, 10.0, 20.5])
    assert annotation.flags == {"pose": True, "blur": False}
    assert annotation.picture == "0--Parade/a.jpg"


def test_reads_a_line_of_landmarks_alone():
    annotation = lines.parse_line("1 2 3 4 a.jpg", "a.txt, line 1", lines.Layout(2))
    np.testing.assert_array_equal(annotation.landmarks, [[1.0, 2.0], [3.0, 4.0]])
    assert annotation.landmarks.dtype == np.float64
    assert annotation.box is None
    assert annotation.flags == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("1.5 ", ""), "found 10 fields, expected 11"),
        (("1.5 ", "1.5 1.5 "), "found 12 fields, expected 11"),
        (("a.jpg", "a b.jpg"), "found 12 fields, expected 11"),
        (("-3.25", "nan"), "field 3 is 'nan', expected a number of at most 1000000 px"),
        (("-3.25", "-inf"), "field 3 is '-inf', expected a number"),
        (("-3.25", "1e999"), "field 3 is '1e999', expected a number"),
        (("-3.25", "-1e7"), "field 3 is '-1e7', expected a number"),
        (("-3.25", "3,25"), "field 3 is '3,25', expected a number"),
        (("-3.25", "3_25"), "field 3 is '3_25', expected a number"),
        (("20.5", "0x10"), "field 8 is '0x10', expected a number"),
        ((" 1 0 ", " 2 0 "), "pose is '2', expected 0 or 1"),
        ((" 1 0 ", " 1 0.0 "), "blur is '0.0', expected 0 or 1"),
        (("0--Parade", "/etc"), "the picture is '/etc/a.jpg', expected a path below the folder"),
        (("0--Parade", ".."), "the picture is '../a.jpg', expected a path below the folder"),
        (("0--Parade", "0--Parade/../.."), "the picture is '0--Parade/../../a.jpg', expected a path"),
        (("0--Parade/", "..\\"), r"the picture is '..\\a.jpg', expected a path below the folder"),
        (("a.jpg", "a\x00.jpg"), r"the picture is '0--Parade/a\x00.jpg', expected a path"),
        (("0--Parade/", "C:\\"), r"the picture is 'C:\\a.jpg', expected a path below the folder"),
        (("0--Parade/a.jpg", "."), "the picture is '.', expected a path below the folder"),
        (("0--Parade/a.jpg", ".//."), "the picture is './/.', expected a path below the folder"),
    ],
)
def test_says_what_is_wrong_with_a_line(change: tuple[str, str], message: str):
    with pytest.raises(DamagedRecord) as error:
        lines.parse_line(LINE.replace(*change, 1), "a.txt, line 7", SMALL)
    assert str(error.value).startswith(f"a.txt, line 7: {message}")


def test_reads_the_lines_of_a_file(tmp_path: pathlib.Path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfone\n\n  \r\ntwo\xff\r\n\xef\xbb\xbfthree")
    assert [(number, text.strip()) for number, text in lines.read_lines(path)] == [
        (1, "one"),
        (4, "two\ufffd"),
        (5, "\ufeffthree"),  # a mark of the byte order stands at the beginning of a file and nowhere else
    ]


FUZZ = hypothesis.settings(deadline=None)  # timings vary
layouts = st.sampled_from(
    [SMALL, lines.Layout(2), lines.Layout(1, flags=("blur",)), FULL_LAYOUT, SHORT_LAYOUT]
)
positions = st.floats(-lines.FARTHEST, lines.FARTHEST).map(repr)
names = st.sampled_from(["a.jpg", "0--Parade/0_Parade_1_1.jpg", "é/ü.png", "./b.jpg"])
blanks = st.sampled_from([" ", "  ", "\t", "\r", "\x0b"])
rubbish = st.one_of(
    st.sampled_from(
        ["nan", "inf", "-Infinity", "1e999", "1_0", "٣", "0x1", "--1", "1e", ".", "/a", "..", "a/../b", "./"]
    ),
    st.text(min_size=1, max_size=8),
)


@st.composite
def valid_fields(draw: st.DrawFn, layout: lines.Layout) -> list[str]:
    """The fields of a line that is as it should be."""
    count = layout.num_fields - 1 - len(layout.flags)
    few = draw(st.lists(positions, min_size=1, max_size=12))
    return [
        *(few[i % len(few)] for i in range(count)),
        *(draw(st.sampled_from("01")) for _ in layout.flags),
        draw(names),
    ]


def parse_or_refuse(text: str, layout: lines.Layout) -> lines.Annotation | None:
    """The annotation; None after the one documented error, whose message must be one line with the place."""
    try:
        return lines.parse_line(text, "list.txt, line 3", layout)
    except DamagedRecord as damage:
        message = str(damage)
    assert message.startswith("list.txt, line 3: ")
    assert len(message.splitlines()) == 1
    return None


def check_against_fields(annotation: lines.Annotation, fields: list[str], layout: lines.Layout) -> None:
    """Whatever is accepted has every field at its place, bit by bit, and leads nowhere else."""
    assert len(fields) == layout.num_fields
    count = 2 * layout.num_points
    np.testing.assert_array_equal(annotation.landmarks.ravel(), [float(field) for field in fields[:count]])
    assert np.isfinite(annotation.landmarks).all()
    assert (annotation.box is None) == (not layout.box)
    if layout.box:
        np.testing.assert_array_equal(annotation.box, [float(field) for field in fields[count : count + 4]])
        assert np.isfinite(annotation.box).all()
    flags = fields[layout.num_fields - 1 - len(layout.flags) : -1]
    assert [str(int(value)) for value in annotation.flags.values()] == flags
    assert tuple(annotation.flags) == layout.flags
    picture = pathlib.PurePosixPath(annotation.picture)
    assert picture == pathlib.PurePosixPath(fields[-1])
    assert not picture.is_absolute()
    assert picture.parts
    assert ".." not in picture.parts


@FUZZ
@hypothesis.given(st.data(), layouts)
def test_every_valid_line_is_read(data: st.DataObject, layout: lines.Layout):
    fields = data.draw(valid_fields(layout))
    annotation = parse_or_refuse(data.draw(blanks).join(fields) + data.draw(blanks), layout)
    assert annotation is not None
    check_against_fields(annotation, fields, layout)


@FUZZ
@hypothesis.given(st.data(), layouts, st.integers(1, 5))
def test_a_wrong_number_of_fields_is_never_accepted(data: st.DataObject, layout: lines.Layout, count: int):
    fields = data.draw(valid_fields(layout))
    place = data.draw(st.integers(0, len(fields) - 1))
    if data.draw(st.booleans()):
        wrong = fields[:place] + fields[place + count :]
    else:
        wrong = fields[:place] + fields[place : place + 1] * count + fields[place:]
    assert parse_or_refuse(data.draw(blanks).join(wrong), layout) is None


@FUZZ
@hypothesis.given(st.data(), layouts)
def test_a_line_with_rubbish_in_it_is_refused_or_read_as_it_stands(data: st.DataObject, layout: lines.Layout):
    fields = data.draw(valid_fields(layout))
    for place in data.draw(st.lists(st.integers(0, len(fields) - 1), min_size=1, max_size=3)):
        fields[place] = data.draw(rubbish)
    text = data.draw(blanks).join(fields)
    annotation = parse_or_refuse(text, layout)
    if annotation is not None:
        check_against_fields(annotation, text.split(), layout)


@FUZZ
@hypothesis.given(st.text(), layouts)
def test_any_text_is_refused_or_read_as_it_stands(text: str, layout: lines.Layout):
    annotation = parse_or_refuse(text, layout)
    if annotation is not None:
        check_against_fields(annotation, text.split(), layout)


parts = st.sampled_from([LINE.encode(), b"\n", b" ", b"\r", b"\x00", b"\xff", codecs.BOM_UTF8])


@FUZZ
@hypothesis.given(st.one_of(st.binary(), st.lists(parts).map(b"".join)))
def test_any_bytes_are_lines(tmp_path_factory: pytest.TempPathFactory, data: bytes):
    path = tmp_path_factory.getbasetemp() / "fuzzed.txt"
    path.write_bytes(data)
    found = list(lines.read_lines(path))
    decoded = [part.decode(errors="replace") for part in data.removeprefix(codecs.BOM_UTF8).split(b"\n")]
    assert found == [(number, text) for number, text in enumerate(decoded, start=1) if text.strip()]
    for _, text in found:
        annotation = parse_or_refuse(text, SMALL)
        if annotation is not None:
            check_against_fields(annotation, text.split(), SMALL)
