"""The health check of a program, as the operator configures it: what is asked, when, and what a failure leads to."""

from __future__ import annotations

from enum import Enum

from supervisor.core.record import Record


class ExecProbe(Record):
    command: tuple[str, ...]


class HttpProbe(Record):
    url: str
    status: tuple[int, ...] = (200,)
    headers: tuple[tuple[str, str], ...] = ()


class TcpProbe(Record):
    host: str
    port: int


class UnixProbe(Record):
    path: str


class FileProbe(Record):
    path: str
    max_age: float | None = None


class FastCgiProbe(Record):
    address: str
    """"host:port" or the path of a Unix socket."""
    path: str = "/ping"


class UwsgiProbe(Record):
    address: str
    path: str = "/"


Probe = ExecProbe | HttpProbe | TcpProbe | UnixProbe | FileProbe | FastCgiProbe | UwsgiProbe


class OnUnhealthy(Enum):
    NONE = "none"
    RESTART = "restart"
    SHUTDOWN = "shutdown"


class HealthCheck(Record):
    probe: Probe
    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3
    start_period: float = 0.0
    start_interval: float = 1.0
    on_unhealthy: OnUnhealthy = OnUnhealthy.NONE
