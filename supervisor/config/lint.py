"""Warnings about a valid table: what is allowed, but does not do what the operator expects.

A warning needs evidence: the table, the command line, or a configuration file that the command line names.
"""

from __future__ import annotations

import itertools
import os

from supervisor.config import servers
from supervisor.config.commands import split_words
from supervisor.config.servers import server_name
from supervisor.core.plan import critical_path
from supervisor.core.program import Condition, ProgramType, RestartWhen, Scope, ShutdownOn, SignalStep
from supervisor.core.signals import signal_name
from supervisor.core.update_config import Order
from supervisor.core.wording import exact_time
from supervisor.regular_file import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from supervisor.core.plan import Plan
    from supervisor.core.program import Program

DOCKER_STOP_TIMEOUT = 10.0
"""Seconds that `docker stop` waits by default before it kills (docker-container-stop(1))."""
SHELLS = ("sh", "bash", "dash", "ash", "zsh")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a command without a slash is looked for if the environment has no PATH."""
MAX_FILE = 1 << 20
"""Bytes of a script or configuration file that is looked at; a larger one is taken to be right."""
TRUE = ("true", "1", "yes", "on", "")


def warnings_on(plan: Plan) -> Iterator[str]:
    """Yield warnings about a valid table: those found while it was read, then those about what it says."""
    yield from plan.warnings
    yield from _warnings_on_time(plan)
    yield from _warnings_on_users(plan)
    yield from warnings_on_programs(plan.programs.values())
    for name, program in plan.programs.items():
        for received, _ in program.signals:
            if received in plan.settings.shutdown_signals:
                yield f"programs.{name}.signals: {signal_name(received)} is a shutdown signal and is never forwarded"
        for dependency in program.depends_on:
            target = plan.programs[dependency.program]
            if reason := _reason_never_met(dependency.condition, target):
                yield f"programs.{name}.depends_on.{target.name}: waits for ever, because {target.name} {reason}"


def warnings_on_programs(programs: Iterable[Program]) -> Iterator[str]:
    """Yield warnings that concern one program each."""
    for program in programs:
        yield from (f"programs.{program.name}: {sentence}" for sentence in lint(program))


def _warnings_on_time(plan: Plan) -> Iterator[str]:
    settings = plan.settings
    _, seconds = critical_path(plan)
    timeout = settings.shutdown_timeout
    if timeout is None and seconds > DOCKER_STOP_TIMEOUT:
        yield (
            f"a shutdown can take {exact_time(seconds)}, but docker stop kills after {exact_time(DOCKER_STOP_TIMEOUT)}:"
            " raise its --time (stop_grace_period in Compose) or set supervisor.shutdown_timeout"
        )
    elif timeout is not None and settings.drain_delay >= timeout:
        yield f"drain_delay uses up shutdown_timeout ({exact_time(timeout)}): every program would get SIGKILL at once"
    elif timeout is not None and seconds > timeout:
        limit = f"shutdown_timeout is {exact_time(timeout)}"
        yield f"a shutdown can take {exact_time(seconds)}, but {limit}: stop sequences are cut short"


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


def warnings_on_files(plan: Plan, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield warnings about commands, working directories and sockets that do not work on this file system."""
    for name, program in plan.programs.items():
        folder = program.working_dir
        if folder is not None and not os.path.isdir(folder):
            yield f"programs.{name}.working_dir: {folder} is not a directory on this file system"
        elif reason := _missing(program.command[0], folder or "", _search_path(program, environ)):
            yield f"programs.{name}.command: {reason}"
        if program.sockets:
            from supervisor.config.privileges import own_privileges
            from supervisor.config.socket_lint import obstacles

            yield from (f"programs.{name}.{sentence}" for sentence in obstacles(program, own_privileges()))


def _search_path(program: Program, environ: Mapping[str, str]) -> str:
    inherited = environ.get("PATH") if program.inherit_environment else None
    named = [value for variable, value in program.environment if variable == "PATH" and isinstance(value, str)]
    return (named[-1] if named else inherited) or DEFAULT_PATH


def _missing(name: str, folder: str, search_path: str) -> str | None:
    """Return why a command cannot be executed here, or None."""
    if "/" in name:
        candidates = [os.path.join(folder, name)]
    else:
        candidates = [os.path.join(folder, entry or ".", name) for entry in search_path.split(":")]
    files = [candidate for candidate in candidates if os.path.isfile(candidate)]
    if not files:
        where = "does not exist" if "/" in name else f"was not found in {search_path}"
        return f"{name} {where} on this file system"
    if not any(os.access(file, os.X_OK) for file in files):
        return f"{files[0]} is not executable"
    return None


def _lint_order(program: Program) -> Iterator[str]:
    """Yield why two processes of one instance cannot run at the same time."""
    config = program.update_config
    if config is None or config.order is not Order.START_FIRST:
        return
    if program.is_main or program.pid_file is not None or program.kind is ProgramType.ONESHOT:
        yield "update_config.order: start-first is not possible for it (stdin, pid_file or oneshot); it is stop-first"
    elif not program.sockets:
        yield (
            "update_config.order: with start-first, two processes run at the same time; write sockets, unless it shares"
            " its address itself (SO_REUSEPORT)"
        )


def lint(program: Program) -> Iterator[str]:
    """Yield warnings about one program."""
    yield from _lint_order(program)
    if program.sockets:
        from supervisor.config.socket_lint import lint_sockets

        yield from lint_sockets(program)
    if program.kind is ProgramType.FORKING:
        return  # its command is meant to leave a daemon behind
    name = server_name(program.command[0])
    words = program.command[1:]
    is_service = program.kind is ProgramType.SERVICE
    scripts = list(_commands_in_shell(program.command)) or [program.command]
    for command in scripts[-1:] if is_service else scripts:
        yield from servers.warnings_on(command, not is_service, _read)
    if name == "nginx" and "daemon off" not in " ".join(words) + _read_nginx_conf(words):
        yield "nginx goes to the background and then looks as if it had exited: add -g 'daemon off;'"
    if name == "uwsgi":
        yield from _lint_uwsgi(words)
    if name == "celery" and any(isinstance(step, SignalStep) and step.scope is not Scope.MAIN for step in program.stop):
        yield "a signal to celery's process group kills the tasks that a warm shutdown would finish: use scope: main"
    if is_service:
        yield from _lint_signals(program.command)
        if program.shutdown_on is ShutdownOn.EXIT and program.restart.when is RestartWhen.ALWAYS:
            yield "shutdown_on: exit never takes effect after a success, because of restart: always; write restart: no"


def _lint_signals(command: tuple[str, ...]) -> Iterator[str]:
    """Warn of what stands between supinit and the program, and does not forward signals to it."""
    name = os.path.basename(command[0])
    if name in servers.NO_SIGNALS:
        yield f"{name} does not forward signals reliably: {servers.NO_SIGNALS[name]}"
        return
    script = _shell_script(command)
    if script is not None:
        if not _passes_signals_on(script):
            yield f"{name} does not forward signals: start the last command with exec, or run it without a shell"
        return
    path = next((word for word in command[1:] if not word.startswith("-")), "") if name in SHELLS else command[0]
    text = _read(path) if "/" in path and not path.startswith("/etc/init.d/") else ""
    if _is_for_shell(text, name) and not _uses_exec_or_trap(text):
        yield f"{path} does not forward signals: start its last command with exec"


def _shell_script(command: tuple[str, ...]) -> str | None:
    """Return the script of `sh -c SCRIPT`, `bash -lc SCRIPT` and so on, or None."""
    if os.path.basename(command[0]) not in SHELLS:
        return None
    for flag, script in itertools.pairwise(command[1:]):
        if flag[:1] != "-":
            return None
        if flag[1:].isalpha() and flag.endswith("c"):
            return script
    return None


def _commands_in_shell(command: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the simple commands of `sh -c SCRIPT`, as far as they can be told without a shell."""
    script = _shell_script(command) or ""
    for separator in ("&&", "||", "\n"):
        script = script.replace(separator, ";")
    for part in script.split(";"):
        try:
            words = split_words(part)
        except ValueError:
            continue
        while words and words[0] in ("exec", "then", "do"):
            words = words[1:]
        if words:
            yield tuple(words)


def _is_for_shell(text: str, name: str) -> bool:
    interpreter = text.partition("\n")[0].removeprefix("#!").split() if text.startswith("#!") else []
    return any(os.path.basename(word) in SHELLS for word in interpreter) or (bool(text) and name in SHELLS)


def _uses_exec_or_trap(text: str) -> bool:
    words = (line.split("#")[0].replace(";", " ").replace("&&", " ").split() for line in text.splitlines()[1:])
    return any("exec" in line or "trap" in line for line in words)


def _read(path: str) -> str:
    """Return the text of a file, or an empty string if it cannot be read or is binary: a null byte comes early."""
    try:
        data = read_regular_file(path, MAX_FILE)
    except OSError:
        return ""
    return "" if b"\0" in data[:80] else data.decode("utf-8", "replace")


def _read_nginx_conf(words: tuple[str, ...]) -> str:
    """Return the main configuration with single spaces, or an empty string if it cannot be read."""
    path = words[words.index("-c") + 1] if "-c" in words[:-1] else "/etc/nginx/nginx.conf"
    lines = (line.partition("#")[0] for line in _read(path).splitlines())
    return " ".join(" ".join(lines).split())


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
    """Return the options, including those of an ini file, or None if their file cannot be read here."""
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
    lines = [line.strip() for line in _read(path).splitlines()]
    if not lines:
        return silent
    pairs = (line.partition("=") for line in lines if line and line[0] not in "#;[")
    options = {name.strip(): value.strip() for name, _, value in pairs}
    return silent if "ini" in options or "include" in options or "inherit" in options else options
