"""supervisord's `environment`: A="1",B='2', of a program or of all."""

from __future__ import annotations

from supervisor.convert.document import Block

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.expansion import Text
    from supervisor.convert.given import Given

ANCHOR = "_environment"
"""Of the variables that [supervisord] sets for all programs: no program can have that name."""


def environment_of(given: Given, twice: bool = False) -> dict[str, Text]:
    """Take `environment`. Its variables may stand in the other values of its section."""
    option = given.raw("environment")
    if option is None:
        return {}
    try:
        pairs = read_pairs(option.text)
    except ValueError as error:
        if "%(" in option.text:
            given.lose("environment", "what a variable holds cannot be parted into variables here")
        else:
            given.refuse("environment", str(error))
        return {}
    expand = given.scope.expand_twice if twice else given.scope.expand
    try:
        return {
            expand(name, option.folder).literal or name: expand(value, option.folder) for name, value in pairs.items()
        }
    except ValueError as error:
        given.refuse("environment", str(error))
        return {}


def shared_environment(variables: dict[str, Text]) -> Block:
    """Return what [supervisord] sets, to be written once."""
    block = Block()
    block.anchor = ANCHOR
    block.entries.update((name, text.written) for name, text in variables.items())
    return block


def read_pairs(text: str) -> dict[str, str]:
    """Return the variables. Raises ValueError where supervisord refuses."""
    from shlex import shlex

    lexer = shlex(text)
    lexer.wordchars += "/.+-():%"  # supervisord's own, and the % of what is expanded afterwards
    tokens = list(lexer)
    pairs = {}
    for start in range(0, len(tokens), 4):  # the fourth is the comma, which supervisord does not look at
        name, equals, value = [*tokens[start : start + 3], "", ""][:3]
        if equals != "=" or not value:
            raise ValueError('cannot be parted into NAME="VALUE",NAME="VALUE"')
        pairs[name] = value.strip("'\"")
    return pairs
