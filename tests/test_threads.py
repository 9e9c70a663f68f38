"""Work in a thread: its result, its error, and a waiter that has given up."""

from __future__ import annotations

import asyncio
import threading

import pytest

from supervisor.threads import begin_in_thread


def test_the_result_and_the_error_of_the_work_reach_its_waiter() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        assert await begin_in_thread(loop, lambda: 7, "seven") == 7
        with pytest.raises(ZeroDivisionError):
            await begin_in_thread(loop, lambda: 1 // 0, "nothing")

    asyncio.run(scenario())


def test_work_that_ends_after_its_waiter_was_cancelled_is_no_error() -> None:
    async def scenario() -> None:
        loop, go, errors = asyncio.get_running_loop(), threading.Event(), list[object]()
        loop.set_exception_handler(lambda _, context: errors.append(context))
        future = begin_in_thread(loop, go.wait, "late")
        future.cancel()
        go.set()
        assert await begin_in_thread(loop, lambda: 7, "next") == 7
        while any(thread.name == "late" for thread in threading.enumerate()):
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert errors == []

    asyncio.run(scenario())
