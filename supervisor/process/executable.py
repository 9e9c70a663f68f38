"""Find the file that a command names, and explain why a file cannot be executed."""

from __future__ import annotations

import errno
import os

from supervisor.errors import ExecutableBusy, SpawnError

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PERMANENT = {errno.ENOENT: 127, errno.ENOTDIR: 127, errno.ENOEXEC: 126, errno.EACCES: 126, errno.EISDIR: 126}
PERMANENT |= {errno.ELOOP: 126, errno.E2BIG: 126, errno.EPERM: 126, errno.EINVAL: 126, errno.ENAMETOOLONG: 126}
OUT_OF = {
    errno.EAGAIN: "no process can be created: the limit of processes, of the user or of the container, is reached",
    errno.ENOMEM: "no process can be created",
    errno.EMFILE: "raise the limit of open files, RLIMIT_NOFILE, of the container",
    errno.ENFILE: "the limit of open files of the machine, fs.file-max, is reached",
}
"""What has run out, by the error of fork(2), pipe(2) or execve(2). Another try may succeed."""


def find_executable(name: str, path: str) -> str:
    """Return the file that execvp(3) would run for `name`. A name with a slash is returned unchanged."""
    if "/" in name:
        return name
    refused = None
    for folder in path.split(":"):
        candidate = os.path.join(folder or ".", name)
        if os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                return candidate
            refused = refused or candidate
    if refused:
        raise SpawnError(f"cannot be started: {refused} is not executable", 126)
    raise SpawnError(f"cannot be started: {name} was not found in {path}", 127)


def cannot_execute(path: str, error: OSError) -> SpawnError:
    """Return the error for a file that execve(2) refused, with the exit code that a shell would use."""
    code = PERMANENT.get(error.errno or 0)
    reason = os.strerror(error.errno or 0)
    if error.errno == errno.ETXTBSY:
        return ExecutableBusy(f"cannot be started: {path} is open for writing: {reason}", code)
    if error.errno in OUT_OF:
        return cannot_start(error)
    if error.errno == errno.ENOEXEC:
        reason += " (does it start with #! and an interpreter?)"
    elif error.errno == errno.ENOENT and os.path.exists(path):
        reason += " (its interpreter)"
    return SpawnError(f"cannot be started: {path}: {reason}", code)


def cannot_start(error: OSError) -> SpawnError:
    """Return the error for what a start needs besides the executable: a process, memory, descriptors."""
    reason = error.strerror or str(error)
    way_out = f" ({OUT_OF[error.errno]})" if error.errno in OUT_OF else ""
    return SpawnError(f"cannot be started: {reason}{way_out}", None)
