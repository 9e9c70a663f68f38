"""Start the few threads that supinit has, for work that would block the loop: disks, and the reading of a table.

The limits of processes (RLIMIT_NPROC, the pids cgroup) count threads, too, so the start of a thread can fail.
"""

from __future__ import annotations

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable
    from threading import Thread
    from typing import TypeVar

    T = TypeVar("T")


def start_thread(work: Callable[[], None], name: str) -> Thread:
    """Start a thread that the end of supinit does not wait for. Raises OSError at the limit of processes."""
    from threading import Thread

    thread = Thread(target=work, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # all that Python says is "can't start new thread"
        sentence = "no thread can be created: the limit of processes, of the user or of the container, is reached"
        raise OSError(errno.EAGAIN, sentence) from None
    return thread


def begin_in_thread(loop: AbstractEventLoop, act: Callable[[], T], name: str) -> Future[T]:
    """Call `act` in a thread; the future gets its result. Raises OSError at the limit of processes."""
    future: Future[T] = loop.create_future()

    def settle(result: T | None, error: Exception | None) -> None:
        if future.done():
            return  # its waiter was cancelled
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # without an error there is a result

    def work() -> None:
        result: T | None = None
        failure: Exception | None = None
        try:
            result = act()
        except Exception as error:
            failure = error
        loop.call_soon_threadsafe(settle, result, failure)

    start_thread(work, name)
    return future
