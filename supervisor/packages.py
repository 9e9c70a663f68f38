"""Packages of other people of which only some modules are needed, and whose `__init__` would load all of them."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def hollow(name: str) -> ModuleType:
    """Put a package into sys.modules that can find its modules and has none. Raises ImportError: it is not installed.

    Whoever does this takes it away again, so that others who import the package get all of it.
    """
    for finder in sys.meta_path:
        spec = finder.find_spec(name, None)
        if spec is not None:
            package = sys.modules[name] = type(sys)(name)
            package.__path__ = spec.submodule_search_locations  # type: ignore[assignment]  # a package always has them
            return package
    raise ImportError(f"{name} is not installed")


def forget(name: str, before: set[str]) -> None:
    """Take what has been loaded of a package out of sys.modules, but for the modules that were there `before`."""
    for module in sys.modules.keys() - before:
        if module.partition(".")[0] == name:
            del sys.modules[module]
