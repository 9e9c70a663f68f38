"""The smallest HTTP/1.1 client that supctl needs. Health checks run it all the time, so it imports next to nothing.

It speaks to supinit only, which sends every answer with a Content-Length or in chunks. Errors are OSErrors.
The parser (`receive`) does no I/O: blocking sockets and asyncio streams both feed it.
"""

from __future__ import annotations

try:
    import _socket as socket  # socket itself takes enum, selectors and 4 ms with it
except ImportError:
    import socket  # type: ignore[no-redef]  # what _socket is the core of

from os import environ

from supervisor.core.protocol import BROKEN_OFF as BROKEN_OFF_HEADER
from supervisor.core.protocol import DEFAULT_RUN_DIR, SOCKET_NAME
from supervisor.core.protocol import FINE as FINE_HEADER
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

JSON, TEXT = "application/json", "text/plain"
BROKEN_OFF, FINE = BROKEN_OFF_HEADER.lower(), FINE_HEADER.lower()
"""As they stand in `Response.headers`."""
SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:,")
HEAD_LIMIT = 64 * 1024
PIECE = 65536
"""Bytes that are read at once."""


class Response(Record):
    """An answer. Header names are lower case; trailers count as headers."""

    status: int
    headers: dict[str, str]
    body: bytes


def socket_path() -> str:
    """Return where the control socket is, as the environment has it."""
    run_dir = environ.get("SUPINIT_RUN_DIR") or DEFAULT_RUN_DIR
    return environ.get("SUPINIT_SOCKET") or f"{run_dir}/{SOCKET_NAME}"


def connect(path: str, timeout: float | None = None) -> socket.socket:
    """Return a connection to the control socket; `timeout` (seconds) applies to each later step as well."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if timeout is not None:  # a non-blocking connect fails where the kernel's queue is full (connect(2), EAGAIN)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(timeout))
        connection.connect(path)
        connection.settimeout(timeout)
    except BlockingIOError:
        connection.close()
        raise TimeoutError("supinit did not accept the connection in time") from None
    except OSError:
        connection.close()
        raise
    return connection


def _timeval(seconds: float) -> bytes:
    from struct import pack

    return pack("ll", int(seconds), int(seconds % 1 * 1e6))


def request(method: str, target: str, accept: str, body: str = "", keep: bool = False) -> bytes:
    """Return the bytes of a request. `keep`: leave the connection open for another one."""
    payload = body.encode()
    head = f"{method} {target} HTTP/1.1\r\nHost: supinit\r\nAccept: {accept}\r\n"
    if not keep:
        head += "Connection: close\r\n"
    if method == "POST":
        head += f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n"
    return head.encode("ascii") + b"\r\n" + payload


def exchange(
    connection: socket.socket,
    method: str,
    target: str,
    accept: str,
    body: str = "",
    meanwhile: Callable[[socket.socket], None] | None = None,
) -> Response:
    """Send one request and return its answer; the connection is closed afterwards.

    `meanwhile` is called before the answer is read. Raises ConnectionError if the server closes before it has answered,
    TimeoutError if it takes too long.
    """
    try:
        connection.sendall(request(method, target, accept, body))
        if meanwhile is not None:
            meanwhile(connection)
        return _receive(connection)
    finally:
        connection.close()


def get(connection: socket.socket, target: str, accept: str) -> Response:
    """Get something and keep the connection for more. Raises OSError as `exchange` does; then close the connection."""
    connection.sendall(request("GET", target, accept, keep=True))
    return _receive(connection)


def stream(connection: socket.socket, target: str, accept: str, take: Callable[[bytes], None]) -> Response:
    """Get an answer of unknown length and give each piece of it to `take`; the connection is closed afterwards.

    Returns an answer without a body; or a whole one, of which nothing was given away, where it was not sent in chunks.
    Raises ConnectionError if the server closes before the end.
    """
    try:
        connection.sendall(request("GET", target, accept))
        return _receive(connection, take)
    finally:
        connection.close()


def _receive(connection: socket.socket, take: Callable[[bytes], None] | None = None) -> Response:
    """Feed the parser from a blocking socket."""
    parts: list[bytes] = []
    parser = receive()
    try:
        piece = next(parser)
        while True:
            if piece:
                (parts.append if take is None else take)(piece)
                piece = parser.send(b"")
                continue
            data = connection.recv(PIECE)
            if not data:
                raise ConnectionError("it closed the connection")
            piece = parser.send(data)
    except StopIteration as end:
        response: Response = end.value
        return Response(response.status, response.headers, b"".join(parts)) if parts else response


def receive() -> Generator[bytes, bytes, Response]:
    """Parse one answer. Yields b"" where it needs more data, which `send` gives it, and each piece of a chunked body.

    Returns the answer; its body is empty where the pieces were yielded. Raises ConnectionError for what is not HTTP.
    """
    data = b""
    while b"\r\n\r\n" not in data:
        data += yield b""
        if len(data) > HEAD_LIMIT:
            raise ConnectionError("the head of its answer is too long")
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = first.split(" ", 2)
    if len(fields) < 2 or not fields[0].startswith("HTTP/1.") or not fields[1].isdecimal():
        raise ConnectionError("its answer is not HTTP")
    status, headers = int(fields[1]), _fields(lines)
    if headers.get("transfer-encoding", "").lower() == "chunked":
        trailers = yield from _receive_chunks(body)
        return Response(status, {**headers, **trailers}, b"")
    parts, missing = [body], _size(headers.get("content-length", "0"), 10) - len(body)
    while missing > 0:
        parts.append((yield b""))
        missing -= len(parts[-1])
    return Response(status, headers, b"".join(parts))


def _receive_chunks(data: bytes) -> Generator[bytes, bytes, dict[str, str]]:
    """Yield chunks (RFC 9112, 7.1), of which `data` has come already, and return the trailers."""
    while True:
        while b"\r\n" not in data:
            data += yield b""
        line, _, data = data.partition(b"\r\n")
        size = _size(line.decode("latin-1"), 16)
        while len(data) < size + 2:
            data += yield b""
        if size == 0:
            break
        data = data[size + 2 :] + (yield data[:size])
    while data != b"\r\n" and not data.endswith(b"\r\n\r\n"):
        data += yield b""
    return _fields(data.decode("latin-1").split("\r\n"))


def _size(text: str, base: int) -> int:
    """Return a number of bytes. Raises ConnectionError if the text is not a number."""
    try:
        size = int(text, base)
    except ValueError:
        size = -1
    if size < 0:
        raise ConnectionError("its answer is not HTTP")
    return size


def _fields(lines: Iterable[str]) -> dict[str, str]:
    return {name.lower(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}


def quote(text: str) -> str:
    """Return the text as it may stand in a path or a query."""
    return "".join(chr(byte) if byte in SAFE else f"%{byte:02X}" for byte in text.encode("utf-8", "surrogateescape"))


def query(pairs: Iterable[tuple[str, str]]) -> str:
    """Return "?a=b&c=d", or nothing for no pairs."""
    text = "&".join(f"{name}={quote(value)}" for name, value in pairs)
    return f"?{text}" if text else ""


def json_object(fields: Iterable[tuple[str, str | bool | int]]) -> str:
    """Return a JSON object of texts, numbers and booleans, without importing json."""
    return "{" + ", ".join(f'"{name}": {_json_value(value)}' for name, value in fields) + "}"


def _json_value(value: str | bool | int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    escaped = "".join(char if char.isalnum() and char.isascii() else f"\\u{ord(char):04x}" for char in value[:1000])
    return f'"{escaped}"'
