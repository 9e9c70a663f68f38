"""Points in time as operators read them."""

from __future__ import annotations

import time


def rfc3339(seconds: float) -> str:
    """Return a wall clock time as "2026-01-31T23:59:59.123Z" (RFC 3339, UTC)."""
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{milliseconds:03d}Z"
