"""The environment of a program's processes, built again for each start."""

from __future__ import annotations

import os

from supervisor.core.lanes import in_second_lane
from supervisor.core.program import SecretFile
from supervisor.errors import SpawnError
from supervisor.process.variables import inheritable, marks, put_together
from supervisor.regular_file import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from supervisor.core.program import EnvFile, InstanceId, Program

SECOND_LANE = ".2"
"""After the id in the environment of processes in an instance's second lane, so that the lanes are told apart."""
MAX_SECRET = 128 << 10
"""Bytes: the kernel takes no longer variable (MAX_ARG_STRLEN, execve(2))."""
MAX_ENV_FILE = 1 << 20


def make_environment(program: Program, instance: InstanceId, identity: str, own: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of an instance: supinit's own, then env_file, then `environment`, then the marks.

    Variables that name a descriptor are not in it, because only the main process has the descriptor. Raises SpawnError
    for a file that cannot be read. The error is temporary: the file may exist at the next start.
    """
    own = inheritable(own)
    base = dict(own) if program.inherit_environment else {}
    credentials = program.credentials
    if credentials is not None and credentials.name is not None and credentials.home is not None:
        base |= {"HOME": credentials.home, "USER": credentials.name, "LOGNAME": credentials.name}
    if program.env_file:
        base |= _read_env_files(program.env_file, own)
    settings = tuple(_settings(program))
    for name in {name for name, _ in program.environment} - {name for name, _ in settings}:
        base.pop(name, None)
    return put_together(base, settings, own, _marks(instance, identity))


def _settings(program: Program) -> Iterator[tuple[str, str | None]]:
    """Yield the variables of the table that do not name a descriptor, with the contents of secrets."""
    for name, value in program.environment:
        if isinstance(value, SecretFile):
            yield name, _without_newline(_read("secret", value.path, MAX_SECRET))
        elif value is None or isinstance(value, str):
            yield name, value


def fingerprint(program: Program) -> dict[str, int]:
    """Return what the files of a program hold, as a number for each key that names one, to be compared later.

    The numbers are this process's own. A file that cannot be read has a number, too.
    """
    files = tuple(file.path for file in program.env_file)
    secrets = tuple(value.path for _, value in program.environment if isinstance(value, SecretFile))
    named = {"env_file": (files, MAX_ENV_FILE), "environment": (secrets, MAX_SECRET)}
    return {key: hash(tuple(_look(path, limit) for path in paths)) for key, (paths, limit) in named.items() if paths}


def _look(path: str, limit: int) -> bytes | None:
    try:
        return read_regular_file(path, limit)
    except OSError:
        return None


def notify_variables(program: Program, socket: str) -> dict[str, str]:
    """Return the variables for a program's notify socket (sd_notify(3), sd_watchdog_enabled(3))."""
    if program.watchdog is None:
        return {"NOTIFY_SOCKET": socket}
    return {"NOTIFY_SOCKET": socket, "WATCHDOG_USEC": str(round(program.watchdog * 1_000_000))}


def marks_of(instance: InstanceId, identity: str) -> frozenset[bytes]:
    """Return the variables that identify the processes of an instance, as /proc/PID/environ shows them."""
    return frozenset(f"{name}={value}".encode() for name, value in _marks(instance, identity).items())


def _marks(instance: InstanceId, identity: str) -> dict[str, str]:
    return marks(*instance, f"{identity}{SECOND_LANE}" if in_second_lane(instance) else identity)


def _without_newline(text: str) -> str:
    return text.removesuffix("\r\n") if text.endswith("\r\n") else text.removesuffix("\n")


def _read(what: str, path: str, limit: int) -> str:
    try:
        return read_regular_file(path, limit).decode()
    except OSError as error:
        raise SpawnError(f"cannot read {what} {path}: {error.strerror}", None) from None
    except UnicodeDecodeError:
        raise SpawnError(f"cannot read {what} {path}: not UTF-8", None) from None


def _read_env_files(files: Iterable[EnvFile], own: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of all files. Later files override earlier ones."""
    from supervisor.process.env_file import parse, parse_raw

    values: dict[str, str] = {}
    for file in files:
        if file.is_required or os.path.exists(file.path):
            text = _read("env_file", file.path, MAX_ENV_FILE)
            values |= parse_raw(file.path, text, own) if file.is_raw else parse(file.path, text, own, values)
    return values
