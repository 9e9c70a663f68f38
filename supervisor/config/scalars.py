"""Scalar types: for each, its parser, the description of what is allowed, and its JSON Schema."""

from __future__ import annotations

from signal import SIGCHLD, SIGKILL, SIGSTOP, Signals

from supervisor.config.addresses import parse_address, parse_listen_address, parse_probe_url, parse_server
from supervisor.config.kinds import Choice, Value, or_variable
from supervisor.config.reading import quote, suggestion
from supervisor.core.program import Restart, RestartWhen
from supervisor.core.quantities import (
    MAX_DURATION,
    parse_duration,
    parse_integer,
    parse_limit,
    parse_mode,
    parse_number,
    parse_size,
)
from supervisor.core.signals import parse_signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from enum import Enum

    from supervisor.config.kinds import Schema
    from supervisor.config.reading import Reading
    from supervisor.config.tree import Node
    from supervisor.core.program import Credentials, Signal

_TRUE = ("true", "yes", "on")
_FALSE = ("false", "no", "off")
_UNCATCHABLE = (SIGKILL, SIGSTOP, SIGCHLD)
_LETTERS_AND_DIGITS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
NAME_LETTERS = _LETTERS_AND_DIGITS | frozenset("_.-")
RESERVED_NAMES = ("all", "supinit")
"""Names with another meaning wherever a program is named: every program, and supinit itself."""
_LIMITS = (
    "as", "core", "cpu", "data", "fsize", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime",
    "sigpending", "stack",
)  # fmt: skip


def is_name(text: str, letters: frozenset[str] = NAME_LETTERS) -> bool:
    """Return whether a text starts with a letter or digit and has only these letters."""
    return text[:1] in _LETTERS_AND_DIGITS and letters.issuperset(text)


def integer(minimum: int, maximum: int | None = None) -> Value:
    """Return the type of a whole number within these limits, both included."""

    def parse(text: str) -> int | None:
        number = parse_integer(text)
        is_within = number is not None and minimum <= number and (maximum is None or number <= maximum)
        return number if is_within else None

    limits = f"from {minimum} to {maximum}" if maximum is not None else f"of at least {minimum}"
    schema: Schema = {"type": "integer", "minimum": minimum}
    if maximum is not None:
        schema["maximum"] = maximum
    return Value(parse, f"a whole number {limits}", _number_schema(schema, "^[+-]?[0-9]+$"))


def number(minimum: float) -> Value:
    def parse(text: str) -> float | None:
        value = parse_number(text)
        return value if value is not None and value >= minimum else None

    schema = _number_schema({"type": "number", "minimum": minimum}, r"^[0-9]*\.?[0-9]+$|^[0-9]+\.$")
    return Value(parse, f"a number of at least {minimum:g}", schema)


def duration(may_be_zero: bool = True) -> Value:
    def parse(text: str) -> float | None:
        seconds = parse_duration(text)
        return seconds if seconds or may_be_zero else None

    limits = {"minimum" if may_be_zero else "exclusiveMinimum": 0, "maximum": int(MAX_DURATION)}
    digits = "^" if may_be_zero else "^(?=.*[1-9])"
    pattern = f"{digits}(([0-9]*[.]?[0-9]*(us|ms|s|m|h|d))+|[0-9]*[.]?[0-9]*)$"
    schema = _number_schema({"type": "number", **limits}, pattern)
    more = "" if may_be_zero else " greater than 0,"
    return Value(parse, f"a duration{more} such as 90, 1.5, 500ms or 1m30s", schema)


def size(minimum: int) -> Value:
    def parse(text: str) -> int | None:
        value = parse_size(text)
        return value if value is not None and value >= minimum else None

    schema = _number_schema({"type": "number", "minimum": minimum}, "^[0-9]*[.]?[0-9]*([bB]|[kKmMgG][bB]?)?$")
    return Value(parse, f"a size of at least {minimum} such as 4096, 64kb, 10mb or 1g", schema)


def _rate(text: str) -> int | None:
    number, _, second = text.partition("/")
    value = parse_size(number)
    return value if value and second == "s" else None


def words(enum: type[Enum]) -> Choice:
    """Return a choice of the values of an enumeration."""
    return Choice({str(member.value): member for member in enum})


def _number_schema(schema: Schema, pattern: str) -> Schema:
    return or_variable({"anyOf": [schema, {"type": "string", "pattern": pattern}]})


def _flag(text: str) -> bool | None:
    word = text.lower()
    return True if word in _TRUE else False if word in _FALSE else None


def _catchable_signal(text: str) -> Signal | None:
    signal = parse_signal(text)
    return None if signal in _UNCATCHABLE else signal


def _signal_or_none(text: str) -> Signal | None:
    """Read a signal, or "none" as 0: None means that it is neither."""
    return 0 if text == "none" else parse_signal(text)


def _regular_expression(text: str) -> str | None:
    import re
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"invalid regular expression: {error}") from None
    return text or None


def _program_name(text: str) -> str | None:
    return text if is_name(text) and text not in RESERVED_NAMES else None


def _header_name(text: str) -> str | None:
    return text if text and _LETTERS_AND_DIGITS.union("!#$%&'*+-.^_`|~").issuperset(text) else None


def _header_value(text: str) -> str | None:
    return text if text.isprintable() and text.isascii() else None


def _user(text: str) -> Credentials:
    from supervisor.config.accounts import parse_user

    return parse_user(text)


def _group(text: str) -> int:
    from supervisor.config.accounts import parse_group

    return parse_group(text)


class CapabilityName:
    """The name of a capability. The list of names is loaded when a table uses one."""

    __slots__ = ()
    allowed = "a capability such as NET_BIND_SERVICE, with or without CAP_, or ALL"

    def read(self, node: Node, path: str, reading: Reading) -> str:
        from supervisor.core.capabilities import ALL, NAMES, parse_capability

        text: str = ANY_TEXT.read(node, path, reading)
        name = parse_capability(text)
        if name is None:
            hint = suggestion(text.upper().removeprefix("CAP_"), (ALL, *NAMES))
            reading.refuse(node, path, f"unknown capability {quote(text)}{hint}", self.allowed)
        return name

    def json_schema(self) -> Schema:
        from supervisor.core.capabilities import ALL, NAMES

        names = [f"{prefix}{name}" for name in (ALL, *NAMES) for prefix in ("", "CAP_")]
        return or_variable({"anyOf": [{"enum": names}, {"enum": [name.lower() for name in names]}]})


def _restart(text: str) -> Restart | None:
    word, colon, limit_text = text.partition(":")
    if word == "on-failure":
        limit = parse_integer(limit_text)
        is_limit = limit is not None and limit >= 1
        return Restart(RestartWhen.ON_FAILURE, limit if colon else None) if is_limit or not colon else None
    if text in ("always", "unless-stopped"):
        return Restart(RestartWhen.ALWAYS)
    return Restart(RestartWhen.NEVER) if text.lower() in _FALSE else None


_names = "|".join(signal.name[3:] for signal in Signals)
_names_of_signals = f"(SIG)?({_names}|RTMIN[+][0-9]+|RTMAX-[0-9]+)"
_signal_schema: Schema = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 64},
        {"type": "string", "pattern": f"^({_names_of_signals}|{_names_of_signals.lower()}|[0-9]+)$"},
    ]
}
_uncatchable_names = "|".join(f"(SIG)?{signal.name[3:]}|{signal.value}" for signal in _UNCATCHABLE)
_catchable_schema: Schema = {
    "allOf": [
        _signal_schema,
        {"not": {"pattern": f"^({_uncatchable_names}|{_uncatchable_names.lower()})$"}},
        {"not": {"enum": [signal.value for signal in _UNCATCHABLE]}},
    ]
}
_port_pattern = "0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_any_scalar: Schema = {"type": ["string", "number", "boolean"]}
_not_empty: Schema = {**_any_scalar, "minLength": 1}
_name_pattern = f"^(?!({'|'.join(RESERVED_NAMES)})$)[A-Za-z0-9][A-Za-z0-9_.-]*$"

ANY_TEXT = Value(lambda text: text, "a string", _any_scalar)
TEXT = Value(lambda text: text or None, "a non-empty string", _not_empty)
ABSOLUTE_PATH = Value(
    lambda text: text if text.startswith("/") else None,
    "an absolute path",
    or_variable({"type": "string", "pattern": "^/"}),
)
FLAG = Value(_flag, "true or false", or_variable({"enum": [True, False, *_TRUE, *_FALSE]}))
SIGNAL = Value(parse_signal, "a signal such as SIGTERM, TERM, 15 or SIGRTMIN+3", or_variable(_signal_schema))
CATCHABLE_SIGNAL = Value(
    _catchable_signal,
    "a signal such as SIGTERM, but not SIGKILL, SIGSTOP or SIGCHLD",
    or_variable(_catchable_schema),
)
SIGNAL_OR_NONE = Value(
    _signal_or_none, f"{SIGNAL.allowed}, or none", or_variable({"anyOf": [_signal_schema, {"const": "none"}]})
)
MODE = Value(
    parse_mode,
    "octal permission bits such as 022",
    or_variable({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^(0o)?[0-7]{1,4}$"}]}),
)
LIMIT = Value(
    parse_limit,
    "a whole number, -1 or unlimited",
    or_variable(
        {"anyOf": [{"type": "integer", "minimum": -1}, {"type": "string", "pattern": "^(-1|[0-9]+|unlimited)$"}]}
    ),
)
RESOURCE = Value(
    lambda text: text if text in _LIMITS else None, f"one of {', '.join(_LIMITS)}", {"enum": list(_LIMITS)}
)
USER = Value(_user, "a user name or ID, optionally with a group, as in app:www", _not_empty)
GROUP = Value(_group, "a group name or ID", _not_empty)
CAPABILITY = CapabilityName()
ADDRESS = Value(
    parse_address,
    "host:port, with a port from 1 to 65535",
    or_variable({"type": "string", "pattern": f":{_port_pattern}$"}),
)
LISTEN_ADDRESS = Value(parse_listen_address, f"{ADDRESS.allowed}; :port for all interfaces", ADDRESS.json_schema())
SERVER = Value(
    parse_server,
    "host:port, or the absolute path of a Unix socket",
    or_variable({"type": "string", "pattern": f"^/|:{_port_pattern}$"}),
)
URL = Value(
    parse_probe_url,
    "http://host:port/path, or http+unix://%2Fpath%2Fof.sock/path",
    or_variable({"type": "string", "pattern": "^http(://|[+]unix://%2[Ff])"}),
)
REGULAR_EXPRESSION = Value(_regular_expression, "a non-empty regular expression", {**_not_empty, "format": "regex"})
RATE = Value(
    _rate,
    "a size per second, such as 64kb/s or 10mb/s",
    or_variable({"type": "string", "pattern": "^(?=.*[1-9])[0-9]*[.]?[0-9]*([bB]|[kKmMgG][bB]?)?/s$"}),
)
VARIABLE_NAME = Value(
    lambda text: text if text and "=" not in text else None,
    "a variable name",
    {**_not_empty, "pattern": "^[^=]+$"},
)
HEADER_NAME = Value(_header_name, "the name of an HTTP header", {"pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"})
HEADER_VALUE = Value(_header_value, "a string of printable ASCII characters", _any_scalar)
PROGRAM_NAME = Value(
    _program_name,
    "letters, digits, dots, underscores and dashes, starting with a letter or digit; not all or supinit",
    {"pattern": _name_pattern},
)
PROFILE = Value(
    lambda text: text if is_name(text) else None,
    "the name of a profile: letters, digits, dots, underscores and dashes, starting with a letter or digit",
    or_variable({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$"}),
)
RESTART = Value(
    _restart,
    "always, on-failure, on-failure:5, no or unless-stopped",
    or_variable(
        {
            "anyOf": [
                {"enum": ["always", "unless-stopped", "on-failure", *_FALSE, False]},
                {"type": "string", "pattern": "^on-failure:[+]?0*[1-9][0-9]*$"},
            ]
        }
    ),
)
