"""supervisor.metrics.listen: a TCP port beside the control socket, for Prometheus and a kubelet's probes."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request

import pytest

from integration.conftest import Run
from integration.container import Container

SLEEP = {"web": {"command": ["sleep", "1000"], "min_uptime": 0}}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def get(port: int, path: str, data: bytes | None = None) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def started(run: Run, listen: str) -> Container:
    container = run(SLEEP, settings={"metrics": {"listen": listen}})
    container.await_ready()
    container.await_socket()
    return container


@pytest.mark.parametrize("host", ["127.0.0.1", ""], ids=["one address", "every address"])
def test_metrics_and_probes_are_read_over_tcp_and_nothing_else_is_there(run: Run, host: str) -> None:
    port = free_port()
    container = started(run, f"{host}:{port}")
    assert [get(port, path)[0] for path in ("/livez", "/readyz", "/healthz")] == [200, 200, 200]
    assert "supinit_ready 1.0" in get(port, "/metrics")[1]
    assert get(port, "/v1/status")[0] == 404
    assert get(port, "/v1/shutdown", b"")[0] == 404
    assert container.supctl("shutdown").returncode == 0
    assert container.end() == 0


def test_an_address_in_use_is_an_error_in_the_log_and_the_container_lives(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        container = started(run, listen)
        container.expect(f"cannot listen on {listen}: address already in use")
    assert container.err.lines[container.err.position("address already in use")].count("control.failed") == 1
    assert container.supctl("status").returncode == 0
