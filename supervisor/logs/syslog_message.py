"""One datagram as programs send it to /dev/log: RFC 5424, RFC 3164, or what syslog(3) makes of it."""

from __future__ import annotations

from supervisor.core.record import Record

SEVERITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
NOTICE = 5
MONTHS = frozenset((b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"))
TIMESTAMP = len("Mmm dd hh:mm:ss ")


class SyslogMessage(Record):
    """The text after the header, with the sender's tag: "sshd[7]: Server listening"."""

    severity: str
    text: bytes


def parse_message(datagram: bytes) -> SyslogMessage:
    """Read a datagram. One without a header is a message of severity notice."""
    severity, rest = _priority(datagram.rstrip(b"\0\n"))
    text = _rfc5424(rest[2:]) if rest.startswith(b"1 ") else None
    return SyslogMessage(SEVERITIES[severity], _rfc3164(rest) if text is None else text)


def _priority(data: bytes) -> tuple[int, bytes]:
    """Return the severity, and what follows "<PRI>"."""
    digits, end, rest = data[1:].partition(b">")
    if data[:1] != b"<" or not end or len(digits) > 3 or not digits.isdigit():
        return NOTICE, data
    return int(digits) % 8, rest


def _rfc3164(data: bytes) -> bytes:
    """Remove the timestamp and the host name, which programs in this container leave out or share."""
    if data[:3] in MONTHS and data[TIMESTAMP - 1 : TIMESTAMP] == b" " and data[9:10] == b":":
        data = data[TIMESTAMP:]
        first, _, rest = data.partition(b" ")
        if not _is_tag(first) and _is_tag(rest.partition(b" ")[0]):
            return rest
    return data


def _is_tag(word: bytes) -> bool:
    return word.endswith(b":") and len(word) > 1


def _rfc5424(data: bytes) -> bytes | None:
    """Return "APP[PROCID]: MESSAGE" (RFC 5424, 6). None: it is not of this form."""
    fields = data.split(b" ", 5)
    if len(fields) < 6:
        return None
    _time, _host, app, process, _id, rest = fields
    message = _after_structured_data(rest).removeprefix(b"\xef\xbb\xbf")
    tag = (b"" if app == b"-" else app) + (b"" if process == b"-" else b"[" + process + b"]")
    return tag + b": " + message if tag else message


def _after_structured_data(data: bytes) -> bytes:
    """Return what follows the structured data, in which "]" is escaped within values."""
    if not data.startswith(b"["):
        return data.partition(b" ")[2] if data.startswith(b"-") else data
    is_quoted = is_escaped = False
    for at, byte in enumerate(data):
        if is_escaped:
            is_escaped = False
        elif byte == 0x5C:
            is_escaped = True
        elif byte == 0x22:
            is_quoted = not is_quoted
        elif byte == 0x5D and not is_quoted and data[at + 1 : at + 2] != b"[":
            return data[at + 2 :]
    return data
