"""The mutants of a module: small changes to its syntax tree, each of which some test should notice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from copy import copy
from typing import NamedTuple, cast

_OPPOSITES: dict[type[ast.AST], tuple[type[ast.AST], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div,),
    ast.Div: (ast.Mult,),
    ast.FloorDiv: (ast.Mult,),
    ast.Mod: (ast.FloorDiv,),
    ast.BitAnd: (ast.BitOr,),
    ast.LShift: (ast.RShift,),
    ast.RShift: (ast.LShift,),
}
_OTHER_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_UNTESTED = frozenset({"assert_never", "__repr__"})
"""Functions for type checkers and for people."""


class Owner(NamedTuple):
    """What is patched in memory: a function, its default for a parameter, a constant or the default of a field."""

    kind: str
    name: str
    """The qualified name of the function, or the name of the constant or of the class."""
    line: int
    node: ast.expr | None = None
    field: str = ""


class Mutant(NamedTuple):
    """`parent`.`field`, or its element at `position`, becomes `new`. None: the element is removed."""

    path: str
    line: int
    owner: Owner
    statement: ast.stmt
    parent: ast.AST
    field: str
    position: int | None
    new: ast.AST | None

    def apply(self) -> None:
        """Change the tree, which stays changed."""
        self._put(self.new)

    def diff(self) -> str:
        """Return the lines that differ, as "- was" and "+ becomes"."""
        before = _lines(self.statement)
        if isinstance(self.new, ast.Pass):
            return f"- {before[0]}"
        original = getattr(self.parent, self.field)
        saved = list(original) if self.position is not None else original
        self._put(self.new)
        after = _lines(self.statement)
        setattr(self.parent, self.field, saved)
        removed = [line for line in before if line not in after]
        added = [line for line in after if line not in before]
        return "\n".join((*(f"- {line.strip()}" for line in removed), *(f"+ {line.strip()}" for line in added)))

    def _put(self, new: ast.AST | None) -> None:
        if self.position is None:
            setattr(self.parent, self.field, new)
            return
        elements = list(getattr(self.parent, self.field))
        elements[self.position : self.position + 1] = [] if new is None else [new]
        setattr(self.parent, self.field, elements or ([ast.Pass()] if self.field == "body" else []))


def _lines(statement: ast.stmt) -> list[str]:
    return ast.unparse(ast.fix_missing_locations(statement)).splitlines()


def mutants_of(path: str, tree: ast.Module) -> list[Mutant]:
    """Return every mutant of a module. Two that read the same are one."""
    found: dict[tuple[object, ...], Mutant] = {}
    for mutant in _Finder(path).in_module(tree):
        found.setdefault((mutant.owner[:3], mutant.statement.lineno, mutant.diff()), mutant)
    return list(found.values())


class _Finder:
    def __init__(self, path: str) -> None:
        self.path = path
        self.owner = Owner("", "", 0)
        self.statement: ast.stmt = ast.Pass()
        self.returns = ""

    def in_module(self, tree: ast.Module) -> Iterator[Mutant]:
        for node in tree.body:
            self.statement = node
            match node:
                case ast.FunctionDef():
                    yield from self.in_function(node, "")
                case ast.ClassDef():
                    yield from self.in_class(node, f"{node.name}.")
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if not _is_for_types(name, value):
                    yield from self.in_value(Owner("constant", name, node.lineno, value), node)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    yield from self.in_value(Owner("constant", name, node.lineno, value), node)

    def in_class(self, node: ast.ClassDef, prefix: str) -> Iterator[Mutant]:
        is_record = any(isinstance(base, ast.Name) and base.id == "Record" for base in node.bases)
        for inner in node.body:
            self.statement = inner
            match inner:
                case ast.FunctionDef():
                    yield from self.in_function(inner, prefix)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if is_record:
                    yield from self.in_value(Owner("field", node.name, inner.lineno, value, name), inner)

    def in_value(self, owner: Owner, node: ast.Assign | ast.AnnAssign) -> Iterator[Mutant]:
        """Yield mutants of a value. A plain number was chosen, as a limit is: a test could only repeat it."""
        if node.value is not None and _is_number(node.value):
            return
        self.owner, self.returns = owner, ""
        yield from self.in_expression(node, "value", None)

    def in_function(self, node: ast.FunctionDef, prefix: str) -> Iterator[Mutant]:
        if node.name in _UNTESTED:
            return
        name = f"{prefix}{node.name}"
        for index, default in enumerate(node.args.defaults):
            self.owner, self.statement = Owner("parameter", name, node.lineno, default, str(index)), node
            yield from self.in_expression(node.args, "defaults", index)
        self.owner = Owner("function", name, min([node.lineno, *(each.lineno for each in node.decorator_list)]))
        self.returns = ast.unparse(node.returns) if node.returns is not None else ""
        yield from self.in_body(node, "body", {each.arg for each in (*node.args.args, *node.args.kwonlyargs)})

    # ---- statements

    def in_body(self, parent: ast.AST, field: str, bound: set[str]) -> Iterator[Mutant]:
        """`bound`: the names that have a value before, so that an assignment to them can be left out."""
        for index, node in enumerate(getattr(parent, field)):
            self.statement = node
            yield from self.without_statement(parent, field, index, node, bound)
            match node:
                case ast.If() | ast.While():
                    yield from self.in_condition(node, "test", with_true=isinstance(node, ast.If))
                    yield from self.in_body(node, "body", bound)
                    yield from self.in_body(node, "orelse", bound)
                case ast.For():
                    yield from self.in_expression(node, "iter", None)
                    yield from self.in_body(node, "body", bound)
                    yield from self.in_body(node, "orelse", bound)
                case ast.Match():
                    yield from self.in_match(node, bound)
                case ast.Try():
                    for part in ("body", "orelse", "finalbody"):
                        yield from self.in_body(node, part, bound)
                    for handler in node.handlers:
                        yield from self.in_body(handler, "body", bound)
                case ast.FunctionDef():
                    returns, self.returns = self.returns, ast.unparse(node.returns) if node.returns else ""
                    yield from self.in_body(node, "body", bound)
                    self.returns = returns
                case ast.Return(value=ast.expr() as value):
                    yield from self.returned(node, value)
                    yield from self.in_expression(node, "value", None)
                case ast.Assign(targets=targets):
                    yield from self.in_expression(node, "value", None)
                    bound |= {each.id for each in ast.walk(ast.Tuple(targets)) if isinstance(each, ast.Name)}
                case ast.AnnAssign(target=target, value=ast.expr()):
                    yield from self.in_expression(node, "value", None)
                    bound |= {each.id for each in ast.walk(target) if isinstance(each, ast.Name)}
                case ast.AugAssign(op=op):
                    for other in _OPPOSITES.get(type(op), ()):
                        yield self.change(node, "op", None, other())
                    yield from self.in_expression(node, "value", None)
                case ast.Expr() if not _is_call_of(node.value, "assert_never"):
                    yield from self.in_expression(node, "value", None)

    def without_statement(
        self, parent: ast.AST, field: str, index: int, node: ast.stmt, bound: set[str]
    ) -> Iterator[Mutant]:
        match node:
            case ast.Expr(value=ast.Constant()):
                return  # a docstring
            case ast.Expr(value=value) if _is_call_of(value, "assert_never"):
                return
            case ast.Assign(targets=[ast.Name(id=name)]) if name not in bound:
                return  # a NameError
            case ast.Return(value=None) if isinstance(parent, ast.FunctionDef | ast.match_case):
                return  # often the last one
            case ast.Expr() | ast.Assign() | ast.AugAssign() | ast.Continue() | ast.Break() | ast.Raise():
                yield self.change(parent, field, index, ast.Pass(), node.lineno)
            case ast.Return(value=None):
                yield self.change(parent, field, index, ast.Pass(), node.lineno)

    def returned(self, node: ast.Return, value: ast.expr) -> Iterator[Mutant]:
        is_none = isinstance(value, ast.Constant) and value.value is None
        if "None" in self.returns and self.returns != "None" and not is_none:
            yield self.change(node, "value", None, ast.Constant(None))
        if self.returns == "bool" and not isinstance(value, ast.Constant | ast.Compare | ast.UnaryOp):
            yield self.change(node, "value", None, ast.UnaryOp(ast.Not(), value))

    def in_match(self, node: ast.Match, bound: set[str]) -> Iterator[Mutant]:
        yield from self.in_expression(node, "subject", None)
        for index, case in enumerate(node.cases):
            self.statement = node
            body = "; ".join(map(ast.unparse, case.body))
            is_nothing = body in ("pass", "return", "return None", "return False", "return ()")
            if len(node.cases) > 1 and not is_nothing and "assert_never" not in body:
                yield self.change(node, "cases", index, None, case.pattern.lineno)
            if case.guard is not None:
                yield self.change(case, "guard", None, None, case.pattern.lineno)
                yield from self.in_expression(case, "guard", None)
            for pattern in ast.walk(case.pattern):
                if isinstance(pattern, ast.MatchOr):
                    for number in range(len(pattern.patterns)):
                        yield self.change(pattern, "patterns", number, None, case.pattern.lineno)
            yield from self.in_body(case, "body", bound)

    # ---- expressions

    def in_condition(self, parent: ast.AST, field: str, *, with_true: bool) -> Iterator[Mutant]:
        yield self.change(parent, field, None, ast.Constant(False))
        if with_true:
            yield self.change(parent, field, None, ast.Constant(True))
        yield from self.in_expression(parent, field, None)

    def in_expression(self, parent: ast.AST, field: str, index: int | None) -> Iterator[Mutant]:
        whole = getattr(parent, field)
        node = whole if index is None else whole[index]
        for new in _variants(node):
            yield self.change(parent, field, index, new)
        match node:
            case ast.Compare(ops=ops):
                for number, op in enumerate(ops):
                    for other in _OPPOSITES.get(type(op), ()):
                        yield self.change(node, "ops", number, other())
            case ast.BinOp(op=op, left=left, right=right) if not (_is_text(left) or _is_text(right)):
                for other in _OPPOSITES.get(type(op), ()):
                    yield self.change(node, "op", None, other())
            case ast.Call(func=ast.Name(id="replace"), keywords=keywords):
                for number in range(len(keywords)):
                    yield self.change(node, "keywords", number, None)
            case ast.Call(func=ast.Name(id=name) as func) if name in _OTHER_NAMES:
                yield self.change(node, "func", None, ast.Name(_OTHER_NAMES[name], func.ctx))
            case ast.comprehension(ifs=ifs):
                for number in range(len(ifs)):
                    yield self.change(node, "ifs", number, None)
            case ast.Slice(lower=lower, upper=upper):
                if lower is not None:
                    yield self.change(node, "lower", None, None)
                if upper is not None:
                    yield self.change(node, "upper", None, None)
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                for number, each in enumerate(value):
                    if _is_searched(each):
                        yield from self.in_expression(node, name, number)
            elif _is_searched(value):
                yield from self.in_expression(node, name, None)

    def change(
        self, parent: ast.AST, field: str, index: int | None, new: ast.AST | None, line: int | None = None
    ) -> Mutant:
        if line is None:
            line = getattr(parent, "lineno", self.statement.lineno)
        return Mutant(self.path, line, self.owner, self.statement, parent, field, index, new)


def _variants(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what an expression as a whole may become."""
    match node:
        case ast.Constant(value=bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield ast.Constant(value + 1)
            if value > 0:
                yield ast.Constant(value - 1)
        case ast.UnaryOp(op=ast.Not() | ast.USub() | ast.Invert(), operand=operand):
            yield operand
        case ast.BoolOp(op=op, values=values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for each in values:
                rest = [other for other in values if other is not each]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
        case ast.IfExp(body=body, orelse=orelse):
            yield body
            yield orelse
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            yield left
            yield right
        case ast.Tuple(elts=elements, ctx=ast.Load()) if _is_sequence(elements):
            for each in elements:
                yield ast.Tuple([other for other in elements if other is not each], ast.Load())
        case ast.Dict(keys=keys, values=values) if None in keys:
            for number in range(len(keys)):
                yield _without(node, number)


def _without(node: ast.Dict, number: int) -> ast.Dict:
    shorter = copy(node)
    shorter.keys = [each for other, each in enumerate(node.keys) if other != number]
    shorter.values = [each for other, each in enumerate(node.values) if other != number]
    return shorter


def _is_sequence(elements: list[ast.expr]) -> bool:
    """Whether a tuple is a sequence, of any length, and not a pair or the like."""
    return any(isinstance(each, ast.Starred) for each in elements) or (
        len(elements) == 1 and isinstance(elements[0], ast.Call)
    )


def _is_searched(node: object) -> bool:
    return isinstance(node, ast.expr | ast.comprehension | ast.keyword | ast.Slice) and not isinstance(node, ast.Name)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_call_of(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _is_number(node: ast.expr) -> bool:
    """Whether an expression is a number, several of them, or computed from numbers. True and False are none."""
    match node:
        case ast.Tuple(elts=elements):
            return bool(elements) and all(map(_is_number, elements))
        case ast.Constant(value=value):
            return not isinstance(value, bool) and isinstance(value, int | float)
        case ast.BinOp(left=left, right=right):
            return _is_number(left) and _is_number(right)
        case _:
            return False


def _is_for_types(name: str, value: ast.expr) -> bool:
    """Whether an assignment means nothing at run time: TYPE_CHECKING, or an alias such as `A | B`."""
    return name == "TYPE_CHECKING" or all(
        isinstance(each, ast.Name | ast.BinOp | ast.BitOr | ast.Subscript | ast.Tuple | ast.Load | ast.Constant)
        and not isinstance(getattr(each, "value", ""), int | float)
        for each in ast.walk(cast("ast.AST", value))
    )
