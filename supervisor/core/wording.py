"""How times, durations, sizes and foreign text are written for people. The log, the API and supctl all use these.

Nothing in here reads a clock: dates are computed from seconds since the epoch.
"""

from __future__ import annotations


def rfc3339(seconds: float) -> str:
    """Return seconds since the epoch as "2026-01-31T23:59:59.123Z", rounded to the nearest millisecond.

    The date is computed as in Howard Hinnant's `civil_from_days`: years begin in March, so the leap day comes last.
    """
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    days, second = divmod(whole, 86400)
    era, day_of_era = divmod(days + 719468, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    year = year_of_era + era * 400 + (month <= 2)
    hour, minute = second // 3600, second // 60 % 60
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second % 60:02d}.{milliseconds:03d}Z"


def short_time(seconds: float) -> str:
    """Return a measured time as "0.4s", "59s", "3m05s", "1h02m" or "12d03h": at most two units, truncated."""
    if seconds < 10:
        return f"{int(max(0.0, seconds) * 10 + 1e-6) / 10:.1f}s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def exact_time(seconds: float) -> str:
    """Return a duration as the table can have it: "0.5s", "90s", and from two minutes on "10m", "1h30m" or "2m0.5s"."""
    if seconds < 120:
        return f"{seconds:g}s"
    text, rest = "", round(seconds * 1000)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000)):
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return f"{text}{rest / 1000:g}s" if rest else text


def short_size(count: int) -> str:
    """Return "512", "3.4K", "57M" or "1.2G" (1024-based)."""
    amount = float(count)
    for unit in ("", "K", "M", "G"):
        if amount < 1024:
            return f"{amount:.1f}{unit}" if unit and amount < 10 else f"{amount:.0f}{unit}"
        amount /= 1024
    return f"{amount:.1f}T"


def address_text(host: str, port: int) -> str:
    """Return an address as it stands in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def printable(text: str) -> str:
    """Return the text with a space for each character that a terminal would act on, such as ESC, CR or a newline."""
    return text if text.isprintable() else "".join(char if char.isprintable() else " " for char in text)
