"""The project speaks the words of docs/glossary.md: retired words do not come back."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

from supervisor.core import life
from supervisor.core.snapshot import State

ROOT = Path(__file__).parent.parent

RETIRED = {
    r"(?<!of )(?<!in due )\bcourses?\b": "container phase",
    r"\b(?:ladders?|laddered|rungs?)\b": "stop sequence, step",
    r"\bledgers?\b": "counters",
    r"\bnarrat(?:e|es|ed|ive|ives|ion|or)\b": "log events",
    r"\bcheckups?\b": "health state",
    r"\bcore[./]ending\b": "restart policy",
    r"\b(?:doors?|turnstiles?)\b": "connection limit, fair share",
    r"\bcensus\b": "process tree",
    r"\bspotters?\b": "readiness patterns",
    r"\brecall(?:\.py)?\b": "log reader",
    r"\bheirs?\b": "successors",
    r"\berrands?\b": "pending tasks",
    r"\b(?:life|view|web)\.said\b": "status text",
}
"""Pattern → the word to use. Names are split at underscores and capitals before they are looked at."""
TELLS_OF_THEM = ("tests/test_words.py", "docs/openapi.yaml", "CHANGELOG.md")


def _pages() -> list[str]:
    folders = ("supervisor", "tests", "integration", "benchmarks", "docs", "deploy")
    found = chain.from_iterable((ROOT / folder).rglob("*") for folder in folders)
    pages = [*found, *ROOT.glob("*.md"), ROOT / "Dockerfile.example", ROOT / ".ci/run"]
    names = (str(path.relative_to(ROOT)) for path in pages if path.suffix in (".py", ".md", ".yaml", ".example", ""))
    return sorted(name for name in names if name not in TELLS_OF_THEM and (ROOT / name).is_file())


@pytest.mark.parametrize("word", RETIRED)
def test_a_retired_word_is_not_used(word: str) -> None:
    pattern = re.compile(word, re.IGNORECASE)
    uses = [
        f"{name}:{number}: {line.strip()} (say: {RETIRED[word]})"
        for name in _pages()
        for number, line in enumerate((ROOT / name).read_text(errors="replace").splitlines(), 1)
        if pattern.search(_split(line))
    ]
    assert not uses, "\n".join(uses)


@pytest.mark.parametrize("line", ["of course", "in due course", "the ending", "outdoors", "it said so", "recalled"])
def test_plain_english_is_not_flagged(line: str) -> None:
    assert not any(re.search(word, _split(line), re.IGNORECASE) for word in RETIRED)


@pytest.mark.parametrize(
    "line", ["_course_deadline", "self.ledger", "the rung", "class Door:", "life.said", "begin_checkup", "LADDER"]
)
def test_a_name_that_holds_a_retired_word_is_flagged(line: str) -> None:
    assert any(re.search(word, _split(line), re.IGNORECASE) for word in RETIRED)


def test_the_glossary_has_every_phase_with_its_state() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([A-Z]+) \|", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    assert {phase for phase, _ in rows} == {phase.__name__ for phase in life.Phase.__args__}
    assert {state for _, state in rows} == {state.value for state in State}


def _split(line: str) -> str:
    """Put spaces where a name is made of several words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", line)
