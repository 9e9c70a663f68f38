"""One look at the path of a watch: what is there now, and what has to be watched to hear of any change to it.

A look runs in a thread, because everything here may block on a network file system. What is looked at is watched first,
so that a change after the look is heard of.

Rule 1: each directory on the way to the path is watched for being moved or removed. A name is watched in its directory
        where it does not exist yet, or is a symbolic link; the links on the way are followed.
Rule 2: a directory is read with everything below it. A symbolic link in it that leads to a file counts as that file;
        one that leads to a directory counts as its own text.
Rule 3: names that begin with two dots are Kubernetes' own, and editors' swap and backup files are nobody's content.
"""

from __future__ import annotations

import errno
import os
import stat

from supervisor.core.record import Record
from supervisor.files.inotify import (
    ATTRIB,
    CLOSE_WRITE,
    CREATE,
    DELETE,
    DELETE_SELF,
    EXCL_UNLINK,
    MOVE_SELF,
    MOVED_FROM,
    MOVED_TO,
    ONLYDIR,
    reason,
)
from supervisor.regular_file import read_regular_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ENTRIES = 10_000
"""Files and directories of one watch."""
MAX_DEPTH = 64
"""Directories below each other."""
MAX_FILE = 1 << 20
MAX_TOTAL = 16 << 20
"""Bytes of a file, and of all files of a watch, whose content is compared. Others are compared by size and time."""
MAX_LINKS = 40
"""Symbolic links on the way to one path, as in the kernel."""

SELF = DELETE_SELF | MOVE_SELF
NAMES = CREATE | DELETE | MOVED_FROM | MOVED_TO
FILE = SELF | ATTRIB | CLOSE_WRITE
CONTENT = NAMES | FILE | EXCL_UNLINK


class Seen(Record):
    """One file, directory or link. Of a directory, only that it is there and whose it is."""

    kind: int
    owner: tuple[int, int, int]
    """Mode, user and group."""
    identity: tuple[int, ...] = ()
    """What a file or link is: its device and inode, size and modification time."""
    content: int | str | None = None
    """The hash of the content, or the text of a link. None if it was not read."""

    def has_become(self, new: Seen) -> bool:
        """Whether `new` is a change. The replacement of a file by an equal copy is not."""
        if self == new:
            return False
        is_copy = self.identity[:2] != new.identity[:2] and None is not self.content == new.content
        return not (is_copy and self.kind == new.kind and self.owner == new.owner)


Contents = dict[str, Seen]
"""What is at the path of a watch, by the name below it. The path itself, where it is a file, has an empty name."""


def differences(old: Contents, new: Contents) -> tuple[str, ...]:
    """Return the names of what has changed, sorted."""
    changed = {name for name, seen in new.items() if name not in old or old[name].has_become(seen)}
    return tuple(sorted(changed | (old.keys() - new.keys())))


class Survey:
    """One look. `watch` is asked to watch a path, and returns the number of the watch (`Inotify.watch`)."""

    def __init__(self, path: str, watch: Callable[[str, int], int]) -> None:
        self._path = path
        self._watch = watch
        self._left = MAX_TOTAL
        self.exists = False
        self.has_failed = False
        """Whether it broke off, so that nothing is known of what is there."""
        self.error: Exception | None = None
        """What went wrong in supinit itself."""
        self.contents: Contents = {}
        self.changed_at: dict[str, float] = {}
        """When the inode of each file changed last, since the epoch."""
        self.names: dict[int, set[str] | None] = {}
        """For each watch, the names that matter, or None if all of them do."""
        self.problem = ""
        """Why a change may not be heard of, as a clause. Empty: it will be."""

    def look(self) -> Survey:
        try:
            self._look()
        except (FileNotFoundError, NotADirectoryError):
            self.exists = False  # it has just gone, and what is above it tells when it is back
        except OSError as error:
            self.has_failed = True
            self._fail(error)
        except Exception as error:
            self.has_failed = True
            self.error, self.problem = error, f"internal error: {error!r}"
        return self

    def _look(self) -> None:
        found = self._follow(self._path)
        if found is None:
            return
        self.exists = True
        path, status = found
        if stat.S_ISDIR(status.st_mode):
            self._read_directory(path, "")
        else:
            self._note_file("", path, status)

    def _fail(self, error: OSError) -> None:
        self.problem = self.problem or reason(error)

    def _hear(self, path: str, mask: int, name: str | None = None) -> None:
        """Watch a path, for one name in it or, without one, for all."""
        try:
            number = self._watch(path, mask)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):  # it is gone, and whatever is above it tells
                self._fail(error)
            return
        if name is None:
            self.names[number] = None
        elif (names := self.names.setdefault(number, set())) is not None:
            names.add(name)

    # ---- the way to a path

    def _follow(self, path: str) -> tuple[str, os.stat_result] | None:
        """Watch everything on the way to a path, and return what is there after all links, if anything is."""
        parts, current, links = path.split("/")[::-1], "/", 0
        status = os.stat(current)
        while parts:
            name = parts.pop()
            if name in ("", "."):
                continue
            if name == "..":
                current = os.path.dirname(current)
                continue
            entry = os.path.join(current, name)
            found = self._status(entry, current, name)
            if found is None:
                return None
            status = found
            if stat.S_ISLNK(status.st_mode):
                links += 1
                if links > MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                self._hear(current, NAMES | ONLYDIR, name)
                target = os.readlink(entry)
                parts += target.split("/")[::-1]
                current = "/" if target.startswith("/") else current
                status = os.stat(current)
            elif stat.S_ISDIR(status.st_mode):
                self._hear(entry, SELF | ONLYDIR, "")
                current = entry
            elif any(part not in ("", ".") for part in parts):
                self._hear(current, NAMES | ONLYDIR, name)  # a file where a directory is to be
                return None
            else:
                self._hear_file(entry, current, name)
                return entry, os.lstat(entry)
        return current, status

    def _status(self, entry: str, directory: str, name: str) -> os.stat_result | None:
        try:
            return os.lstat(entry)
        except (FileNotFoundError, NotADirectoryError):
            self._hear(directory, NAMES | ONLYDIR, name)
        try:
            return os.lstat(entry)  # it may have come meanwhile
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _hear_file(self, path: str, directory: str, name: str) -> None:
        """Watch a file: by its name, and by its inode, which tells more where it is a mount of its own."""
        self._hear(directory, NAMES | ONLYDIR, name)
        if os.access(path, os.R_OK):
            self._hear(path, FILE)
        else:
            self._hear(directory, NAMES | ATTRIB | CLOSE_WRITE | ONLYDIR, name)

    # ---- what is there

    def _read_directory(self, path: str, below: str) -> None:
        if below.count("/") > MAX_DEPTH:
            raise OSError(errno.ELOOP, f"it has more than {MAX_DEPTH} directories below each other")
        self._hear(path, CONTENT | ONLYDIR)
        try:
            with os.scandir(path) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
            device = os.stat(path).st_dev
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in inside:
            if not _is_ignored(entry.name):
                self._read_entry(entry.path, below + entry.name, device)
            if len(self.contents) > MAX_ENTRIES:
                raise OSError(errno.E2BIG, f"it has more than {MAX_ENTRIES} files; watch those that matter")

    def _read_entry(self, path: str, name: str, device: int) -> None:
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                self.contents[name] = Seen(stat.S_IFLNK, (0, 0, 0), (), os.readlink(path))
                found = self._follow(path)
                if found is None or stat.S_ISDIR(found[1].st_mode):
                    return
                path, status = found
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:  # a loop of links, or a directory that supinit may not enter
            self._fail(error)
            return
        if stat.S_ISREG(status.st_mode) and status.st_dev != device and os.access(path, os.R_OK):
            self._hear(path, FILE)  # a mount: whoever writes to it does not know it by this directory
        if stat.S_ISDIR(status.st_mode):
            self.contents[name] = Seen(stat.S_IFDIR, _owner(status))
            self._read_directory(path, f"{name}/")
        else:
            self._note_file(name, path, status)

    def _note_file(self, name: str, path: str, status: os.stat_result) -> None:
        kind, content = stat.S_IFMT(status.st_mode), None
        identity: tuple[int, ...] = ()
        if kind == stat.S_IFREG:
            identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            content = self._read(path, status.st_size)
        self.contents[name] = Seen(kind, _owner(status), identity, content)
        self.changed_at[name] = status.st_ctime

    def _read(self, path: str, size: int) -> int | None:
        if size > min(MAX_FILE, self._left):
            return None
        self._left -= size
        try:
            return hash(read_regular_file(path, MAX_FILE))
        except OSError:
            return None


def _owner(status: os.stat_result) -> tuple[int, int, int]:
    return stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid


def _is_ignored(name: str) -> bool:
    if name.startswith("..") or name.endswith("~"):
        return True
    return name.startswith(".") and name.endswith((".swp", ".swx", ".swo"))
