"""Load the few modules that supinit uses of a package, without the package's `__init__`.

The `__init__` of PyYAML imports everything that the package has, which takes longer than all the rest of a start
(docs/decisions/0019). So an empty package of the same name, which can find its modules, is in `sys.modules` while the
wanted modules are imported. Afterwards it is removed, and code that imports the package later gets all of it. If
anything goes wrong, the package is imported as usual.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import TypeVar

    T = TypeVar("T")


def load_parts(name: str, parts: Callable[[ModuleType], T], whole: Callable[[], T]) -> T:
    """Return what `parts` imports below the empty package `name`; where that fails, what `whole` imports.

    Where the package is loaded already, `whole` is called at once.
    """
    before = set(sys.modules)
    if name in before:
        return whole()
    try:
        result = parts(_put_empty(name))
        del sys.modules[name]
        return result
    except Exception:
        _remove_modules(name, before)
    return whole()


def _put_empty(name: str) -> ModuleType:
    """Put an empty package into sys.modules. Raises ImportError: it is not installed."""
    for finder in sys.meta_path:
        spec = finder.find_spec(name, None)
        if spec is not None:
            package = sys.modules[name] = type(sys)(name)
            package.__path__ = spec.submodule_search_locations  # type: ignore[assignment]  # a package always has them
            return package
    raise ImportError(f"{name} is not installed")


def _remove_modules(name: str, before: set[str]) -> None:
    """Remove a package's modules from sys.modules, except those that were there `before`."""
    for module in sys.modules.keys() - before:
        if module.partition(".")[0] == name:
            del sys.modules[module]
