"""Durations as the operator writes them: 90, 1.5, "500ms", "1m30s"."""

from __future__ import annotations

UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST = 366 * 86400.0


def parse_duration(text: str) -> float | None:
    """Return seconds, between 0 and a year. None: it is no duration."""
    seconds, rest = 0.0, text.strip()
    if _number(rest) is not None:
        rest += "s"
    if not rest:
        return None
    while rest:
        digits = len(rest) - len(rest.lstrip("0123456789."))
        letters = digits + len(rest[digits:]) - len(rest[digits:].lstrip("abcdefghijklmnopqrstuvwxyz"))
        amount, unit = _number(rest[:digits]), UNITS.get(rest[digits:letters])
        if amount is None or unit is None:
            return None
        seconds, rest = seconds + amount * unit, rest[letters:]
    return seconds if seconds <= LONGEST else None


def _number(text: str) -> float | None:
    if not text or text.strip("0123456789.") or not text.isascii():
        return None
    try:
        return float(text)
    except ValueError:
        return None
