"""A stream of lines: what is kept, then what follows, to whoever takes it in time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from supervisor.control.message import Refused

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from supervisor.control.container import Recall

    Begin = Callable[[Callable[[], None] | None], Recall]
    """Begins to read; what it is given, if anything, is called when more has come."""


class Following:
    """`too_slow` is the sentence for a client that is cut loose."""

    def __init__(self, begin: Begin, follows: bool, too_slow: str) -> None:
        self._begin = begin
        self._follows = follows
        self._too_slow = too_slow
        self._recall: Recall | None = None

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        woken = asyncio.Event()
        recall = self._begin(woken.set if self._follows else None)
        try:
            for piece in recall.history():
                yield piece
            self._recall = recall
            while self._follows:
                await woken.wait()
                woken.clear()
                yield recall.take()
                if recall.is_lost:
                    raise Refused(503, "too_slow", self._too_slow)
        finally:
            recall.close()

    def rest(self) -> bytes:
        return self._recall.take() if self._recall is not None else b""
