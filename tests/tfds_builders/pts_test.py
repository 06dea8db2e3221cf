"""Reading .pts files, valid and damaged."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from dsat_jax.records import DamagedRecord
from tfds_builders import pts

POINTS = np.array([[1.0, 2.5], [65.609, 108.623], [-3.25, 4e1]])
LINES = "1 2.5\n65.609 108.623\n-3.25 4e1\n"


@pytest.mark.parametrize(
    "text",
    [
        "version: 1\nn_points:  3\n{\n" + LINES + "}\n",
        "version: 1\nn_points: 3\n{\n" + LINES + "}",
        "version: 1\r\nn_points: 3\r\n{\r\n" + LINES.replace("\n", "\r\n") + "}\r\n\r\n",
        "\ufeffversion: 1\nn_points: 3 \n{ \n\n" + LINES.replace(" ", "\t ") + " }",
        LINES,
        LINES.rstrip(),
    ],
    ids=["two-spaces", "one-space", "crlf", "odd-blanks", "bare", "bare-without-last-newline"],
)
def test_reads_every_form_in_use(text: str):
    np.testing.assert_array_equal(pts.parse_pts(text.encode(), "a.pts", 3), POINTS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.pts: the file is empty, expected 3 landmarks"),
        (" \n", "a.pts: the file is empty, expected 3 landmarks"),
        ("1 2\n3 4\n", "a.pts: 2 landmarks, expected 3"),
        ("version: 1\nn_points: 2\n{\n1 2\n3 4\n}\n", "a.pts: 2 landmarks, expected 3"),
        ("version: 1\nn_points: 68\n{\n" + LINES + "}\n", "a.pts: n_points is 68, but 3 landmarks follow"),
        ("version: 1\nn_points: 3\n{\n" + LINES, "a.pts: the header is broken"),
        ("version: 1\nn_points: 3\n" + LINES, "a.pts: the header is broken"),
        ("version: 1\nn_points: three\n{\n" + LINES + "}", "a.pts: the header is broken"),
        ("version: 1\nn_points: 3\n{\n}\n", "a.pts: n_points is 3, but 0 landmarks follow"),
        ("1 2\nnan 4\n5 6\n", "a.pts, line 2: found 'nan 4', expected 2 finite numbers `x y`"),
        ("1 2\n3 inf\n5 6\n", "a.pts, line 2: found '3 inf', expected 2 finite numbers `x y`"),
        ("\n1 2\n\n3 4 5\n5 6\n", "a.pts, line 4: found '3 4 5', expected 2 finite numbers `x y`"),
        (
            "version: 1\r\nn_points: 3\r\n{\r\n1 2\r\n3\r\n5 6\r\n}",
            "a.pts, line 5: found '3', expected 2 finite numbers `x y`",
        ),
        (
            "<html>not found</html>",
            "a.pts, line 1: found '<html>not found</html>', expected 2 finite numbers",
        ),
        ("1 2\n" + "3 " * 40 + "\n5 6", f"a.pts, line 2: found '{'3 ' * 20}...', expected 2 finite numbers"),
    ],
)
def test_the_message_names_the_damage_of_a_file(text: str, message: str):
    with pytest.raises(DamagedRecord) as error:
        pts.parse_pts(text.encode(), "a.pts", 3)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_refuses_bytes_that_are_not_text():
    with pytest.raises(DamagedRecord, match=r"^a\.pts, line 1: found"):
        pts.parse_pts(b"\xff\xd8\xff\xe0\x00\x10JFIF", "a.pts", 3)


@hypothesis.settings(deadline=None)
@hypothesis.given(
    st.lists(st.lists(st.one_of(st.floats(), st.text("0123456789.-e_,x{}", max_size=4)), max_size=4))
)
def test_any_lines_are_either_read_completely_or_refused(rows: list[list[object]]):
    lines = [" ".join(map(str, row)) for row in rows]
    try:
        points, reason = pts.parse_pts("\n".join(lines).encode(), "a.pts", 3), None
    except DamagedRecord as damage:
        reason = str(damage)
    if reason is None:
        expected = [[float(field) for field in line.split()] for line in lines if line.strip()]
        np.testing.assert_array_equal(points, expected)
        assert np.isfinite(points).all()
    else:
        assert reason.startswith("a.pts")
