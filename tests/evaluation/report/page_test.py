"""HTML elements of a report."""

import pytest

from dsat_jax.evaluation.report.page import Markup, Section, number, page, table


def test_text_is_escaped_and_markup_is_not():
    written = table(["<a>", Markup("<th>b</th>")], [["x/<y>", Markup("<td>z</td>")]], "c & d")
    assert '<th scope="col">&lt;a&gt;</th><th>b</th>' in written
    assert '<tr class="part"><th scope="row">x/&lt;y&gt;</th><td>z</td></tr>' in written
    assert "c &amp; d" in written


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(1.005, 1, "1.0"), (-2.5, 2, "\N{MINUS SIGN}2.50"), (float("nan"), 2, "\N{EN DASH}")],
)
def test_figures_as_text(value, digits, text):
    assert number(value, digits) == text


def test_every_section_has_a_link():
    whole = page("<title>", "head", [Section("one", "One", "body")], "foot")
    assert "<title>&lt;title&gt;</title>" in whole
    assert '<a href="#one">One</a>' in whole
    assert '<section id="one">' in whole
