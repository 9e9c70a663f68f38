"""Load libyaml's parser without the rest of PyYAML, which would take half of a start (docs/decisions/0019).

PyYAML's extension module needs only the error classes of PyYAML's Python modules, so it gets stand-ins for them. If
that fails (PyYAML without libyaml, or a PyYAML that is built differently), the whole package is loaded.
"""

from __future__ import annotations

import sys

from supervisor.packages import forget, hollow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

PLACES = ("scanner", "parser", "composer", "constructor")
"""Modules whose errors have a position: `yaml.scanner.ScannerError` is a MarkedYAMLError."""
OTHERS = ("reader", "emitter", "serializer", "representer")


def load() -> tuple[ModuleType, ModuleType, Callable[[str], Any]]:
    """Return `yaml.error`, `yaml.events` and the parser class."""
    before = set(sys.modules)
    try:
        if "yaml" in before:
            raise ImportError("the whole package is loaded already")
        return _load_parser()
    except Exception:
        forget("yaml", before)
        import yaml

        return yaml.error, yaml.events, yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader


def _load_parser() -> tuple[ModuleType, ModuleType, Callable[[str], Any]]:
    package = hollow("yaml")
    from yaml import error, events, nodes, tokens  # noqa: F401  # the extension module wants all four

    stand_ins = {"yaml": package}
    for names, base in ((PLACES, error.MarkedYAMLError), (OTHERS, error.YAMLError)):
        for name in names:
            module = type(sys)(f"yaml.{name}")
            setattr(module, f"{name.capitalize()}Error", type(f"{name.capitalize()}Error", (base,), {}))
            setattr(package, name, module)
            stand_ins[module.__name__] = module
    sys.modules.update(stand_ins)
    from yaml._yaml import CParser

    for name in stand_ins:
        del sys.modules[name]  # a later import of yaml loads the whole package
    return error, events, CParser


error, events, new_parser = load()
