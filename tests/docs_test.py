"""The documentation against the tree: figures, links, names, commands and words. Reads text only."""

import ast
import csv
import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from dsat_jax import config

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = ROOT / "dsat_jax"
CARDS = sorted((PACKAGE / "weights" / "zoo").glob("*.md"))
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks" / "README.md"]
CONFIGS = sorted((ROOT / "configs").glob("*.py"))
CODE = [
    ROOT / "run.py",
    *(
        path
        for folder in ("dsat_jax", "tfds_builders", "configs", "benchmarks", "examples", "tests")
        for path in sorted((ROOT / folder).rglob("*.py"))
    ),
]
GLOSSARY = ROOT / "docs" / "glossary.md"  # names the words that are not used
with (ROOT / "docs" / "results.csv").open(newline="") as _file:
    RESULTS = list(csv.DictReader(_file))
COLUMNS = ("network_or_config", "dataset", "split", "faces", "metric", "value", "unit", "command", "note")
MOST_README_LINES = 150
COMMANDS = (
    "python3 -m venv .venv && .venv/bin/pip install -q -r requirements.txt && .venv/bin/python run.py "
    "--config=configs/synthetic.py",
    "python3 -m venv .venv && .venv/bin/pip install -q -r requirements-dev.txt && .venv/bin/python -m pytest -n auto "
    "--dist worksteal",
)
BANNED = re.compile(r"\b(anew|coins?|looked at twice|stands? there|lies there|says aloud)\b")

SHIPPED = {card.stem: f"w300:{card.stem}" for card in CARDS}
# A configuration as `configs/w300.py:small`, `--config=w300:small` or `w300:small`, with overrides behind it, or a
# shipped network.
_NAME = re.compile(
    r"(?:configs/(?P<path>\w+)\.py(?P<path_variant>:[\w+-]*[\w+])?|"
    rf"(?:--config=|`)(?P<stem>{'|'.join(file.stem for file in CONFIGS)})(?P<variant>:[\w+-]*[\w+])?)"
    r"(?P<overrides>(?: --config\.[\w.]+=[\w.-]*\w)*)|"
    rf"\b(?P<shipped>{'|'.join(SHIPPED)})\b(?!\.)"
)
_FIGURE = re.compile(r"\d+\.\d+")


def relative(path: pathlib.Path) -> str:
    return str(path.relative_to(ROOT))


def names_in(text: str) -> list[str]:
    """The configurations and networks that a text names, as `results.csv` writes them."""
    names = []
    for match in _NAME.finditer(text):
        if match["shipped"]:
            names.append(SHIPPED[match["shipped"]])
        else:
            variant = match["path_variant"] or match["variant"] or ""
            names.append(f"{match['path'] or match['stem']}{variant}{match['overrides']}")
    return list(dict.fromkeys(names))


def split_of(row: dict[str, str]) -> str:
    """The split of a result as documents name it: `pose` for `test:pose`, `validation` for the rest of train."""
    _, _, subset = row["split"].partition(":")
    return "validation" if row["split"].startswith("train") else subset or row["split"]


SPLITS = sorted({split_of(row) for row in RESULTS})


def split_in(text: str) -> str | None:
    """The split or subset that a text names first."""
    match = re.search(rf"(?<![\w/])({'|'.join(SPLITS)})\b(?!=)", text.lower())
    return match[1] if match else None


class Figure(NamedTuple):
    """A figure that a document quotes; `split` is None where the document does not name it next to the figure."""

    name: str
    metric: str
    split: str | None
    value: str

    def is_measured(self) -> bool:
        return any(
            row["network_or_config"] == self.name
            and row["metric"].partition("@")[0] == self.metric
            and row["value"] == self.value
            and self.split in (None, split_of(row))
            for row in RESULTS
        )


def metric_of(head: str) -> str | None:
    """The metric of a table's column or row: by its first word, or NME where it is a split or a subset."""
    word = re.split(r"[\s,%]", head.strip(" *`").lower())[0]
    if word in SPLITS:
        return "nme"
    return word if word in ("nme", "fr", "auc") else None


def tables(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Heads and rows of the Markdown tables of a text."""
    for block in re.findall(r"(?:^\|.*\n?)+", text, flags=re.MULTILINE):
        lines = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
        yield lines[0], lines[2:]


def quoted_in_tables(text: str, title: str | None = None) -> Iterator[Figure]:
    """The figures of tables whose row, head or document names a configuration or a network.

    Args:
      text: Markdown.
      title: name for rows without one; None skips them.
    """
    for heads, rows in tables(text):
        for row in rows:
            in_row = names_in(row[0]) or ([title] if title else [])
            for head, cell in zip(heads[1:], row[1:], strict=True):
                names, metric = in_row, metric_of(head)
                if metric_of(row[0]) and names_in(head):  # a column for each network
                    names, metric = names_in(head), metric_of(row[0])
                figure = re.match(r"\**(\d+\.\d+)", cell)
                if len(names) == 1 and metric and figure:
                    split = split_in(head) or split_in(" ".join(row))
                    yield Figure(names[0], metric, split, figure[1])


def quoted_in_lines(text: str) -> Iterator[Figure]:
    """Each `NME 3.35 %` in a line that names one configuration or network.

    Lines that quote a paper are left out.
    """
    for line in text.splitlines():
        names = [] if "paper" in line else names_in(line)
        for value in re.findall(r"\bNME (\d+\.\d+) ?%", line) if len(names) == 1 else ():
            yield Figure(names[0], "nme", split_in(line), value)


def quoted(path: pathlib.Path) -> Iterator[Figure]:
    text = path.read_text()
    if path.suffix == ".py":
        yield from quoted_in_lines(ast.get_docstring(ast.parse(text)) or "")
        return
    yield from quoted_in_lines(text)
    yield from quoted_in_tables(text, SHIPPED.get(path.stem))


def test_the_table_of_results_is_well_formed():
    assert tuple(RESULTS[0]) == COLUMNS
    for row in RESULTS:
        stem = row["network_or_config"].partition(" ")[0].partition(":")[0]
        assert (ROOT / "configs" / f"{stem}.py").is_file(), row
        assert _FIGURE.fullmatch(row["value"]) or row["value"].isdecimal(), row
        assert row["faces"].isdecimal() or ":" in row["split"], row
        assert all(row[column] for column in ("dataset", "split", "metric", "unit", "command")), row
    keys = [tuple(row[column] for column in COLUMNS if column != "value") for row in RESULTS]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("path", [*DOCS, *CARDS, *CONFIGS], ids=relative)
def test_figures_are_those_of_the_table(path):
    assert [figure for figure in quoted(path) if not figure.is_measured()] == []


def test_figures_are_found_where_they_are():
    """Guards the patterns: these documents quote figures."""
    assert len({figure.value for figure in quoted(ROOT / "README.md")}) >= 4
    assert len(list(quoted(ROOT / "docs" / "results.md"))) >= 25
    assert Figure("w300:small", "nme", "helen_test", "3.56") in list(quoted(ROOT / "configs" / "w300.py"))
    for card in CARDS:
        assert len(list(quoted(card))) >= 9
    [gate] = [figure for figure in quoted(ROOT / "docs" / "evaluation.md") if figure.value == "3.69"]
    assert gate.name == "w300:small --config.model.gate=released"


def links(text: str) -> list[str]:
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]


@pytest.mark.parametrize("path", [*DOCS, *CARDS], ids=relative)
def test_links_lead_somewhere(path):
    text = path.read_text()
    anchors = {
        re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in re.findall(r"^#+ (.*)", text, re.M)
    }
    missing = []
    for link in links(text):
        file, _, anchor = link.partition("#")
        if (file and not (path.parent / file).exists()) or (not file and anchor not in anchors):
            missing.append(link)
    assert missing == []


def module_file(name: str) -> pathlib.Path | None:
    """The file of a module of the project, None for others."""
    path = ROOT.joinpath(*name.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


def runs(text: str) -> list[str]:
    return [
        name for name in re.findall(r"python3? -m ([\w.]+)", text) if name not in ("venv", "pytest", "pip")
    ]


@pytest.mark.parametrize("path", [*DOCS, *CARDS, *CONFIGS], ids=relative)
def test_modules_that_are_run_exist(path):
    assert [name for name in runs(path.read_text()) if module_file(name) is None] == []


_FOLDERS = "dsat_jax|tfds_builders|configs|benchmarks|examples|tests|docs"
_PATH = re.compile(rf"(?<![\w/.])((?:{_FOLDERS})/[\w./-]*\w/?|\.?/?(?:[a-z_0-9]+/)*[a-z_0-9]+\.py)\b(?!\()")


@pytest.mark.parametrize("path", [*DOCS, *CARDS], ids=relative)
def test_paths_exist(path):
    """Paths are written from the root or from `dsat_jax/`."""
    text = re.sub(r"\]\([^)]*\)", "]", path.read_text())
    names = {name for name in _PATH.findall(text) if "NAME" not in name}
    roots = (ROOT, PACKAGE, ROOT / "tfds_builders", path.parent)
    assert sorted(name for name in names if not any((root / name).exists() for root in roots)) == []


def definitions(path: pathlib.Path) -> set[str]:
    """The names at the top level of a module, and what it imports."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return names


SUFFIXES = ("py", "md", "json", "jsonl", "csv", "html")
MODULES: dict[str, list[pathlib.Path]] = {}
for _path in (*PACKAGE.rglob("*.py"), *(ROOT / "tfds_builders").glob("*.py")):
    MODULES.setdefault(_path.parent.name if _path.name == "__init__.py" else _path.stem, []).append(_path)


@pytest.mark.parametrize("path", [*DOCS, *CARDS], ids=relative)
def test_names_of_modules_exist(path):
    """`geometry.crop_matrix` in backticks is defined in a module geometry."""
    wrong = []
    for qualified in re.findall(r"`((?:\w+\.)+\w+)(?:\(\))?`", path.read_text()):
        *_, module, name = qualified.split(".")
        if module not in MODULES or qualified.startswith("config.") or name in SUFFIXES:
            continue
        if not any(name in definitions(file) for file in MODULES[module]):
            wrong.append(qualified)
    assert wrong == []


@pytest.mark.parametrize("path", [*DOCS, *CARDS, *CONFIGS], ids=relative)
def test_fields_of_the_configuration_exist(path):
    text = path.read_text() if path.suffix == ".md" else ast.get_docstring(ast.parse(path.read_text())) or ""
    used = re.findall(r"--config\.(\w+(?:\.\w+)?)", text)
    assert [name for name in used if name not in {*config.field_names(), "SECTION.FIELD"}] == []


@pytest.mark.parametrize("path", [*DOCS, *CARDS], ids=relative)
def test_flags_and_configurations_of_commands_exist(path):
    code = "".join(file.read_text() for file in sorted((PACKAGE / "command_line").glob("*.py")))
    flags = {"help", "verbosity", *re.findall(r'(?:DEFINE_\w+|_PortFlag)\(\s*"([\w-]+)"', code)}
    wrong = []
    for line in path.read_text().splitlines():
        if not re.search(r"\b(run\.py|dsat-jax) (--|\w)", line):
            continue
        command = re.split(r"\brun\.py |\bdsat-jax ", line, maxsplit=1)[1].partition("`")[0].partition("#")[0]
        wrong += [flag for flag in re.findall(r"(?<!\S)--([\w-]+)(?![\w.-])", command) if flag not in flags]
        for stem in re.findall(r"--config=(?:configs/)?(\w+)", command):
            wrong += [] if (ROOT / "configs" / f"{stem}.py").is_file() else [stem]
    assert wrong == []


def test_the_readme_is_short_and_begins_with_the_two_commands():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= MOST_README_LINES
    blocks = re.findall(r"^```bash\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert tuple(block.strip() for block in blocks[:2]) == COMMANDS  # .ci/run takes them from there


def test_banned_words_are_absent():
    found = [
        f"{relative(path)}:{number}: {line.strip()}"
        for path in (*DOCS, *CARDS, *CODE)
        if path not in (GLOSSARY, pathlib.Path(__file__))  # these name the words
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if BANNED.search(line)
    ]
    assert found == []
