"""Numbers as operators write them: durations, sizes, file modes, and plain ones.

Every function takes a text and returns None if it is not such a number. Only ASCII digits are accepted, and neither
exponents nor infinity, because deadlines are computed from the results.
"""

from __future__ import annotations

MAX_DURATION = 3650 * 86400.0

_DURATION_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE_UNITS = {"": 1, "b": 1, "k": 1024, "kb": 1024, "m": 1024**2, "mb": 1024**2, "g": 1024**3, "gb": 1024**3}
_DIGITS = frozenset("0123456789")
_NUMERIC = _DIGITS | {"."}
_MAX_DIGITS = 18


def parse_integer(text: str) -> int | None:
    digits = text[1:] if text[:1] in ("-", "+") else text
    return int(text) if digits and len(digits) <= _MAX_DIGITS and _DIGITS.issuperset(digits) else None


def parse_number(text: str) -> float | None:
    """Read "2", "1.5" or ".5"; never negative."""
    if not text or text == "." or len(text) > _MAX_DIGITS or not _NUMERIC.issuperset(text) or text.count(".") > 1:
        return None
    return float(text)


def parse_duration(text: str) -> float | None:
    """Read "90", "1.5", "500ms" or "1m30s" as seconds: ten years at most."""
    seconds = parse_number(text)
    if seconds is None and text:
        seconds = 0.0
        rest = text
        while rest:
            number, unit, rest = _split_quantity(rest)
            value = parse_number(number)
            if value is None or unit not in _DURATION_UNITS:
                return None
            seconds += value * _DURATION_UNITS[unit]
    return seconds if seconds is not None and seconds <= MAX_DURATION else None


def parse_size(text: str) -> int | None:
    """Read "4096", "10mb", "1.5g" as bytes, with units of 1024 as Compose has them."""
    number, unit, rest = _split_quantity(text.lower())
    value = parse_number(number)
    if value is None or rest or unit not in _SIZE_UNITS:
        return None
    return int(value * _SIZE_UNITS[unit])


def parse_mode(text: str) -> int | None:
    """Read "022", "0o22" or "22" as permission bits: octal always, quoted or not."""
    digits = text.removeprefix("0o")
    if not digits or len(digits) > 4 or not frozenset("01234567").issuperset(digits):
        return None
    mode = int(digits, 8)
    return mode if mode <= 0o777 else None


def parse_limit(text: str) -> int | None:
    """Read one of a resource's two limits: a number, or "unlimited" (-1)."""
    if text.lower() == "unlimited":
        return -1
    limit = parse_integer(text)
    return limit if limit is not None and limit >= -1 else None


def _split_quantity(text: str) -> tuple[str, str, str]:
    """Split "1m30s" into "1", "m" and "30s"."""
    unit_start = 0
    while text[unit_start : unit_start + 1] in _NUMERIC:
        unit_start += 1
    unit_end = unit_start
    while unit_end < len(text) and text[unit_end] not in _NUMERIC:
        unit_end += 1
    return text[:unit_start], text[unit_start:unit_end], text[unit_end:]
