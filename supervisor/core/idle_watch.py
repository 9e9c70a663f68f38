"""The idle shutdown: how long nobody has been connected, when to look again, and when that ends the container.

Rule 1: the clock starts when the container is ready, and again at the time at which a connection was last there.
Rule 2: only the answer to a look ends the container. A look that fails counts as a connection.
Rule 3: an update keeps the clock, unless it changes the ports or adds the key.
"""

from __future__ import annotations

from supervisor.core.container import LookAtConnections, Serving
from supervisor.core.record import Record, replace
from supervisor.core.shutdown import end
from supervisor.core.verdict import Cause, Verdict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.idle_shutdown import IdleShutdown
    from supervisor.core.settling import Settling


class IdleWatch(Record):
    """No connection has been there since `since`. The next look is due at `look_at`."""

    setting: IdleShutdown
    since: float
    look_at: float


def keep_watch(turn: Settling) -> None:
    """Begin, adapt or end the watch, as the table and the phase of the container say."""
    setting, watch = turn.plan.settings.idle_shutdown, turn.idle
    if setting is None or turn.ready_at is None or not isinstance(turn.container_phase, Serving):
        turn.idle = None
    elif watch is None or watch.setting.ports != setting.ports:
        turn.idle = IdleWatch(setting, turn.now, _next_look(setting, turn.now, turn.now))
    elif watch.setting != setting:
        turn.idle = IdleWatch(setting, watch.since, turn.now)


def look_if_due(turn: Settling, watch: IdleWatch) -> None:
    if turn.now >= watch.look_at:
        turn.idle = replace(watch, look_at=turn.now + watch.setting.look_interval)
        turn.orders.append(LookAtConnections(watch.setting.ports))


def note_connections(turn: Settling, watch: IdleWatch, ports: tuple[int, ...], last_seen: float | None) -> None:
    """Take the answer to a look, and end the container if nobody was connected for long enough."""
    setting = watch.setting
    if ports != setting.ports:
        return  # an update has changed them meanwhile
    since = watch.since if last_seen is None else max(watch.since, min(last_seen, turn.now))
    turn.idle = IdleWatch(setting, since, _next_look(setting, since, turn.now))
    if turn.now - since >= setting.after:
        what = f"port {ports[0]}" if len(ports) == 1 else f"ports {', '.join(map(str, ports))}"
        end(turn, Verdict(Cause.IDLE, 0, f"no connection to {what} for {setting.after:g} s"))


def postpone_watch(watch: IdleWatch, seconds: float) -> IdleWatch:
    return replace(watch, since=watch.since + seconds, look_at=watch.look_at + seconds)


def _next_look(setting: IdleShutdown, since: float, now: float) -> float:
    """Return when to look next: after the interval, or at the end of the time if that is sooner."""
    end_of_time = since + setting.after
    look_at = now + setting.look_interval
    return end_of_time if now < end_of_time < look_at else look_at
