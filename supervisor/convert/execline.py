"""Read the execline scripts that services use: a chain of commands, each of which runs the rest.

Source: skarnet.org/software/execline: execlineb, importas, multisubstitute, foreground, if, define.
"""

from __future__ import annotations

import re

from supervisor.convert.wrappers import Unwrapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.wrappers import Command

    Item = str | list["Item"]

_TOKEN = re.compile(r'\s+|#[^\n]*|([{}])(?=\s|$)|((?:"(?:[^"\\]|\\.)*"|[^\s"\\]|\\.)+)', re.DOTALL)
_PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"|((?:[^\s"\\]|\\.)+)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_MARK = re.compile("\1(\\d+)\1")


def read_execline(text: str) -> Command:
    """Return the command of a script. Raises ValueError where it does more than prepare and run one."""
    script = _Script(_items(text))
    while script.take_one():
        pass
    return script.command()


class _Script:
    def __init__(self, items: list[Item]) -> None:
        self.items = items
        self.values: list[str] = []
        """What marks in the items stand for, as a table has it."""
        self.before: list[tuple[str, ...]] = []
        self.unwrapping = Unwrapping([])

    def take_one(self) -> bool:
        """Take the command at the beginning off, if it runs the rest."""
        first = self.items[0] if self.items else []
        name = first.rpartition("/")[2] if isinstance(first, str) else ""
        block = self.items[1] if len(self.items) > 1 and isinstance(self.items[1], list) else None
        if name in ("importas", "import"):
            self.items = self._import(self.items[1:])
        elif name == "define":
            variable, value = _texts(self.items[1:3])
            self.items = self.items[3:]
            self._substitute(variable, value.replace("$", "$$"))
        elif name == "multisubstitute" and block is not None:
            self.items = self.items[2:]
            while block:
                if block[0] not in ("importas", "import"):
                    raise ValueError("multisubstitute of something else")
                block = self._import(block[1:])
        elif name in ("foreground", "if") and block is not None:
            self.before.append(tuple(_texts(block)))
            self.items = self.items[2:]
        else:
            words = _leading_texts(self.items)
            self.unwrapping.words = list(words)
            if not self.unwrapping.take_wrapper():
                return False
            self.items = self.items[len(words) - len(self.unwrapping.words) :]
        return bool(self.items)

    def command(self) -> Command:
        self.unwrapping.words = _texts(self.items)
        self.unwrapping.before = tuple(self.before)
        return self.unwrapping.command(self._written)

    def _import(self, items: list[Item]) -> list[Item]:
        """Take the rest of `importas -ui -D DEFAULT VARIABLE NAME`."""
        default: str | None = None
        is_required = False
        while items and isinstance(items[0], str) and items[0].startswith("-"):
            option = items[0]
            items = items[1:]
            is_required |= "i" in option
            if "D" in option:
                (default,), items = _texts(items[:1]), items[1:]
        variable, name = _texts(items[:2])
        if default is not None:
            value = f"${{{name}:-{default.replace('$', '$$')}}}"
        else:
            value = f"${{{name}?required}}" if is_required else f"${{{name}}}"
        rest = items[2:]
        self._substitute(variable, value, rest)
        return rest

    def _substitute(self, variable: str, value: str, rest: list[Item] | None = None) -> None:
        """Put a value in the place of a variable, in all that follows."""
        self.values.append(value)
        mark = f"\1{len(self.values) - 1}\1"
        pattern = re.compile(rf"\$\{{{re.escape(variable)}\}}|\${re.escape(variable)}(?!\w)")
        for items in (self.items, rest or []):
            items[:] = [pattern.sub(mark, item) if isinstance(item, str) else item for item in items]

    def _written(self, word: str) -> str:
        """Return a word as a table has it. A dollar sign that is left is only that, as in execline."""
        return _MARK.sub(lambda mark: self.values[int(mark[1])], word.replace("$", "$$"))


def _items(text: str) -> list[Item]:
    """Return words and blocks. Raises ValueError for braces that do not match."""
    stack: list[list[Item]] = [[]]
    position = text.find("\n") if text.startswith("#!") else 0
    text = text if position >= 0 else ""
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise ValueError("cannot read this script")
        position = match.end()
        if match[1] == "{":
            stack.append([])
        elif match[1] == "}":
            if len(stack) < 2:
                raise ValueError("a block is closed that was not opened")
            block = stack.pop()
            stack[-1].append(block)
        elif match[2] is not None:
            pieces = (piece[1] if piece[1] is not None else piece[2] for piece in _PIECE.finditer(match[2]))
            stack[-1].append(_ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), "".join(pieces)))
    if len(stack) != 1:
        raise ValueError("a block is not closed")
    return stack[0]


def _leading_texts(items: list[Item]) -> list[str]:
    words: list[str] = []
    for item in items:
        if not isinstance(item, str):
            break
        words.append(item)
    return words


def _texts(items: list[Item]) -> list[str]:
    words = [item for item in items if isinstance(item, str)]
    if len(words) != len(items):
        raise ValueError("a block in the middle of a command")
    return words
