"""The rooms of the project and the direction of its imports, read from the source."""

import ast
import pathlib
from collections.abc import Iterator

import pytest

ROOT = pathlib.Path(__file__).parents[1]
# From the top to the ground. A module imports from its own room and from floors below; rooms of one floor import from
# those to their right only.
FLOORS = (
    ("run", "examples", "benchmarks"),
    ("dsat_jax.command_line",),
    ("dsat_jax.training", "dsat_jax.export", "dsat_jax.evaluation"),
    ("dsat_jax.inference", "dsat_jax.data", "dsat_jax.checkpoints"),
    ("dsat_jax.models", "dsat_jax.weights"),
    (
        "dsat_jax.drawing",
        "dsat_jax.warp",
        "dsat_jax.five_points",
        "dsat_jax.targets",
        "dsat_jax.decode",
        "dsat_jax.losses",
        "dsat_jax.preprocess",
        "dsat_jax.metrics",
        "dsat_jax.config",
        "dsat_jax.records",
        "dsat_jax.schemes",
        "dsat_jax.geometry",
        "dsat_jax.runtime",
        "dsat_jax.limits",
        "dsat_jax.files",
        "dsat_jax.errors",
    ),
)
ORDER = [room for floor in FLOORS for room in floor]
# What the dataset builders may know of the library: what a record is, what a scheme is, and the files both read.
BUILDERS_MAY_IMPORT = ("dsat_jax.records", "dsat_jax.schemes", "dsat_jax.files", "dsat_jax.errors")
FLAT_MODULES_AT_MOST = 20


def module_name(path: pathlib.Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


def modules(*folders: str) -> dict[str, pathlib.Path]:
    """Every module of some folders that is not a test, by its name."""
    paths = [path for folder in folders for path in ROOT.glob(folder)]
    return {module_name(path): path for path in paths if not path.name.endswith(("_test.py", "conftest.py"))}


MODULES = modules(
    "run.py", "examples/*.py", "benchmarks/*.py", "configs/*.py", "dsat_jax/**/*.py", "tfds_builders/**/*.py"
)


def imported(path: pathlib.Path) -> Iterator[str]:
    """The project's own modules that a module imports, wherever in its text but for type annotations alone."""
    tree = ast.parse(path.read_text())
    annotations = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test).endswith("TYPE_CHECKING")
        for node in ast.walk(block)
    }
    for node in (node for node in ast.walk(tree) if node not in annotations):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in MODULES or node.module in MODULES:
                    yield whole if whole in MODULES else node.module


def room_of(module: str) -> str | None:
    """The entry of `ORDER` that a module belongs to; None for the package itself, which imports lazily."""
    return next((room for room in ORDER if module == room or module.startswith(f"{room}.")), None)


def upward_imports() -> list[str]:
    """Imports that lead to a room above, as `dsat_jax.a -> dsat_jax.b`."""
    found = []
    for module, path in MODULES.items():
        room = room_of(module)
        if room is None:
            continue
        for other in imported(path):
            target = room_of(other)
            if target is not None and ORDER.index(target) < ORDER.index(room):
                found.append(f"{module} -> {other}")
    return sorted(set(found))


def test_every_module_of_the_library_has_a_room():
    assert [name for name in MODULES if name.startswith("dsat_jax.") and room_of(name) is None] == []


def test_imports_lead_down_only():
    assert upward_imports() == []


def test_a_module_of_a_room_does_not_import_itself_in_a_circle():
    """Inside a room, too: a module is never reached again by following imports."""
    edges = {name: set(imported(path)) - {name} for name, path in MODULES.items()}
    finished: set[str] = set()

    def visit(name: str, chain: tuple[str, ...]) -> None:
        assert name not in chain, " -> ".join([*chain, name])
        if name not in finished:
            for other in edges[name]:
                visit(other, (*chain, name))
            finished.add(name)

    for name in MODULES:
        if not name.startswith("tfds_builders"):
            visit(name, ())


def test_builders_know_records_and_schemes_only():
    wrong = [
        f"{name} -> {other}"
        for name, path in MODULES.items()
        if name.startswith("tfds_builders")
        for other in imported(path)
        if other.startswith("dsat_jax") and not other.startswith(BUILDERS_MAY_IMPORT)
    ]
    assert wrong == []


def test_two_modules_of_the_library_import_the_builders():
    importers = {
        name
        for name, path in MODULES.items()
        if name.startswith("dsat_jax") and any(other.startswith("tfds_builders") for other in imported(path))
    }
    assert importers == {"dsat_jax.data.datasets", "dsat_jax.data.turned_faces.template"}


def test_few_modules_lie_flat():
    flat = [path for path in (ROOT / "dsat_jax").glob("*.py") if path.name != "__init__.py"]
    assert len(flat) <= FLAT_MODULES_AT_MOST


@pytest.mark.parametrize(
    "room", sorted((ROOT / "dsat_jax").glob("*/__init__.py")), ids=lambda path: path.parent.name
)
def test_every_room_says_what_it_does(room):
    text = ast.get_docstring(ast.parse(room.read_text()))
    assert text is not None
    assert len(text.splitlines()) >= 3
