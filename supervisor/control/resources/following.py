"""A stream of lines: what is kept, then what follows, to whoever takes it in time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from supervisor.control.http.message import RequestError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from supervisor.control.api import LogReader

    Begin = Callable[[Callable[[], None] | None], LogReader]
    """Begins to read; what it is given, if anything, is called when more has come."""


class Following:
    """`too_slow` is the sentence for a client that is cut loose."""

    def __init__(self, begin: Begin, follows: bool, too_slow: str) -> None:
        self._begin = begin
        self._follows = follows
        self._too_slow = too_slow
        self._reader: LogReader | None = None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
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
        return self._reader.take() if self._reader is not None else b""
