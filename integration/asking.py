"""How long the control socket takes to answer, measured on the bare socket, without a client library."""

from __future__ import annotations

import socket
import time

from integration.container import Container

REQUEST = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def ask_status(container: Container, limit: float = 10.0) -> float:
    """Return the seconds that GET /v1/status takes, connection included."""
    began = time.monotonic()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(limit)
        connection.connect(str(container.socket))
        connection.sendall(REQUEST)
        answer = connection.recv(1 << 20)
        assert answer.startswith(b"HTTP/1.1 200 "), answer[:200]
        while connection.recv(1 << 20):
            pass
    return time.monotonic() - began


def share(times: list[float], part: float) -> float:
    """Return the quantile `part`: 0.5 is the median."""
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


def told(times: list[float]) -> str:
    """Describe the times in milliseconds."""
    return f"{share(times, 0.5) * 1e3:.1f} ms (95 %: {share(times, 0.95) * 1e3:.1f} ms)"
