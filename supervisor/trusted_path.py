"""Reach a file in a directory that another user may change, without being led elsewhere by that user.

A program that owns its log directory could replace a file there with a link, and root would write to wherever it leads.
So a link is followed only if root or supinit's own user made it, and every step goes from one open directory to the
next: a directory that is replaced meanwhile makes no difference (openat(2)).
"""

from __future__ import annotations

import errno
import os
import stat

MOST_LINKS = 40
"""As the kernel (path_resolution(7))."""
_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class Place:
    """The end of a path: a `name` in an open directory, not a link. The caller closes it.

    `is_magic`: it is a descriptor of some process (/proc/PID/fd), which is a link to a file without a name.
    """

    __slots__ = ("folder", "is_magic", "name")

    def __init__(self, folder: int, name: str, is_magic: bool = False) -> None:
        self.folder = folder
        self.name = name
        self.is_magic = is_magic

    def open(self, flags: int, mode: int = 0o777) -> int:
        """Open what is there now. Raises OSError, also for a link that has appeared meanwhile."""
        follow = 0 if self.is_magic else os.O_NOFOLLOW
        return os.open(self.name, flags | follow | os.O_CLOEXEC, mode, dir_fd=self.folder)

    @property
    def is_safe(self) -> bool:
        """Whether only root and supinit's own user can put files here."""
        status = os.fstat(self.folder)
        is_shared = status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX
        return _is_trusted(status.st_uid) and not is_shared

    def close(self) -> None:
        os.close(self.folder)


def find_place(path: str, make_folders: bool = False) -> Place:
    """Follow an absolute path to its end, which need not exist. Raises OSError; its `strerror` says what is in the way.

    `make_folders`: make the directories that are missing on the way.
    """
    pending = _parts(path)
    folder = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for _ in range(MOST_LINKS + 1):
            link = -1
            while pending and link < 0:
                name = pending.pop()
                step = _take(folder, name, is_last=not pending, make=make_folders)
                if step is None:
                    return Place(os.dup(folder), name)
                if stat.S_ISLNK(os.fstat(step).st_mode):
                    link = step
                elif pending or name in (".", ".."):
                    os.close(folder)
                    folder = step
                else:
                    os.close(step)
                    return Place(os.dup(folder), name)
            if link < 0:
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
            try:
                target = _read_link(link, name)
                is_magic = _is_magic(folder, target)
            finally:
                os.close(link)
            if is_magic and not pending:
                return Place(os.dup(folder), name, is_magic=True)
            if is_magic:  # the directory of a process, such as /proc/self/cwd
                step = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
                os.close(folder)
                folder = step
                continue
            pending += _parts(target)
            if target.startswith("/"):
                os.close(folder)
                folder = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    finally:
        os.close(folder)


def open_folder(path: str, make: bool = False) -> int:
    """Open the directory at an absolute path. Raises OSError. `make`: it and those above it are made if missing."""
    if not _parts(path):
        return os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    place = find_place(path, make)
    try:
        if make:
            try:
                os.mkdir(place.name, dir_fd=place.folder)
            except FileExistsError:
                pass
        return place.open(os.O_RDONLY | os.O_DIRECTORY)
    finally:
        place.close()


def remove(path: str) -> None:
    """Remove the file or link at an absolute path. Raises OSError."""
    folder = open_folder(os.path.dirname(path))
    try:
        os.unlink(os.path.basename(path), dir_fd=folder)
    finally:
        os.close(folder)


def _parts(path: str) -> list[str]:
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]


def _take(folder: int, name: str, is_last: bool, make: bool) -> int | None:
    """Return a descriptor of the entry with this name, without following a link. None if the last part is missing."""
    try:
        return os.open(name, _STEP, dir_fd=folder)
    except FileNotFoundError:
        if is_last:
            return None
        if not make:
            raise
    try:
        os.mkdir(name, dir_fd=folder)
    except FileExistsError:
        pass
    return os.open(name, _STEP, dir_fd=folder)


def _read_link(link: int, name: str) -> str:
    owner = os.fstat(link).st_uid
    if not _is_trusted(owner):
        raise PermissionError(
            errno.EACCES,
            f"{name} is a link that uid {owner} has made; only links of root and of supinit's own user are followed",
        )
    return os.readlink("", dir_fd=link)


def _is_magic(folder: int, target: str) -> bool:
    """Whether a link in this directory stands for a descriptor, so that its text may not be the path of its file."""
    try:
        is_proc = os.fstat(folder).st_dev == os.stat("/proc").st_dev
    except OSError:
        return False
    return is_proc and (target.startswith("/") or ":[" in target)


def _is_trusted(uid: int) -> bool:
    return uid in (0, os.geteuid())
