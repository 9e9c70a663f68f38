"""supervisord's `environment`: A="1",B='2', parted as it parts them."""

from __future__ import annotations


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
