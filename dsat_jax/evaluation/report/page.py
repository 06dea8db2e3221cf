"""HTML elements of a report, and the self-contained page around its sections."""

import html
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

_FOLDER = pathlib.Path(__file__).parent


class Markup(str):
    """HTML that is not escaped, unlike the text in a plain `str`."""

    __slots__ = ()


class Section(NamedTuple):
    """A section of the report.

    Attributes:
      anchor: id of the element.
      title: heading.
      body: content, HTML.
    """

    anchor: str
    title: str
    body: str


def page(title: str, head: str, sections: Sequence[Section], foot: str) -> str:
    """Returns the whole page as HTML.

    Args:
      title: title of the page, plain text.
      head: content above the sections, HTML.
      sections: sections in the order of the page.
      foot: content below the sections, HTML.
    """
    style, script = ((_FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    links = "".join(f'<li><a href="#{section.anchor}">{section.title}</a></li>' for section in sections)
    bodies = "\n".join(
        f'<section id="{section.anchor}">\n<h2>{section.title}</h2>\n{section.body}\n</section>'
        for section in sections
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<link rel="icon" href="data:,">
<title>{html.escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{html.escape(title)}</h1>
{head}
</header>
<nav aria-label="Sections"><ul>{links}</ul></nav>
<main>
{bodies}
</main>
<footer>{foot}</footer>
<script>
{script}</script>
</body>
</html>
"""


def table(heading: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "", name: str = "") -> str:
    """Returns a table as HTML; the first cell of each row is its heading.

    Args:
      heading: headings of the columns, plain text, or whole `<th>` elements as Markup.
      rows: cells of each row, plain text, or whole `<td>` elements as Markup.
      caption: text above the table, plain text.
      name: id of the table.
    """
    attribute = f' id="{name}"' if name else ""
    above = f'<p class="note">{html.escape(caption)}</p>' if caption else ""
    cells = "".join(_heading(cell) for cell in heading)
    body = "".join(
        f"<tr{_kind(row[0])}>{_row_heading(row[0])}{''.join(map(_cell, row[1:]))}</tr>" for row in rows
    )
    return (
        f'{above}<div class="scroll" tabindex="0"><table{attribute}><thead><tr>{cells}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _heading(cell: str) -> str:
    return cell if isinstance(cell, Markup) else f'<th scope="col">{html.escape(cell)}</th>'


def _kind(heading: str) -> str:
    """The class of a row: subsets, such as `test/pose`, are indented."""
    return ' class="part"' if "/" in heading else ""


def _row_heading(cell: str) -> str:
    return f'<th scope="row">{html.escape(cell)}</th>'


def _cell(cell: str) -> str:
    return cell if isinstance(cell, Markup) else f"<td>{html.escape(cell)}</td>"


def tiles(figures: Sequence[tuple[str, str, str]]) -> str:
    """Returns large figures as HTML.

    Args:
      figures: number, unit and description of each figure, plain text.
    """
    return (
        '<div class="tiles">'
        + "".join(
            f'<div class="tile"><b>{html.escape(number)} <small>{html.escape(unit)}</small></b>'
            f"<span>{html.escape(what)}</span></div>"
            for number, unit, what in figures
        )
        + "</div>"
    )


def number(value: float, digits: int = 2) -> str:
    """Returns a figure as text, with a typographic minus sign; a dash for NaN."""
    return "\N{EN DASH}" if value != value else f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")
