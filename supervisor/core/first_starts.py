"""Which instances start as soon as the container begins, and need nothing else first."""

from __future__ import annotations

from supervisor.core.actions import Spawn
from supervisor.core.container import Begun, Order, TimePassed
from supervisor.core.fleet import advance, new_fleet
from supervisor.core.protocol import MAX_SOCKET_PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.core.container import Turn
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId, Program


def find_first_starts(plan: Plan) -> Iterator[InstanceId]:
    """Yield the instances that an opening may start (opening.py), in the order of the core's first decisions."""
    settings, programs = plan.settings, plan.programs.values()
    is_refused_later = len(settings.socket_path.encode(errors="surrogateescape")) > MAX_SOCKET_PATH
    if is_refused_later or settings.syslog is not None or any(program.sockets for program in programs):
        return  # all of that comes before the first program
    turn = advance(plan, new_fleet(plan), Begun(), 0.0)
    yield from _plain_starts(plan, turn)
    while turn.fleet.continue_at is not None:
        turn = advance(plan, turn.fleet, TimePassed(), 0.0)
        yield from _plain_starts(plan, turn)


def _plain_starts(plan: Plan, turn: Turn) -> Iterator[InstanceId]:
    for order in turn.orders:
        if isinstance(order, Order) and isinstance(order.action, Spawn) and is_plain(plan.program_of(order.instance)):
            yield order.instance


def is_plain(program: Program) -> bool:
    """Whether a start takes nothing but a command, variables, a working directory, a umask and pipes for output."""
    return not (
        program.env_file
        or program.credentials is not None
        or program.ulimits
        or program.nice is not None
        or program.oom_score_adj is not None
        or program.cap_add
        or program.cap_drop
        or program.no_new_privileges
        or program.is_main
        or program.watchdog is not None
        or program.once is not None
        or program.pid_file is not None
        or program.clear_before_start
        or program.runtime_directory
        or program.ready.notify is not None
        or program.log.passes_by
        or not all(value is None or isinstance(value, str) for _, value in program.environment)
    )
