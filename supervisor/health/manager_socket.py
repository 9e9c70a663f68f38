"""Report the container's state to the manager that started supinit (systemd, podman), on its $NOTIFY_SOCKET."""

from __future__ import annotations

import os

from supervisor.core.wording import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.snapshot import Snapshot


MAX_STATUS = 500
"""Characters of a status text; systemd ignores a datagram of more than 4096 bytes."""


class ManagerSocket:
    """Send each message once, when the snapshot first shows it. Without $NOTIFY_SOCKET, nothing is sent."""

    def __init__(self, address: str | None) -> None:
        self._address = address
        self._sent: set[str] = set()

    def tell(self, snapshot: Snapshot) -> None:
        """Send what has become true."""
        if self._address is None:
            return
        verdict = snapshot.verdict
        if snapshot.ready:
            self._send("READY=1\nSTATUS=ready")
        if verdict is not None:
            self._send(f"STOPPING=1\nSTATUS=stopping: {printable(verdict.reason[:MAX_STATUS])}")

    def _send(self, message: str) -> None:
        if message in self._sent or self._address is None:
            return
        self._sent.add(message)
        from _socket import AF_UNIX, MSG_DONTWAIT, MSG_NOSIGNAL, SOCK_CLOEXEC, SOCK_DGRAM, socket

        address = os.fsencode(self._address)
        if address[:1] == b"@":
            address = b"\0" + address[1:]
        sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)
        try:
            sender.sendto(message.encode(), MSG_DONTWAIT | MSG_NOSIGNAL, address)
        except BlockingIOError:
            self._sent.discard(message)  # it is busy: the next turn sends it again
        except OSError:
            pass  # nothing listens: as with sd_notify(3), that is not an error
        finally:
            sender.close()
