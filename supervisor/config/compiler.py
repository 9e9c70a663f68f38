"""Compile a table: write its plan and what the plan depends on to a file that a start can use (compiled.py)."""

from __future__ import annotations

import os

from supervisor import __version__
from supervisor.config.compiled import (
    Compiled,
    file_of,
    privileges_now,
    read_compiled,
    read_input,
)
from supervisor.config.load import Sources, load
from supervisor.config.plan_pickle import dump_plan
from supervisor.core.first_starts import find_first_starts
from supervisor.core.hook import HookStep
from supervisor.core.plan import make_plan
from supervisor.core.protocol import COMPILED_SUFFIX
from supervisor.core.record import Record
from supervisor.core.routing import signals_named_by
from supervisor.errors import StartError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from supervisor.config.compiled import FirstStart, Head
    from supervisor.core.program import InstanceId, Program


ACCOUNT_FILES = ("/etc/passwd", "/etc/group")


class WatchedEnvironment(dict[str, str]):
    """A copy of an environment that notes which variables are looked at."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(environ)
        self.seen: dict[str, str | None] = {}

    def get(self, name: str, default: Any = None) -> Any:
        self.seen[name] = super().get(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> str:
        self.seen[name] = super().get(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.seen[str(name)] = super().get(str(name))
        return super().__contains__(name)


def write_compiled(path: str, environ: Mapping[str, str]) -> str:
    """Compile the table at `path` and return the name of the new file.

    Raises ConfigError, and StartError if the file cannot be written or would not be used.
    """
    watched, sources, file = WatchedEnvironment(environ), Sources(), path + COMPILED_SUFFIX
    plan = make_plan(load(path, watched, regular_only=True, sources=sources))
    head: Head = {
        "origin": {
            "path": path,
            "files": [*sources.files.items(), *((name, read_input(name)) for name in ACCOUNT_FILES)],
            "patterns": sources.patterns,
            "variables": list(watched.seen.items()),
            "privileges": privileges_now() if any(map(_asks_privileges, plan.programs.values())) else None,
            "version": __version__,
        },
        "run_dir": plan.settings.run_dir,
        "signals": [int(signal) for signal in signals_named_by(plan)],
        "first": [_first_start(plan.program_of(instance), instance) for instance in find_first_starts(plan)],
    }
    try:
        _write(file, os.stat(path).st_mode & 0o755, file_of(Compiled(head, dump_plan(plan))))
    except OSError as error:
        raise StartError(f"cannot write {file}: {error.strerror}") from None
    _, reason = read_compiled(path, environ)
    if reason:
        os.unlink(file)
        raise StartError(f"{file} would be ignored: {reason}")
    return file


def _first_start(program: Program, instance: InstanceId) -> FirstStart:
    return {
        "instance": instance,
        "command": program.command,
        "environment": tuple((name, value) for name, value in program.environment if not isinstance(value, Record)),
        "inherits_environment": program.inherit_environment,
        "working_dir": program.working_dir,
        "umask": program.umask,
        "pipes": program.log.pipes,
    }


def _asks_privileges(program: Program) -> bool:
    """Return whether the rules have looked at supinit's own privileges."""
    pre_stop = (step.hook for step in program.stop if isinstance(step, HookStep))
    hooks = (*program.pre_start, *program.post_start, *pre_stop, *program.post_stop)
    return (
        program.credentials is not None
        or bool(program.cap_add or program.cap_drop or program.no_new_privileges)
        or any(hook.credentials is not None for hook in hooks)
    )


def _write(file: str, mode: int, content: bytes) -> None:
    """Replace a file in one step. Raises OSError."""
    temporary = f"{file}.{os.urandom(4).hex()}"  # the pid is 1 in every container
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content)
        os.rename(temporary, file)
    except OSError:
        os.unlink(temporary)
        raise
