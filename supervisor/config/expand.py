"""Write the whole configuration as one document, with includes merged and presets expanded, variables unchanged."""

from __future__ import annotations

import yaml

from supervisor.config.presets import apply_preset
from supervisor.config.tree import Mapping, Scalar, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervisor.config.tree import Node

_TAG = "tag:yaml.org,2002:"


def write_out(settings: Node | None, programs: Iterable[tuple[Scalar, Node]]) -> str:
    """Return the document as YAML."""
    resolver = yaml.SafeLoader("")
    entries = [] if settings is None else [(_text("supervisor"), _node(settings, resolver))]
    table = [(_node(name, resolver), _node(_without_preset(program), resolver)) for name, program in programs]
    entries.append((_text("programs"), yaml.MappingNode(_TAG + "map", table, flow_style=False)))
    document = yaml.MappingNode(_TAG + "map", entries, flow_style=False)
    return yaml.serialize(document, Dumper=yaml.SafeDumper, width=120, allow_unicode=True)


def _without_preset(node: Node) -> Node:
    program = apply_preset(node)
    if type(program) is not Mapping:
        return program
    entries = {name: entry for name, entry in program.entries.items() if name != "preset"}
    return Mapping(entries, program.file, program.line, program.column)


def _node(node: Node, resolver: yaml.SafeLoader) -> yaml.Node:
    """Convert a node to PyYAML's. A plain scalar gets the tag that YAML resolves for it, so that it stays plain."""
    if type(node) is Mapping:
        pairs = [(_node(key, resolver), _node(value, resolver)) for key, value in node.entries.values()]
        return yaml.MappingNode(_TAG + "map", pairs, flow_style=False)
    if type(node) is Sequence:
        items = [_node(item, resolver) for item in node.items]
        is_short = all(isinstance(item, yaml.ScalarNode) for item in items)
        return yaml.SequenceNode(_TAG + "seq", items, flow_style=is_short)
    assert type(node) is Scalar
    if not node.is_plain:
        return _text(node.text)
    tag = resolver.resolve(yaml.ScalarNode, node.text, (True, False))  # type: ignore[no-untyped-call]  # PyYAML's stubs
    return yaml.ScalarNode(tag, node.text)


def _text(text: str) -> yaml.ScalarNode:
    return yaml.ScalarNode(_TAG + "str", text)
