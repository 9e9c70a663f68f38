"""YAML into a tree, with libyaml and without it."""

from __future__ import annotations

import pytest
import yaml

from supervisor.config.composer import MAX_DEPTH, MAX_VALUES
from supervisor.config.reading import Reading
from supervisor.config.source import MAX_BYTES, parse, read_file
from supervisor.config.tree import Mapping, Node, Scalar, Sequence


@pytest.fixture(params=["libyaml", "python"], autouse=True)
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "libyaml" and not yaml.__with_libyaml__:
        pytest.skip("this PyYAML was built without libyaml")
    monkeypatch.setattr(yaml, "__with_libyaml__", request.param == "libyaml")


def plain(node: Node | None) -> object:
    """Return the tree as Python values, null as None and every other scalar as its text."""
    match node:
        case Scalar():
            return None if node.is_null else node.text
        case Sequence():
            return [plain(item) for item in node.items]
        case Mapping():
            return {name: plain(value) for name, (_, value) in node.entries.items()}
        case None:
            return "no document"


def tree_of(text: str) -> object:
    reading = Reading({})
    tree = plain(parse(text.encode(), "f", reading))
    assert reading.problems == ()
    return tree


def problems_of(data: str | bytes) -> list[str]:
    reading = Reading({})
    parse(data if isinstance(data, bytes) else data.encode(), "f", reading)
    return list(reading.problems)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("", "no document"),
        ("# nothing", "no document"),
        ("---\n...\n", None),
        ("a: no", {"a": "no"}),
        ("a: 022", {"a": "022"}),
        ("a: 1:30", {"a": "1:30"}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: ", {"a": None}),
        ("a: [~, null, Null, NULL, '', 'null', \"~\"]", {"a": [None, None, None, None, "", "null", "~"]}),
        ("a: !!str null", {"a": "null"}),
        ("a: ! null", {"a": "null"}),
        ("a: !!null ''", {"a": None}),
        ("a: !!int '5'", {"a": "5"}),
        ("a: !!seq [!!map {b: c}]", {"a": [{"b": "c"}]}),
        ("1: {true: x}", {"1": {"true": "x"}}),
        ("'': x", {"": "x"}),
        ("a: |\n  b\n  c\n", {"a": "b\nc\n"}),
        ("{a: 1, b: [2, {c: 3}]}", {"a": "1", "b": ["2", {"c": "3"}]}),
        ("a: 1\n...\n", {"a": "1"}),
        ("\ufeffa: é", {"a": "é"}),
        ("a: &x [1]\nb: *x", {"a": ["1"], "b": ["1"]}),
        ("a: &x 1\nb: &x 2\nc: *x", {"a": "1", "b": "2", "c": "2"}),
        ("a: &x {k: 1}\nb: {<<: *x}", {"a": {"k": "1"}, "b": {"k": "1"}}),
        ("a: &x {k: 1, l: 2}\nb: {k: 3, <<: *x}", {"a": {"k": "1", "l": "2"}, "b": {"k": "3", "l": "2"}}),
        (
            "a: &x {k: 1, m: 1}\nb: &y {k: 2, l: 2}\nc: {<<: [*x, *y]}",
            {"a": {"k": "1", "m": "1"}, "b": {"k": "2", "l": "2"}, "c": {"k": "1", "l": "2", "m": "1"}},
        ),
        ("{'<<': x}", {"<<": "x"}),
    ],
)
def test_scalars_stay_the_text_that_was_written(text: str, tree: object) -> None:
    assert tree_of(text) == tree


def test_every_node_knows_its_place() -> None:
    document = parse("é: x\nb:\n  - [ü, {c: d}]\n".encode(), "f", Reading({}))
    assert isinstance(document, Mapping)
    key, value = document.entries["é"]
    assert [(node.file, node.line, node.column) for node in (document, key, value)] == [
        ("f", 1, 1),
        ("f", 1, 1),
        ("f", 1, 4),
    ]
    outer = document.entries["b"][1]
    assert isinstance(outer, Sequence)
    inner = outer.items[0]
    assert isinstance(inner, Sequence)
    mapping = inner.items[1]
    assert isinstance(mapping, Mapping)
    assert [(node.line, node.column) for node in (outer, inner, mapping, *mapping.entries["c"])] == [
        (3, 3),
        (3, 5),
        (3, 9),
        (3, 10),
        (3, 13),
    ]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("a: 1\nb: 2\na: 3", ["f:3:1: a: duplicate key, first given on line 1"]),
        ("p:\n  a: {b: 1, b: 2}", ["f:2:13: p.a.b: duplicate key, first given on line 2"]),
        ("p:\n- {<<: {}, <<: {}}", ["f:2:12: p[0].<<: duplicate key, first given on line 2"]),
        ("[a]: 1", ["f:1:1: cannot have a key that is not a string"]),
        ("p: {~: 1, b: 2}", ["f:1:5: p: cannot have a key that is not a string"]),
        ("p: {? {a: b} : 2, c: 3}", ["f:1:7: p: cannot have a key that is not a string"]),
        (
            "p: !!python/object:os.system {}",
            [
                "f:1:4: p: unsupported tag '!!python/object:os.system'"
                " (allowed: !!str, !!int, !!float, !!bool, !!null, !!seq, !!map)"
            ],
        ),
        (
            "p: [!x 1]",
            ["f:1:5: p: unsupported tag '!x' (allowed: !!str, !!int, !!float, !!bool, !!null, !!seq, !!map)"],
        ),
        (
            "p: !!binary aGk=",
            ["f:1:4: unsupported tag '!!binary' (allowed: !!str, !!int, !!float, !!bool, !!null, !!seq, !!map)"],
        ),
        ("p: {<<: 1}", ["f:1:9: p.<<: cannot be merged (allowed: a mapping, or a list of mappings)"]),
        ("p: {<<: [{}, x]}", ["f:1:14: p.<<: cannot be merged (allowed: a mapping, or a list of mappings)"]),
        ("a: *x", ["f:1:4: unknown anchor &x"]),
        ("a: &x {b: *x}", ["f:1:11: a: alias *x cannot contain itself"]),
        ("a: &x {<<: *x}", ["f:1:12: a: alias *x cannot contain itself"]),
        ("--- 1\n--- 2", ["f:2:1: cannot contain more than one document"]),
        ("a: \x01", ["f:1:4: invalid YAML: the character U+0001 must be escaped"]),
        ("a: x\n\nb: \uffff", ["f:3:4: invalid YAML: the character U+FFFF must be escaped"]),
        ("a: 1\nb: \0", ["f:2:4: cannot contain a null byte"]),
        (b"a: 1\nb: caf\xe9", ["f:2:7: invalid UTF-8: byte 0xe9"]),
        ("a: 1".encode("utf-16"), ["f:1:1: invalid UTF-8: byte 0xff"]),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_with_its_place(text: str | bytes, problems: list[str]) -> None:
    assert problems_of(text) == problems


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "\t- a", "a: 'x", "%x\na", "a: @x", "- a\nb: c", 'a: "\\q"'])
def test_broken_yaml_is_one_problem_with_its_place(text: str) -> None:
    (problem,) = problems_of(text)
    file, line, column, sentence = problem.split(":", 3)
    assert (file, line.isdecimal(), column.isdecimal()) == ("f", True, True)
    assert sentence.startswith(" invalid YAML: ")


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 3000 + "x", "? " * 3000 + "x"])
def test_deep_nesting_is_refused_before_it_can_overflow_a_stack(text: str) -> None:
    (problem,) = problems_of(text)
    assert problem.endswith(f"cannot be nested more than {MAX_DEPTH} levels deep")


def test_what_stands_beside_each_other_is_not_deep() -> None:
    assert tree_of("- [{a: []}]\n" * (2 * MAX_DEPTH)) == [[{"a": []}]] * (2 * MAX_DEPTH)


def test_aliases_cannot_make_a_small_document_large() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert problems_of("\n".join(levels)) == [
        f"f:6:25: a5: cannot contain more than {MAX_VALUES} values, including those behind aliases"
    ]


def test_an_alias_may_be_used_by_many() -> None:
    text = "a: &x {k: [1, 2, 3]}\nb: [" + ", ".join(["*x"] * 2000) + "]"
    tree = tree_of(text)
    assert isinstance(tree, dict)
    assert tree["b"] == [{"k": ["1", "2", "3"]}] * 2000


def test_a_file_without_end_is_not_read_to_its_end() -> None:
    with pytest.raises(OSError, match=f"larger than {MAX_BYTES // 1024 // 1024} MiB"):
        read_file("/dev/zero")
