"""The smallest HTTP client that supctl needs. Health checks run it every few seconds, so it imports next to nothing.

It speaks to our own server only, which sends a Content-Length with everything. Errors are OSErrors.
"""

from __future__ import annotations

try:
    import _socket as socket  # socket itself takes enum, selectors and 4 ms with it
except ImportError:
    import socket  # type: ignore[no-redef]  # what _socket is the core of

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:,")
HEAD_LIMIT = 64 * 1024


class Response(Record):
    """An answer. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def connect(path: str, timeout: float | None = None) -> socket.socket:
    """Return a connection to the control socket; `timeout` holds for each of its steps.

    Where many are waiting already, only a blocking connect waits with them (connect(2), EAGAIN).
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if timeout is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(timeout))
        connection.connect(path)
        connection.settimeout(timeout)
    except BlockingIOError:
        connection.close()
        raise TimeoutError("nobody has taken the connection") from None
    except OSError:
        connection.close()
        raise
    return connection


def _timeval(seconds: float) -> bytes:
    from struct import pack

    return pack("ll", int(seconds), int(seconds % 1 * 1e6))


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
    payload = body.encode()
    head = f"{method} {target} HTTP/1.1\r\nHost: supinit\r\nAccept: {accept}\r\nConnection: close\r\n"
    if method == "POST":
        head += f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n"
    try:
        connection.sendall(head.encode("ascii") + b"\r\n" + payload)
        if meanwhile is not None:
            meanwhile(connection)
        return _receive(connection)
    finally:
        connection.close()


def get(connection: socket.socket, target: str, accept: str) -> Response:
    """Get something, and keep the connection for more. Raises OSError, as `exchange` does; then it can be closed."""
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: supinit\r\nAccept: {accept}\r\n\r\n".encode("ascii"))
    return _receive(connection)


def stream(connection: socket.socket, target: str, accept: str, take: Callable[[bytes], None]) -> Response:
    """Get something of which nobody knows how long it becomes, and give each piece of it to `take`.

    Returns an answer without a body, the trailers among its headers; or a whole one, of which nothing was given away.
    Raises ConnectionError if the server closes before the end.
    """
    head = f"GET {target} HTTP/1.1\r\nHost: supinit\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    try:
        connection.sendall(head.encode("ascii"))
        response = _receive(connection)
        if response.headers.get("transfer-encoding", "").lower() != "chunked":
            return response
        trailers = _take_chunks(connection, response.body, take)
        return Response(response.status, {**response.headers, **trailers}, b"")
    finally:
        connection.close()


def _take_chunks(connection: socket.socket, data: bytes, take: Callable[[bytes], None]) -> dict[str, str]:
    """Read chunks (RFC 9112, 7.1), of which `data` has come already, and return the trailers."""
    while True:
        while b"\r\n" not in data:
            data += _more(connection)
        line, _, data = data.partition(b"\r\n")
        size = int(line, 16)
        while len(data) < size + 2:
            data += _more(connection)
        if size == 0:
            break
        take(data[:size])
        data = data[size + 2 :]
    while data != b"\r\n" and not data.endswith(b"\r\n\r\n"):
        data += _more(connection)
    return _fields(data.decode("latin-1").split("\r\n"))


def _fields(lines: Iterable[str]) -> dict[str, str]:
    return {name.lower(): value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}


def _receive(connection: socket.socket) -> Response:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
        if len(data) > HEAD_LIMIT:
            raise ConnectionError("its answer has no end")
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = first.split(" ", 2)
    if len(fields) < 2 or not fields[0].startswith("HTTP/1.") or not fields[1].isdecimal():
        raise ConnectionError("its answer is no HTTP")
    headers = _fields(lines)
    parts, missing = [body], int(headers.get("content-length", "0")) - len(body)
    while missing > 0:
        parts.append(_more(connection))
        missing -= len(parts[-1])
    return Response(int(fields[1]), headers, b"".join(parts))


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("it closed the connection")
    return data


def quote(text: str) -> str:
    """Return the text as it may stand in a path or a query."""
    return "".join(chr(byte) if byte in SAFE else f"%{byte:02X}" for byte in text.encode("utf-8", "surrogateescape"))


def query(pairs: Iterable[tuple[str, str]]) -> str:
    """Return "?a=b&c=d", or nothing for no pairs."""
    text = "&".join(f"{name}={quote(value)}" for name, value in pairs)
    return f"?{text}" if text else ""


def json_object(fields: Iterable[tuple[str, str | bool]]) -> str:
    """Return a JSON object of texts and truths, without importing json."""
    return "{" + ", ".join(f'"{name}": {_json_value(value)}' for name, value in fields) + "}"


def _json_value(value: str | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    escaped = "".join(char if char.isalnum() and char.isascii() else f"\\u{ord(char):04x}" for char in value[:1000])
    return f'"{escaped}"'
