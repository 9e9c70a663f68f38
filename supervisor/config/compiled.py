"""A compiled table: the finished plan in a file beside the table. A start from it needs neither YAML nor the rules.

Rule 1: it is used only if everything that it was made of is unchanged: supinit and Python, the files, the variables,
        the accounts. In any other case the table itself is read.
Rule 2: it is ignored where another user could have written it.
Rule 3: its head is read without pickle, before most of supinit is loaded (opening.py). The plan follows.
docs/decisions/0047-a-compiled-table.md has the reasons and the figures.
"""

from __future__ import annotations

import marshal
import os
import stat
import sys
from _imp import source_hash

from supervisor import __version__
from supervisor.core.protocol import COMPILED_SUFFIX
from supervisor.regular_file import read_regular_file, read_to_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TypedDict

    class Origin(TypedDict):
        """The inputs of a plan."""

        path: str
        """The table, as the command line names it: positions in messages begin with it."""
        files: list[tuple[str, bytes | None]]
        """Each file with its content, or None if it could not be read."""
        patterns: list[tuple[str, str, list[str]]]
        """Each pattern of `include` with the directory that it is relative to, and the files that match."""
        variables: list[tuple[str, str | None]]
        """Each environment variable that was read, with its value or None if it was not set."""
        privileges: tuple[object, ...] | None
        """supinit's own privileges, or None if no program asks for a user, a group or a capability."""
        version: str

    class FirstStart(TypedDict):
        """One instance that an opening starts."""

        instance: tuple[str, int]
        command: tuple[str, ...]
        environment: tuple[tuple[str, str | None], ...]
        inherits_environment: bool
        working_dir: str | None
        umask: int | None
        pipes: int
        """1 where stdout and stderr share one, otherwise 2."""

    class Head(TypedDict):
        """What stands before the plan."""

        origin: Origin
        run_dir: str
        signals: list[int]
        """The signals that the table names."""
        first: list[FirstStart]
        """What an opening starts, in order. It may be empty."""


PARTS = {"origin", "run_dir", "signals", "first"}
"""The keys of a head."""
MAX_BYTES = 64 * 1024 * 1024
NUMBER = 8
"""Bytes of the hash, and of the length of the head after it."""


class Compiled:
    """A compiled table that may be used. `plan` is still pickled (plan_pickle.py)."""

    __slots__ = ("head", "plan")

    def __init__(self, head: Head, plan: bytes) -> None:
        self.head = head
        self.plan = plan


def read_compiled(path: str, environ: Mapping[str, str]) -> tuple[Compiled | None, str]:
    """Return the compiled form of a table, or None and the reason (empty if no compiled table exists)."""
    try:
        data = _read_trusted(path + COMPILED_SUFFIX)
        if data[:NUMBER] != _hash(data[NUMBER:]):
            return None, "it is damaged, or another version of Python has made it"
        end = 2 * NUMBER + int.from_bytes(data[NUMBER : 2 * NUMBER])
        compiled = Compiled(marshal.loads(data[2 * NUMBER : end]), data[end:])  # noqa: S302  # it is only read where it is trusted
        if compiled.head.keys() != PARTS:
            return None, "another build of supinit has made it"
        reason = next(_differences(compiled.head["origin"], path, environ), "")
        return (None, reason) if reason else (compiled, "")
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, error.strerror or str(error)
    except Exception as error:  # whatever bytes that are not from here lead to
        return None, f"it is damaged: {error!r}"


def file_of(compiled: Compiled) -> bytes:
    """Return the content of the file."""
    head = marshal.dumps(dict(compiled.head))
    body = len(head).to_bytes(NUMBER) + head + compiled.plan
    return _hash(body) + body


def privileges_now() -> tuple[object, ...]:
    """Return supinit's own privileges."""
    from supervisor.config.privileges import own_privileges

    own = own_privileges()
    return tuple(getattr(own, name) for name in own.__match_args__)


def read_input(file: str) -> bytes | None:
    """Return the content of a file that a plan depends on. None: it cannot be read."""
    try:
        return read_regular_file(file, MAX_BYTES)
    except OSError:
        return None


def _hash(data: bytes) -> bytes:
    """Return a hash that is another one in each version of Python: marshal's format may differ."""
    return source_hash(sys.hexversion, data)


def _differences(origin: Origin, path: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each change since the table was compiled."""
    if origin["version"] != __version__:
        yield f"it was made by supinit {origin['version']}"
    if origin["path"] != path:
        yield f"it was made of {origin['path']}"
    for name, value in origin["variables"]:
        if environ.get(name) != value:
            yield f"variable {name} has another value"
    for file, content in origin["files"]:
        if read_input(file) != content:
            yield f"{file} has changed"
    if origin["privileges"] is not None and origin["privileges"] != privileges_now():
        yield "supinit runs as another user or with other capabilities"
    if origin["patterns"]:
        from supervisor.config.load import matches

        for pattern, directory, files in origin["patterns"]:
            if matches(pattern, directory) != files:
                yield f"other files match {pattern}"


def _read_trusted(file: str) -> bytes:
    """Return the content of a file that only root and this user can have written. Raises OSError; its text says why."""
    directory = os.path.dirname(file) or "."
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        for name, status in ((directory, os.stat(directory)), (file, os.fstat(descriptor))):
            if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
                raise OSError(f"{name} can be written by other users")
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{file} is not a regular file")
        return read_to_end(descriptor, MAX_BYTES)
    finally:
        os.close(descriptor)
