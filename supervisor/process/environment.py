"""The environment of a program's processes, built again for each start."""

from __future__ import annotations

import os

from supervisor.core.lanes import in_second_lane
from supervisor.core.program import SecretFile
from supervisor.errors import SpawnError
from supervisor.regular_file import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from supervisor.core.program import EnvFile, InstanceId, Program

PROGRAM, INSTANCE, IDENTITY = "SUPINIT_PROGRAM", "SUPINIT_INSTANCE", "SUPINIT_ID"
SECOND_LANE = ".2"
"""After the id in the environment of processes in an instance's second lane, so that the lanes are told apart."""
MAX_SECRET = 128 << 10
"""Bytes: the kernel takes no longer variable (MAX_ARG_STRLEN, execve(2))."""
MAX_ENV_FILE = 1 << 20
PRIVATE = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")
"""Variables meant for supinit itself, which children must not inherit (sd_notify(3), sd_listen_fds(3))."""


def make_environment(program: Program, instance: InstanceId, identity: str, own: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of an instance: supinit's own, then env_file, then `environment`, then the marks.

    Variables that name a descriptor are not in it, because only the main process has the descriptor. Raises SpawnError
    for a file that cannot be read. The error is temporary: the file may exist at the next start.
    """
    own = {name: value for name, value in own.items() if name not in PRIVATE}
    environment = dict(own) if program.inherit_environment else {}
    credentials = program.credentials
    if credentials is not None and credentials.name is not None and credentials.home is not None:
        environment |= {"HOME": credentials.home, "USER": credentials.name, "LOGNAME": credentials.name}
    if program.env_file:
        environment |= _read_env_files(program.env_file, own)
    for name, value in program.environment:
        if isinstance(value, SecretFile):
            environment[name] = _without_newline(_read("secret", value.path, MAX_SECRET))
        elif value is None:
            if name in own:
                environment[name] = own[name]
        elif isinstance(value, str):
            environment[name] = value
        else:
            environment.pop(name, None)
    return environment | dict(_marks(instance, identity))


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
    return frozenset(f"{name}={value}".encode() for name, value in _marks(instance, identity))


def _marks(instance: InstanceId, identity: str) -> tuple[tuple[str, str], ...]:
    if in_second_lane(instance):
        identity += SECOND_LANE
    return (PROGRAM, instance[0]), (INSTANCE, str(instance[1])), (IDENTITY, identity)


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
