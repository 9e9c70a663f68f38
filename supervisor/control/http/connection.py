"""One HTTP connection: requests one after the other, each within limits; no client is trusted.

Rule 1: a client can make us hold a bounded amount: a head of HEAD_LIMIT, a body of BODY_LIMIT, READ_AHEAD beyond.
Rule 2: a client can make us wait a bounded time: PATIENCE for a whole request, and for taking its answer. Where
connections run out, it is less (connection_limit.py).
Rule 3: after each answer the loop turns, however much was sent ahead. Of all clients that have had an answer, one a
turn is served, so that many requests together delay nobody's first.
Rule 4: a client that leaves (closed or half-closed connection) ends the wait for its answer.
Rule 5: an answer that needs no waiting is handed to the kernel before anything else happens, the container's end
included.
"""

from __future__ import annotations

import asyncio
import errno
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qs

import h11

from supervisor.control.http.message import Request, RequestError, Response, error_response
from supervisor.core.protocol import BROKEN_OFF
from supervisor.core.wording import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from supervisor.control.access import Peer, Rights
    from supervisor.control.console import Console
    from supervisor.control.http.service import Service
    from supervisor.control.http.stream import Stream

HEAD_LIMIT = 16 * 1024
BODY_LIMIT = 64 * 1024
READ_AHEAD = 64 * 1024
PATIENCE = 10.0
LINGER = 1.0
"""Seconds, and LINGER_LIMIT bytes, for which the rest of a refused request is read so that its answer arrives."""
LINGER_LIMIT = 1024 * 1024
SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors that mean that the machine or the container has run out of something: they are not faults of supinit."""
_CHUNK = 4096

T = TypeVar("T")


class _Gone(Exception):
    """The client has left."""


LOST = (_Gone, OSError)
"""How a connection ends that the client gives up. Not every such OSError is a ConnectionError: ENOTCONN, ETIMEDOUT."""


class Connection:
    def __init__(
        self,
        console: Console,
        service: Service,
        peer: Peer,
        rights: Rights,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        fair_share: asyncio.Lock,
        patience: float = PATIENCE,
    ) -> None:
        self._console = console
        self._service = service
        self._peer = peer
        self.rights = rights
        self.waits_since: float | None = _now()
        """When it began to wait for its client; None while the client waits for supinit."""
        self.has_answered = False
        self._reader = reader
        self._writer = writer
        self._fair_share = fair_share
        self._patience = patience
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self._is_head = False
        self._stream: Stream | None = None
        """The stream that is being sent."""
        writer.transport.set_write_buffer_limits(high=0)  # so that drain() returns when the kernel has it all

    async def serve(self) -> None:
        """Answer requests until either side ends the connection, and close it."""
        try:
            while await self._serve_one():
                async with self._fair_share:
                    await asyncio.sleep(0)
        except LOST:
            pass
        finally:
            self._close()

    async def refuse(self, refused: RequestError) -> None:
        """Refuse whatever is asked, and close the connection."""
        try:
            await self._send_last(refused)
        except LOST:
            pass
        finally:
            self._close()

    async def _serve_one(self) -> bool:
        """Answer one request. False: it was the last one."""
        try:
            request = await self._read_request()
        except RequestError as refused:
            await self._send_last(refused)
            return False
        if request is None:
            return False
        self.waits_since = None
        answer = await self._respond(request)
        if answer.stream is not None:
            await self._unless_gone(self._send_stream(answer, answer.stream))
        self.waits_since, self.has_answered = _now(), True
        if answer.stream is None:
            await self._send(answer)
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    def _close(self) -> None:
        if self._writer.transport.get_write_buffer_size():
            self._writer.transport.abort()
        self._writer.close()

    # ---- reading

    async def _read_request(self) -> Request | None:
        """Return the next request; None if no more will come. Raises RequestError for one that is refused."""
        self._is_head = False
        try:
            async with asyncio.timeout(self._patience):
                head = await self._next_event()
                if not isinstance(head, h11.Request):
                    return None
                self._is_head = head.method == b"HEAD"
                _check_head(head)
                return _make_request(head, await self._read_body(), self._peer)
        except TimeoutError:
            if self._http.their_state is h11.IDLE and not self._http.trailing_data[0]:
                return None
            raise RequestError(408, "timeout", f"cannot wait longer than {self._patience:g} s for a request") from None
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
                raise _head_too_large() from None
            raise RequestError(error.error_status_hint, "bad_request", f"cannot read the request: {error}") from None

    async def _read_body(self) -> bytes:
        body = bytearray()
        while True:
            event = await self._next_event()
            if not isinstance(event, h11.Data):
                return bytes(body)
            body += event.data
            if len(body) > BODY_LIMIT:
                raise _body_too_large()

    async def _next_event(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            event = self._http.next_event()
            if not isinstance(event, type) or event is h11.PAUSED:
                return event
            if self._http.they_are_waiting_for_100_continue:
                await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
            self._http.receive_data(await self._reader.read(_CHUNK))

    # ---- answering

    async def _respond(self, request: Request) -> Response:
        """Return the answer to a request, also where it is refused or supinit itself fails."""
        try:
            answer = self._service.respond(self._console, request, self.rights)
            return answer if isinstance(answer, Response) else await self._unless_gone(answer)
        except RequestError as refused:
            return error_response(refused, request.wants_text)
        except _Gone:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in SHORTAGES:
                lack = RequestError(503, "busy", f"cannot answer: {error.strerror}; try again")
                return error_response(lack, request.wants_text)
            self._console.log("error", "control.failed", reason=f"{request.method} {request.path}: {error!r}")
            self._console.fault("control", error)
            mistake = RequestError(500, "internal_error", "cannot answer: internal error; the log has the details")
            return error_response(mistake, request.wants_text)

    async def _unless_gone(self, coming: Awaitable[T]) -> T:
        """Await the answer, but no longer than the client does."""
        answering = asyncio.ensure_future(coming)
        watching = asyncio.ensure_future(self._read_ahead())
        try:
            await asyncio.wait((answering, watching), return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise _Gone
            return answering.result()
        finally:
            answering.cancel()
            watching.cancel()
            await asyncio.wait((answering, watching))

    async def _read_ahead(self) -> None:
        """Read what the client sends ahead, and return when it has left. Beyond READ_AHEAD, nothing is read."""
        ahead = len(self._http.trailing_data[0])
        while ahead < READ_AHEAD:
            data = await self._reader.read(_CHUNK)
            if not data:
                return
            self._http.receive_data(data)
            ahead += len(data)
        await asyncio.Event().wait()

    async def _send(self, answer: Response, *more_headers: tuple[str, str]) -> None:
        headers = (("Content-Length", str(len(answer.body))), *more_headers, *self._service.headers)
        head = _make_head(answer, *headers)
        body = [] if self._is_head else [h11.Data(data=answer.body)]
        await self._write(self._encode(head, *body, h11.EndOfMessage()))

    async def _send_stream(self, answer: Response, stream: Stream) -> None:
        """Send the pieces as they come. A stream that breaks off says why in a trailer (RFC 9112, 7.1.2)."""
        await self._write(self._encode(_make_head(answer, *self._service.headers)))
        end = h11.EndOfMessage()
        if not self._is_head:
            self._stream = stream
            try:
                await self._send_pieces(stream)
            except RequestError as refused:
                if self._http.their_http_version == b"1.1":
                    end = h11.EndOfMessage(headers=[(BROKEN_OFF, printable(refused.message).strip())])
            finally:
                self._stream = None
        await self._write(self._encode(end))

    async def _send_pieces(self, stream: Stream) -> None:
        async with aclosing(stream.pieces()) as pieces:
            async for piece in pieces:
                if piece:
                    await self._write(self._encode(h11.Data(data=piece)))
                await asyncio.sleep(0)

    def end_stream(self) -> None:
        """Send the rest of a stream and its end, as far as the client takes it at once: the container has ended."""
        stream, self._stream = self._stream, None
        if stream is not None and not self._writer.transport.get_write_buffer_size():
            self._writer.write(self._encode(h11.Data(data=stream.rest()), h11.EndOfMessage()))

    def _encode(self, *events: h11.Event) -> bytes:
        return b"".join(self._http.send(event) or b"" for event in events)

    async def _send_last(self, refused: RequestError) -> None:
        """Answer, then read on for a while: a client that is cut off while it writes never reads the answer."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        await self._send(error_response(refused, as_text=False), ("Connection", "close"))
        self._writer.write_eof()
        try:
            async with asyncio.timeout(LINGER):
                swallowed = 0
                while swallowed < LINGER_LIMIT and (data := await self._reader.read(_CHUNK)):
                    swallowed += len(data)
        except TimeoutError:
            pass

    async def _write(self, data: bytes) -> None:
        before, self.waits_since = self.waits_since, self.waits_since or _now()
        self._writer.write(data)
        try:
            async with asyncio.timeout(self._patience):
                await self._writer.drain()
        except TimeoutError:
            raise _Gone from None
        finally:
            self.waits_since = before


def _now() -> float:
    return asyncio.get_running_loop().time()


def _make_head(answer: Response, *more_headers: tuple[str, str]) -> h11.Response:
    headers = [("Content-Type", answer.content_type), *more_headers, *answer.headers]
    if not any(name == "Cache-Control" for name, _ in answer.headers):
        headers.append(("Cache-Control", "no-store"))
    reason = HTTPStatus(answer.status).phrase.encode("ascii")
    return h11.Response(status_code=answer.status, headers=headers, reason=reason)


def _check_head(head: h11.Request) -> None:
    """Raise RequestError for a head, or an announced body, that is too large."""
    size = len(head.target) + sum(len(name) + len(value) + 4 for name, value in head.headers)
    if size > HEAD_LIMIT:
        raise _head_too_large()
    lengths = [value for name, value in head.headers if name == b"content-length"]
    if lengths and int(lengths[0]) > BODY_LIMIT:
        raise _body_too_large()


def _make_request(head: h11.Request, body: bytes, peer: Peer) -> Request:
    path, _, query = head.target.decode("ascii").partition("?")
    return Request(
        method=head.method.decode("ascii"),
        path=path,
        query={name: tuple(values) for name, values in parse_qs(query, keep_blank_values=True).items()},
        headers={name.decode("ascii"): value.decode("latin-1") for name, value in head.headers},
        body=body,
        peer=peer,
    )


def _head_too_large() -> RequestError:
    return RequestError(431, "head_too_large", f"cannot read a request head of more than {HEAD_LIMIT} bytes")


def _body_too_large() -> RequestError:
    return RequestError(413, "body_too_large", f"cannot read a body of more than {BODY_LIMIT} bytes")
