"""Descriptors that are kept for imports, so that a module can be loaded on first use when all others are in use.

Without them, a decision of the core that needs a new module would fail and end the container.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

KEPT = 3
"""An import has one file open at a time, and a C extension the libraries that it needs."""


class ImportReserve:
    """A finder before the one for files in sys.meta_path. It closes its descriptors while an import is under way."""

    def __init__(self) -> None:
        self._files: Any = None
        """The finder for files."""
        self._kept: list[int] = []
        self._depth = 0
        """How many imports are under way, one within the other."""
        self._fill()

    def install(self) -> None:
        for number, finder in enumerate(sys.meta_path):
            if getattr(finder, "__name__", "") == "PathFinder":
                self._files = finder
                sys.meta_path.insert(number, self)
                break

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        with self:
            spec: ModuleSpec | None = self._files.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self)  # type: ignore[assignment]  # it is one in all but its type
        return spec

    def __enter__(self) -> None:
        self._depth += 1
        while self._kept:
            os.close(self._kept.pop())

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._fill()

    def _fill(self) -> None:
        try:
            while len(self._kept) < KEPT:
                self._kept.append(os.open("/", os.O_PATH | os.O_CLOEXEC))
        except OSError:
            pass  # the next import fills it


class _Loader:
    """The loader of one module, which uses the reserve."""

    def __init__(self, loader: Any, reserve: ImportReserve) -> None:
        self._loader = loader
        self._reserve = reserve

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        with self._reserve:
            module: ModuleType | None = self._loader.create_module(spec)
            return module

    def exec_module(self, module: ModuleType) -> None:
        with self._reserve:
            self._loader.exec_module(module)
