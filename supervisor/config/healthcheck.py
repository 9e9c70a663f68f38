"""The `healthcheck:` section: what is asked, how often, and what a bad answer leads to."""

from __future__ import annotations

from supervisor.config.kinds import ByShape, ListOf, Made, MapOf, or_variable
from supervisor.config.rules import ExactlyOne
from supervisor.config.scalars import (
    ADDRESS,
    ANY_TEXT,
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
from supervisor.core.program import (
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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from supervisor.config.kinds import Schema

_PROBES = ("test", "http", "tcp", "unix", "file", "fastcgi", "uwsgi")


def _shell(text: str) -> ExecProbe:
    return ExecProbe(("/bin/sh", "-c", text))


def _test(words_of_test: tuple[str, ...]) -> ExecProbe | None:
    """Read Compose's list form. None: there is to be no health check."""
    form, arguments = words_of_test[0], words_of_test[1:]
    if form == "NONE" and not arguments:
        return None
    if form == "CMD" and arguments and arguments[0]:
        return ExecProbe(arguments)
    if form == "CMD-SHELL" and len(arguments) == 1 and arguments[0]:
        return _shell(arguments[0])
    forms = "CMD and a command, CMD-SHELL and one text, or NONE alone"
    raise ValueError(f"cannot be used as a test: {list(words_of_test)} (allowed: {forms})")


def _health_check(**given: Any) -> HealthCheck | None:
    probe = next(given.pop(name) for name in _PROBES if name in given)
    return None if probe is None else HealthCheck(probe, **given)


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
    Key("url", URL, "What to get. No TLS, no redirects followed.", is_required=True),
    Key("status", ListOf(integer(100, 599), may_be_empty=False), "The status codes that are healthy.", [200]),
    Key("headers", MapOf(HEADER_NAME, HEADER_VALUE, "a mapping of names to texts"), "Headers of the request.", {}),
    make=HttpProbe,
)
_FILE = Section(
    Key("path", TEXT, "The marker that the program itself keeps.", is_required=True),
    Key("max_age", duration(may_be_zero=False), "How long ago it may have been touched; any time, if left out."),
    make=FileProbe,
)
_FASTCGI = Section(
    Key("address", SERVER, "Where the FastCGI server listens.", is_required=True),
    Key("path", TEXT, "What to ask for.", "/ping"),
    make=FastCgiProbe,
)
_UWSGI = Section(
    Key("address", SERVER, "Where the uwsgi server listens.", is_required=True),
    Key("path", TEXT, "What to ask for.", "/"),
    make=UwsgiProbe,
)

HEALTHCHECK = Section(
    Key("test", _TEST, "A command that exits with 0: [CMD, …], [CMD-SHELL, text] or a text for the shell; or [NONE]."),
    Key("http", _HTTP, "A request over HTTP."),
    Key("tcp", Made(ADDRESS, lambda address: TcpProbe(*address)), "A connection to host:port."),
    Key("unix", Made(TEXT, UnixProbe), "A connection to a Unix socket."),
    Key("file", _FILE, "A marker file that is there, and young enough."),
    Key("fastcgi", _FASTCGI, "A request over FastCGI."),
    Key("uwsgi", _UWSGI, "A request over the uwsgi protocol."),
    Key("interval", duration(may_be_zero=False), "Time between two probes; the first one comes at once.", "30s"),
    Key("timeout", duration(may_be_zero=False), "How long a probe may take.", "30s"),
    Key("retries", integer(1), "So many failures in a row make it unhealthy.", 3),
    Key("start_period", duration(), "Time after a start in which failures do not count.", "0s"),
    Key("start_interval", duration(may_be_zero=False), "Time between two probes in the start period.", "5s"),
    Key("on_unhealthy", words(OnUnhealthy), "What happens to a program that is unhealthy.", "none"),
    make=_health_check,
    rules=(ExactlyOne(*_PROBES),),
)
