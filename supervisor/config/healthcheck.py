"""The `healthcheck:` section: Compose's, with more kinds of probes and with actions."""

from __future__ import annotations

from supervisor.config.kinds import ByShape, ListOf, Made, MapOf, or_variable
from supervisor.config.rules import ExactlyOne
from supervisor.config.scalars import (
    ADDRESS,
    ANY_TEXT,
    FLAG,
    HEADER_NAME,
    HEADER_VALUE,
    SERVER,
    TEXT,
    URL,
    duration,
    integer,
    words,
)
from supervisor.config.sections import Key, Section
from supervisor.core.healthcheck import (
    ExecProbe,
    FastCgiProbe,
    FileProbe,
    HealthCheck,
    HttpProbe,
    OnUnhealthy,
    TcpProbe,
    UnixProbe,
    UwsgiProbe,
)
from supervisor.core.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from supervisor.config.kinds import Schema

_PROBES = ("test", "http", "tcp", "unix", "file", "fastcgi", "uwsgi")


def _shell(text: str) -> ExecProbe:
    return ExecProbe(("/bin/sh", "-c", text))


def _test(words_of_test: tuple[str, ...]) -> ExecProbe | None:
    """Read Compose's list form. Return None for no health check."""
    form, arguments = words_of_test[0], words_of_test[1:]
    if form == "NONE" and not arguments:
        return None
    if form == "CMD" and arguments and arguments[0]:
        return ExecProbe(arguments)
    if form == "CMD-SHELL" and len(arguments) == 1 and arguments[0]:
        return _shell(arguments[0])
    forms = "CMD and a command, CMD-SHELL and one string, or NONE alone"
    raise ValueError(f"invalid test {list(words_of_test)} (allowed: {forms})")


def _health_check(disable: bool = False, **given: Any) -> HealthCheck | None:
    if disable:
        return None
    probe = next(given.pop(name) for name in _PROBES if name in given)
    if probe is None:
        return None
    check = HealthCheck(probe, **given)
    is_default = "start_interval" not in given
    return replace(check, start_interval=min(check.start_interval, check.interval)) if is_default else check


_test_schema: Schema = {
    "type": "array",
    "minItems": 1,
    "prefixItems": [or_variable({"enum": ["CMD", "CMD-SHELL", "NONE"]})],
    "items": ANY_TEXT.json_schema(),
    "allOf": [
        {"if": {"prefixItems": [{"const": "CMD"}]}, "then": {"minItems": 2}},
        {"if": {"prefixItems": [{"const": "CMD-SHELL"}]}, "then": {"minItems": 2, "maxItems": 2}},
        {"if": {"prefixItems": [{"const": "NONE"}]}, "then": {"maxItems": 1}},
    ],
}
_TEST = ByShape(scalar=Made(TEXT, _shell), sequence=Made(ListOf(ANY_TEXT, may_be_empty=False), _test, _test_schema))

_HTTP = Section(
    Key("url", URL, "URL to request. TLS is not supported, redirects are not followed.", is_required=True),
    Key("status", ListOf(integer(100, 599), may_be_empty=False), "Status codes that mean healthy.", [200]),
    Key("headers", MapOf(HEADER_NAME, HEADER_VALUE, "a mapping of names to strings"), "Request headers.", {}),
    make=HttpProbe,
)
_FILE = Section(
    Key("path", TEXT, "Marker file that the program itself maintains.", is_required=True),
    Key("max_age", duration(may_be_zero=False), "Longest time since its last modification. Default: no limit."),
    make=FileProbe,
)
_FASTCGI = Section(
    Key("address", SERVER, "Address of the FastCGI server.", is_required=True),
    Key("path", TEXT, "Path to request.", "/ping"),
    make=FastCgiProbe,
)
_UWSGI = Section(
    Key("address", SERVER, "Address of the uwsgi server.", is_required=True),
    Key("path", TEXT, "Path to request.", "/"),
    make=UwsgiProbe,
)

HEALTHCHECK = Section(
    Key(
        "test",
        _TEST,
        "Command that must exit with 0: [CMD, …], [CMD-SHELL, string] or a string for the shell; [NONE]: no check.",
    ),
    Key("http", _HTTP, "HTTP request."),
    Key("tcp", Made(ADDRESS, lambda address: TcpProbe(*address)), "Connection to host:port."),
    Key("unix", Made(TEXT, UnixProbe), "Connection to a Unix socket."),
    Key("file", _FILE, "Marker file that must exist and be recent."),
    Key("fastcgi", _FASTCGI, "FastCGI request."),
    Key("uwsgi", _UWSGI, "Request over the uwsgi protocol."),
    Key("disable", FLAG, "true: no health check, like test: [NONE].", False),
    Key("interval", duration(may_be_zero=False), "Time between two probes once one has passed.", "30s"),
    Key("timeout", duration(may_be_zero=False), "Longest duration of one probe.", "30s"),
    Key("retries", integer(1), "Failures in a row that make it unhealthy.", 3),
    Key("start_period", duration(), "Time after a start during which failures do not count.", "0s"),
    Key(
        "start_interval",
        duration(may_be_zero=False),
        "Time between two probes until the first one passes. Default: 1s, or interval if that is shorter.",
    ),
    Key("on_unhealthy", words(OnUnhealthy), "Action when it becomes unhealthy.", "none"),
    make=_health_check,
    rules=(ExactlyOne(*_PROBES, unless="disable"),),
)
