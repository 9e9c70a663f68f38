"""What programs send to /dev/log."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.logs.syslog_message import SEVERITIES, SyslogMessage, parse_message

CASES = [
    # syslog(3), and so most daemons: no host name
    (b"<86>Nov 30 02:46:01 sshd[7]: Server listening", "info", b"sshd[7]: Server listening"),
    (b"<78>Nov  3 02:46:01 CRON[12]: (root) CMD (true)\n\0", "info", b"CRON[12]: (root) CMD (true)"),
    (b"<13>Nov 30 02:46:01 foo: with: colons", "notice", b"foo: with: colons"),
    # RFC 3164 with a host name
    (b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed", "crit", b"su: 'su root' failed"),
    (b"<34>Oct 11 22:14:15 no tag at all", "crit", b"no tag at all"),
    # no header, or a part of one
    (b"<11>oops", "err", b"oops"),
    (b"just text", "notice", b"just text"),
    (b"<999>", "debug", b""),
    (b"<1234>x", "notice", b"<1234>x"),
    (b"", "notice", b""),
    # RFC 5424, 6.5
    (
        b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed",
        "crit",
        b"su: 'su root' failed",
    ),
    (
        b'<165>1 2003-10-11T22:14:15.003Z host evntslog 8710 ID47 [a@1 iut="3" t="x]\\"y"][b@2 c="d"] An event',
        "notice",
        b"evntslog[8710]: An event",
    ),
    (b"<165>1 - - - - - -", "notice", b""),
    (b"<165>1 - - - - - - text", "notice", b"text"),
    (b"<165>1 too short", "notice", b"1 too short"),
]


@pytest.mark.parametrize(("datagram", "severity", "text"), CASES)
def test_a_datagram_is_read_as_it_was_meant(datagram: bytes, severity: str, text: bytes) -> None:
    assert parse_message(datagram) == SyslogMessage(severity, text)


@given(st.binary(max_size=60) | st.text('<>0123456789 -[]"\\\\:1', max_size=60).map(str.encode))
def test_no_datagram_is_an_error(datagram: bytes) -> None:
    assert parse_message(datagram).severity in SEVERITIES
