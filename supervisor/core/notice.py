"""One datagram of the systemd notify protocol, by which a program reports its own state (sd_notify(3))."""

from __future__ import annotations

from supervisor.core.record import Record
from supervisor.core.wording import printable

MAX_DATAGRAM = 4096
"""Bytes. A longer datagram is ignored, since its end may have been cut off."""
MAX_STATUS = 200
"""Characters of a status text that are kept."""
MAX_EXTENSION = 24 * 3600.0
"""Seconds that one EXTEND_TIMEOUT_USEC may ask for."""


class Notice(Record):
    """The fields of a datagram that are understood; others are ignored."""

    ready: bool = False
    reloading: bool = False
    stopping: bool = False
    status: str | None = None
    main_pid: int | None = None
    is_alive: bool = False
    """WATCHDOG=1"""
    is_stuck: bool = False
    """WATCHDOG=trigger"""
    extend_by: float | None = None
    """The seconds from now that the start or stop under way may still take, at least."""


def parse_notice(datagram: bytes) -> Notice | None:
    """Parse a datagram. None: it is not of this protocol, or nothing in it is understood."""
    if len(datagram) > MAX_DATAGRAM:
        return None
    try:
        lines = datagram.decode().split("\n")
    except UnicodeDecodeError:
        return None
    fields = dict(line.partition("=")[::2] for line in lines if "=" in line)
    notice = Notice(
        ready=fields.get("READY") == "1",
        reloading=fields.get("RELOADING") == "1",
        stopping=fields.get("STOPPING") == "1",
        status=printable(fields["STATUS"][:MAX_STATUS]) if "STATUS" in fields else None,
        main_pid=_number(fields.get("MAINPID")),
        is_alive=fields.get("WATCHDOG") == "1",
        is_stuck=fields.get("WATCHDOG") == "trigger",
        extend_by=_seconds(_number(fields.get("EXTEND_TIMEOUT_USEC"))),
    )
    return None if notice == Notice() else notice


def _number(text: str | None) -> int | None:
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > 18:
        return None
    return int(text) or None


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else min(microseconds / 1_000_000, MAX_EXTENSION)
