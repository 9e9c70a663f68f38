"""The options of one section, read one by one. Those that were never read are reported as unknown."""

from __future__ import annotations

from supervisor.convert.findings import NOT_NEEDED
from supervisor.convert.supervisord.expansion import Text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from supervisor.convert.document import Block
    from supervisor.convert.findings import Findings, Location
    from supervisor.convert.supervisord.expansion import ExpansionScope
    from supervisor.convert.supervisord.ini import IniSection, Option

    T = TypeVar("T")

_TRUE, _FALSE = ("yes", "true", "on", "1"), ("no", "false", "off", "0")
_UNITS = {"kb": 1024, "mb": 1024**2, "gb": 1024**3}
MAX_SHOWN = 60


class Options:
    """Options of a section, and the block that gets the comments about them."""

    def __init__(self, section: IniSection, scope: ExpansionScope, block: Block, findings: Findings) -> None:
        self.section = section
        self.scope = scope
        self.block = block
        self._findings = findings
        self._left = dict(section.options)

    def __contains__(self, name: str) -> bool:
        return name in self.section.options

    def lose(self, name: str, reason: str, above: str = "") -> None:
        """Report an option, if it is there, as lost: a warning, and a comment above the key `above` of the block."""
        self._report(self._findings.warn, name, reason, above)

    def mention(self, name: str, reason: str, above: str = "") -> None:
        """Report an option, if it is there, as slightly different: in the same two places."""
        self._report(self._findings.mention, name, reason, above)

    def _report(self, report: Callable[[Location, str], None], name: str, reason: str, above: str) -> None:
        option = self._take(name)
        if option is not None:
            report(option.place, f"[{self.section.name}] {name}: {reason}")
            self.block.note(f"{name}={_shown(option)}: {reason}", above)

    def group(self, name: str, reason: str = NOT_NEEDED, default: str | None = None) -> None:
        """Report an option, if it is there, in one line with all others of that reason. Its default is not reported."""
        option = self._take(name)
        if option is not None and option.text.lower() != default:
            self._findings.group(option.place, reason, f"[{self.section.name}]", name)

    def _take(self, name: str) -> Option | None:
        self._left.pop(name, None)
        return self.section.options.get(name)

    def refuse(self, name: str, reason: str) -> None:
        """Report an option, or its absence, as an error that supervisord refuses as well."""
        option = self.section.options.get(name)
        place = self.section.place if option is None else option.place
        self._findings.problem(place, f"[{self.section.name}] {name}: {reason}")

    def text(self, name: str, twice: bool = False) -> Text | None:
        """Return a value, expanded, or None if it is missing or wrong."""
        option = self._left.pop(name, None) or self.section.options.get(name)
        if option is None:
            return None
        try:
            expand = self.scope.expand_twice if twice else self.scope.expand
            return expand(option.text, option.folder)
        except ValueError as error:
            self.refuse(name, str(error))
            return None

    def raw(self, name: str) -> Option | None:
        """Return an option unexpanded."""
        return self._left.pop(name, None)

    def value(self, name: str, read: Callable[[str], T], default: T) -> T:
        """Return a value that cannot be a variable. `read` raises ValueError for what supervisord refuses."""
        used_before = set(self.scope.used_variables)
        text = self.text(name)
        if text is None:
            return default
        literal = text.literal
        if literal is None:
            literal = self.scope.value_now(text)
            if literal is None:
                self.lose(name, "cannot be a variable here; supervisord's default is used")
                return default
            self.scope.used_variables &= used_before
            self.mention(name, f"cannot be a variable here; its value at conversion is used: {literal}")
        try:
            return read(literal)
        except ValueError:
            self.refuse(name, f"cannot be {literal!r}")
            return default

    def number(self, name: str, default: int, least: int = 0) -> int | str:
        """Return a number, or the variable that holds it."""
        text = self.text(name)
        if text is not None and text.literal is None:
            return text.written
        return max(least, self.value(name, int, default))

    def flag(self, name: str, default: bool = False) -> bool:
        return self.value(name, _flag, default)

    def size(self, name: str, default: int) -> int:
        return self.value(name, _size, default)

    def finish(self) -> None:
        """Report the options that were never read."""
        for name in list(self._left):
            self.mention(name, "is not a key of supervisord")


def _shown(option: Option) -> str:
    text = " ".join(option.text.split())
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _flag(text: str) -> bool:
    if text.lower() not in _TRUE + _FALSE:
        raise ValueError(text)
    return text.lower() in _TRUE


def _size(text: str) -> int:
    number, unit = text[:-2], text[-2:].lower()
    return int(number) * _UNITS[unit] if unit in _UNITS else int(text)
