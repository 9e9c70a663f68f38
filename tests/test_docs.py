"""The pages in docs/ say what the code does."""

from __future__ import annotations

import ast
from pathlib import Path

from supervisor.config.reference import reference

ROOT = Path(__file__).parent.parent
NOUNS = ("container", "program", "signal", "marker", "control", "internal", "log")


def test_the_configuration_page_is_made_from_the_table_of_keys() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == reference(), (
        "python -m supervisor.config.reference > docs/configuration.md"
    )


def test_the_operations_page_lists_exactly_the_events_that_are_logged() -> None:
    lines = (ROOT / "docs/operations.md").read_text().splitlines()
    listed = {line.split("`")[1] for line in lines if line.startswith("| `") and line.split("`")[1].count(".") == 1}
    listed = {event for event in listed if event.split(".")[0] in NOUNS and event != "control.sock"}
    assert listed == _events_in_the_code()


def _events_in_the_code() -> set[str]:
    """Every string constant that looks like an event: a noun of ours, a dot and a verb."""
    events = set()
    for path in (ROOT / "supervisor").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                noun, dot, verb = node.value.partition(".")
                if dot and noun in NOUNS and verb.replace("_", "").isalpha() and verb != "sock":
                    events.add(node.value)
    return events
