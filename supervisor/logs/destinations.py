"""Where lines go: the container's stdout and stderr, and the log files, which programs may share.

Destinations that wait for something (a reader, a disk) are in the pump's epoll. Whether one of them fails, and when it
works again, is reported once.
"""

from __future__ import annotations

import os
import select
from time import monotonic

from supervisor.core.program import LogMode
from supervisor.logs.sink import Sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from supervisor.core.program import LogSettings, Program
    from supervisor.logs.files import FileSink
    from supervisor.logs.losses import Losses


class Destinations:
    """All destinations of one container."""

    def __init__(self, stdout: Sink, stderr: Sink, epoll: select.epoll, fault: Callable[[BaseException], None]) -> None:
        """`fault` takes an unexpected error in the writing of a file."""
        self.sinks = (stdout, stderr)
        self._epoll = epoll
        self._fault = fault
        self._all: list[Sink | FileSink] = [stdout] if stdout is stderr else [stdout, stderr]
        self._files: dict[str, FileSink] = {}
        self._by_wake: dict[int, FileSink] = {}
        self._awaited: dict[int, Sink] = {}
        """Sinks that wait for their readers, by descriptor."""
        self._failures: dict[str, str] = {}
        """The failures that were reported, by destination."""

    @property
    def are_awaited(self) -> bool:
        return bool(self._awaited)

    def of(self, program: Program, stream: int) -> list[Sink | FileSink]:
        """Return the destinations of one stream of a program; there may be none."""
        path = program.log.file
        found: list[Sink | FileSink] = []
        if program.log.mode is not LogMode.NONE:
            found.append(self.sinks[stream])
        if path is not None and (destination := self._at(path, program.log)) not in found:
            found.append(destination)
        return found

    def _at(self, path: str, settings: LogSettings) -> Sink | FileSink:
        """Return what a path leads to: a file, or one of the container's outputs (/dev/stdout)."""
        file = self._files.get(path)
        if file is None:
            if (sink := self._sink_at(path)) is not None:
                return sink
            from supervisor.logs.files import FileSink  # loaded with the first file

            file = self._files[path] = FileSink(path, settings, self._fault)
            self._by_wake[file.descriptor] = file
            self._all.append(file)
            self._epoll.register(file.descriptor, select.EPOLLIN)
        file.rotate_by(settings)
        return file

    def _sink_at(self, path: str) -> Sink | None:
        try:
            status = os.stat(path)
        except OSError:
            return None
        return next((sink for sink in self.sinks if sink.identity == (status.st_dev, status.st_ino)), None)

    def await_readers(self) -> None:
        """Have the epoll report when a sink that keeps lines can be written again."""
        for sink in self.sinks:
            if sink.waiting and sink.descriptor not in self._awaited:
                self._awaited[sink.descriptor] = sink
                self._epoll.register(sink.descriptor, select.EPOLLOUT)

    def serve(self, descriptor: int) -> bool:
        """Continue with the destination that has this descriptor. Returns whether it takes lines again."""
        destination = self._awaited.get(descriptor) or self._by_wake.get(descriptor)
        if destination is None:  # a pipe that was closed when a turn was over
            return False
        is_done = destination.flush()
        if is_done and isinstance(destination, Sink):
            del self._awaited[descriptor]
            self._epoll.unregister(descriptor)
        return not destination.is_congested

    def flush(self, limit: float) -> bool:
        """Wait until something of what all destinations keep was written. False: nothing is kept, or time is up."""
        return _flush(self._all, limit)

    def close(self, limit: float) -> None:
        """Write what is kept, until `limit` (monotonic clock). Files are closed."""
        while self._by_wake:
            descriptor, file = self._by_wake.popitem()
            self._epoll.unregister(descriptor)
            file.close(max(0.0, limit - monotonic()))

    def flush_sinks(self, limit: float) -> None:
        """Write what the container's outputs keep, until `limit` (monotonic clock)."""
        while _flush(self.sinks, limit):
            pass

    def losses(self) -> Iterator[Losses]:
        """Yield all losses on the way to a destination."""
        return (destination.losses for destination in self._all)

    def unreported(self) -> Iterator[Losses]:
        """Yield the losses that can be reported now: their destination works."""
        for destination in self._all:
            if destination.losses and not destination.is_congested and destination.failure is None:
                yield destination.losses

    def report_failures(self, report: Callable[..., None]) -> None:
        """Report which destinations have failed, and which work again."""
        for destination in self._all:
            reported = self._failures.get(destination.name)
            if destination.failure == reported:
                continue
            if destination.failure is None:
                del self._failures[destination.name]
                report("info", "log.write_recovered", to=destination.name)
            else:
                self._failures[destination.name] = destination.failure
                if reported is None:
                    report("error", "log.write_failed", to=destination.name, reason=destination.failure)


def _flush(destinations: Iterable[Sink | FileSink], limit: float) -> bool:
    waiting = [destination for destination in destinations if not destination.flush()]
    left = limit - monotonic()
    if not waiting or left <= 0:
        return False
    poll = select.poll()
    for destination in waiting:
        poll.register(destination.descriptor, select.POLLOUT if isinstance(destination, Sink) else select.POLLIN)
    poll.poll(left * 1000)
    return True
