"""An answer of unknown length: the lines that are kept, then those that come, for a client that keeps up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from supervisor.control.http.message import RequestError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from supervisor.control.api import LogReader

    Begin = Callable[[Callable[[], None] | None], LogReader]
    """Begins to read. Its argument, if any, is called whenever more has come."""


class Stream:
    """`too_slow` is the sentence for a client that does not keep up."""

    def __init__(self, begin: Begin, follows: bool, too_slow: str) -> None:
        self._begin = begin
        self._follows = follows
        self._too_slow = too_slow
        self._reader: LogReader | None = None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """Yield what is to be sent, as it comes; an empty piece where only time has passed.

        Raises RequestError where it breaks off.
        """
        woken = asyncio.Event()
        reader = self._begin(woken.set if self._follows else None)
        try:
            for piece in reader.history():
                yield piece
            self._reader = reader
            while self._follows:
                await woken.wait()
                woken.clear()
                yield reader.take()
                if reader.is_lost:
                    raise RequestError(503, "too_slow", self._too_slow)
        finally:
            reader.close()

    def rest(self) -> bytes:
        """Return what can be sent at once, for a client whose stream ends with the container."""
        return self._reader.take() if self._reader is not None else b""
