"""HTTP requests from several clients at once, each over a connection of its own, with every failure counted."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self

from integration.waiting import NeverCame, sleep_until

REQUEST = b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
PATIENCE = 30.0
"""Seconds after which an answer counts as missing."""

Address = tuple[str, int] | str
"""Host and port, or the path of a Unix socket."""


class Load:
    """`clients` threads that ask again and again until the block ends.

    A request fails if the connection is refused or reset, if the answer is cut short, or if its status is not 200.
    `answers` counts the bodies of the others, so that a test can see which release or which process has answered.
    """

    def __init__(self, address: Address, path: str = "/", clients: int = 50, pause: float = 0.0) -> None:
        self._address = address
        self._request = REQUEST % path.encode()
        self._pause = pause
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask_again, daemon=True) for _ in range(clients)]
        self._lock = threading.Lock()
        self.answers: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        """By what went wrong, such as "ConnectionRefusedError" or "status 502"."""
        self.slowest = 0.0
        """Seconds that the slowest answer took."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE)

    @property
    def total(self) -> int:
        """How many requests have been answered well."""
        return self.answers.total()

    @property
    def failed(self) -> int:
        return self.failures.total()

    def await_more(self, count: int, limit: float = PATIENCE) -> None:
        """Return once `count` more requests have been answered."""
        target = self.total + count
        try:
            sleep_until(lambda: self.total >= target, limit, f"{count} more answers")
        except NeverCame as error:
            raise NeverCame(f"{error}; failures: {dict(self.failures)}") from None

    def _ask_again(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                answer = self._ask()
            except OSError as error:
                self._note(self.failures, type(error).__name__, began)
                self._stop.wait(0.01)  # a server that refuses is not flooded
            else:
                head, _, body = answer.partition(b"\r\n\r\n")
                words = head.split(b" ", 2)
                if words[1:2] == [b"200"]:
                    self._note(self.answers, body.decode(errors="replace"), began)
                else:
                    status = words[1].decode() if len(words) > 1 else "none"
                    self._note(self.failures, f"status {status}", began)
            if self._pause:
                self._stop.wait(self._pause)

    def _note(self, counter: Counter[str], what: str, began: float) -> None:
        took = time.monotonic() - began
        with self._lock:
            counter[what] += 1
            self.slowest = max(self.slowest, took)

    def _ask(self) -> bytes:
        family = socket.AF_UNIX if isinstance(self._address, str) else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as client:
            client.settimeout(PATIENCE)
            client.connect(self._address)
            client.sendall(self._request)
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        expected = _length_in(head)
        if expected is not None and len(body) < expected:
            raise ConnectionAbortedError("the answer was cut short")
        return answer


def _length_in(head: bytes) -> int | None:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return None
