"""Probes in an application server's own protocol, which need no web server in front of it.

FastCGI: the FastCGI 1.0 specification. uwsgi: https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html
"""

from __future__ import annotations

import asyncio
import socket
import struct
from urllib.parse import unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_ANSWER = 64 * 1024
"""The most bytes of an answer that are read: only its head matters."""
BACKLOG_INTERVAL = 0.05
"""Seconds between two attempts to connect to a Unix socket whose backlog is full."""
MAX_PATH = 8192
"""Bytes; both protocols count lengths in 16 bits."""
_VERSION = 1
_BEGIN_REQUEST, _END_REQUEST, _PARAMS, _STDIN, _STDOUT = 1, 3, 4, 5, 6
_RESPONDER = 1
_REQUEST_ID = 1
_HEADER = struct.Struct(">BBHHBx")
CLOSED = "the connection was closed before the answer was complete"


async def connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to "host:port" or to the Unix socket at a path. Raises OSError."""
    if address.startswith("/"):
        return await asyncio.open_unix_connection(sock=await connect_unix(address))
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(host.strip("[]"), int(port))


async def connect_unix(path: str) -> socket.socket:
    """Connect to a Unix socket, and wait while its backlog is full. Raises OSError.

    asyncio would take the full backlog of a stuck server for a connection.
    """
    client = socket.socket(socket.AF_UNIX)
    try:
        client.setblocking(False)
        while True:
            try:
                client.connect(path)
            except BlockingIOError:  # EAGAIN, connect(2): the server does not accept, and nothing tells when it will
                await asyncio.sleep(BACKLOG_INTERVAL)
            else:
                return client
    except BaseException:
        client.close()
        raise


async def ask_fastcgi(address: str, path: str) -> int:
    """Request `path` from a FastCGI responder. Returns the HTTP status of its answer, 0 if it has none.

    Raises OSError, and ValueError for a path that cannot be sent.
    """
    script = path.partition("?")[0]
    variables = _cgi_variables(path) | {
        "SCRIPT_NAME": script,
        "SCRIPT_FILENAME": script,
        "GATEWAY_INTERFACE": "CGI/1.1",
    }
    begin = struct.pack(">HB5x", _RESPONDER, 0)
    request = (
        _record(_BEGIN_REQUEST, begin)
        + _record(_PARAMS, b"".join(map(_pair, variables.items())))
        + _record(_PARAMS, b"")
        + _record(_STDIN, b"")
    )
    reader, writer = await connect(address)
    try:
        writer.write(request)
        return _cgi_status(await _read_stdout(reader))
    finally:
        writer.transport.abort()


async def _read_stdout(reader: asyncio.StreamReader) -> bytes:
    """Collect the responder's output, without carriage returns, until its head is complete or the request ends."""
    output = b""
    seen = 0
    while seen < MAX_ANSWER:
        try:
            version, kind, _, length, padding = _HEADER.unpack(await reader.readexactly(_HEADER.size))
            if version != _VERSION:
                break
            content = (await reader.readexactly(length + padding))[:length]
        except asyncio.IncompleteReadError:
            raise ConnectionError(CLOSED) from None
        seen += _HEADER.size + length + padding
        if kind == _END_REQUEST:
            break
        if kind == _STDOUT:
            content = content.replace(b"\r", b"")
            is_complete = b"\n\n" in output[-1:] + content
            output += content
            if is_complete:
                break
    return output


def _record(kind: int, content: bytes) -> bytes:
    return _HEADER.pack(1, kind, _REQUEST_ID, len(content), 0) + content


def _pair(pair: tuple[str, str]) -> bytes:
    name, value = (text.encode() for text in pair)
    return _length(name) + _length(value) + name + value


def _length(data: bytes) -> bytes:
    return bytes([len(data)]) if len(data) < 128 else struct.pack(">I", len(data) | 1 << 31)


def _cgi_status(output: bytes) -> int:
    """Return the status of a CGI answer: 200 without a Status header (RFC 3875, 6.3.3), 0 without a valid head."""
    head, end, _ = output.partition(b"\n\n")
    status = 200
    for line in head.split(b"\n"):
        name, colon, value = line.partition(b":")
        if not end or not colon or not name or b" " in name:
            return 0
        if name.lower() == b"status":
            status = _status((value.split() or [b""])[0])
    return status


def _status(digits: bytes) -> int:
    return int(digits) if len(digits) == 3 and digits.isdigit() else 0


async def ask_uwsgi(address: str, path: str) -> int:
    """Request `path` through the uwsgi protocol. Returns the HTTP status of its answer, 0 if it has none.

    Raises OSError, and ValueError for a path that cannot be sent.
    """
    variables = _cgi_variables(path) | {"PATH_INFO": unquote(path.partition("?")[0])}
    content = b"".join(_uwsgi_strings(variables))
    reader, writer = await connect(address)
    try:
        writer.write(struct.pack("<BHB", 0, len(content), 0) + content)
        line = await reader.readline()
    except ValueError:
        return 0
    finally:
        writer.transport.abort()
    if not line.endswith(b"\n"):
        raise ConnectionError(CLOSED)
    words = line.split(None, 2)
    return _status(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/") else 0


def _uwsgi_strings(variables: Mapping[str, str]) -> Iterable[bytes]:
    for text in (text for pair in variables.items() for text in pair):
        data = text.encode()
        yield struct.pack("<H", len(data)) + data


def _cgi_variables(target: str) -> dict[str, str]:
    """The variables of a GET request (RFC 3875, 4.1)."""
    if len(target.encode()) > MAX_PATH:
        raise ValueError(f"its path is longer than {MAX_PATH} bytes")
    path, _, query = target.partition("?")
    return {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": target,
        "DOCUMENT_URI": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": "",
        "CONTENT_TYPE": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_SOFTWARE": "supinit",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
    }
