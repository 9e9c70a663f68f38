"""Requests and responses as values: the layers above know no HTTP, those below no programs."""

from __future__ import annotations

from supervisor.core.record import Record
from supervisor.core.wording import printable
from supervisor.errors import SupinitError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from supervisor.control.access import Peer
    from supervisor.control.http.stream import Stream


JSON = "application/json"
NDJSON = "application/x-ndjson"
TEXT = "text/plain; charset=utf-8"


class Request(Record):
    """One request, complete. Names in `path` and `query` are decoded; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, tuple[str, ...]]
    headers: Mapping[str, str]
    body: bytes
    peer: Peer

    @property
    def wants_text(self) -> bool:
        """Whether the client wants text for people rather than JSON."""
        first = self.headers.get("accept", "").partition(",")[0].partition(";")[0]
        return first.strip().lower() == "text/plain"

    def last(self, name: str) -> str | None:
        """Return the value of a query parameter, the last one if it is given several times."""
        values = self.query.get(name)
        return values[-1] if values else None


class Response(Record):
    """`body` is the whole answer, unless there is a `stream`, which is sent instead."""

    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()
    stream: Stream | None = None


class RequestError(SupinitError):
    """A request is refused, or it failed. `more` stands beside the error in the JSON body.

    `lines`: what a program wrote before it failed; in text, they follow the message.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: tuple[tuple[str, str], ...] = (),
        more: Mapping[str, object] | None = None,
        lines: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
        self.more = more or {}
        self.lines = lines


def json_response(value: Mapping[str, object], status: int = 200) -> Response:
    """Return one line of JSON."""
    import json

    body = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Response(status, body.encode("utf-8", "replace") + b"\n", JSON)


def text_response(text: str, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    """Return text for people; `text` has no newline at its end."""
    return Response(status, text.encode("utf-8", "replace") + b"\n", TEXT, headers)


def error_response(refused: RequestError, as_text: bool) -> Response:
    """Return an error as text or JSON."""
    if as_text:
        quoted = (f"    {printable(line)}" for line in refused.lines)
        return text_response("\n".join((printable(refused.message).strip(), *quoted)), refused.status, refused.headers)
    error = {"code": refused.code, "message": refused.message}
    answer = json_response({"error": error, **refused.more}, refused.status)
    return Response(answer.status, answer.body, answer.content_type, refused.headers)
