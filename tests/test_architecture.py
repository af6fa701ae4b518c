"""The rules of the house: which room may import which, what stays light, how long a file may be."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# room -> the rooms it may import, itself aside
BELOW: dict[str, set[str]] = {
    "forge_core": set(),
    "forge_models": {"forge_core"},
    "forge_resources": {"forge_core", "forge_models"},
    "forge_assets": {"forge_core", "forge_models", "forge_resources"},
    "jobs": {"forge_core", "forge_models", "forge_resources", "forge_assets"},
    "sensors": {"forge_core", "forge_models", "forge_resources", "forge_assets", "jobs"},
    "definitions": {"forge_core", "forge_models", "forge_resources", "forge_assets", "jobs", "sensors"},
    # beside forge_assets; the demo makes its export with the bundled generator
    "forge_cli": {"forge_core", "forge_models", "forge_resources", "examples"},
    "forge_serving": {"forge_core", "forge_models", "forge_resources"},
}
ROOMS = [room for room in BELOW if list(ROOT.glob(f"{room}*"))]
HEAVY = {"torch", "lightning", "mlflow", "evidently", "sklearn", "shap", "feast", "ray"}
# where Dagster may not be known at all; the rest of forge_resources may, but starts without it where it can
WITHOUT_DAGSTER = (
    "forge_core",
    "forge_models",
    "forge_cli",
    "forge_resources/settings.py",
    "forge_resources/stack",
)
LONGEST = 400


def sources(*places: str) -> list[Path]:
    found: list[Path] = []
    for place in places:
        path = ROOT / place
        found += (
            sorted(path.rglob("*.py"))
            if path.is_dir()
            else [p for p in (path, ROOT / f"{place}.py") if p.is_file()]
        )
    return found


def imports(path: Path, *, module_level: bool = False) -> Iterator[str]:
    """The modules a file imports; those for type checkers alone do not count."""
    todo: list[ast.AST] = [ast.parse(path.read_text("utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo.extend(node.orelse)
            continue
        if module_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        todo.extend(ast.iter_child_nodes(node))


def top(module: str) -> str:
    return module.partition(".")[0]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_downward_only(room: str) -> None:
    allowed = BELOW[room] | {room}

    wrong = [
        f"{name(path)} imports {module}"
        for path in sources(room)
        for module in imports(path)
        if top(module) in BELOW and top(module) not in allowed
    ]

    assert not wrong


def test_dagster_stays_out_of_the_rooms_that_do_not_need_it() -> None:
    wrong = [
        f"{name(path)} imports {module}"
        for path in sources(*WITHOUT_DAGSTER)
        for module in imports(path)
        if top(module) == "dagster" or top(module).startswith("dagster_")
    ]

    assert not wrong


def test_no_heavy_library_is_imported_when_a_module_loads() -> None:
    above_models = [room for room in ROOMS if room not in ("forge_core", "forge_models")]

    wrong = [
        f"{name(path)} imports {module}"
        for path in sources(*above_models)
        for module in imports(path, module_level=True)
        if top(module) in HEAVY
    ]

    assert not wrong


def test_no_module_imports_itself_through_others() -> None:
    modules = {module_name(path): path for path in sources(*ROOMS)}
    graph = {
        module: {m for m in imports(path, module_level=True) if m in modules and m != module}
        for module, path in modules.items()
    }
    # a package's __init__ gathers its modules: from inside, naming a sibling goes through no circle
    graph = {module: {m for m in deps if not module.startswith(f"{m}.")} for module, deps in graph.items()}

    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_file_is_too_long_to_be_read_in_one_go() -> None:
    lengths = {
        name(p): len(p.read_text("utf-8").splitlines())
        for p in sources(*ROOMS, "tests", "examples", "benchmarks")
    }

    assert {file: length for file, length in lengths.items() if length > LONGEST} == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        name(path)
        for path in sources(*ROOMS)
        if path.read_text("utf-8").strip() and not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]

    assert not silent
