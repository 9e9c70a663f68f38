from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import pytest

from supervisor.core.healthcheck import (
    ExecProbe,
    FastCgiProbe,
    FileProbe,
    HttpProbe,
    Probe,
    TcpProbe,
    UnixProbe,
    UwsgiProbe,
)
from supervisor.health.probes import MAX_ANSWER, ProbeResult, ask

from ..process.nursery import LIMIT, open_descriptors
from .servers import Handler, Served, serving

T = TypeVar("T")

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def no_command(command: tuple[str, ...], limit: float) -> ProbeResult:
    raise AssertionError(f"{command} was run")


async def asked(probe: Probe, timeout: float = LIMIT) -> ProbeResult:
    return await ask(probe, timeout, no_command)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it in a loop of its own; no descriptor is left."""
    before = open_descriptors()

    async def main() -> T:
        try:
            return await asyncio.wait_for(coroutine, 2 * LIMIT)
        finally:
            await asyncio.sleep(0)

    result = asyncio.run(main())
    assert open_descriptors() == before
    return result


def http(*parts: bytes, probe: Callable[[str], HttpProbe] = HttpProbe, timeout: float = LIMIT) -> ProbeResult:
    """Return what a probe makes of a server that answers with these parts."""

    async def main() -> ProbeResult:
        async with serving(*parts) as served:
            return await asked(probe(f"{served.url}/healthz"), timeout)

    return run(main())


# ---- HTTP


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b"HTTP/1.1 200 OK", ProbeResult(True, "HTTP 200")),
        (b"HTTP/1.0 200 OK", ProbeResult(True, "HTTP 200")),
        (b"HTTP/1.1 200", ProbeResult(True, "HTTP 200")),
        (b"HTTP/1.1 204 No Content", ProbeResult(False, "HTTP 204")),
        (b"HTTP/1.1 404 Not Found", ProbeResult(False, "HTTP 404")),
        (b"HTTP/1.1 500 Internal Server Error", ProbeResult(False, "HTTP 500")),
        (b"HTTP/1.1 503 Service Unavailable", ProbeResult(False, "HTTP 503")),
    ],
)
def test_the_status_decides(line: bytes, answer: ProbeResult) -> None:
    assert http(line + b"\r\ncontent-length: 0\r\n\r\n") == answer


def test_other_statuses_may_be_asked_for() -> None:
    def probe(url: str) -> HttpProbe:
        return HttpProbe(url, status=(204, 401))

    assert http(b"HTTP/1.1 401 Unauthorized\r\n\r\n", probe=probe) == ProbeResult(True, "HTTP 401")
    assert http(OK, probe=probe) == ProbeResult(False, "HTTP 200")


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async def main() -> tuple[ProbeResult, int]:
        async with serving(OK) as target:
            location = b"HTTP/1.1 302 Found\r\nlocation: %s/\r\n\r\n" % target.url.encode()
            async with serving(location) as served:
                return await asked(HttpProbe(f"{served.url}/")), target.connections

    assert run(main()) == (ProbeResult(False, "HTTP 302"), 0)


def test_interim_answers_are_waited_out() -> None:
    assert http(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", OK) == ProbeResult(True, "HTTP 200")


def test_an_answer_may_come_in_pieces() -> None:
    assert http(*(OK[at : at + 1] for at in range(len(OK)))) == ProbeResult(True, "HTTP 200")


def request_of(url: str, **fields: Any) -> bytes:
    async def main() -> bytes:
        async with serving(OK) as served:
            await asked(HttpProbe(url.format(served=served), **fields))
            return served.requests[0].replace(str(served.port).encode(), b"PORT")

    return run(main())


def test_the_request_is_one_plain_get() -> None:
    head = request_of("http://127.0.0.1:{served.port}/healthz?full=1")
    line, *fields = head.rstrip().split(b"\r\n")
    assert line == b"GET /healthz?full=1 HTTP/1.1"
    assert {b"host: 127.0.0.1:PORT", b"user-agent: supinit", b"connection: close"} <= set(fields)


def test_a_url_without_a_path_asks_for_the_root() -> None:
    assert request_of("http://127.0.0.1:{served.port}").startswith(b"GET / HTTP/1.1\r\n")


def test_the_headers_of_the_table_are_sent_and_win() -> None:
    head = request_of(
        "http://127.0.0.1:{served.port}/", headers=(("Host", "example.org"), ("X-Probe", "yes"), ("User-Agent", "me"))
    )
    fields = head.rstrip().split(b"\r\n")[1:]
    assert {b"host: example.org", b"x-probe: yes", b"user-agent: me"} <= set(fields)
    assert len([field for field in fields if field.startswith(b"host:")]) == 1


def test_a_path_that_is_no_ascii_is_asked_for_as_browsers_do() -> None:
    head = request_of("http://127.0.0.1:{served.port}/gesund/ä b%20c?q=ü")
    assert head.startswith(b"GET /gesund/%C3%A4%20b%20c?q=%C3%BC HTTP/1.1\r\n")


def test_http_over_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "app.sock")

    async def main() -> tuple[ProbeResult, bytes]:
        async with serving(OK, path=path) as served:
            answer = await asked(HttpProbe(f"http+unix://{quote(path, safe='')}/healthz"))
            return answer, served.requests[0]

    answer, request = run(main())
    assert answer == ProbeResult(True, "HTTP 200")
    assert request.startswith(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n")


def test_an_ipv6_address_can_be_asked() -> None:
    try:
        with socket.socket(socket.AF_INET6) as listener:
            listener.bind(("::1", 0))
    except OSError:
        pytest.skip("there is no IPv6 loopback here")

    async def main() -> ProbeResult:
        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(OK)
            writer.close()

        server = await asyncio.start_server(accept, "::1", 0)
        async with server:
            return await asked(HttpProbe(f"http://[::1]:{server.sockets[0].getsockname()[1]}/"))

    assert run(main()) == ProbeResult(True, "HTTP 200")


@pytest.mark.parametrize(
    "parts",
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n",),
        (b"\0" * 100,),
        (b"HTTP/1.1 abc Bad\r\n\r\n",),
        (b"HTTP/9 200 OK\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nbroken header\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2",),
        (),
    ],
    ids=["another protocol", "NULs", "no number", "no version", "no header", "cut off", "nothing"],
)
def test_an_answer_that_is_none_is_a_no_in_words(parts: tuple[bytes, ...]) -> None:
    answer = http(*parts)
    assert not answer.passed
    assert answer.detail


def endless(*parts: bytes) -> Callable[[Served], Handler]:
    """A server that writes the last part again and again until its client hangs up."""

    def handler(served: Served) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await reader.readuntil(b"\r\n\r\n")
                for part in parts:
                    writer.write(part)
                while True:
                    writer.write(parts[-1])
                    await writer.drain()
                    served.connections += len(parts[-1])
                    await asyncio.sleep(0)
            except ConnectionError:
                served.hung_up.set()
            finally:
                writer.transport.abort()

        return handle

    return handler


def test_the_body_is_left_unread_however_huge_it_is() -> None:
    async def main() -> ProbeResult:
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n"
        async with serving(handler=endless(head, b"x" * 65536)) as served:
            answer = await asked(HttpProbe(served.url))
            await asyncio.wait_for(served.hung_up.wait(), LIMIT)
            return answer

    assert run(main()) == ProbeResult(True, "HTTP 200")


def test_a_head_without_end_is_read_in_bounded_memory() -> None:
    async def main() -> tuple[ProbeResult, int]:
        async with serving(handler=endless(b"HTTP/1.1 200 OK\r\n", b"x-header: value\r\n")) as served:
            answer = await asked(HttpProbe(served.url))
            await asyncio.wait_for(served.hung_up.wait(), LIMIT)
            return answer, served.connections

    answer, written = run(main())
    assert not answer.passed
    assert written < 100 * MAX_ANSWER


def test_endless_interim_answers_are_bounded() -> None:
    """As are endless ones of a server that means well: the probe ends long before its timeout."""

    async def ask() -> tuple[ProbeResult, float]:
        async with serving(handler=endless(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50)) as served:
            begin = time.process_time()
            answer = await asked(HttpProbe(served.url), timeout=60.0)
            return answer, time.process_time() - begin

    answer, seconds = run(ask())
    assert answer == ProbeResult(False, "not an HTTP answer: no status within 64 KiB")
    assert seconds < 5


@pytest.mark.parametrize("parts", [(), (b"HTTP/1.1 200 OK\r\n",)], ids=["nothing", "half a head"])
def test_an_answer_that_is_slow_is_a_no_at_the_limit(parts: tuple[bytes, ...]) -> None:
    async def main() -> tuple[ProbeResult, float]:
        def handler(served: Served) -> Handler:
            async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                for part in parts:
                    writer.write(part)
                await reader.read()
                served.hung_up.set()
                writer.transport.abort()

            return handle

        async with serving(handler=handler) as served:
            begin = time.monotonic()
            answer = await asked(HttpProbe(served.url), timeout=0.3)
            elapsed = time.monotonic() - begin
            await asyncio.wait_for(served.hung_up.wait(), LIMIT)
            return answer, elapsed

    answer, elapsed = run(main())
    assert answer == ProbeResult(False, "no answer within 0.3 s")
    assert 0.3 <= elapsed < LIMIT / 2


def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.mark.parametrize("kind", ["http", "tcp"])
def test_a_port_that_nobody_listens_on_is_a_no_that_says_so(kind: str) -> None:
    port = unused_port()
    probe = HttpProbe(f"http://127.0.0.1:{port}/") if kind == "http" else TcpProbe("127.0.0.1", port)
    assert run(asked(probe)) == ProbeResult(False, "Connection refused")


# ---- TCP and Unix sockets


def test_a_tcp_port_that_accepts_is_a_yes() -> None:
    async def main() -> tuple[ProbeResult, int]:
        async with serving() as served:
            return await asked(TcpProbe("127.0.0.1", served.port)), served.port

    answer, port = run(main())
    assert answer == ProbeResult(True, f"127.0.0.1:{port} accepts")


def test_a_unix_socket_that_accepts_is_a_yes(tmp_path: Path) -> None:
    path = str(tmp_path / "app.sock")

    async def main() -> ProbeResult:
        async with serving(path=path):
            return await asked(UnixProbe(path))

    assert run(main()) == ProbeResult(True, f"{path} accepts")


def test_a_unix_socket_that_is_missing_dead_or_a_file_is_a_no(tmp_path: Path) -> None:
    assert run(asked(UnixProbe(f"{tmp_path}/app.sock"))) == ProbeResult(False, "No such file or directory")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{tmp_path}/dead.sock")
    assert run(asked(UnixProbe(f"{tmp_path}/dead.sock"))) == ProbeResult(False, "Connection refused")
    (tmp_path / "file").touch()
    assert run(asked(UnixProbe(f"{tmp_path}/file"))) == ProbeResult(False, "Connection refused")


def test_a_unix_socket_with_a_path_that_is_too_long_is_a_no(tmp_path: Path) -> None:
    answer = run(asked(UnixProbe(f"{tmp_path}/{'x' * 200}")))
    assert not answer.passed
    assert "too long" in answer.detail


@pytest.mark.parametrize("kind", ["unix", "http", "fastcgi", "uwsgi"])
def test_a_full_backlog_is_a_no_at_the_limit(tmp_path: Path, kind: str) -> None:
    path = str(tmp_path / "app.sock")
    probes: dict[str, Probe] = {
        "unix": UnixProbe(path),
        "http": HttpProbe(f"http+unix://{quote(path, safe='')}/"),
        "fastcgi": FastCgiProbe(path, "/"),
        "uwsgi": UwsgiProbe(path, "/"),
    }
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(0)
        waiting = []
        try:
            while True:
                client = socket.socket(socket.AF_UNIX)
                waiting.append(client)
                client.setblocking(False)
                client.connect(path)
        except BlockingIOError:
            pass
        answer = run(asked(probes[kind], timeout=0.2))
        for client in waiting:
            client.close()
    assert answer == ProbeResult(False, "no answer within 0.2 s")


def test_a_place_in_the_backlog_may_come_free(tmp_path: Path) -> None:
    path = str(tmp_path / "app.sock")

    async def main(listener: socket.socket, client: socket.socket) -> ProbeResult:
        probe = asyncio.ensure_future(asked(UnixProbe(path)))
        await asyncio.sleep(0.1)
        assert not probe.done()
        while not probe.done():
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                await asyncio.sleep(0.01)
        return await probe

    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(path)
        listener.listen(0)
        listener.setblocking(False)
        client.connect(path)
        assert run(main(listener, client)) == ProbeResult(True, f"{path} accepts")


@pytest.mark.parametrize(
    "url", ["http://\u00e4\u0308..invalid/", "http://127.0.0.1:99999/", f"http://{'x' * 70}.invalid/"]
)
def test_an_address_that_is_none_is_a_no_in_words(url: str) -> None:
    answer = run(asked(HttpProbe(url)))
    assert not answer.passed
    assert answer.detail


# ---- files


def test_a_file_that_is_there_is_a_yes(tmp_path: Path) -> None:
    path = tmp_path / "ok"
    path.touch()
    os.utime(path, (0, 0))
    assert run(asked(FileProbe(str(path)))) == ProbeResult(True, f"{path} is there")


def test_a_file_must_be_young_enough(tmp_path: Path) -> None:
    path = tmp_path / "ok"
    path.touch()
    probe = FileProbe(str(path), max_age=60.0)
    assert run(asked(probe)).passed
    past = time.time() - 90
    os.utime(path, (past, past))
    assert run(asked(probe)) in [ProbeResult(False, f"{path} is {age} s old") for age in range(90, 120)]


def test_what_is_no_file_is_a_no(tmp_path: Path) -> None:
    assert run(asked(FileProbe(f"{tmp_path}/ok"))) == ProbeResult(False, f"{tmp_path}/ok is not there")
    assert run(asked(FileProbe(str(tmp_path)))) == ProbeResult(False, f"{tmp_path} is not a file")
    (tmp_path / "file").touch()
    assert run(asked(FileProbe(f"{tmp_path}/file/ok"))) == ProbeResult(False, "Not a directory")


# ---- commands


def test_a_command_is_handed_on_with_its_limit() -> None:
    seen = []

    async def run_command(command: tuple[str, ...], limit: float) -> ProbeResult:
        seen.append((command, limit))
        return ProbeResult(False, "exited with code 1")

    answer = run(ask(ExecProbe(("curl", "-f", "http://localhost/")), 3.0, run_command))
    assert answer == ProbeResult(False, "exited with code 1")
    assert seen == [(("curl", "-f", "http://localhost/"), 3.0)]
