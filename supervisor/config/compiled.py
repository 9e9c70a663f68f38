"""A compiled table: the finished plan in a file beside the table. A start from it needs neither YAML nor the rules.

Rule 1: it is used only if everything that it was made of is unchanged: supinit's version, the files, the variables, the
        accounts. In any other case the table itself is read.
Rule 2: it is ignored where another user could have written it.
docs/decisions/0047-a-compiled-table.md has the reasons and the figures.
"""

from __future__ import annotations

import os
import stat
from _pickle import Pickler, Unpickler
from enum import Enum
from io import BytesIO

from supervisor import __version__
from supervisor.core.protocol import COMPILED_SUFFIX
from supervisor.core.record import Record
from supervisor.regular_file import read_regular_file, read_to_end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from supervisor.config.privileges import Privileges
    from supervisor.core.plan import Plan
    from supervisor.core.program import Program

MAX_BYTES = 64 * 1024 * 1024
ACCOUNT_FILES = ("/etc/passwd", "/etc/group")


class Origin(Record):
    """The inputs of a plan."""

    path: str
    """The table, as the command line names it: positions in messages begin with it."""
    files: tuple[tuple[str, bytes | None], ...]
    """Each file with its content, or None if it could not be read."""
    patterns: tuple[tuple[str, str, list[str]], ...]
    """Each pattern of `include` with the directory that it is relative to, and the files that match."""
    variables: tuple[tuple[str, str | None], ...]
    """Each environment variable that was read, with its value or None if it was not set."""
    privileges: Privileges | None
    """supinit's own privileges, or None if no program asks for a user, a group or a capability."""
    version: str = __version__


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


def load_compiled(path: str, environ: Mapping[str, str]) -> tuple[Plan | None, str]:
    """Return the compiled plan of a table, or None and the reason (empty if no compiled table exists)."""
    try:
        reader = _Reader(BytesIO(_read_trusted(path + COMPILED_SUFFIX)))
        reason = next(_differences(reader.load(), path, environ), "")
        if reason:
            return None, reason
        plan: Plan = reader.load()
        return plan, ""
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, error.strerror or str(error)
    except Exception as error:  # whatever a damaged file leads to
        return None, f"it is damaged: {error!r}"


def write_compiled(path: str, environ: Mapping[str, str]) -> str:
    """Compile the table at `path` and return the name of the new file.

    Raises ConfigError, and StartError if the file cannot be written or would not be used.
    """
    from supervisor.config.load import Sources, load
    from supervisor.config.privileges import own_privileges
    from supervisor.core.plan import make_plan
    from supervisor.errors import StartError

    watched, sources, file = WatchedEnvironment(environ), Sources(), path + COMPILED_SUFFIX
    plan = make_plan(load(path, watched, regular_only=True, sources=sources))
    origin = Origin(
        path=path,
        files=(*sources.files.items(), *((name, _read(name)) for name in ACCOUNT_FILES)),
        patterns=tuple(sources.patterns),
        variables=tuple(watched.seen.items()),
        privileges=own_privileges() if any(map(_asks_privileges, plan.programs.values())) else None,
    )
    try:
        _write(file, os.stat(path).st_mode & 0o755, origin, plan)
    except OSError as error:
        raise StartError(f"cannot write {file}: {error.strerror}") from None
    _, reason = load_compiled(path, environ)
    if reason:
        os.unlink(file)
        raise StartError(f"{file} would be ignored: {reason}")
    return file


def _asks_privileges(program: Program) -> bool:
    """Return whether the rules have looked at supinit's own privileges."""
    from supervisor.core.hook import HookStep

    pre_stop = (step.hook for step in program.stop if isinstance(step, HookStep))
    hooks = (*program.pre_start, *program.post_start, *pre_stop, *program.post_stop)
    return (
        program.credentials is not None
        or bool(program.cap_add or program.cap_drop or program.no_new_privileges)
        or any(hook.credentials is not None for hook in hooks)
    )


def _write(file: str, mode: int, *values: Record) -> None:
    """Replace a file in one step. Raises OSError."""
    temporary = f"{file}.{os.urandom(4).hex()}"  # the pid is 1 in every container
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "wb") as stream:
            pickler = Pickler(stream, 5)
            for value in values:
                pickler.dump(value)
        os.rename(temporary, file)
    except OSError:
        os.unlink(temporary)
        raise


class _Reader(Unpickler):
    """Creates only the types that a plan consists of."""

    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return _member
        if module == "signal" or module.startswith("supervisor."):
            found = super().find_class(module, name)
            if isinstance(found, Enum) or (isinstance(found, type) and issubclass(found, (Record, Enum))):
                return found
        raise ValueError(f"it names {module}.{name}")


def _member(owner: object, name: str) -> Enum:
    """Return a member of an enumeration, as Python 3.11.2 (Debian 12) pickles it: as `getattr(class, name)`."""
    if isinstance(owner, type) and issubclass(owner, Enum):
        return owner[name]
    raise ValueError(f"it asks for {name} of {owner!r}")


def _differences(origin: Origin, path: str, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a sentence for each change since the table was compiled."""
    if origin.version != __version__:
        yield f"it was made by supinit {origin.version}"
    if origin.path != path:
        yield f"it was made of {origin.path}"
    for name, value in origin.variables:
        if environ.get(name) != value:
            yield f"variable {name} has another value"
    for file, content in origin.files:
        if _read(file) != content:
            yield f"{file} has changed"
    if origin.privileges is not None:
        from supervisor.config.privileges import own_privileges

        if origin.privileges != own_privileges():
            yield "supinit runs as another user or with other capabilities"
    if origin.patterns:
        from supervisor.config.load import matches

        for pattern, directory, files in origin.patterns:
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


def _read(file: str) -> bytes | None:
    try:
        return read_regular_file(file, MAX_BYTES)
    except OSError:
        return None
