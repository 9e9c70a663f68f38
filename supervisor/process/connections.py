"""The TCP connections of supinit's network namespace, from /proc/net/tcp and tcp6: when a client was last connected.

Only a table with `supervisor.idle_shutdown` loads this module.

Rule 1: an ESTABLISHED connection to a port is there now. So is one in FIN_WAIT1: the kernel still delivers its data.
Rule 2: a connection in TIME_WAIT was there until it ended; the kernel tells how long it keeps the entry (60 s in all).
Rule 3: supinit's own health checks do not count. A client's open socket is that of a check if supinit or a process of
        the check holds it. An ended connection belongs to a check if it is local and ended while a check ran, or soon
        after: its entry has no owner any more.
"""

from __future__ import annotations

import os
import sys
import time

from supervisor.core.record import Record
from supervisor.process.procfs import descendants, read_processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
CHUNK = 64 * 1024
"""Bytes that are read at a time; making and parsing them takes about a millisecond."""
ESTABLISHED, FIN_WAIT1, FIN_WAIT2, TIME_WAIT = 1, 4, 5, 6
TIME_WAIT_TIMER = 3
TIME_WAIT_LENGTH = 60.0
"""Seconds (TCP_TIMEWAIT_LEN in Linux)."""
SLACK = 1.0
"""Seconds after a health check within which the server may still close the check's connection."""
EARLY = 0.1
"""Seconds by which the kernel's timer may be inexact."""
IS_LITTLE = sys.byteorder == "little"
MAPPED = b"0000000000000000FFFF0000" if IS_LITTLE else b"00000000000000000000FFFF"
"""The beginning of an IPv4 address in tcp6."""
LOOPBACK_6 = b"00000000000000000000000001000000" if IS_LITTLE else b"00000000000000000000000000000001"


class Connection(Record):
    """One entry. Addresses are as in the file, without the prefix of an IPv4 address in tcp6."""

    local: tuple[bytes, int]
    remote: tuple[bytes, int]
    state: int
    inode: int
    """0: no process holds it."""
    kept_for: float | None = None
    """Seconds until a TIME_WAIT entry goes away."""

    @property
    def is_local(self) -> bool:
        """Whether both ends are on this host."""
        address = self.remote[0]
        if address in (LOOPBACK_6, self.local[0]):
            return True
        return len(address) == 8 and (address[-2:] if IS_LITTLE else address[:2]) == b"7F"


def parse(line: bytes) -> Connection | None:
    """Read one line of the table. None: it is the heading, or broken."""
    fields = line.split()
    if len(fields) < 10:
        return None
    try:
        timer, _, ticks = fields[5].partition(b":")
        is_kept = int(timer, 16) == TIME_WAIT_TIMER
        kept_for = int(ticks, 16) / os.sysconf("SC_CLK_TCK") if is_kept else None
        return Connection(_end(fields[1]), _end(fields[2]), int(fields[3], 16), int(fields[9]), kept_for)
    except ValueError:
        return None


def _end(text: bytes) -> tuple[bytes, int]:
    address, _, port = text.partition(b":")
    return address.removeprefix(MAPPED) if len(address) == 32 else address, int(port, 16)


def read_lines(path: str) -> Iterator[bytes | None]:
    """Yield the lines of a file, and None after each chunk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        rest = b""
        while chunk := os.read(descriptor, CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
            yield None
        if rest:
            yield rest
    finally:
        os.close(descriptor)


class ProbeTimes:
    """When health checks ran, as far back as the kernel remembers connections."""

    def __init__(self) -> None:
        self._times: list[list[float]] = []

    def begin(self, now: float) -> list[float]:
        """Note the beginning of a check. Pass the result to `end`."""
        oldest = now - TIME_WAIT_LENGTH - SLACK
        self._times = [entry for entry in self._times if entry[1] >= oldest]
        self._times.append([now, float("inf")])
        return self._times[-1]

    def end(self, entry: list[float], now: float) -> None:
        entry[1] = now

    def overlap(self, begin: float, end: float) -> bool:
        """Whether a check ran, or had just ended, at some time between the two."""
        return any(begun - EARLY <= end and begin <= ended + SLACK for begun, ended in self._times)

    def changed_within(self, begin: float, end: float) -> bool:
        """Whether a check began or ended between the two."""
        return any(begin <= moment <= end for entry in self._times for moment in entry)


class Look:
    """One look at the connections to `ports`. `probe_pids` returns the processes of health checks' commands."""

    def __init__(self, ports: Collection[int], probes: ProbeTimes, probe_pids: Callable[[], Collection[int]]) -> None:
        self._ports = frozenset(ports)
        self._probes = probes
        self._probe_pids = probe_pids
        self._begun = time.monotonic()
        self._uncertain: list[Connection] = []
        """Open connections from this host: perhaps those of health checks."""
        self._clients: dict[tuple[tuple[bytes, int], tuple[bytes, int]], int] = {}
        """The inodes of the other ends."""
        self.last_seen: float | None = None
        """When a client was last connected, on the monotonic clock. None: not as far as the kernel knows."""

    def read(self) -> Iterator[None]:
        """Read the tables; yield after each chunk, so that the loop can do other things. Raises OSError."""
        before = self._own_inodes()
        for table in TABLES:
            if table != TABLES[0] and not os.path.exists(table):
                continue  # a kernel without IPv6
            for line in read_lines(table):
                if line is None:
                    yield
                elif (connection := parse(line)) is not None and self._take(connection):
                    return
        if any(self._counts(connection, before | self._own_inodes()) for connection in self._uncertain):
            self.last_seen = time.monotonic()

    def _take(self, connection: Connection) -> bool:
        """Take in one entry. True: a client is connected, so that the rest does not matter."""
        is_server = connection.local[1] in self._ports
        if not is_server and connection.remote[1] not in self._ports:
            return False
        if connection.kept_for is not None and connection.state in (FIN_WAIT2, TIME_WAIT):
            if is_server or connection.is_local:
                self._take_ended(connection, connection.kept_for)
        elif not is_server:
            self._clients[connection.local, connection.remote] = connection.inode
        elif connection.state in (ESTABLISHED, FIN_WAIT1):
            if not connection.is_local:
                self.last_seen = time.monotonic()
                return True
            self._uncertain.append(connection)
        return False

    def _take_ended(self, connection: Connection, kept_for: float) -> None:
        ended = time.monotonic() - max(0.0, TIME_WAIT_LENGTH - kept_for)
        if connection.is_local and self._probes.overlap(ended, ended):
            return
        self.last_seen = ended if self.last_seen is None else max(self.last_seen, ended)

    def _counts(self, connection: Connection, own: Collection[int]) -> bool:
        """Whether an open connection from this host is not that of a health check."""
        inode = self._clients.get((connection.remote, connection.local), 0)
        if inode in own:
            return False
        now = time.monotonic()
        if not inode:  # the client has let go of it meanwhile
            return not self._probes.overlap(self._begun, now)
        return not self._probes.changed_within(self._begun, now)

    def _own_inodes(self) -> set[int]:
        """Return the sockets of supinit and of the commands of health checks."""
        pids = set(self._probe_pids())
        if pids:
            pids |= descendants(read_processes(), pids)
        return {inode for pid in (*pids, os.getpid()) for inode in sockets_of(pid)}


def sockets_of(pid: int) -> Iterator[int]:
    """Yield the inodes of the sockets that a process holds; none if it is gone or may not be looked at."""
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        try:
            target = os.readlink(f"{folder}/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            yield int(target[8:-1])
