"""What well-known servers need in a container and their command lines lack: it works in a test and bites in production.

Only what is certain from the command line, and from the uWSGI configuration that it names, is said.
"""

from __future__ import annotations

import os

from supervisor.core.program import Scope, SignalStep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from supervisor.core.program import Program

SHELLS = ("sh", "bash", "dash", "ash", "zsh")
TRUE = ("true", "1", "yes", "on", "")


def lint(program: Program) -> Iterator[str]:
    """Yield sentences about one program."""
    name = os.path.basename(program.command[0])
    words = program.command[1:]
    if name == "nginx" and "daemon off" not in " ".join(words) + _read_nginx_conf(words):
        yield "nginx goes to the background and looks as if it had ended: add -g 'daemon off;'"
    if name.startswith("uwsgi"):
        yield from _lint_uwsgi(words)
    if name == "celery" and any(isinstance(step, SignalStep) and step.scope is not Scope.MAIN for step in program.stop):
        yield "a signal to celery's whole group kills the tasks that its warm shutdown would finish: use scope: main"
    if name in SHELLS and "-c" in words[:-1] and not _passes_signals_on(words[words.index("-c") + 1]):
        yield f"{name} does not pass signals on to what it runs: begin the last command with exec, or name it directly"


def uncompiled(packages: Iterable[str]) -> Iterator[str]:
    """Yield the packages that have no .pyc files, which the official images of Python delete."""
    from importlib.util import find_spec

    for name in packages:
        spec = find_spec(name)
        if spec is not None and spec.cached is not None and not os.path.exists(spec.cached):
            yield name


def _read_nginx_conf(words: tuple[str, ...]) -> str:
    """Return the main configuration with single spaces; nothing, where it is not here."""
    path = words[words.index("-c") + 1] if "-c" in words[:-1] else "/etc/nginx/nginx.conf"
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = (line.partition("#")[0] for line in file)
            return " ".join(" ".join(lines).split())
    except OSError:
        return ""


def _passes_signals_on(script: str) -> bool:
    """A shell that traps, or that turns into its last command, does what it is told to."""
    last = script.replace("&&", ";").replace("||", ";").strip().rstrip(";").rpartition(";")[2].strip()
    return "trap " in script or last.startswith("exec ")


def _lint_uwsgi(words: tuple[str, ...]) -> Iterator[str]:
    options = _uwsgi_options(words)
    if options is None:
        return
    if not _is_on(options, "master"):
        yield "uWSGI without master cannot reload, and leaves its workers behind: add master = true"
    if not _is_on(options, "need-app"):
        yield "uWSGI starts without its application and answers 500: add need-app = true"


def _is_on(options: dict[str, str], name: str) -> bool:
    return options.get(name, "false").strip().lower() in TRUE


def _uwsgi_options(words: tuple[str, ...]) -> dict[str, str] | None:
    """Return the options by name, those of an ini file too. None: they stand somewhere that is not looked at."""
    options: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "-M":
            options["master"] = ""
        elif word.startswith("--"):
            name, equals, value = word.removeprefix("--").partition("=")
            if not equals and rest and not rest[0].startswith("-"):
                value = rest.pop(0)
            options[name] = value
        elif word.endswith(".ini"):
            options["ini"] = word
        elif word.endswith((".yaml", ".yml", ".json", ".xml")):
            return None
    if any(name in options for name in ("yaml", "json", "xml", "emperor", "inherit", "include")):
        return None
    return options | _read_ini(options["ini"]) if "ini" in options else options


def _read_ini(path: str) -> dict[str, str]:
    """Read the [uwsgi] section. What cannot be read here may be there in production: then nothing is said."""
    silent = {"master": "", "need-app": ""}
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file]
    except OSError:
        return silent
    pairs = (line.partition("=") for line in lines if line and line[0] not in "#;[")
    options = {name.strip(): value.strip() for name, _, value in pairs}
    return silent if "ini" in options or "include" in options or "inherit" in options else options
