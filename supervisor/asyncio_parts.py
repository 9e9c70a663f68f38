"""Load asyncio without the modules that only its unused parts need.

asyncio imports logging, subprocess, inspect, typing and others for a few functions that supinit hardly ever calls. They
would take 3 MB for as long as the container runs (docs/decisions/0049). So a stand-in takes the place of each of them
while asyncio is imported, and is removed from `sys.modules` afterwards.

Rule 1: nothing is missing. A stand-in has the few values that asyncio reads while it is imported; whatever else is
        read from it loads the module itself.
Rule 2: only asyncio has a stand-in. Everybody else imports the module itself.
"""

from __future__ import annotations

import sys
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class StandIn(ModuleType):
    """Has some values of a module, and loads the module for any other."""

    def __init__(self, name: str, values: Mapping[str, object]) -> None:
        super().__init__(name)
        self.__dict__.update(values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)  # the import system asks for __path__ and the like
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(_load(self.__name__), name)


class _Logger:
    """asyncio's logger: it logs nothing at level debug, and everything else as usual."""

    def debug(self, *_: object) -> None:
        """Ignore the message: each new loop has one."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_load("logging").getLogger("asyncio"), name)


class _Hint:
    """Stands for `Optional` and `Type` in annotations, which nobody reads."""

    def __getitem__(self, _: object) -> _Hint:
        return self


def _extract_stack(*arguments: Any, **options: Any) -> Any:
    return _load("traceback").extract_stack(*arguments, **options)


STAND_INS: dict[str, dict[str, object]] = {
    "asyncio.sslproto": {},
    "asyncio.staggered": {},
    "concurrent.futures": {
        name: name for name in ("FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED")
    },
    "inspect": {},
    "linecache": {},
    "logging": {"DEBUG": 10, "getLogger": lambda _: _Logger()},
    "subprocess": {"PIPE": -1, "STDOUT": -2, "DEVNULL": -3},
    "traceback": {"extract_stack": _extract_stack},
    "typing": {"final": lambda value: value, "Optional": _Hint(), "Type": _Hint()},
}  # fmt: skip
"""The modules that have a stand-in, with the values that asyncio reads while it is imported."""


def load_asyncio() -> None:
    """Import asyncio. Without ssl, which supinit does not use; it takes 4 MB more."""
    if "asyncio" in sys.modules:
        return
    stand_ins: dict[str, Any] = {n: StandIn(n, values) for n, values in STAND_INS.items() if n not in sys.modules}
    if "ssl" not in sys.modules:
        stand_ins["ssl"] = None  # makes `import ssl` raise ImportError
    if "concurrent.futures" in stand_ins:
        _load("concurrent").futures = stand_ins["concurrent.futures"]
    sys.modules.update(stand_ins)
    try:
        import asyncio
    except Exception:
        pass  # a release of Python that is built differently
    finally:
        for name, module in stand_ins.items():
            if sys.modules.get(name, stand_ins) is module:
                del sys.modules[name]
    import asyncio  # noqa: F401


def _load(name: str) -> Any:
    return __import__(name, fromlist=["*"])
