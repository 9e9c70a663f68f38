"""How the variables of a process are put together, whoever starts it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PROGRAM, INSTANCE, IDENTITY = "SUPINIT_PROGRAM", "SUPINIT_INSTANCE", "SUPINIT_ID"
PRIVATE = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")
"""Variables meant for supinit itself, which children must not inherit (sd_notify(3), sd_listen_fds(3))."""


def inheritable(own: Mapping[str, str]) -> dict[str, str]:
    """Return what processes may inherit of supinit's own environment."""
    return {name: value for name, value in own.items() if name not in PRIVATE}


def put_together(
    base: Mapping[str, str],
    settings: Iterable[tuple[str, str | None]],
    own: Mapping[str, str],
    marks: dict[str, str],
) -> dict[str, str]:
    """Return `base` with the `settings` of a table, in their order, and the marks.

    A setting without a value copies the variable from supinit's `own` environment, if it is set there.
    """
    environment = dict(base)
    for name, value in settings:
        if value is not None:
            environment[name] = value
        elif name in own:
            environment[name] = own[name]
    return environment | marks


def marks(name: str, number: int, identity: str) -> dict[str, str]:
    """Return the variables that identify the processes of an instance."""
    return {PROGRAM: name, INSTANCE: str(number), IDENTITY: identity}
