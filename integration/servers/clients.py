"""Clients of the servers under test: HTTP requests in flight, and redis."""

from __future__ import annotations

import http.client
import socket
import threading

from integration.waiting import sleep_until


class Request(threading.Thread):
    """One GET. `began`: its first bytes have arrived."""

    def __init__(self, port: int, path: str) -> None:
        super().__init__(daemon=True)
        self._port, self._path = port, path
        self.began = threading.Event()
        self.body: bytes | None = None
        """The whole response; None if it was cut short."""

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request("GET", self._path)
            response = connection.getresponse()
            first = response.read(1024)
            self.began.set()
            self.body = first + response.read()
        except (OSError, http.client.HTTPException):
            self.body = None
        finally:
            connection.close()


def begin(port: int, path: str) -> Request:
    """Return a request once the response has begun."""
    request = Request(port, path)
    request.start()
    sleep_until(request.began.is_set, 10, f"{path} is being answered")
    return request


def status_of(port: int, path: str) -> int | None:
    """Return the status of a response. None: there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def ask_redis(port: int, *words: str) -> str:
    """Send one command to redis and return the raw reply."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        command = f"*{len(words)}\r\n" + "".join(f"${len(word.encode())}\r\n{word}\r\n" for word in words)
        connection.sendall(command.encode())
        return connection.recv(4096).decode()
