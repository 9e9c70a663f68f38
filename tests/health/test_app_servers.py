"""Probes in an application server's own language, against little servers that speak it, and against the real ones."""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.core.healthcheck import FastCgiProbe, Probe, UwsgiProbe
from supervisor.health.app_servers import MAX_ANSWER
from supervisor.health.probes import ProbeResult

from ..process.conftest import nursery as nursery
from ..process.nursery import LIMIT, Nursery, open_descriptors, sleep_until
from .servers import Handler, Served, serving
from .test_probes import asked, run

PROTOCOLS = ("fastcgi", "uwsgi")
NO_ANSWER = ProbeResult(False, "the answer is not in its protocol")
CLOSED = ProbeResult(False, "the connection was closed before the answer was complete")

BEGIN, END, PARAMS, STDIN, STDOUT, STDERR = 1, 3, 4, 5, 6, 7


def record(kind: int, content: bytes = b"", padding: int = 0, version: int = 1) -> bytes:
    return struct.pack(">BBHHBx", version, kind, 1, len(content), padding) + content + bytes(padding)


DONE = record(STDOUT) + record(END, bytes(8))
HEAD = b"Content-type: text/plain\r\n\r\n"


def fastcgi(*parts: bytes, path: str = "/ping", timeout: float = LIMIT) -> ProbeResult:
    """Return what a probe makes of a FastCGI server that writes these bytes."""
    return conversation("fastcgi", *parts, path=path, timeout=timeout)[0]


def uwsgi(*parts: bytes, path: str = "/", timeout: float = LIMIT) -> ProbeResult:
    return conversation("uwsgi", *parts, path=path, timeout=timeout)[0]


def probe_of(protocol: str, address: str, path: str) -> Probe:
    return FastCgiProbe(address, path) if protocol == "fastcgi" else UwsgiProbe(address, path)


async def read_request(protocol: str, reader: asyncio.StreamReader) -> bytes:
    if protocol == "uwsgi":
        head = await reader.readexactly(4)
        return head + await reader.readexactly(struct.unpack("<BHB", head)[1])
    request = b""
    while not request.endswith(record(STDIN)):
        request += await reader.readexactly(1)
    return request


def conversation(
    protocol: str, *parts: bytes, path: str = "/", timeout: float = LIMIT, hold: bool = False, unix: str | None = None
) -> tuple[ProbeResult, bytes]:
    """Ask a server that reads a request, writes these parts one by one and hangs up, or holds the line."""

    def handler(served: Served) -> Handler:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                served.requests.append(await read_request(protocol, reader))
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                if hold:
                    await reader.read(1)
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                writer.close()

        return handle

    async def main() -> tuple[ProbeResult, bytes]:
        async with serving(path=unix, handler=handler) as served:
            address = unix or f"{served.host}:{served.port}"
            answer = await asked(probe_of(protocol, address, path), timeout)
            return answer, served.requests[0]

    return run(main())


def pieces(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


# ---- FastCGI: the status


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (b"Content-type: text/plain\r\n\r\n", ProbeResult(True, "status 200")),
        (b"Content-type: text/plain\n\n", ProbeResult(True, "status 200")),
        (b"Status: 200 OK\r\n\r\n", ProbeResult(True, "status 200")),
        (b"Status: 204\r\n\r\n", ProbeResult(True, "status 204")),
        (b"Status:302 Found\r\nLocation: /\r\n\r\n", ProbeResult(True, "status 302")),
        (b"Location: /elsewhere\r\n\r\n", ProbeResult(True, "status 200")),
        (b"Content-type: text/html\r\nStatus: 500 Internal Server Error\r\n\r\n", ProbeResult(False, "status 500")),
        (b"STATUS: 404 Not Found\r\n\r\nStatus: 200", ProbeResult(False, "status 404")),
        (b"Status: 503\n\n", ProbeResult(False, "status 503")),
        (b"Status: 100\r\n\r\n", ProbeResult(False, "status 100")),
        (b"X-Status: 500\r\n\r\n", ProbeResult(True, "status 200")),
        (b"Content-type: a\r\n\r\nStatus: 500\r\n\r\n", ProbeResult(True, "status 200")),
        (b"Status: \r\n\r\n", NO_ANSWER),
        (b"Status: fine\r\n\r\n", NO_ANSWER),
        (b"Status: 2000\r\n\r\n", NO_ANSWER),
        (b"Status: 20\r\n\r\n", NO_ANSWER),
        (b"Status: -200\r\n\r\n", NO_ANSWER),
        ("Status: ２００\r\n\r\n".encode(), NO_ANSWER),
        (b"\r\n\r\n", NO_ANSWER),
        (b"no head at all", NO_ANSWER),
        (b"PHP Fatal error: no such file", NO_ANSWER),
        (b"PHP Fatal error: no such file\n\n", NO_ANSWER),
        (b"Content-type: text/plain\r\n", NO_ANSWER),
        (b"Content-type: text/plain", NO_ANSWER),
        (b"", NO_ANSWER),
    ],
    ids=ascii,
)
def test_the_status_of_a_cgi_answer_decides(head: bytes, answer: ProbeResult) -> None:
    """Without a Status it is 200 (RFC 3875, 6.3.3), but only where there is a head that is one."""
    assert fastcgi(record(STDOUT, head) + DONE) == answer


def test_a_fastcgi_answer_may_come_in_pieces() -> None:
    data = record(STDOUT, b"Status: 500 No\r\n\r\nbody", padding=5) + DONE
    assert fastcgi(*pieces(data)) == ProbeResult(False, "status 500")


def test_its_head_may_be_cut_into_records_anywhere() -> None:
    head = b"Status: 500 No\r\nContent-type: a\r\n\r\n"
    for at in range(len(head)):
        assert fastcgi(record(STDOUT, head[:at], 3) + record(STDOUT, head[at:]) + DONE) == ProbeResult(
            False, "status 500"
        )
    assert fastcgi(b"".join(record(STDOUT, byte) for byte in pieces(head)) + DONE) == ProbeResult(False, "status 500")


def test_the_answer_is_known_with_its_head_and_the_rest_is_not_waited_for() -> None:
    assert conversation("fastcgi", record(STDOUT, HEAD + b"pong"), hold=True)[0] == ProbeResult(True, "status 200")
    for at in range(len(HEAD)):
        data = record(STDOUT, HEAD[:at]) + record(STDOUT, HEAD[at:])
        assert conversation("fastcgi", data, hold=True)[0] == ProbeResult(True, "status 200")


def test_what_is_written_to_its_stderr_is_no_answer() -> None:
    errors = record(STDERR, b"Status: 500\r\n\r\n")
    assert fastcgi(errors + record(STDOUT, HEAD) + DONE) == ProbeResult(True, "status 200")
    assert fastcgi(errors + DONE) == NO_ANSWER


@pytest.mark.parametrize("status", [1, 2, 3], ids=["cannot multiplex", "overloaded", "unknown role"])
def test_a_request_that_was_refused_is_not_answered(status: int) -> None:
    assert fastcgi(record(END, struct.pack(">IB3x", 0, status))) == NO_ANSWER


@pytest.mark.parametrize(
    "data",
    [b"", b"\x01", record(STDOUT, HEAD)[:20], record(STDOUT, b"Status: 200\r\n"), record(STDERR, b"x")],
    ids=["at once", "in a header", "in a record", "in the head", "after an error"],
)
def test_a_fastcgi_server_that_hangs_up_early_has_not_answered(data: bytes) -> None:
    assert fastcgi(data) == CLOSED


@pytest.mark.parametrize(
    "data", [b"HTTP/1.1 200 OK\r\n\r\n", bytes(100), b"\xff" * 100, record(STDOUT, HEAD, version=2)], ids=ascii
)
def test_what_is_not_fastcgi_is_known_at_once(data: bytes) -> None:
    assert conversation("fastcgi", data, hold=True)[0] == NO_ANSWER


@pytest.mark.parametrize(
    "endless",
    [record(STDOUT, b"x" * 65535), record(STDOUT, b"x"), record(STDERR, b"x" * 65535, 255), record(99, b"x" * 1000)],
    ids=["output", "small output", "errors", "unknown"],
)
def test_a_fastcgi_answer_without_an_end_is_read_up_to_a_limit(endless: bytes) -> None:
    count = 4 * MAX_ANSWER // len(endless)
    assert conversation("fastcgi", endless * count, hold=True)[0] == NO_ANSWER


# ---- FastCGI: the request


def read_pairs(data: bytes) -> dict[str, str]:
    """Read FastCGI name-value pairs, short or long."""
    pairs: dict[str, str] = {}
    while data:
        lengths: list[int] = []
        for _ in range(2):
            size = 4 if data[0] >> 7 else 1
            lengths.append(int.from_bytes(data[:size], "big") & 0x7FFFFFFF)
            data = data[size:]
        name, value, data = data[: lengths[0]], data[lengths[0] : sum(lengths)], data[sum(lengths) :]
        pairs[name.decode()] = value.decode()
    return pairs


def read_records(data: bytes) -> list[tuple[int, bytes]]:
    records: list[tuple[int, bytes]] = []
    while data:
        version, kind, request, length, padding = struct.unpack(">BBHHBx", data[:8])
        assert (version, request) == (1, 1)
        records.append((kind, data[8 : 8 + length]))
        data = data[8 + length + padding :]
    return records


@pytest.mark.parametrize("path", ["/ping", "/ping?full&json", "/é", "/" + "x" * 127, "/" + "x" * 8000], ids=ascii)
def test_the_fastcgi_request_is_one_whole_get(path: str) -> None:
    _, request = conversation("fastcgi", record(STDOUT, HEAD) + DONE, path=path)
    (begin, first), (params, second), *rest = read_records(request)
    assert (begin, first) == (BEGIN, bytes([0, 1, 0, 0, 0, 0, 0, 0]))  # a responder; the connection is not kept
    assert rest == [(PARAMS, b""), (STDIN, b"")]
    assert params == PARAMS
    script, _, query = path.partition("?")
    variables = read_pairs(second)
    expected = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": script,
        "SCRIPT_FILENAME": script,
        "REQUEST_URI": path,
        "QUERY_STRING": query,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "GATEWAY_INTERFACE": "CGI/1.1",
    }
    assert {name: variables[name] for name in expected} == expected


# ---- uwsgi


@pytest.mark.parametrize(
    ("head", "answer"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", ProbeResult(True, "status 200")),
        (b"HTTP/1.0 204 No Content\r\n\r\n", ProbeResult(True, "status 204")),
        (b"HTTP/1.1 302 Found\r\n\r\n", ProbeResult(True, "status 302")),
        (b"HTTP/1.1 200\r\n", ProbeResult(True, "status 200")),
        (b"HTTP/1.1 200\n", ProbeResult(True, "status 200")),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", ProbeResult(False, "status 404")),
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", ProbeResult(False, "status 500")),
        (b"HTTP/1.1\r\n", NO_ANSWER),
        (b"HTTP/1.1 fine\r\n", NO_ANSWER),
        (b"HTTP/1.1 2000 OK\r\n", NO_ANSWER),
        (b"HTTP/1.1 " + b"2" * 5000 + b"\r\n", NO_ANSWER),
        (b"SSH-2.0-OpenSSH\r\n", NO_ANSWER),
        (b"Status: 200\r\n\r\n", NO_ANSWER),
        (b"\r\n", NO_ANSWER),
        (b"\xff\x00\n", NO_ANSWER),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_the_status_of_a_uwsgi_answer_decides(head: bytes, answer: ProbeResult) -> None:
    assert uwsgi(head) == answer


def test_a_uwsgi_answer_may_come_in_pieces() -> None:
    assert uwsgi(*pieces(b"HTTP/1.1 500 No\r\n\r\n")) == ProbeResult(False, "status 500")


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK"], ids=ascii)
def test_a_uwsgi_server_that_hangs_up_early_has_not_answered(data: bytes) -> None:
    assert uwsgi(data) == CLOSED


def test_a_uwsgi_answer_without_an_end_is_read_up_to_a_limit() -> None:
    assert conversation("uwsgi", b"HTTP/1.1 200 " + b"x" * 8 * MAX_ANSWER, hold=True)[0] == NO_ANSWER


def read_strings(data: bytes) -> list[str]:
    strings: list[str] = []
    while data:
        (length,) = struct.unpack("<H", data[:2])
        strings.append(data[2 : 2 + length].decode())
        data = data[2 + length :]
    return strings


@pytest.mark.parametrize(
    ("path", "path_info"),
    [("/", "/"), ("/healthz", "/healthz"), ("/healthz?full=1", "/healthz"), ("/a%20b", "/a b"), ("/é", "/é")],
)
def test_the_uwsgi_request_is_one_whole_get(path: str, path_info: str) -> None:
    """As nginx writes it (uwsgi_params): PATH_INFO is decoded and has no query, and nothing is mounted anywhere."""
    _, request = conversation("uwsgi", b"HTTP/1.1 200 OK\r\n\r\n", path=path)
    modifiers = request[0], request[3]
    strings = read_strings(request[4:])
    variables = dict(zip(strings[::2], strings[1::2], strict=True))
    assert modifiers == (0, 0)
    assert "SCRIPT_NAME" not in variables
    expected = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path_info,
        "REQUEST_URI": path,
        "QUERY_STRING": path.partition("?")[2],
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    assert {name: variables[name] for name in expected} == expected


# ---- both


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_that_says_nothing_is_left_at_the_timeout(protocol: str) -> None:
    began = time.monotonic()
    assert conversation(protocol, timeout=0.05, hold=True)[0] == ProbeResult(False, "no answer within 0.05 s")
    assert time.monotonic() - began < LIMIT


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_may_listen_on_a_unix_socket(protocol: str, tmp_path: Path) -> None:
    good = {"fastcgi": record(STDOUT, HEAD) + DONE, "uwsgi": b"HTTP/1.1 200 OK\r\n\r\n"}[protocol]
    assert conversation(protocol, good, unix=f"{tmp_path}/s")[0] == ProbeResult(True, "status 200")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("address", "detail"),
    [
        ("127.0.0.1:1", "Connection refused"),
        ("[::1]:1", None),
        ("/nowhere/app.sock", "No such file or directory"),
        ("/dev/null", "Connection refused"),
        ("/" + "x" * 300, None),
        ("127.0.0.1:x", None),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_server_that_cannot_be_reached_does_not_pass(protocol: str, address: str, detail: str | None) -> None:
    answer = run(asked(probe_of(protocol, address, "/")))
    assert not answer.passed
    assert answer.detail == (detail or answer.detail) != ""


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("path", ["/" + "x" * 10_000, "/" + "é" * 5000, "/" + "x" * 100_000, "/\udcff"], ids=len)
def test_a_path_that_cannot_be_asked_for_is_said_to_be_one(protocol: str, path: str) -> None:
    answer = run(asked(probe_of(protocol, "127.0.0.1:1", path)))
    assert not answer.passed
    assert answer.detail.startswith("cannot be sent: ")


# ---- the real ones


def until_it_answers(ask: Callable[[], ProbeResult]) -> ProbeResult:
    answers: list[ProbeResult] = []

    def answered() -> bool:
        answers.append(ask())
        return answers[-1].detail.startswith("status ")

    sleep_until(answered)
    return answers[-1]


APP = """
def application(environ, start_response):
    seen = environ["PATH_INFO"], environ.get("SCRIPT_NAME", ""), environ["QUERY_STRING"]
    start_response("200 OK" if seen == ("/health z", "", "full=1") else "404 Not Found", [])
    return [b"x"]
"""


def python_plugin() -> tuple[str, ...]:
    """Debian's uWSGI has its Python in a plugin, the one from PyPI has it built in."""
    plugin = "/usr/lib/uwsgi/plugins/python3_plugin.so"
    return ("--plugin", "python3") if os.path.exists(plugin) else ()


@pytest.mark.skipif(shutil.which("uwsgi") is None, reason="uwsgi is not installed (Debian: uwsgi-plugin-python3)")
def test_uwsgi_answers(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    address = f"{tmp_path}/s"
    options = ("--die-on-term", "--master", "--need-app", f"--socket={address}", f"--wsgi-file={tmp_path}/app.py")
    path = os.environ["PATH"]
    nursery.start(
        "uwsgi", *python_plugin(), *options, stdout=nursery.null, stderr=nursery.null, environment={"PATH": path}
    )
    right, wrong = UwsgiProbe(address, "/health%20z?full=1"), UwsgiProbe(address, "/health")
    assert until_it_answers(lambda: run(asked(right))) == ProbeResult(True, "status 200")
    assert run(asked(wrong)) == ProbeResult(False, "status 404")


PHP_FPM = next((path for name in ("php-fpm", "php-fpm8.2", "php-fpm8.4") if (path := shutil.which(name))), None)
POOL = """
[global]
error_log = /dev/null
daemonize = no
[www]
listen = {folder}/s
pm = static
pm.max_children = 1
ping.path = /ping
{user}
"""


@pytest.mark.skipif(PHP_FPM is None, reason="php-fpm is not installed (Debian: php-fpm)")
@pytest.mark.parametrize("query", ["", "?full=1"])
def test_php_fpm_answers_its_ping(nursery: Nursery, tmp_path: Path, query: str) -> None:
    assert PHP_FPM is not None
    config = tmp_path / "fpm.conf"
    config.write_text(POOL.format(folder=tmp_path, user="user = nobody" if os.geteuid() == 0 else ""))
    nursery.start(PHP_FPM, "--nodaemonize", "--fpm-config", str(config), stdout=nursery.null, stderr=nursery.null)
    address = f"{tmp_path}/s"
    right, wrong = FastCgiProbe(address, f"/ping{query}"), FastCgiProbe(address, "/nothing")
    assert until_it_answers(lambda: run(asked(right))) == ProbeResult(True, "status 200")
    assert run(asked(wrong)) == ProbeResult(False, "status 404")


def test_nothing_is_left_open() -> None:
    before = open_descriptors()
    fastcgi(record(STDOUT, HEAD))
    uwsgi(b"HTTP/1.1 200 OK\r\n")
    assert open_descriptors() == before
