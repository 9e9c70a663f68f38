"""Modules of a package are loaded without its `__init__`, or, where that fails, with it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from supervisor.packages import load_parts

NAME = "package_of_a_test"


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package whose `__init__` says that it has run."""
    folder = tmp_path / NAME
    folder.mkdir()
    (folder / "__init__.py").write_text("was_run = True\n")
    (folder / "part.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def part(_package: ModuleType) -> ModuleType:
    return __import__(f"{NAME}.part", fromlist=["part"])


def whole() -> ModuleType:
    return __import__(NAME)


def is_whole() -> bool:
    """Whether an import of the package now gets all of it."""
    return bool(__import__(NAME).was_run)


def test_a_part_comes_without_the_init_and_the_package_is_whole_for_others() -> None:
    assert load_parts(NAME, part, whole).__name__ == f"{NAME}.part"
    assert NAME not in sys.modules
    assert is_whole()


def test_where_a_part_cannot_be_loaded_the_whole_package_is(package: Path) -> None:
    (package / "part.py").write_text("raise RuntimeError('built differently')\n")
    assert load_parts(NAME, part, whole).was_run
    assert is_whole()
    assert f"{NAME}.part" not in sys.modules


def test_a_package_that_is_loaded_is_used_as_it_is() -> None:
    loaded = whole()
    assert load_parts(NAME, part, whole) is loaded
    assert sys.modules[NAME] is loaded


def test_a_package_that_is_not_installed_is_an_import_error() -> None:
    with pytest.raises(ModuleNotFoundError):
        load_parts("not_installed_anywhere", part, lambda: __import__("not_installed_anywhere"))
    assert "not_installed_anywhere" not in sys.modules
