"""One datagram of the systemd notify protocol, from any process that can write to the socket."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from supervisor.core.notice import MAX_DATAGRAM, MAX_EXTENSION, MAX_STATUS, Notice, parse_notice


@pytest.mark.parametrize(
    ("datagram", "notice"),
    [
        pytest.param(b"READY=1", Notice(ready=True), id="ready"),
        pytest.param(b"READY=1\n", Notice(ready=True), id="a last newline"),
        pytest.param(b"RELOADING=1\nMONOTONIC_USEC=12", Notice(reloading=True), id="reloading"),
        pytest.param(b"STOPPING=1", Notice(stopping=True), id="stopping"),
        pytest.param(b"STATUS=serving 7", Notice(status="serving 7"), id="status"),
        pytest.param(b"STATUS=a=b", Notice(status="a=b"), id="status with an equals sign"),
        pytest.param(b"STATUS=", Notice(status=""), id="status is taken back"),
        pytest.param("STATUS=läuft".encode(), Notice(status="läuft"), id="status in UTF-8"),
        pytest.param(b"STATUS=\x1b[2Jx\ty\x00", Notice(status=" [2Jx y "), id="status that would steer a terminal"),
        pytest.param(b"STATUS=" + b"x" * 999, Notice(status="x" * MAX_STATUS), id="status that is long"),
        pytest.param(b"MAINPID=42", Notice(main_pid=42), id="main pid"),
        pytest.param(b"WATCHDOG=1", Notice(is_alive=True), id="alive"),
        pytest.param(b"WATCHDOG=trigger", Notice(is_stuck=True), id="stuck"),
        pytest.param(b"EXTEND_TIMEOUT_USEC=2500000", Notice(extend_by=2.5), id="extension"),
        pytest.param(b"EXTEND_TIMEOUT_USEC=" + b"9" * 18, Notice(extend_by=MAX_EXTENSION), id="extension without end"),
        pytest.param(
            b"READY=1\nSTATUS=up\nMAINPID=7\nWATCHDOG=1\nX_OTHER=1",
            Notice(ready=True, status="up", main_pid=7, is_alive=True),
            id="several at once",
        ),
        pytest.param(b"STATUS=a\nSTATUS=b", Notice(status="b"), id="the last of two counts"),
        pytest.param(b"STATUS\nREADY=1", Notice(ready=True), id="a field without a value"),
        pytest.param(b"\n\nno field\nREADY=1\n=\n", Notice(ready=True), id="between lines that are none"),
    ],
)
def test_what_is_understood(datagram: bytes, notice: Notice) -> None:
    assert parse_notice(datagram) == notice


@pytest.mark.parametrize(
    "datagram",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"READY", id="no field"),
        pytest.param(b"READY=0", id="not ready"),
        pytest.param(b"READY= 1", id="a space before"),
        pytest.param(b"ready=1", id="small letters"),
        pytest.param(b"READY=1\r\n", id="a carriage return"),
        pytest.param(b"WATCHDOG=0", id="another watchdog"),
        pytest.param(b"FDSTORE=1\nBARRIER=1", id="what is not supported"),
        pytest.param(b"\xff\xfe\x00", id="binary"),
        pytest.param(b"READY=1\nSTATUS=\xff", id="ready beside what is no UTF-8"),
        pytest.param(b"MAINPID=0", id="pid 0"),
        pytest.param(b"MAINPID=-1", id="a negative pid"),
        pytest.param(b"MAINPID=+7", id="a pid with a sign"),
        pytest.param(b"MAINPID=0x10", id="a pid that is hexadecimal"),
        pytest.param("MAINPID=١".encode(), id="a pid in other digits"),
        pytest.param(b"MAINPID=" + b"9" * 19, id="a pid that is too long"),
        pytest.param(b"EXTEND_TIMEOUT_USEC=0", id="no extension"),
        pytest.param(b"EXTEND_TIMEOUT_USEC=1e9", id="an extension with an exponent"),
        pytest.param(b"EXTEND_TIMEOUT_USEC=infinity", id="an extension in words"),
        pytest.param(b"READY=1\nSTATUS=" + b"x" * MAX_DATAGRAM, id="too long"),
        pytest.param(b"READY=1\n" * 100_000, id="far too long"),
    ],
)
def test_what_is_not_understood_says_nothing(datagram: bytes) -> None:
    assert parse_notice(datagram) is None


def test_the_longest_datagram_is_read() -> None:
    filled = b"READY=1\nX=".ljust(MAX_DATAGRAM, b"x")
    assert (parse_notice(filled), parse_notice(filled + b"x")) == (Notice(ready=True), None)


FIELDS = st.sampled_from(
    ["READY", "RELOADING", "STOPPING", "STATUS", "MAINPID", "WATCHDOG", "EXTEND_TIMEOUT_USEC", "", "X"]
)
VALUES = st.one_of(st.text(max_size=40), st.sampled_from(["1", "0", "trigger", "7", "9" * 40, "-1", "nan"]))
LIKELY = st.lists(st.tuples(FIELDS, VALUES)).map(lambda pairs: "\n".join(f"{f}={v}" for f, v in pairs))


@given(st.one_of(st.binary(max_size=MAX_DATAGRAM + 8), LIKELY.map(lambda text: text.encode("utf-8", "replace"))))
@example("STATUS=\ud800".encode("utf-8", "surrogatepass"))
def test_no_datagram_can_do_harm(datagram: bytes) -> None:
    notice = parse_notice(datagram)
    if notice is None:
        return
    assert notice != Notice()
    assert notice.status is None or (len(notice.status) <= MAX_STATUS and (notice.status + "x").isprintable())
    assert notice.main_pid is None or 0 < notice.main_pid < 10**18
    assert notice.extend_by is None or 0.0 < notice.extend_by <= MAX_EXTENSION
