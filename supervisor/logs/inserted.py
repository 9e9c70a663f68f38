"""Lines that programs did not write to their pipes but sent to syslog: they take the stages of their program."""

from __future__ import annotations

from supervisor.core.lanes import first_lane
from supervisor.core.output import Output
from supervisor.core.program import WhenFull
from supervisor.core.record import replace
from supervisor.logs.pipe import Pipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from supervisor.core.program import InstanceId, Program
    from supervisor.logs.destinations import Destinations
    from supervisor.logs.rate import Bucket
    from supervisor.logs.tails import Tails

RATE = 1 << 20
"""Bytes a second that a program may send, where it has no `rate_limit`."""


class Inserted:
    """The stages for such lines, by instance, stream and severity. Each is a pipe without a descriptor.

    A sender never waits: what a congested destination does not take, and what is over the rate, is lost.
    """

    def __init__(
        self,
        tails: Tails,
        outputs: dict[InstanceId, Output],
        destinations: Destinations,
        bucket_of: Callable[[Program], Bucket | None],
        note_slow: Callable[[str, int], None],
    ) -> None:
        self._tails = tails
        self._outputs = outputs
        self._destinations = destinations
        self._bucket_of = bucket_of
        self._note_slow = note_slow
        self._pipes: dict[tuple[InstanceId, int, str], Pipe] = {}

    def pipe_of(self, program: Program, instance: InstanceId, stream: int, severity: str) -> Pipe:
        pipe = self._pipes.get((instance, stream, severity))
        if pipe is None:
            rate = program.log.rate_limit or RATE
            log = replace(program.log, when_full=WhenFull.DROP, rate_limit=rate, flush_after=None)
            program = replace(program, log=log)
            first = first_lane(instance)
            output = self._outputs.setdefault(first, Output(first))
            tail = self._tails.of(instance)
            tail.limit = log.tail
            pipe = Pipe(-1, instance, stream, output, tail, self._note_slow)
            pipe.severity = severity
            pipe.connect(program, self._destinations.of(program, stream), self._bucket_of(program))
            self._pipes[instance, stream, severity] = pipe
        return pipe

    def remove(self, *instances: InstanceId) -> list[Pipe]:
        """Return the pipes of some instances (none given: of all), and forget them."""
        keys = [key for key in self._pipes if not instances or key[0] in instances]
        return [self._pipes.pop(key) for key in keys]
