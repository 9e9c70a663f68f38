"""A program's log file, rotated by size. A thread writes it, since a disk can stall and poll(2) does not tell.

Rule 1: a file holds whole lines only, also after the disk was full.
Rule 2: a file that something else has renamed, removed or truncated is continued in place: the path is checked before
each write.
Rule 3: what cannot be written is lost, counted, and reported once. A slow disk is a congested destination.
Rule 4: a path may lead through links, or to a device or a FIFO. A link is never replaced: its target is rotated. Only a
regular file is rotated, and not one that is reached through a descriptor of some process (/proc/PID/fd).
Rule 5: a program that may write to the directory cannot lead supinit elsewhere: a link counts only if root or supinit's
own user made it, and a rotation stays in the directory that was opened.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from functools import partial
from time import monotonic

from supervisor.logs.losses import Losses
from supervisor.logs.sink import BACKLOG
from supervisor.trusted_path import Place, find_place

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from queue import SimpleQueue
    from threading import Thread

    from supervisor.core.output import Output
    from supervisor.core.program import LogSettings
    from supervisor.logs.formats import Buffers

    Job = tuple[Buffers, Output | None, int]

ROTATE_AGAIN = 10.0
"""Seconds until a rotation that failed is tried again; meanwhile the file grows."""
TRIES = 5
"""How often a log file is opened or made in two steps, before both are done in one."""
CHUNK = 64 * 1024
NO_READER = "no process has it open for reading yet"


class FileSink:
    """A log file, as the pump sees it: `descriptor` is readable when the thread has reported something (`flush`)."""

    def __init__(
        self, path: str, settings: LogSettings, fault: Callable[[BaseException], None] = lambda _: None
    ) -> None:
        """`fault` takes an unexpected error. `flush` calls it."""
        self.name = path
        self._fault = fault
        self.losses = Losses(path)
        self.failure: str | None = None
        """Why it cannot be written, until it can."""
        self.is_congested = False
        self.descriptor = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        from supervisor.umask import own_umask

        self._file = RotatedFile(os.path.abspath(path), settings, 0o666 & ~own_umask(), self._note_wait)
        self._given = self._done = 0
        self._is_awaited = False
        self._news: deque[tuple[str | None, Job]] = deque()
        """From the thread: why the last write failed (None: it did not), and what of it is lost."""
        self._errors: deque[Exception] = deque()
        """From the thread: unexpected errors."""
        self._reported: str | None = None
        """The failure that the thread has reported last."""
        self._jobs: SimpleQueue[Job | None] | None = None
        self._thread: Thread | None = None

    @property
    def waiting(self) -> int:
        """Bytes kept."""
        return self._given - self._done

    def rotate_by(self, settings: LogSettings) -> None:
        """Use other settings for rotation from now on."""
        self._file.settings = settings

    def write(self, buffers: Buffers, source: Output | None = None, size: int = 0) -> None:
        """Have whole lines written. `size` is the number of bytes of `source` in them, counted if they are lost."""
        if self._jobs is None:
            try:
                self._jobs = self._start()
            except OSError as error:  # no more threads: the next write tries again
                self._reported = error.strerror
                self._news.append((error.strerror, (buffers, source, size)))
                os.eventfd_write(self.descriptor, 1)
                return
        self._given += sum(map(len, buffers))
        self._jobs.put((buffers, source, size))
        if self.waiting >= BACKLOG:
            self._is_awaited = self.is_congested = True
            self._check()  # the thread may have written all of it before it saw that it is awaited

    def flush(self) -> bool:
        """Take in what the thread has reported. Returns whether nothing is kept any more."""
        try:
            if self.descriptor >= 0:
                os.eventfd_read(self.descriptor)
        except BlockingIOError:
            pass
        while self._errors:
            self._fault(self._errors.popleft())
        while self._news:
            self.failure, (lost, source, size) = self._news.popleft()
            if size:
                self.losses.note(source, lost, size)
        self._check()
        return not self.waiting

    def close(self, limit: float) -> None:
        """Write what is kept, for at most `limit` seconds."""
        if self._thread is not None and self._jobs is not None:
            self._jobs.put(None)
            self._thread.join(limit)
            self.flush()
            if self._thread.is_alive():
                return  # it still has the descriptor, and both go with the process
        os.close(self.descriptor)
        self.descriptor = -1

    def _check(self) -> None:
        if self.waiting <= BACKLOG // 2:
            self._is_awaited = self.is_congested = False

    def _start(self) -> SimpleQueue[Job | None]:
        from queue import SimpleQueue  # neither is needed before the first child runs

        from supervisor.threads import start_thread

        jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread = start_thread(partial(self._work, jobs), self.name)
        return jobs

    # ---- in the thread

    def _work(self, jobs: SimpleQueue[Job | None]) -> None:
        import signal

        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for the loop
        while (job := jobs.get()) is not None:
            lost, failure = self._try(job[0])
            size = sum(map(len, job[0]))
            if lost or failure != self._reported:
                self._reported = failure
                self._news.append((failure, ((lost,), job[1], round(job[2] * len(lost) / size))))
                os.eventfd_write(self.descriptor, 1)
            self._done += size
            if self._is_awaited and self.waiting <= BACKLOG // 2:
                os.eventfd_write(self.descriptor, 1)
        self._file.close()

    def _note_wait(self, reason: str) -> None:
        self._reported = reason
        self._news.append((reason, ((), None, 0)))
        os.eventfd_write(self.descriptor, 1)

    def _try(self, buffers: Buffers) -> tuple[bytes, str | None]:
        try:
            return self._file.write(buffers)
        except Exception as error:  # if the thread ended, its programs would wait for ever
            self._errors.append(error)
            return b"".join(buffers), f"internal error: {error!r}"


class RotatedFile:
    """The file itself, and the older ones beside it: PATH.1 is the youngest, PATH.1.gz if they are compressed.

    `note_wait` gets the reason where opening the file waits for another process.
    """

    def __init__(
        self, path: str, settings: LogSettings, mode: int, note_wait: Callable[[str], None] = lambda _: None
    ) -> None:
        self._path = path
        self.settings = settings
        self._mode = mode
        self._note_wait = note_wait
        self._descriptor = -1
        self._identity = (0, 0)
        self._is_regular = False
        self._is_rotated = False
        self._place: Place | None = None
        """Where the path leads to, while the file is open."""
        self._rotate_from = 0.0
        self._problem: str | None = None
        """Why it could not be rotated, until it could."""

    def write(self, buffers: Buffers) -> tuple[bytes, str | None]:
        """Write whole lines. Returns those that are lost, and what is wrong, if anything is."""
        data = b"".join(buffers) if len(buffers) > 1 else bytes(buffers[0])
        at = 0
        while at < len(data):
            begin = at
            try:
                size = self._open()
                end = self._fitting(data, at, size)
                if end == at:
                    self._rotate()
                while at < end:
                    at += os.write(self._descriptor, memoryview(data)[at:end])
            except OSError as error:
                whole = data.rfind(b"\n", begin, at) + 1 or begin
                if whole < at and self._is_regular:
                    os.ftruncate(self._descriptor, size + whole - begin)
                return data[whole:], error.strerror or str(error)
        return b"", self._problem

    def _fitting(self, data: bytes, at: int, size: int) -> int:
        """Return the end of those lines of `data`, from `at` on, that fit into the file without a rotation."""
        room = self.settings.max_size - size
        if len(data) - at <= room or not self._is_rotated or monotonic() < self._rotate_from:
            return len(data)
        end = data.rfind(b"\n", at, at + max(room, 0)) + 1
        if end == 0 and size == 0:  # a line longer than `max_size` gets a file of its own
            return data.find(b"\n", at) + 1
        return max(end, at)

    def _open(self) -> int:
        """Open the file that is at the path now, unless it is open already. Returns its size."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            status = None
        if status is None or (status.st_dev, status.st_ino) != self._identity:
            self.close()
            self._place = find_place(self._path, make_folders=True)
            self._descriptor = self._create(self._place)
            status = os.fstat(self._descriptor)
            self._identity = status.st_dev, status.st_ino
            self._is_regular = stat.S_ISREG(status.st_mode)
            self._is_rotated = self._is_regular and not self._place.is_magic
            if self._is_rotated and status.st_nlink > 1 and not self._place.is_safe:
                self.close()
                raise OSError(errno.EMLINK, "it has a second name (hard link), and its directory is another user's")
        return status.st_size

    def _create(self, place: Place) -> int:
        """Open the file, or make it. Somebody may make or move it between these two steps."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOCTTY
        for _ in range(TRIES):
            try:
                mode = os.stat(place.name, dir_fd=place.folder, follow_symlinks=place.is_magic).st_mode
                return self._open_fifo(place, flags) if stat.S_ISFIFO(mode) else place.open(flags)
            except FileNotFoundError:
                pass
            try:
                descriptor = place.open(flags | os.O_CREAT | os.O_EXCL, self._mode)
            except FileExistsError:
                continue
            os.fchmod(descriptor, self._mode)  # the main thread may have another umask while it spawns
            return descriptor
        # Two processes that change one directory can take turns for very long. Nothing comes between a single call,
        # but it does not tell whether the file is new, so the umask applies to its mode.
        return place.open(flags | os.O_CREAT, self._mode)

    def _open_fifo(self, place: Place, flags: int) -> int:
        """Open a FIFO, and wait for its reader if there is none yet (fifo(7))."""
        try:
            descriptor = place.open(flags | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            self._note_wait(NO_READER)
            return place.open(flags)
        os.set_blocking(descriptor, True)
        return descriptor

    def _rotate(self) -> None:
        """Move each file to the next number. What cannot be moved stays, and is tried again later."""
        if self._place is None or not self._is_rotated:
            return
        try:
            self._shift(self._place)
            if self.settings.compress and self.settings.keep:
                _compress(self._place.folder, f"{self._place.name}.1")
            self._problem = None
        except OSError as error:
            self._rotate_from = monotonic() + ROTATE_AGAIN
            self._problem = f"cannot be rotated: {error.strerror or error}"

    def _shift(self, place: Place) -> None:
        """Make room for NAME.1 and move the file there. With `keep: 0`, remove it."""
        folder, name = place.folder, place.name
        if self.settings.keep == 0:
            return _remove(folder, name)
        for ending in ("", ".gz"):
            _remove(folder, f"{name}.{self.settings.keep}{ending}")
            for number in range(self.settings.keep - 1, 0, -1):
                _move(folder, f"{name}.{number}{ending}", f"{name}.{number + 1}{ending}")
        _move(folder, name, f"{name}.1")

    def close(self) -> None:
        if self._place is not None:
            self._place.close()
            self._place = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._identity = (0, 0)


def _compress(folder: int, name: str) -> None:
    """Replace a file with NAME.gz, which appears as a whole. Neither it nor what is packed is a link."""
    import zlib

    part = f"{name}.gz.part"
    packer = zlib.compressobj(wbits=31)  # 31: with the header and the checksum of gzip
    _remove(folder, part)

    def opener(path: str, flags: int) -> int:
        new = os.O_EXCL if flags & os.O_CREAT else 0
        return os.open(path, flags | new | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)

    with open(name, "rb", opener=opener) as file, open(part, "wb", opener=opener) as packed:
        os.fchmod(packed.fileno(), stat.S_IMODE(os.fstat(file.fileno()).st_mode))
        while data := file.read(CHUNK):
            packed.write(packer.compress(data))
        packed.write(packer.flush())
    os.rename(part, f"{name}.gz", src_dir_fd=folder, dst_dir_fd=folder)
    os.unlink(name, dir_fd=folder)


def _move(folder: int, name: str, new_name: str) -> None:
    try:
        os.rename(name, new_name, src_dir_fd=folder, dst_dir_fd=folder)
    except FileNotFoundError:
        pass


def _remove(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass
