"""The mutants that are made, and a run over two small modules."""

from __future__ import annotations

import ast
import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from .operators import mutants_of

ROOT = Path(__file__).parent.parent.parent


def diffs(source: str) -> list[str]:
    return [" ".join(mutant.diff().split("\n")) for mutant in mutants_of("x.py", ast.parse(source))]


def changes(expression: str, returns: str = "int") -> list[str]:
    """Return what an expression becomes where a function returns it."""
    source = f"def f(a, b, c) -> {returns}:\n    return {expression}\n"
    return [diff.partition("+ return ")[2] for diff in diffs(source)]


@pytest.mark.parametrize(
    ("expression", "becomes"),
    [
        ("a < b", ["a <= b", "a >= b"]),
        ("a is b", ["a is not b"]),
        ("a in b", ["a not in b"]),
        ("not a", ["a"]),
        ("a and b", ["a or b", "b", "a"]),
        ("a + b", ["a - b"]),
        ("a // b", ["a * b"]),
        ("a | b", ["a", "b"]),
        ("7", ["8", "6"]),
        ("0.0", ["1.0"]),
        ("True", ["False"]),
        ("a if b else c", ["a", "c"]),
        ("replace(a, b=b, c=c)", ["replace(a, c=c)", "replace(a, b=b)"]),
        ("(*a, b)", ["(b,)", "(*a,)"]),
        ("(f(a),)", ["()"]),
        ("{**a, b: c}", ["{b: c}", "{**a}"]),
        ("max(a, b)", ["min(a, b)"]),
        ("[a for a in b if a]", ["[a for a in b]"]),
        ("a[b:c]", ["a[:c]", "a[b:]"]),
        ("(a, b)", []),
        ("f'{a} is late'", []),
        ("'late' + a", []),
    ],
)
def test_what_an_expression_becomes(expression: str, becomes: list[str]) -> None:
    assert changes(expression) == becomes


def test_what_may_be_none_is_none_and_a_predicate_is_negated() -> None:
    assert changes("f(a)", "Life | None") == ["None"]
    assert changes("f(a)", "bool") == ["not f(a)"]


def test_branches_cases_and_statements_are_left_out() -> None:
    assert diffs("def f(a, b):\n    if a:\n        a = b\n") == [
        "- if a: + if False:",
        "- if a: + if True:",
        "- a = b",
    ]
    cases = "        case X() | Y() if a:\n            act(a)\n        case _:\n            assert_never(a)\n"
    assert diffs(f"def f(a):\n    match a:\n{cases}") == [
        "- case X() | Y() if a: - act(a)",
        "- case X() | Y() if a: + case X() | Y():",
        "- case X() | Y() if a: + case Y() if a:",
        "- case X() | Y() if a: + case X() if a:",
        "- act(a)",
    ]


def test_constants_fields_and_parameters_get_other_values() -> None:
    assert diffs("ALL = LIMIT + 1\n") == [
        "- ALL = LIMIT + 1 + ALL = LIMIT - 1",
        "- ALL = LIMIT + 1 + ALL = LIMIT + 2",
        "- ALL = LIMIT + 1 + ALL = LIMIT + 0",
    ]
    assert diffs("class A(Record):\n    is_up: bool = False\n") == ["- is_up: bool = False + is_up: bool = True"]
    assert diffs("def f(a=False):\n    pass\n") == ["- def f(a=False): + def f(a=True):"]


@pytest.mark.parametrize(
    "source",
    [
        '"""A text."""\nTYPE_CHECKING = False\nif TYPE_CHECKING:\n    A = 1\n',
        "SIZE = 10 * 1024\nclass A(Record):\n    limit: float = 10.0\n",
        "Phase = Stopped | Pending\nKey = tuple[str, int]\n",
        "class Wish(Enum):\n    UP = 1\n",
        "class A:\n    __slots__ = ()\n    def __repr__(self):\n        return f(1)\n",
        'def f(a: int | None):\n    """A text."""\n    assert a is not None\n    assert_never(a)\n',
    ],
)
def test_nothing_is_made_of_what_no_test_can_notice(source: str) -> None:
    assert diffs(source) == []


def _digest() -> str:
    paths = sorted(path for top in ("supervisor", "tests") for path in (ROOT / top).rglob("*.py"))
    return hashlib.sha256(b"".join(bytes(path) + path.read_bytes() for path in paths)).hexdigest()


def test_a_mutant_is_killed_by_a_test_that_notices_it_and_survives_where_there_is_none() -> None:
    before = _digest()
    command = [
        sys.executable,
        "-m",
        "tests.mutation",
        "--seed",
        "1",
        "--verbose",
        "--tests",
        "tests/core/test_routing.py",
    ]
    modules = ["--module", "core/routing.py", "--module", "core/idle_shutdown.py"]
    run = subprocess.run([*command, *modules], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert run.returncode == 0, run.stdout + run.stderr
    killed, survived = (
        [line.split(":")[0] for line in run.stdout.splitlines() if f": {verdict}" in line]
        for verdict in ("killed tests/core/test_routing.py::", "survived")
    )
    assert "supervisor/core/routing.py" in killed
    assert "supervisor/core/idle_shutdown.py" not in killed
    assert "supervisor/core/idle_shutdown.py" in survived
    assert f"score: {100 * len(killed) / (len(killed) + len(survived)):.1f} %" in run.stdout
    assert _digest() == before
