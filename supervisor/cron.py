"""Convert cron expressions and time zones to seconds since the epoch.

cronsim reads expressions as Debian's cron does, the changes of daylight saving time included. It is loaded, and
zoneinfo with it, only where a table has a cron expression (docs/decisions/0038-cron-expressions.md).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
FIELDS = {
    "second": "0-59",
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L or LW",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 or SUN-SAT",
}
"""The fields in their order, each with its values. The first one may be left out."""
EXTRA = "supinit[schedule]"
MAX_COUNT = 100
"""The most due times that are counted one by one. If more have passed, the clock was set, and the number is useless."""


def parse_cron(text: str) -> str:
    """Return an expression with single spaces and without a nickname. Raises ValueError with the reason."""
    if text.strip().lower() == "@reboot":
        raise ValueError(
            "cannot be @reboot: write a oneshot without a schedule, or an interval with run_on_start: true"
        )
    words = NICKNAMES.get(text.strip().lower(), text).split()
    if text.strip().startswith("@") and words == text.split():
        raise ValueError(f"unknown nickname {text.strip()} ({', '.join(NICKNAMES)})")
    if len(words) not in (5, 6):
        raise ValueError(
            f"it has {len(words)} field{'' if len(words) == 1 else 's'} instead of 5, or 6 with seconds first"
        )
    _load_cronsim()
    expression = " ".join(words)
    for name, word in zip(list(FIELDS)[-len(words) :], words, strict=True):
        _check_field(name, word)
    try:
        next(_simulate(expression, 0.0, "UTC"))
    except (StopIteration, ValueError):
        raise ValueError("it never occurs: no month has that day") from None
    return expression


def _load_cronsim() -> None:
    """Raise ValueError where cronsim is not installed."""
    try:
        import cronsim  # noqa: F401
    except ImportError:
        raise ValueError(f"a cron expression needs the package cronsim: pip install '{EXTRA}'") from None


def _check_field(name: str, word: str) -> None:
    """Raise ValueError for a field that cron does not understand. It is checked with stars in the other fields."""
    fields = [word if other == name else "*" for other in FIELDS]
    try:
        _simulate(" ".join(fields), 0.0, "UTC")
    except (ValueError, AssertionError):
        raise ValueError(
            f"the {name} field cannot be {word} ({FIELDS[name]}; lists, ranges and steps of them)"
        ) from None


def find_zone(name: str) -> tzinfo:
    """Return a time zone. Raises ValueError with the reason, and with the way to get the time zone database."""
    from datetime import UTC

    if name.upper() == "UTC":
        return UTC
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # KeyError: ZoneInfoNotFoundError
        pass
    known = zoneinfo.available_timezones()
    if not known:
        raise ValueError(
            f"cannot look up {name!r}: there is no time zone database; install tzdata (apt-get install tzdata, apk add"
            f" tzdata) or {EXTRA}, which brings it"
        )
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1)
    raise ValueError(f"unknown time zone {name!r}{f'; did you mean {near[0]!r}?' if near else ''}")


def times_after(expression: str, zone: str, since: float) -> Iterator[float]:
    """Yield the times of a valid expression after `since`, in order. Both are seconds since the epoch."""
    last = since
    for time in _simulate(expression, since, zone):
        if time > last:  # in the hour that comes twice, cronsim may begin with a time that has passed
            last = time
            yield time


def last_time(expression: str, zone: str, until: float) -> float | None:
    """Return the last time of a valid expression up to `until`."""
    return next((time for time in _simulate(expression, until + 1.0, zone, reverse=True) if time <= until), None)


def _simulate(expression: str, since: float, zone: str, reverse: bool = False) -> Iterator[float]:
    """Raises ValueError for an expression that is not valid."""
    from datetime import datetime

    from cronsim import CronSim, CronSimError

    try:
        moments = CronSim(expression, datetime.fromtimestamp(since, find_zone(zone)), reverse)
    except CronSimError as error:
        raise ValueError(str(error)) from None
    return (moment.timestamp() for moment in moments)


def count_times(expression: str, zone: str, since: float, until: float) -> tuple[int, float | None, float | None]:
    """Return how many times there were after `since` and up to `until`, the last of them and the next."""
    count, last = 0, None
    for time in times_after(expression, zone, since):
        if time > until:
            return count, last, time
        count, last = count + 1, time
        if count >= MAX_COUNT:
            return count, last_time(expression, zone, until), next(times_after(expression, zone, until), None)
    return count, last, None
