"""Amounts in few characters, for people: how long, how much."""

from __future__ import annotations


def short_time(seconds: float) -> str:
    """Return "0.4s", "59s", "3m05s", "1h02m" or "12d03h": at most two units, cut off rather than rounded."""
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


def short_size(count: int) -> str:
    """Return "512", "3.4K", "57M" or "1.2G" (1024-based)."""
    amount = float(count)
    for unit in ("", "K", "M", "G"):
        if amount < 1024:
            return f"{amount:.1f}{unit}" if unit and amount < 10 else f"{amount:.0f}{unit}"
        amount /= 1024
    return f"{amount:.1f}T"
