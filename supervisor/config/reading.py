"""The state of one pass over a configuration: its variables, and the problems found so far.

Rule 1: one pass finds all problems. A problem is recorded and reading continues. A reader that has no value to return
        raises `InvalidValue`; the reader of a list or mapping catches it and raises it again after the last part.
Rule 2: the same sentence about the same position is reported once, however many aliases lead there.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import NoReturn

    from supervisor.config.sockets import Descriptors
    from supervisor.config.tree import Node, Scalar


_COMMANDS = ("command", "test", "reload_command", "pre_start", "post_start", "pre_stop", "post_stop")


class InvalidValue(Exception):
    """A value is invalid. The reason has been reported."""


class Reading:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.descriptors: Descriptors | None = None
        """The descriptors of the current program, if it has sockets."""
        self._files: dict[str, int] = {}
        self._problems: dict[tuple[int, int, int, str], str] = {}
        self._warnings: dict[tuple[int, int, int, str], str] = {}

    @property
    def problems(self) -> tuple[str, ...]:
        """All problems with their positions, in reading order."""
        return tuple(self._problems[place] for place in sorted(self._problems))

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._warnings[place] for place in sorted(self._warnings))

    def open(self, file: str) -> None:
        """Add `file` to the end of the reading order."""
        self._files.setdefault(file, len(self._files))

    def problem(self, node: Node, path: str, sentence: str, allowed: str = "") -> None:
        self.problem_at(
            node.file, node.line, node.column, path, f"{sentence} (allowed: {allowed})" if allowed else sentence
        )

    def problem_at(self, file: str, line: int, column: int, path: str, sentence: str) -> None:
        place = (self._files.get(file, 0), line, column, sentence)
        self._problems.setdefault(place, _with_position(file, line, column, path, sentence))

    def refuse(self, node: Node, path: str, sentence: str, allowed: str = "") -> NoReturn:
        self.problem(node, path, sentence, allowed)
        raise InvalidValue

    def expand(self, scalar: Scalar, path: str) -> str:
        """Return the text with its variables replaced. An unset one becomes empty, with a warning."""
        if "$" not in scalar.text:
            return scalar.text
        from supervisor.core.interpolation import interpolate

        try:
            known = self.environ if self.descriptors is None else self.descriptors.variables_at(scalar, path)
            text, unset = interpolate(scalar.text, known)
        except ValueError as error:
            self.refuse(scalar, path, str(error))
        for name in unset:
            sentence = f"variable {name} is not set and is replaced with an empty string"
            if _is_for_shell(path):
                sentence += f"; write $${name} where the shell is to replace it"
            self.warn(scalar, path, sentence)
        return text

    def warn_of_environment(self, sentence: str) -> None:
        """Record a warning about a variable of supinit's own environment. It comes before the others."""
        self._warnings.setdefault((-1, 0, 0, sentence), sentence)

    def warn(self, node: Node, path: str, sentence: str) -> None:
        place = (self._files.get(node.file, 0), node.line, node.column, sentence)
        self._warnings.setdefault(place, _with_position(node.file, node.line, node.column, path, sentence))


def _is_for_shell(path: str) -> bool:
    """Whether a value may be a script with variables of its own."""
    return any(part.partition("[")[0] in _COMMANDS for part in path.split("."))


def join(path: str, key: str) -> str:
    """Return the path of a key below `path`, which is empty for the document itself."""
    return f"{path}.{key}" if path else key


def quote(text: str) -> str:
    """Return the text for a message: quoted, on one line, and cut if it is long."""
    return repr(text if len(text) <= 60 else text[:57] + "…")


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ", did you mean …?" or an empty string. Imports difflib, so it is for errors only."""
    from difflib import get_close_matches

    matches = get_close_matches(word, known, n=1)
    return f", did you mean {matches[0]}?" if matches else ""


def _with_position(file: str, line: int, column: int, path: str, sentence: str) -> str:
    return f"{file}:{line}:{column}: {path}: {sentence}" if path else f"{file}:{line}:{column}: {sentence}"
