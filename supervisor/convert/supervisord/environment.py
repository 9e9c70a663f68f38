"""Convert `environment`: A="1",B='2', of one program or of all."""

from __future__ import annotations

import re

from supervisor.convert.document import Block

_PAIRS_IN_A_VARIABLE = re.compile(r"(?:^|,)\s*%\(ENV_\w+\)s\s*(?=,|$)")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.supervisord.expansion import Text
    from supervisor.convert.supervisord.options import Options

ANCHOR = "_environment"
"""The anchor of the variables that [supervisord] sets for all programs. No program can have this name."""


def environment_of(options: Options, twice: bool = False) -> dict[str, Text]:
    """Return the variables of `environment`. Other values of the section may use them."""
    option = options.raw("environment")
    if option is None:
        return {}
    try:
        pairs = read_pairs(_PAIRS_IN_A_VARIABLE.sub("", option.text).strip().strip(","))
    except ValueError as error:
        options.refuse("environment", str(error))
        return {}
    if _PAIRS_IN_A_VARIABLE.search(option.text):
        options.lose("environment", "names and values that are in a variable cannot be read at conversion")
    expand = options.scope.expand_twice if twice else options.scope.expand
    try:
        return {
            expand(name, option.folder).literal or name: expand(value, option.folder) for name, value in pairs.items()
        }
    except ValueError as error:
        options.refuse("environment", str(error))
        return {}


def shared_environment(variables: dict[str, Text]) -> Block:
    """Return the variables that [supervisord] sets, to be written once."""
    block = Block()
    block.anchor = ANCHOR
    block.entries.update((name, text.written) for name, text in variables.items())
    return block


def read_pairs(text: str) -> dict[str, str]:
    """Return the variables. Raises ValueError where supervisord refuses."""
    from shlex import shlex

    lexer = shlex(text)
    lexer.wordchars += "/.+-():%"  # supervisord's own, and % for what is expanded later
    tokens = list(lexer)
    pairs = {}
    for start in range(0, len(tokens), 4):  # supervisord does not check that the fourth is a comma
        name, equals, value = [*tokens[start : start + 3], "", ""][:3]
        if equals != "=" or not value:
            raise ValueError('expected NAME="VALUE",NAME="VALUE"')
        pairs[name] = value.strip("'\"")
    return pairs
