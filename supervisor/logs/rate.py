"""How fast a program may write (`rate_limit`)."""

from __future__ import annotations

from time import monotonic

from supervisor.logs.losses import Losses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.output import Output
    from supervisor.logs.lines import Taker


class Bucket:
    """A token bucket: `rate` bytes a second, and a burst of `rate` bytes after a second of silence."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._tokens = float(rate)
        self._at = monotonic()
        self.losses = Losses("rate_limit")

    def take(self, size: int) -> None:
        """Note that `size` bytes were written, which may be more than were left."""
        self._refill()
        self._tokens -= size

    @property
    def wait(self) -> float:
        """Seconds until something may be written again; 0.0: now."""
        self._refill()
        return max(0.0, -self._tokens / self.rate)

    def _refill(self) -> None:
        now = monotonic()
        self._tokens = min(float(self.rate), self._tokens + (now - self._at) * self.rate)
        self._at = now


class Limiter:
    """Drop the lines that come too fast, and count them."""

    def __init__(self, bucket: Bucket, source: Output, taker: Taker) -> None:
        self._bucket = bucket
        self._source = source
        self._taker = taker
        self._has_begun = False
        """Whether the beginning of a line has been passed on."""

    def lines(self, head: bytes, data: bytes, end: int) -> None:
        if self._lets_through(data.count(b"\n", 0, end), len(head) + end):
            self._taker.lines(head, data, end)

    def piece(self, text: bytes, goes_on: bool) -> None:
        if self._lets_through(1, len(text) + (not goes_on)):
            self._taker.piece(text, goes_on)

    def part(self, text: bytes) -> None:
        """Pass it on whatever the rate is: a line is shown unfinished a few times a second at most."""
        self._bucket.take(len(text))
        self._has_begun = True
        self._taker.part(text)

    def _lets_through(self, lines: int, size: int) -> bool:
        has_begun, self._has_begun = self._has_begun, False
        if self._bucket.wait:
            self._bucket.losses.count(self._source, lines, size)
            if has_begun:
                self._taker.lines(b"", b"\n", 1)
            return False
        self._bucket.take(size)
        return True
