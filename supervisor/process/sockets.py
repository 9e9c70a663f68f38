"""The sockets that supinit binds for programs: bound before the programs start, kept while the table has them.

Only a table with `sockets` loads this module.

Rule 1: nothing is ever accepted or read here. A connection waits in the kernel until a process of the program takes it.
Rule 2: a bind of several sockets succeeds for all of them, or leaves nothing behind.
Rule 3: only the file of a socket that nobody uses is replaced, and only supinit's own is removed.
"""

from __future__ import annotations

import errno
import os
import stat
from _socket import (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    IPPROTO_IPV6,
    IPV6_V6ONLY,
    SO_ACCEPTCONN,
    SO_REUSEADDR,
    SOCK_CLOEXEC,
    SOCK_DGRAM,
    SOCK_NONBLOCK,
    SOCK_STREAM,
    SOL_SOCKET,
    socket,
)

from supervisor.core.container import Draining, Serving
from supervisor.core.record import Record
from supervisor.core.sockets import Backlog, DescriptorText, ListenSocket, SocketType, in_use, numbered
from supervisor.errors import SpawnError
from supervisor.file_identity import identity_of
from supervisor.umask import bind_with_mode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from supervisor.core.container import Fleet
    from supervisor.core.plan import Plan
    from supervisor.core.program import Program
    from supervisor.core.sockets import SocketKey

KINDS = {SocketType.STREAM: SOCK_STREAM, SocketType.DATAGRAM: SOCK_DGRAM}
PID_VARIABLE = "LISTEN_PID"


class Failure(Record):
    """A socket that cannot be bound."""

    program: str
    socket: ListenSocket
    error: OSError

    @property
    def place(self) -> str:
        """Where the table has it."""
        return f"programs.{self.program}.sockets.{self.socket.name}"


class HeldSocket:
    """One bound socket. `program`: the name of the program that it is kept for."""

    def __init__(self, program: Program, spec: ListenSocket) -> None:
        """Bind it. Raises OSError; then nothing of it is left."""
        self.program = program.name
        self.spec = spec
        self.owner = _owner(program, spec)
        self._identity: tuple[int, int] | None = None
        self.socket = socket(_family(spec), KINDS[spec.kind] | SOCK_CLOEXEC)
        try:
            if isinstance(spec.address, str):
                self._bind_path(spec.address)
            else:
                self._bind_address(spec.address)
            if spec.kind is SocketType.STREAM:
                self.socket.listen(spec.backlog)
        except OSError:
            self.close()
            raise

    def _bind_address(self, address: tuple[str, int]) -> None:
        if self.spec.kind is SocketType.STREAM:  # connections in TIME_WAIT do not prevent the bind
            self.socket.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        if ":" in address[0]:
            self.socket.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, 0)
        self.socket.bind(address)

    def _bind_path(self, path: str) -> None:
        _remove_stale(path, KINDS[self.spec.kind])
        bind_with_mode(self.socket, path, self.spec.mode)
        self._identity = identity_of(path)
        self._give_away(path)

    def _give_away(self, path: str) -> None:
        """Set owner and mode of the file, as far as they differ.

        The directory may belong to the program's user, who could put a link in the place of the file.
        """
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if (status.st_dev, status.st_ino) != self._identity:
                raise FileNotFoundError(errno.ENOENT, "somebody has replaced it", path)
            if (status.st_uid, status.st_gid) != self.owner:
                os.chown(f"/proc/self/fd/{descriptor}", *self.owner)
            if stat.S_IMODE(status.st_mode) != self.spec.mode:
                os.chmod(f"/proc/self/fd/{descriptor}", self.spec.mode)
        finally:
            os.close(descriptor)

    def is_lost(self) -> bool:
        """Whether the file was removed or replaced, so that nobody can connect any more."""
        if isinstance(self.spec.address, tuple):
            return False
        return identity_of(self.spec.address) != self._identity

    def revive(self) -> None:
        """Listen again if a process has shut the socket down, which affects everybody who has it (shutdown(2))."""
        if self.spec.kind is SocketType.STREAM and not self.socket.getsockopt(SOL_SOCKET, SO_ACCEPTCONN):
            self.socket.listen(self.spec.backlog)

    def redefine(self, program: Program, spec: ListenSocket) -> None:
        """Apply another backlog, mode or owner. Raises OSError for what cannot be applied."""
        before, self.spec, self.program = self.spec, spec, program.name
        self.owner = _owner(program, spec)
        if spec.kind is SocketType.STREAM and spec.backlog != before.backlog:
            self.socket.listen(spec.backlog)
        if isinstance(spec.address, str):
            self._give_away(spec.address)

    def close(self) -> None:
        """Close it, and remove its file unless another one has taken its place."""
        self.socket.close()
        if isinstance(self.spec.address, str) and self._identity is not None and not self.is_lost():
            try:
                os.unlink(self.spec.address)
            except OSError:
                pass


class Sockets:
    """All sockets of one container."""

    def __init__(self, report: Callable[..., None]) -> None:
        """`report` writes one event to the log."""
        self._report = report
        self._held: dict[SocketKey, HeldSocket] = {}
        self._unreported: list[HeldSocket] = []
        """Those that were bound since `follow` looked last."""
        self._followed: tuple[object, ...] = ()
        """The plan, and the updates under way, when `follow` looked last."""

    def backlogs(self) -> Iterator[Backlog]:
        """Yield the queue of each socket for which the kernel reports it."""
        from supervisor.process.socket_queues import queue_of

        for held in self._held.values():
            waiting = queue_of(held.socket, held.spec) if held.spec.kind is SocketType.STREAM else None
            if waiting is not None:
                yield Backlog(held.program, held.spec.name, waiting)

    def bind(self, programs: Iterable[Program]) -> tuple[Failure, ...]:
        """Bind the sockets of these programs that are not held yet. If one cannot be bound, none is kept."""
        failures: list[Failure] = []
        bound: dict[SocketKey, HeldSocket] = {}
        for program in programs:
            for spec in program.sockets:
                if spec.key in self._held or spec.key in bound:
                    continue
                try:
                    bound[spec.key] = HeldSocket(program, spec)
                except OSError as error:
                    failures.append(Failure(program.name, spec, error))
        if failures:
            for held in bound.values():
                held.close()
        else:
            self._held |= bound
            self._unreported += bound.values()
        return tuple(failures)

    def explain(self, failures: Iterable[Failure], with_place: bool = True) -> tuple[str, ...]:
        """Return a sentence for each failure, by default with its place in the table.

        It may take a while, since it looks for who has the address.
        """
        from supervisor.process.socket_failures import explain

        held = tuple(self._held.values())
        sentences = ((f"{failure.place}: " if with_place else "", explain(failure, held)) for failure in failures)
        return tuple(place + sentence for place, sentence in sentences)

    def hold(self, program: Program) -> None:
        """Make sure that a program about to start has its sockets. Raises SpawnError."""
        for spec in program.sockets:
            held = self._held.get(spec.key)
            if held is not None and held.is_lost():
                self._report("warning", "socket.restored", **_fields(held))
                self._held.pop(spec.key).close()
        failures = self.bind((program,))
        if failures:
            raise SpawnError("; ".join(self.explain(failures, with_place=False)), None)
        for spec in program.sockets:
            self._held[spec.key].revive()

    def pairs(self, program: Program) -> tuple[tuple[int, int], ...]:
        """Return the descriptors of a program's sockets, each with its number in the main process."""
        return tuple((self._held[spec.key].socket.fileno(), number) for number, spec in numbered(program))

    def follow(self, plan: Plan, fleet: Fleet) -> None:
        """Close what is not needed any more, and apply what an update has changed."""
        unreported, self._unreported = self._unreported, []
        for held in unreported:
            self._report("info", "socket.bound", **_fields(held))
        is_up = isinstance(fleet.container_phase, Serving | Draining)
        now = (plan, fleet.leaving, fleet.rolls) if is_up else ()
        if is_up and len(self._followed) == 3 and all(a is b for a, b in zip(self._followed, now, strict=True)):
            return
        self._followed = now
        used = in_use(plan, fleet)
        for key, held in tuple(self._held.items()):
            if key not in used:
                self._report("info", "socket.closed", **_fields(held))
                self._held.pop(key).close()
                continue
            program, spec = used[key]
            if (held.program, held.spec, held.owner) != (program.name, spec, _owner(program, spec)):
                try:
                    held.redefine(program, spec)
                except OSError as error:
                    reason = error.strerror or str(error)
                    self._report("warning", "socket.change_failed", **_fields(held), reason=reason)

    def close(self) -> None:
        """Close all of them, and remove their files."""
        while self._held:
            self._held.popitem()[1].close()


def variables_of(program: Program) -> dict[str, str]:
    """Return the variables that tell a process about its sockets (sd_listen_fds(3)), without LISTEN_PID."""
    texts = {name: value.text for name, value in program.environment if isinstance(value, DescriptorText)}
    names = ":".join(spec.name for spec in program.sockets)
    return {**texts, "LISTEN_FDS": str(len(program.sockets)), "LISTEN_FDNAMES": names}


def _fields(held: HeldSocket) -> dict[str, str]:
    return {"program": held.program, "socket": held.spec.name, "listen": held.spec.listen}


def _family(spec: ListenSocket) -> int:
    if isinstance(spec.address, str):
        return AF_UNIX
    return AF_INET6 if ":" in spec.address[0] else AF_INET


def _owner(program: Program, spec: ListenSocket) -> tuple[int, int]:
    who = program.credentials
    uid, gid = (os.geteuid(), os.getegid()) if who is None else (who.uid, who.gid)
    return uid if spec.uid is None else spec.uid, gid if spec.gid is None else spec.gid


def _remove_stale(path: str, kind: int) -> None:
    """Remove a socket that nobody uses, such as one that a killed container left in a volume."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.EEXIST, "there is a file that is not a socket", path)
    except FileNotFoundError:
        return
    probe = socket(AF_UNIX, kind | SOCK_NONBLOCK | SOCK_CLOEXEC)
    try:
        probe.connect(path)
    except ConnectionRefusedError:
        os.unlink(path)
        return
    except BlockingIOError:
        pass  # its queue is full, so somebody listens
    except OSError as error:
        if error.errno != errno.EPROTOTYPE:  # a socket of another type
            raise
    finally:
        probe.close()
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), path)
