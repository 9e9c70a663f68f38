"""`supervisor.idle_shutdown`, with real connections in a network namespace of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from integration.conftest import Run

PORT = 18080
AFTER = 3.0
OWN_NETWORK = ("unshare", "--net")
LOOPBACK = ("sh", "-c", 'ip link set lo up && exec "$@"', "sh")
SERVER = """
import socket, sys, threading
listener = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True)
def serve(connection):
    with connection:
        while connection.recv(100):
            connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
            if sys.argv[2] == "closes":
                break
print("listening", flush=True)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""
CLIENT = """
import socket, sys, time
client = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print("connected", flush=True)
time.sleep(float(sys.argv[3]))
client.close()
print("closed", flush=True)
time.sleep(1000)
"""
PROBE = "import socket; socket.create_connection(('127.0.0.1', 18080)).close()"


def _server(manner: str = "waits", **keys: Any) -> dict[str, Any]:
    return {"command": [sys.executable, "-I", "-u", "-c", SERVER, str(PORT), manner], **keys}


def _client(address: str, seconds: float) -> dict[str, Any]:
    return {"command": [sys.executable, "-I", "-c", CLIENT, address, str(PORT), str(seconds)], "depends_on": ["web"]}


@pytest.fixture
def idle(run: Run) -> Run:
    try:
        trial = subprocess.run([*OWN_NETWORK, *LOOPBACK, "true"], capture_output=True, check=False, timeout=30)
    except FileNotFoundError:
        pytest.skip("unshare is not installed")
    if trial.returncode:
        pytest.skip("no network namespace may be made here")

    def start(programs: dict[str, Any]) -> Any:
        settings = {"idle_shutdown": {"after": f"{AFTER}s", "ports": [PORT]}}
        return run(programs, settings=settings, within=OWN_NETWORK, inside=LOOPBACK)

    return start


CHECKS: dict[str, dict[str, Any]] = {
    "none": {},
    "tcp": {"tcp": f"127.0.0.1:{PORT}"},
    "http": {"http": {"url": f"http://127.0.0.1:{PORT}/"}},
    "http6": {"http": {"url": f"http://[::1]:{PORT}/"}},
    "command": {"test": ["CMD", sys.executable, "-I", "-c", PROBE]},
}


@pytest.mark.parametrize("manner", ["waits", "closes"])
@pytest.mark.parametrize("check", CHECKS)
def test_a_container_that_only_its_health_checks_connect_to_ends_with_0_in_time(
    idle: Run, check: str, manner: str
) -> None:
    how = CHECKS[check]
    container = idle({"web": _server(manner, **({"healthcheck": how | {"interval": "500ms"}} if how else {}))})
    assert container.end(30) == 0
    took = container.err.time_of("container.shutdown_begun") - container.err.time_of("container.became_ready")
    assert AFTER - 0.1 < took < AFTER + 1.0
    assert container.err.has(f'cause=idle reason="no connection to port {PORT} for 3 s"')


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_held_connection_keeps_it_up_until_it_is_closed(idle: Run, address: str) -> None:
    container = idle({"web": _server(healthcheck=CHECKS["tcp"] | {"interval": "5s"}), "client": _client(address, 6.0)})
    assert container.end(40) == 0
    took = container.err.time_of("container.shutdown_begun") - container.out.time_of("client | closed")
    assert AFTER - 0.7 < took < AFTER + 1.0
