"""What a table asks for before a program starts: remove old files, make runtime directories."""

from __future__ import annotations

import os

from supervisor.errors import SpawnError
from supervisor.trusted_path import open_folder, remove

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.program import Credentials, Program


def clear(program: Program) -> None:
    """Remove files that an earlier run has left. Raises SpawnError if one cannot be removed, such as a directory."""
    for path in program.clear_before_start:
        try:
            remove(os.path.abspath(path))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise SpawnError(f"cannot remove {path}: {error.strerror}", None) from None


def make_directories(program: Program) -> None:
    """Make the runtime directories of a program and give them to its user. Raises SpawnError."""
    for directory in program.runtime_directory:
        try:
            descriptor = open_folder(os.path.abspath(directory.path), make=True)
            try:
                _own(descriptor, program.credentials, directory.mode)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise SpawnError(f"cannot make {directory.path}: {error.strerror}", None) from None


def _own(descriptor: int, credentials: Credentials | None, mode: int) -> None:
    """Set owner and mode of a directory, as far as they differ."""
    status = os.fstat(descriptor)
    uid, gid = (os.geteuid(), os.getegid()) if credentials is None else (credentials.uid, credentials.gid)
    if (status.st_uid, status.st_gid) != (uid, gid):
        os.fchown(descriptor, uid, gid)
    if status.st_mode & 0o7777 != mode:
        os.fchmod(descriptor, mode)
