"""Imports point one way: errors ← core ← {config, process, health, files, logs, control} ← engine ← cli, and client."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "supervisor"

ADAPTERS = frozenset({"config", "process", "health", "logs", "files", "control"})
TOP = frozenset(
    {
        "asyncio_parts", "boot", "change_log", "emergency", "engine", "faults", "file_watches", "groundwork",
        "launcher", "leases", "loop", "measuring", "opening", "orders", "pauses", "reports", "run_dir",
        "running_container", "signalling", "tasks", "wall_clock",
    }
)  # fmt: skip
"""Modules beside the packages that put the adapters together. What is not listed below is a part of this layer."""

MAY_IMPORT: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "packages": frozenset(),
    "cron": frozenset(),
    "file_identity": frozenset(),
    "regular_file": frozenset(),
    "threads": frozenset(),
    "trusted_path": frozenset(),
    "umask": frozenset(),
    "core": frozenset({"errors"}),
    **{
        adapter: frozenset(
            {"errors", "cron", "file_identity", "packages", "regular_file", "threads", "trusted_path", "umask", "core"}
        )
        for adapter in ADAPTERS
    },
    "client": frozenset({"errors", "core"}),
    "store": frozenset({"errors", "core"}),
    "convert": frozenset({"errors", "cron", "core", "config"}),
    "cli": frozenset({"errors", "cron", "core", "client", "convert", "__main__"}) | ADAPTERS | TOP,
    "__main__": frozenset({"cli"}),
}
"""Which layers a layer may import, itself always included. `from supervisor import __version__` may be everywhere."""

TOP_MAY_IMPORT = frozenset({"errors", "core", "cron", "threads", "trusted_path"}) | ADAPTERS

STDLIB_OF_CORE = frozenset({"__future__", "enum", "math", "signal"})
"""What core may take from outside at run time: no clock, process, file, log, asyncio or random number."""
STDLIB_OF_CORE_FOR_TYPES = frozenset({"typing", "collections"})


def _imports(tree: ast.Module, package: str) -> Iterator[tuple[str, bool]]:
    """Yield the full name of each module that is imported, and whether for type checkers only."""
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in for_types
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            if module == "supervisor":
                for alias in node.names:
                    yield f"supervisor.{alias.name}", id(node) in for_types
            else:
                yield module, id(node) in for_types


def _layer(parts: tuple[str, ...]) -> str:
    """Return the layer of a module, given its names below `supervisor`; "" is the package itself."""
    return parts[0] if parts else ""


def find_violations(root: Path) -> tuple[list[str], set[str]]:
    """Return one sentence for each import below `root` that the table forbids, and the layers that were seen."""
    wrong: list[str] = []
    seen: set[str] = set()
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        layer = _layer(parts)
        package = ".".join(["supervisor", *(parts if path.name == "__init__.py" else parts[:-1])])
        seen.add(layer)
        for module, for_types in _imports(ast.parse(path.read_text("utf-8")), package):
            if not _is_allowed(layer, module, for_types):
                wrong.append(f"{path.relative_to(root)} imports {module}")
    return wrong, seen


def _is_allowed(layer: str, module: str, for_types: bool) -> bool:
    top, *rest = module.split(".")
    if top != "supervisor":
        allowed = STDLIB_OF_CORE | (STDLIB_OF_CORE_FOR_TYPES if for_types else frozenset())
        return layer != "core" or top in allowed
    target = _layer(tuple(rest))
    if target in ("", "__version__", layer):
        return True
    if layer in MAY_IMPORT:
        return target in MAY_IMPORT[layer]
    return target in TOP_MAY_IMPORT or target in TOP


def find_cycle(root: Path) -> list[str]:
    """Return modules below `root` that import each other in a cycle, at run time and at any depth. Empty: none do."""
    graph: dict[str, set[str]] = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        package = ".".join(["supervisor", *(parts if path.name == "__init__.py" else parts[:-1])])
        tree = ast.parse(path.read_text("utf-8"))
        modules = {module for module, for_types in _imports(tree, package) if not for_types}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in modules:
                modules |= {f"{node.module}.{alias.name}" for alias in node.names}  # some of them are modules
        graph[".".join(["supervisor", *parts])] = modules
    done: set[str] = set()

    def walk(name: str, above: tuple[str, ...]) -> list[str]:
        if name in above:
            return [*above[above.index(name) :], name]
        if name in done or name not in graph:
            return []
        found = next((cycle for other in sorted(graph[name]) if (cycle := walk(other, (*above, name)))), [])
        done.add(name)
        return found

    return next((cycle for name in sorted(graph) if (cycle := walk(name, ()))), [])


def test_no_modules_import_each_other_in_a_cycle() -> None:
    assert find_cycle(PACKAGE) == []


def test_a_cycle_of_imports_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from supervisor.b import f")
    (tmp_path / "b.py").write_text("def f() -> None:\n    import supervisor.a")
    assert find_cycle(tmp_path) == ["supervisor.a", "supervisor.b", "supervisor.a"]


def test_every_import_points_the_right_way() -> None:
    wrong, seen = find_violations(PACKAGE)
    assert wrong == []
    assert {"", "errors", "core"} <= seen


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("errors.py", "from supervisor.core.record import Record"),
        ("core/life.py", "import asyncio"),
        ("core/life.py", "from time import monotonic"),
        ("core/life.py", "import random"),
        ("core/life.py", "from typing import Any"),
        ("core/life.py", "def f() -> None:\n    import os"),
        ("core/life.py", "from supervisor.process.spawn import spawn"),
        ("core/life.py", "from supervisor import process"),
        ("core/life.py", "from ..process import spawn"),
        ("core/deep/life.py", "from ...process import spawn"),
        ("core/__init__.py", "from ..process import spawn"),
        ("core/life.py", "if TYPE_CHECKING:\n    from supervisor.process.spawn import Spawner"),
        ("core/life.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import typing"),
        ("logs/pump.py", "import supervisor.process.children"),
        ("control/api.py", "from supervisor.engine import Engine"),
        ("process/spawn.py", "from supervisor.cli.supinit import main"),
        ("engine.py", "from supervisor.cli.supinit import main"),
        ("loop.py", "from .cli import supinit"),
    ],
)
def test_an_import_that_points_the_wrong_way_is_found(tmp_path: Path, path: str, line: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"from __future__ import annotations\n{line}\n")
    wrong, _ = find_violations(tmp_path)
    assert len(wrong) == 1
    assert wrong[0].startswith(f"{path} imports ")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("core/life.py", "from supervisor.core.record import Record"),
        ("core/life.py", "from .record import Record"),
        ("core/life.py", "from signal import SIGTERM"),
        ("core/life.py", "if TYPE_CHECKING:\n    from collections.abc import Mapping"),
        (
            "logs/pump.py",
            "import asyncio\nfrom supervisor.core.life import Life\nfrom supervisor import errors",
        ),
        ("control/api.py", "from supervisor import __version__"),
        ("engine.py", "from supervisor.process.spawn import spawn\nfrom supervisor.loop import Loop"),
        ("cli/supinit.py", "from supervisor.engine import Engine\nfrom supervisor.logs.sink import Sink"),
        ("__main__.py", "from supervisor.cli.supinit import main"),
    ],
)
def test_an_import_that_points_the_right_way_is_left_alone(tmp_path: Path, path: str, line: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"from __future__ import annotations\n{line}\n")
    assert find_violations(tmp_path)[0] == []
