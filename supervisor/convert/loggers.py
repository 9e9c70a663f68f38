"""Loggers that take a program's output: s6-log, logutil-service, svlogd, multilog, and those that send it to syslog."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_TO_FILES = {"s6-log": (10, 99999), "multilog": (10, 99999), "logutil-service": (20, 1000000), "svlogd": (10, 1000000)}
"""Their defaults: how many old files they keep, and the size of each."""


def log_of(words: Sequence[str]) -> dict[str, str | int] | None:
    """Return `log` for a program with this logger, or None for the container's output."""
    names = [word.rpartition("/")[2] for word in words]
    logger = next((name for name in names if name in _TO_FILES), "")
    if not logger:
        return None
    arguments = list(words)[names.index(logger) + 1 :]
    keep, size = _TO_FILES[logger]
    for word in arguments:
        if match := re.fullmatch(r"n(\d+)", word):
            keep = int(match[1])
        elif match := re.fullmatch(r"s(\d+)", word):
            size = int(match[1])
    folder = next((word for word in reversed(arguments) if word.startswith(("/", "./", "../", "${"))), "")
    if not folder or folder.startswith("."):
        return None
    is_shown = "1" in arguments
    mode: dict[str, str | int] = {} if is_shown else {"mode": "none"}
    return {**mode, "file": f"{folder.rstrip('/')}/current", "max_size": str(size), "keep": keep}
