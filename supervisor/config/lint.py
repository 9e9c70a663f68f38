"""Warnings about a valid table: what is allowed, but does not do what the operator expects.

A warning needs evidence: the table, the command line, or a configuration file that the command line names.
"""

from __future__ import annotations

import os

from supervisor.core.plan import critical_path
from supervisor.core.program import Condition, ProgramType, RestartWhen, Scope, SignalStep
from supervisor.core.signals import signal_name
from supervisor.regular_file import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from supervisor.core.plan import Plan
    from supervisor.core.program import Program

DOCKER_STOP_TIMEOUT = 10.0
"""Seconds that `docker stop` waits by default before it kills (docker-container-stop(1))."""
MAX_BYTES = 1 << 20
"""Bytes of a server's configuration that are read."""
SHELLS = ("sh", "bash", "dash", "ash", "zsh")
TRUE = ("true", "1", "yes", "on", "")


def warnings_on(plan: Plan) -> Iterator[str]:
    """Yield warnings about a valid table: those found while it was read, then those about what it says."""
    yield from plan.warnings
    yield from _warnings_on_time(plan)
    yield from _warnings_on_users(plan)
    for name, program in plan.programs.items():
        yield from (f"programs.{name}: {sentence}" for sentence in lint(program))
        for received, _ in program.signals:
            if received in plan.settings.shutdown_signals:
                yield f"programs.{name}.signals: {signal_name(received)} is a shutdown signal and is never forwarded"
        for dependency in program.depends_on:
            target = plan.programs[dependency.program]
            if reason := _reason_never_met(dependency.condition, target):
                yield f"programs.{name}.depends_on.{target.name}: waits for ever, because {target.name} {reason}"


def _warnings_on_time(plan: Plan) -> Iterator[str]:
    settings = plan.settings
    _, seconds = critical_path(plan)
    timeout = settings.shutdown_timeout
    if timeout is None and seconds > DOCKER_STOP_TIMEOUT:
        yield (
            f"a shutdown can take {seconds:g}s, but docker stop kills after {DOCKER_STOP_TIMEOUT:g}s: raise its "
            "--time (stop_grace_period in Compose) or set supervisor.shutdown_timeout"
        )
    elif timeout is not None and settings.drain_delay >= timeout:
        yield f"drain_delay uses up shutdown_timeout ({timeout:g}s): every program would get SIGKILL at once"
    elif timeout is not None and seconds > timeout:
        yield f"a shutdown can take {seconds:g}s, but shutdown_timeout is {timeout:g}s: stop sequences are cut short"


def _warnings_on_users(plan: Plan) -> Iterator[str]:
    """Warn of programs that supinit would not be permitted to stop."""
    if all(program.credentials is None for program in plan.programs.values()):
        return
    from supervisor.config.privileges import may_signal, own_privileges

    own = own_privileges()
    for name, program in plan.programs.items():
        who = program.credentials
        if who is not None and not may_signal(who, own):
            yield (
                f"programs.{name}.user: supinit cannot signal processes of {who.name or f'uid {who.uid}'}, so cannot "
                "stop them: it runs without CAP_KILL (add the capability KILL to the container)"
            )


def _reason_never_met(condition: Condition, target: Program) -> str | None:
    """Return why a condition can never be met, or None."""
    if condition is Condition.COMPLETED and target.restart.when is RestartWhen.ALWAYS:
        return "is always started again (restart: always)"
    if condition is Condition.HEALTHY and target.kind is ProgramType.ONESHOT and not target.says_when_ready:
        return "is a oneshot without a health check (condition: completed)"
    return None


def warnings_on_python() -> Iterator[str]:
    """Yield warnings about an installation of Python that makes each start slow."""
    missing = list(uncompiled(("asyncio", "yaml", "supervisor")))
    if missing:
        verb = "has" if len(missing) == 1 else "have"
        yield (
            f"{', '.join(missing)} {verb} no .pyc files, so each start compiles them and takes several times as long: "
            "run `python3 -m compileall -q` on the standard library and on site-packages in the image"
        )


def uncompiled(packages: Iterable[str]) -> Iterator[str]:
    """Yield the packages without .pyc files. The official Python images delete them."""
    from importlib.util import find_spec

    for name in packages:
        spec = find_spec(name)
        if spec is not None and spec.cached is not None and not os.path.exists(spec.cached):
            yield name


def lint(program: Program) -> Iterator[str]:
    """Yield warnings about one program."""
    name = os.path.basename(program.command[0])
    words = program.command[1:]
    if name == "nginx" and "daemon off" not in " ".join(words) + _read_nginx_conf(words):
        yield "nginx goes to the background and then looks as if it had exited: add -g 'daemon off;'"
    if name.startswith("uwsgi"):
        yield from _lint_uwsgi(words)
    if name == "celery" and any(isinstance(step, SignalStep) and step.scope is not Scope.MAIN for step in program.stop):
        yield "a signal to celery's process group kills the tasks that a warm shutdown would finish: use scope: main"
    if name in SHELLS and "-c" in words[:-1] and not _passes_signals_on(words[words.index("-c") + 1]):
        yield f"{name} does not forward signals: start the last command with exec, or run it without a shell"


def _read_lines(path: str) -> list[str]:
    """Return the lines of a server's configuration file, which a running supinit reads, too. Raises OSError."""
    return read_regular_file(path, MAX_BYTES).decode(errors="replace").splitlines()


def _read_nginx_conf(words: tuple[str, ...]) -> str:
    """Return the main configuration with single spaces, or an empty string if it cannot be read."""
    path = words[words.index("-c") + 1] if "-c" in words[:-1] else "/etc/nginx/nginx.conf"
    try:
        lines = (line.partition("#")[0] for line in _read_lines(path))
        return " ".join(" ".join(lines).split())
    except OSError:
        return ""


def _passes_signals_on(script: str) -> bool:
    """Whether a shell script handles signals: it sets a trap, or replaces itself with its last command."""
    last = script.replace("&&", ";").replace("||", ";").strip().rstrip(";").rpartition(";")[2].strip()
    return "trap " in script or last.startswith("exec ")


def _lint_uwsgi(words: tuple[str, ...]) -> Iterator[str]:
    options = _uwsgi_options(words)
    if options is None:
        return
    if not _is_on(options, "master"):
        yield "uWSGI without master cannot reload and leaves its workers behind: set master = true"
    if not _is_on(options, "need-app"):
        yield "uWSGI starts even if its application cannot be loaded, and answers 500: set need-app = true"


def _is_on(options: dict[str, str], name: str) -> bool:
    return options.get(name, "false").strip().lower() in TRUE


def _uwsgi_options(words: tuple[str, ...]) -> dict[str, str] | None:
    """Return the options, including those of an ini file. None: they are in a place that is not read."""
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
    """Read the options of an ini file. One that cannot be read may exist in production: assume that it is right."""
    silent = {"master": "", "need-app": ""}
    try:
        lines = [line.strip() for line in _read_lines(path)]
    except OSError:
        return silent
    pairs = (line.partition("=") for line in lines if line and line[0] not in "#;[")
    options = {name.strip(): value.strip() for name, _, value in pairs}
    return silent if "ini" in options or "include" in options or "inherit" in options else options
