"""`python -m supervisor.store.helper`: hold the lease of one run, from the claim to the record.

Rule 1: it reads one request from stdin, then commands, and writes what happens to stdout, as lines of JSON.
Rule 2: what it says about time is on the monotonic clock, which it shares with supinit, and counted from before the
        database was asked: the lease is never over sooner than it says.
Rule 3: when stdin ends, nobody waits for it. It keeps the lease while the run holds the other end of descriptor 3, then
        gives it back and exits.
Rule 4: no answer of the database takes longer than LIMIT. After an error it connects again.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
from functools import partial
from math import inf

from supervisor.core.once import cannot_use, holder_sentence, reason_to_skip
from supervisor.store.claims import Done, Forgotten, Granted, Request, StoreError, Taken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from supervisor.store.claims import Claimed, Store

    T = TypeVar("T")

LIMIT = 5.0
"""Seconds for one question to the database."""
POLL = 1.0
"""Seconds between two questions while another container runs it, or the database cannot be asked."""
RUN = 3
"""The descriptor of the pipe whose other end the run holds."""
SKIPPED, AWAITED, HELD, ENDED = "skipped", "awaited", "held", "ended"
RECORDED, UNRECORDED, RELEASED = "recorded", "unrecorded", "released"


class _TooLong(BaseException):
    """An answer takes too long. Not an Exception, so that client libraries do not catch it."""


class _Gone(BaseException):
    """supinit has told this helper to end."""


class Helper:
    """`say` passes on what happens, `listen` waits for a command: its name, "" at the end of all, None in time."""

    def __init__(
        self,
        request: Request,
        connect: Callable[[Request], Store],
        say: Callable[..., None],
        listen: Callable[[float], str | None],
    ) -> None:
        self._request = request
        self._connect = connect
        self._say = say
        self._listen = listen
        self._store: Store | None = None
        self._token = 0
        self._until = 0.0
        self._began_at = 0.0

    def run(self) -> None:
        try:
            if self._claim():
                self._hold()
        except _Gone:
            self._give_back()

    def _ask(self, question: Callable[[Store], T], until: float = inf) -> T:
        """Ask the database, over the connection that there is or a new one, until then at most. Raises StoreError."""
        signal.signal(signal.SIGALRM, _raise_too_long)
        signal.setitimer(signal.ITIMER_REAL, max(0.1, min(LIMIT + 3.0, until - time.monotonic())))
        try:
            if self._store is None:
                self._store = self._connect(self._request)
            return question(self._store)
        except _TooLong:
            self._store = None  # in the middle of something, so it is not even closed
            raise StoreError("no answer in time") from None
        except StoreError:
            self._disconnect()
            raise
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)

    def _disconnect(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    # ---- the claim

    def _claim(self) -> bool:
        """Return True once the lease is held, or False if the program must not run here."""
        said, seen, seen_at = "", 0, 0.0
        while True:
            try:
                self._ask(lambda _: None)  # connects, which may take long
                asked_at = time.monotonic()
                answer = self._ask(partial(_claim, seen=seen))
            except StoreError as error:
                if not said:
                    self._say(ENDED, cannot_use(self._request.address, str(error)))
                    return False
                reason = f"{cannot_use(self._request.address, str(error))}; it is asked again until it answers"
            else:
                match answer:
                    case Granted(token):
                        return self._begin(token, asked_at)
                    case Done():
                        self._say(SKIPPED, reason_to_skip(self._request.key, None, True, ()))
                        return False
                    case Taken(host, since, token):
                        seen, seen_at = max(seen, token), asked_at
                        reason = holder_sentence(host, since)
                    case Forgotten():
                        if asked_at - seen_at >= self._request.lease:
                            seen = 0  # the holder that was there has not come back
                            continue
                        reason = (
                            f"{self._request.address} has lost its data; its last holder has a lease's time to return"
                        )
            if reason != said:
                self._say(AWAITED, reason)
                said = reason
            self._wait(POLL * (0.75 + os.urandom(1)[0] / 512))

    def _begin(self, token: int, asked_at: float) -> bool:
        """Tell supinit that it may run, unless a later release has run already."""
        self._token, self._until = token, asked_at + self._request.lease
        if self._request.order is not None:
            try:
                orders = self._ask(lambda store: store.recorded_orders())
            except StoreError as error:
                self._say(ENDED, cannot_use(self._request.address, str(error)))
                self._give_back()
                return False
            reason = reason_to_skip(self._request.key, self._request.order, False, orders)
            if reason is not None:
                self._say(SKIPPED, reason)
                self._give_back()
                return False
        if not self._refresh():
            return False
        self._began_at = time.monotonic()
        self._say(HELD, token=token, until=self._until)
        return True

    def _refresh(self) -> bool:
        """Renew a lease that is not fresh any more, so that a run has time to begin. Return False if that fails."""
        asked_at = time.monotonic()
        if asked_at < self._until - 0.75 * self._request.lease:
            return True
        try:
            if self._ask(lambda store: store.renew(self._token)):
                self._until = asked_at + self._request.lease
                return True
            self._say(ENDED, cannot_use(self._request.address, "another container has taken it over"))
        except StoreError as error:
            self._say(ENDED, cannot_use(self._request.address, str(error)))
        return False

    def _wait(self, seconds: float) -> None:
        """Wait before the next attempt to get the lease. Raises _Gone if supinit ends this helper meanwhile."""
        if self._listen(seconds) is not None:
            raise _Gone

    # ---- the lease

    def _hold(self) -> None:
        """Renew the lease until the run is over, or until the lease is lost."""
        pause = self._request.lease / 3
        retry = min(POLL, pause / 4)
        renew_at = self._until - self._request.lease + pause
        while True:
            command = self._listen(max(0.0, renew_at - time.monotonic()))
            if command == "record":
                self._record(retry)
                return
            if command is not None:
                self._give_back()
                self._say(RELEASED)
                return
            asked_at = time.monotonic()
            try:
                is_ours = self._ask(lambda store: store.renew(self._token), self._until - pause)
            except StoreError as error:
                if time.monotonic() >= self._until - pause:
                    self._say(ENDED, f"{self._request.address} cannot be asked: {error}")
                    return
                renew_at = time.monotonic() + retry
                continue
            if not is_ours:
                self._say(ENDED, "another container has taken it over")
                return
            self._until, renew_at = asked_at + self._request.lease, asked_at + pause
            self._say(HELD, token=self._token, until=self._until)

    def _record(self, retry: float) -> None:
        """Record the success, trying as long as the lease lasts."""
        duration = time.monotonic() - self._began_at
        while True:
            try:
                is_ours = self._ask(lambda store: store.record(self._token, duration))
            except StoreError as error:
                if time.monotonic() >= self._until or self._listen(retry) is not None:
                    self._say(UNRECORDED, str(error))
                    return
                continue
            if is_ours:
                self._say(RECORDED)
            else:
                self._say(UNRECORDED, "another container has taken it over meanwhile")
            return

    def _give_back(self) -> None:
        if self._token:
            try:
                self._ask(lambda store: store.release())
            except StoreError:
                pass  # it is over after its time


def _claim(store: Store, seen: int) -> Claimed:
    return store.claim(seen)


def _raise_too_long(*_: object) -> None:
    raise _TooLong


# ---- the process


def connect(request: Request) -> Store:
    """Connect to the database of the request's URL. Raises StoreError."""
    password = request.password
    if request.password_file is not None:
        password = _read_password(request.password_file)
    try:
        if request.url.startswith("redis"):
            from supervisor.store.redis_store import RedisStore

            return RedisStore(request, password, LIMIT)
        from supervisor.store.postgresql_store import PostgresqlStore

        return PostgresqlStore(request, password, LIMIT)
    except ImportError as error:
        raise StoreError(f"its client cannot be imported: {str(error).splitlines()[0]}") from None


def _read_password(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(64 * 1024)
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise StoreError(f"cannot read {path}: {problem}") from None
    return text.removesuffix("\n").removesuffix("\r")


class Pipes:
    """stdin, stdout and the descriptor of the run."""

    def __init__(self) -> None:
        self._text = b""
        self._open = [0, RUN]

    def say(self, kind: str, value: str | None = None, **more: object) -> None:
        try:
            os.write(1, json.dumps({"is": kind, "value": value, **more}).encode() + b"\n")
        except OSError:
            pass  # supinit has gone

    def read_line(self) -> bytes:
        while b"\n" not in self._text:
            data = os.read(0, 64 * 1024)
            if not data:
                raise SystemExit(0)
            self._text += data
        line, _, self._text = self._text.partition(b"\n")
        return line

    def listen(self, seconds: float) -> str | None:
        """Return the next command, "" when stdin and the run have ended, or None after some seconds."""
        end = time.monotonic() + seconds
        while b"\n" not in self._text:
            if not self._open:
                return ""
            ready, _, _ = select.select(self._open, (), (), max(0.0, end - time.monotonic()))
            if not ready:
                return None
            for descriptor in ready:
                data = os.read(descriptor, 64 * 1024)
                if not data:
                    self._open.remove(descriptor)
                elif descriptor == 0:
                    self._text += data
        return str(json.loads(self.read_line())["do"])


def main() -> None:
    pipes = Pipes()
    given = json.loads(pipes.read_line())
    request = Request(**given, owner=f"{given['host']}.{os.getpid()}.{os.urandom(8).hex()}")
    try:
        Helper(request, connect, pipes.say, pipes.listen).run()
    except Exception as error:
        pipes.say(ENDED, cannot_use(request.address, f"internal error of its helper: {type(error).__name__}"))
        raise
    finally:
        sys.stdout.flush()


if __name__ == "__main__":
    main()
