"""`restart_when`, as the core sees it. The rules are in restart_due.py, loaded only where a program has the key."""

from __future__ import annotations

from supervisor.core.record import Record


class RestartLimits(Record):
    """What a running process may reach before it is replaced by a new one.

    `memory`: bytes of resident memory of the whole process tree, measured every `interval` seconds. `age`: seconds
    since its start.
    """

    memory: int | None = None
    age: float | None = None
    interval: float = 30.0
