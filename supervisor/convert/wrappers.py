"""Programs that run another one with a different user, directory, environment or limits, as keys of a program.

s6, s6-overlay, execline, runit, daemontools and Docker images bring them. Each stands before the command it runs.
Sources: skarnet.org (s6, execline), smarden.org/runit (chpst), cr.yp.to/daemontools.
"""

from __future__ import annotations

import re
import shlex

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.convert.document import Block, Flow

    Settings = dict[str, Flow | Block]

TOOLS = frozenset(
    (
        "backtick", "chpst", "envdir", "execlineb", "fdmove", "foreground", "importas", "logutil-service", "multilog",
        "s6-applyuidgid", "s6-envdir", "s6-log", "s6-notifyoncheck", "s6-setuidgid", "s6-softlimit", "s6-svc",
        "s6-svscanctl", "s6-svstat", "s6-svwait", "setuidgid", "softlimit", "sv", "svlogd", "with-contenv",
    )
)  # fmt: skip
"""Commands that are gone when the other supervisor is not installed any more."""
_LIMITS = {"o": "nofile", "p": "nproc", "f": "fsize", "c": "core", "s": "stack", "d": "data", "a": "as", "l": "memlock"}


class Command(Record):
    """What is left of a command line, and what its wrappers said."""

    words: tuple[str, ...]
    settings: Settings
    is_joined: bool = False
    """stderr goes where stdout goes."""
    may_split: frozenset[int] = frozenset()
    """Words that are unquoted variables, and so may be several."""
    before: tuple[tuple[str, ...], ...] = ()
    """Commands that run first."""
    env_folders: tuple[str, ...] = ()
    """Folders with a file for each variable."""
    losses: tuple[str, ...] = ()

    @property
    def written(self) -> str | tuple[str, ...]:
        """As a table has it."""
        text = " ".join(
            word if number in self.may_split else shlex.quote(word) for number, word in enumerate(self.words)
        )
        if self.before:
            first = "".join(f"{shlex.join(words)} && " for words in self.before)
            return ("sh", "-c", f"{first}exec {text}")
        return text if self.may_split else self.words


class Unwrapping:
    """A command line whose wrappers are taken off one by one."""

    def __init__(
        self,
        words: list[str],
        settings: Settings | None = None,
        environment: dict[str, str] | None = None,
        may_split: set[int] | None = None,
    ) -> None:
        self.words = words
        self.settings = {} if settings is None else settings
        self.environment = {} if environment is None else environment
        self.may_split = may_split or set()
        self.count = len(words)
        self.is_joined = False
        self.before: tuple[tuple[str, ...], ...] = ()
        self.losses: list[str] = []
        self.env_folders: list[str] = []

    def take_wrapper(self) -> bool:
        """Take one off, if there is one. Raises ValueError for one that is not understood."""
        unwrap = _WRAPPERS.get(self.words[0].rpartition("/")[2]) if self.words else None
        if unwrap is None:
            return False
        self.take()
        unwrap(self)
        return True

    def command(self, written: Callable[[str], str] = str) -> Command:
        """Return what is left. `written` gives a word as a table has it. Raises ValueError if nothing is left."""
        if not self.words or not self.words[0]:
            raise ValueError("there is no command")
        if self.environment:
            self.settings["environment"] = {name: written(value) for name, value in self.environment.items()}
        for key, value in self.settings.items():
            if isinstance(value, str):
                self.settings[key] = written(value)
        taken = self.count - len(self.words)
        return Command(
            words=tuple(map(written, self.words)),
            settings=self.settings,
            is_joined=self.is_joined,
            may_split=frozenset(number - taken for number in self.may_split if number >= taken),
            before=tuple(tuple(map(written, words)) for words in self.before),
            env_folders=tuple(map(written, self.env_folders)),
            losses=tuple(self.losses),
        )

    def take(self, count: int = 1) -> list[str]:
        taken, self.words = self.words[:count], self.words[count:]
        if len(taken) < count:
            raise ValueError("a command is cut short")
        return taken

    def options(self, with_value: str, flags: str = "") -> list[tuple[str, str]]:
        """Take the options at the beginning, each with its value or an empty text."""
        found = []
        while self.words and re.match(r"-[^-]", self.words[0]):
            word = self.take()[0][1:]
            while word:
                letter, word = word[0], word[1:]
                if letter in with_value:
                    found.append((letter, word or self.take()[0]))
                    break
                if letter not in flags:
                    raise ValueError(f"the option -{letter} is unknown")
                found.append((letter, ""))
        if self.words and self.words[0] == "--":
            self.take()
        return found

    def limit(self, letter: str, value: str) -> None:
        limits = self.settings.setdefault("ulimits", {})
        if isinstance(limits, dict) and value.isdigit():
            limits[_LIMITS[letter]] = int(value)


def _user(wrapped: Unwrapping) -> None:
    wrapped.settings["user"] = wrapped.take()[0]


def _nothing(wrapped: Unwrapping) -> None:
    """It prepares what supinit does anyway."""


def _exec(wrapped: Unwrapping) -> None:
    for letter, value in wrapped.options("a", "cl"):
        if letter == "a":
            wrapped.losses.append(f"exec -a {value}: the program keeps its own name")


def _cd(wrapped: Unwrapping) -> None:
    wrapped.settings["working_dir"] = wrapped.take()[0]


def _umask(wrapped: Unwrapping) -> None:
    wrapped.settings["umask"] = wrapped.take()[0]


def _nice(wrapped: Unwrapping) -> None:
    level = "10"
    if wrapped.words and re.fullmatch(r"-\d+|--\d+", wrapped.words[0]):
        level = wrapped.take()[0][1:]
    wrapped.settings["nice"] = int(dict(wrapped.options("n")).get("n", level))


def _env(wrapped: Unwrapping) -> None:
    for letter, value in wrapped.options("u", "i"):
        if letter == "u":
            raise ValueError(f"env -u {value}")
        wrapped.settings["inherit_environment"] = False
    while wrapped.words and (match := re.match(r"([A-Za-z_]\w*)=", wrapped.words[0])):
        wrapped.environment[match[1]] = wrapped.take()[0][match.end() :]


def _export(wrapped: Unwrapping) -> None:
    name, value = wrapped.take(2)
    wrapped.environment[name] = value


def _fdmove(wrapped: Unwrapping) -> None:
    flags = [letter for letter, _ in wrapped.options("", "c")]
    if wrapped.take(2) != ["2", "1"] or flags != ["c"]:
        raise ValueError("fdmove of other descriptors")
    wrapped.is_joined = True


def _applyuidgid(wrapped: Unwrapping) -> None:
    found = dict(wrapped.options("ugG", "Uz"))
    if "u" in found:
        wrapped.settings["user"] = f"{found['u']}:{found['g']}" if "g" in found else found["u"]
    if groups := found.get("G"):
        wrapped.settings["group_add"] = tuple(groups.split(","))


def _softlimit(wrapped: Unwrapping) -> None:
    for letter, value in wrapped.options("acdflmoprst", "hH"):
        if letter in ("h", "H"):
            continue
        if letter in _LIMITS and value.isdigit():
            wrapped.limit(letter, value)
        else:
            wrapped.losses.append(f"the limit -{letter} {value} has no counterpart")


def _chpst(wrapped: Unwrapping) -> None:
    for letter, value in wrapped.options("uUbe/CnlLmdofprtc", "vP012"):
        match letter:
            case "u":
                name, _, groups = value.partition(":") if not value.startswith(":") else (value[1:], "", "")
                first, _, others = groups.partition(":")
                wrapped.settings["user"] = f"{name}:{first}" if first else name
                if others:
                    wrapped.settings["group_add"] = tuple(others.split(":"))
            case "n":
                wrapped.settings["nice"] = int(value)
            case "C":
                wrapped.settings["working_dir"] = value
            case "o" | "p" | "f" | "c" | "d":
                wrapped.limit(letter, value)
            case "e":
                wrapped.env_folders.append(value)
            case "v" | "P" | "0" | "1" | "2" | "l" | "L" | "U" | "b":
                continue
            case _:
                wrapped.losses.append(f"chpst -{letter} {value} has no counterpart")


def _envdir(wrapped: Unwrapping) -> None:
    wrapped.options("", "ifnLc")
    wrapped.env_folders += wrapped.take()


def _notifyoncheck(wrapped: Unwrapping) -> None:
    """It runs a check until it passes, and reports readiness then; a health check does that."""
    found = dict(wrapped.options("3sTtwnc", "d"))
    tries, pause = int(found.get("n", "7")), int(found.get("w", "1000"))
    test = found.get("c", "./data/check")
    wrapped.settings["healthcheck"] = {"test": test}
    if tries:
        wrapped.settings["ready"] = {"timeout": f"{max(1, tries * pause // 1000)}s"}


_WRAPPERS: dict[str, Callable[[Unwrapping], None]] = {
    **dict.fromkeys(("s6-setuidgid", "setuidgid", "su-exec", "gosu"), _user),
    **dict.fromkeys(("with-contenv", "emptyenv", "command", "s6-setsid", "setsid"), _nothing),
    **dict.fromkeys(("env", "s6-env"), _env),
    **dict.fromkeys(("s6-softlimit", "softlimit"), _softlimit),
    **dict.fromkeys(("s6-envdir", "envdir"), _envdir),
    "exec": _exec,
    "cd": _cd,
    "umask": _umask,
    "nice": _nice,
    "export": _export,
    "fdmove": _fdmove,
    "s6-applyuidgid": _applyuidgid,
    "chpst": _chpst,
    "s6-notifyoncheck": _notifyoncheck,
}
