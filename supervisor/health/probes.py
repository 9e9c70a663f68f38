"""Run one probe of one program. It passes, or fails with a reason, and never outlives its timeout."""

from __future__ import annotations

import asyncio
import os
import stat
import time
from urllib.parse import quote, unquote, urlsplit

import h11

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
from supervisor.core.record import Record, assert_never
from supervisor.health.app_servers import ask_fastcgi, ask_uwsgi, connect_unix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    RunCommand = Callable[[tuple[str, ...], float], Awaitable["ProbeResult"]]

MAX_ANSWER = 64 * 1024
"""The most bytes of an HTTP answer that are read: only the status line matters."""
RESERVED = "%/?:@!$&'()*+,;=~"
"""Characters that are not escaped in a URL (RFC 3986), besides letters, digits and "-._"."""


class ProbeResult(Record):
    """What a probe found. `detail` is for the operator."""

    passed: bool
    detail: str


async def ask(probe: Probe, timeout: float, run_command: RunCommand) -> ProbeResult:
    """Run a probe. `run_command` runs a command in the program's context and ends it after the given timeout."""
    if isinstance(probe, ExecProbe):
        return await run_command(probe.command, timeout)
    try:
        async with asyncio.timeout(timeout):
            return await _ask(probe)
    except TimeoutError:
        return ProbeResult(False, f"no answer within {timeout:g} s")
    except OSError as error:
        return ProbeResult(False, os.strerror(error.errno) if error.errno else str(error))
    except ValueError as error:  # a host or a header that cannot be encoded
        return ProbeResult(False, f"cannot be sent: {error}")


async def _ask(probe: HttpProbe | TcpProbe | UnixProbe | FileProbe | FastCgiProbe | UwsgiProbe) -> ProbeResult:
    match probe:
        case HttpProbe():
            return await _ask_http(probe)
        case TcpProbe(host=host, port=port):
            _, writer = await asyncio.open_connection(host, port)
            writer.transport.abort()
            return ProbeResult(True, f"{host}:{port} accepts")
        case UnixProbe(path=path):
            (await connect_unix(path)).close()
            return ProbeResult(True, f"{path} accepts")
        case FileProbe(path=path, max_age=max_age):
            return _look_at(path, max_age)
        case FastCgiProbe(address=address, path=path):
            return _judge_status(await ask_fastcgi(address, path))
        case UwsgiProbe(address=address, path=path):
            return _judge_status(await ask_uwsgi(address, path))
        case _:
            assert_never(probe)


def _judge_status(status: int) -> ProbeResult:
    """An application server passes with any status but an error; 0: it did not answer in its protocol."""
    return ProbeResult(200 <= status < 400, f"status {status}" if status else "the answer is not in its protocol")


def _look_at(path: str, max_age: float | None) -> ProbeResult:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return ProbeResult(False, f"{path} is not there")
    age = time.time() - status.st_mtime
    if not stat.S_ISREG(status.st_mode):
        return ProbeResult(False, f"{path} is not a file")
    if max_age is not None and age > max_age:
        return ProbeResult(False, f"{path} is {age:.0f} s old")
    return ProbeResult(True, f"{path} is there")


async def _ask_http(probe: HttpProbe) -> ProbeResult:
    """Send one GET. A redirect is an answer like any other: it is not followed."""
    parts = urlsplit(probe.url)
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=RESERVED)
    if parts.scheme == "http+unix":
        host = "localhost"
        reader, writer = await asyncio.open_unix_connection(sock=await connect_unix(unquote(parts.netloc)))
    else:
        host = parts.netloc.rpartition("@")[2]
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
    try:
        headers = {"host": host, "user-agent": "supinit", "connection": "close", "accept": "*/*"}
        headers |= {name.lower(): value for name, value in probe.headers}
        status = await _exchange(
            reader, writer, h11.Request(method="GET", target=target, headers=list(headers.items()))
        )
    except h11.ProtocolError as error:
        return ProbeResult(False, f"not an HTTP answer: {error}")
    finally:
        writer.transport.abort()
    return ProbeResult(status in probe.status, f"HTTP {status}")


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: h11.Request) -> int:
    """Send a request and return the status of its answer; the body is left unread."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_ANSWER)
    writer.write((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
    received = 0
    while received <= MAX_ANSWER:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            return event.status_code
        if event is h11.NEED_DATA:
            data = await reader.read(4096)
            received += len(data)
            connection.receive_data(data)
    raise h11.RemoteProtocolError(f"no status within {MAX_ANSWER // 1024} KiB")  # endless 1xx answers
