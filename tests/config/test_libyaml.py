"""PyYAML's C parser without the rest of PyYAML, each time in an interpreter that has imported nothing of it yet."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import supervisor

HIDE_LIBYAML = "import sys; sys.modules['yaml._yaml'] = None\n"
SAY = """
import json, sys
from supervisor.config import libyaml
from supervisor.config.reading import Reading
from supervisor.config.source import parse
text = {text!r}.encode()
reading = Reading({{}})
node = parse(text, "t.yaml", reading)
print(json.dumps({{"parser": libyaml.new_parser.__name__, "yaml": "yaml" in sys.modules,
                  "node": type(node).__name__, "problems": [str(problem) for problem in reading.problems]}}))
"""


def say(code: str) -> str:
    root = Path(supervisor.__file__).parent.parent
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False, timeout=60
    )
    assert answer.stderr == ""
    return answer.stdout


def parsed(text: str, before: str = "") -> dict[str, object]:
    found: dict[str, object] = json.loads(say(before + SAY.format(text=text)))
    return found


def test_the_parser_comes_without_the_rest_of_the_package() -> None:
    assert parsed("a: [1, {b: c}]") == {"parser": "CParser", "yaml": False, "node": "Mapping", "problems": []}


@pytest.mark.parametrize("text", ["a: [", "a: b: c", "a: @x", "a: 'x", "? {", "a: \x01"])
def test_errors_are_the_same_as_with_the_whole_package(text: str) -> None:
    whole = parsed(text, "import yaml\n")
    assert whole["parser"] == "CBaseLoader"
    assert parsed(text) == {**whole, "parser": "CParser", "yaml": False}
    assert whole["problems"]


@pytest.mark.parametrize("before", [HIDE_LIBYAML], ids=["without libyaml"])
def test_without_it_the_parser_in_python_reads_the_table(before: str) -> None:
    assert parsed("a: [1, {b: c}]", before) == {
        "parser": "BaseLoader",
        "yaml": True,
        "node": "Mapping",
        "problems": [],
    }


def test_who_imports_yaml_later_gets_all_of_it() -> None:
    code = "from supervisor.config import libyaml\nimport yaml\n"
    code += "print(yaml.safe_load('a: 2020-01-01'), yaml.load('[1]', Loader=yaml.CSafeLoader), yaml.dump({'b': 1}))\n"
    code += "try: yaml.load('[', Loader=yaml.CSafeLoader)\nexcept yaml.MarkedYAMLError as error: print(error.problem)"
    assert say(code) == ("{'a': datetime.date(2020, 1, 1)} [1] b: 1\n\ndid not find expected node content\n")
