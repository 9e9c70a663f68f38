"""Put a mutant into a running interpreter, where every module and every test has been imported already."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from .operators import Mutant


def patch(mutant: Mutant, module: ModuleType, tree: ast.Module) -> None:
    """Change what the module does. There is no way back: do it in a forked process."""
    mutant.apply()
    ast.fix_missing_locations(tree)
    owner = mutant.owner
    if owner.kind == "function":
        code = _code_of(compile(tree, mutant.path, "exec"), owner.name, owner.line)
        _function(module, owner.name).__code__ = code
        return
    value = eval(compile(ast.Expression(_expression(mutant)), mutant.path, "eval"), vars(module))
    if owner.kind == "parameter":
        function = _function(module, owner.name)
        defaults = list(function.__defaults__ or ())
        defaults[int(owner.field)] = value
        function.__defaults__ = tuple(defaults)
    elif owner.kind == "field":
        getattr(module, owner.name)._defaults[owner.field] = value
    else:
        _rebind(owner.name, getattr(module, owner.name), value)


def _expression(mutant: Mutant) -> ast.expr:
    """Return the whole value after the change."""
    match mutant.statement:
        case ast.FunctionDef() as function:
            return function.args.defaults[int(mutant.owner.field)]
        case ast.Assign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            return value
        case other:
            raise AssertionError(other)


def _rebind(name: str, old: object, new: object) -> None:
    """Give a constant another value wherever it has been imported."""
    for module in list(sys.modules.values()):
        if module is not None and vars(module).get(name) is old and module.__name__.startswith(("supervisor", "tests")):
            setattr(module, name, new)


def functions_of(module: ModuleType) -> Iterator[tuple[str, CodeType]]:
    """Yield the qualified name and the code of each function and method that the module defines."""
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == module.__name__:
            yield from ((code.co_qualname, code) for code in map(_plain_code, vars(value).values()) if code is not None)
        elif isinstance(value, FunctionType) and value.__module__ == module.__name__:
            yield value.__code__.co_qualname, value.__code__


def _plain_code(value: object) -> CodeType | None:
    function = _plain(value)
    return function.__code__ if isinstance(function, FunctionType) else None


def _plain(value: Any) -> Any:
    return getattr(value, "fget", None) or getattr(value, "__func__", value)


def _function(module: ModuleType, name: str) -> FunctionType:
    value: Any = module
    for part in name.split("."):
        value = vars(value)[part]
    function = _plain(value)
    assert isinstance(function, FunctionType), name
    return function


def _code_of(code: CodeType, name: str, line: int) -> CodeType:
    """Find the code of a function in that of its module."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_qualname == name and inner.co_firstlineno == line:
                return inner
            if name.startswith(f"{inner.co_qualname}."):
                return _code_of(inner, name, line)
    raise LookupError(name)
