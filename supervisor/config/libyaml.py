"""Load libyaml's parser without the rest of PyYAML, which would take half of a start (docs/decisions/0019).

PyYAML's extension module needs the error classes of its Python modules and nothing else of them. Here it gets stand-ins
for them. Where that fails (PyYAML without libyaml, or one that is built differently), the whole package is loaded.
"""

from __future__ import annotations

import sys

from supervisor.packages import load_parts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    Parser = tuple[ModuleType, ModuleType, Callable[[str], Any]]
    """`yaml.error`, `yaml.events`, and what makes a parser of a text."""

PLACES = ("scanner", "parser", "composer", "constructor")
"""Modules whose errors have a position: `yaml.scanner.ScannerError` is a MarkedYAMLError."""
OTHERS = ("reader", "emitter", "serializer", "representer")


def _parts(package: ModuleType) -> Parser:
    from yaml import error, events, nodes, tokens  # noqa: F401  # the extension module needs all four

    stand_ins: dict[str, ModuleType] = {}
    for names, base in ((PLACES, error.MarkedYAMLError), (OTHERS, error.YAMLError)):
        for name in names:
            module = type(sys)(f"yaml.{name}")
            setattr(module, f"{name.capitalize()}Error", type(f"{name.capitalize()}Error", (base,), {}))
            setattr(package, name, module)
            stand_ins[module.__name__] = module
    sys.modules.update(stand_ins)
    from yaml._yaml import CParser

    for name in stand_ins:
        del sys.modules[name]
    return error, events, CParser


def _whole() -> Parser:
    import yaml

    return yaml.error, yaml.events, yaml.CBaseLoader if yaml.__with_libyaml__ else yaml.BaseLoader


error, events, new_parser = load_parts("yaml", _parts, _whole)
