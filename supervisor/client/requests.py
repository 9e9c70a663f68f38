"""What each method of the clients sends, and how an answer is read. No I/O, so both clients share it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from supervisor.client.errors import RefusedError, UnreachableError
from supervisor.client.wire import BROKEN_OFF, JSON, query, quote
from supervisor.core.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from supervisor.client.wire import Response


class Request(Record):
    """`waits`: seconds that supinit itself may take before it answers. Default: no limit."""

    method: str
    target: str
    body: str = ""
    accept: str = JSON
    waits: float | None = 0.0


def status(names: Iterable[str]) -> Request:
    return Request("GET", "/v1/status" + query(("name", name) for name in names))


def why(names: Iterable[str]) -> Request:
    return Request("GET", "/v1/why" + query(("name", name) for name in names))


def programs(names: Iterable[str]) -> Request:
    return Request("GET", f"/v1/programs/{_path(names)}")


def change(action: str, names: Iterable[str], wait: bool, timeout: float | None, rolling: bool = False) -> Request:
    """start, stop, restart or reload."""
    target = f"/v1/programs/{_path(names)}/{action}"
    body = {"wait": wait, "timeout": timeout, **({"rolling": True} if rolling else {})}
    return Request("POST", target, json.dumps(body), waits=timeout if wait else 0.0)


def scale(name: str, instances: int, wait: bool, timeout: float | None) -> Request:
    body = {"instances": instances, "wait": wait, "timeout": timeout}
    return Request("POST", f"/v1/programs/{_path((name,))}/scale", json.dumps(body), waits=timeout if wait else 0.0)


def signal(name: str | int, names: Iterable[str]) -> Request:
    return Request("POST", f"/v1/programs/{_path(names)}/signal", json.dumps({"signal": name}))


def update(dry_run: bool, wait: bool, timeout: float | None) -> Request:
    body = json.dumps({"dry_run": dry_run, "wait": wait, "timeout": timeout})
    return Request("POST", "/v1/update", body, waits=timeout if wait and not dry_run else 0.0)


def wait(goal: str, names: Iterable[str], timeout: float | None) -> Request:
    pairs = [("for", goal), *(("name", name) for name in names)]
    if timeout is not None:
        pairs.append(("timeout", _seconds(timeout)))
    return Request("GET", "/v1/wait" + query(pairs), waits=timeout)


def probe(goal: str, names: Iterable[str], max_age: float | None) -> Request:
    pairs = [("name", name) for name in names]
    if max_age is not None:
        pairs.append(("max_age", _seconds(max_age)))
    return Request("GET", f"/{goal}z" + query(pairs))


def logs(
    names: Iterable[str], last: int | None, stream: str | None, since: str | float | None, follow: bool
) -> Request:
    pairs = [*_stream(names, last, follow)]
    if stream is not None:
        pairs.append(("stream", stream))
    if since is not None:
        pairs.append(("since", since if isinstance(since, str) else _seconds(since)))
    return Request("GET", "/v1/logs" + query(pairs))


def events(names: Iterable[str], last: int | None, since: int | str | None, follow: bool) -> Request:
    pairs = [*_stream(names, last, follow)]
    if since is not None:
        pairs.append(("since", str(since)))
    return Request("GET", "/v1/events" + query(pairs))


def plain(method: str, target: str, accept: str = JSON) -> Request:
    return Request(method, target, accept=accept)


def read(response: Response) -> Any:
    """Return the JSON of an answer. Raises RefusedError for one that says no."""
    if response.status >= 400:
        raise refusal(response)
    return json.loads(response.body)


def read_verdict(response: Response) -> Any:
    """Return the JSON of a probe's answer, which is a 503 where the goal is not met."""
    body = json.loads(response.body)
    if "because" in body:
        return body
    raise refusal(response)


def refusal(response: Response) -> RefusedError:
    """Return the error that an answer is."""
    try:
        body = dict(json.loads(response.body))
        error = body.pop("error")
        return RefusedError(response.status, error["code"], error["message"], body)
    except (ValueError, KeyError, TypeError):
        text = response.body.decode("utf-8", "replace").strip()
        return RefusedError(response.status, "unknown", text or f"supinit answered {response.status}")


def check_end(response: Response) -> None:
    """Check the end of a stream. Raises RefusedError where it was refused, or broke off."""
    if response.status >= 400:
        raise refusal(response)
    if BROKEN_OFF in response.headers:
        raise RefusedError(0, "broken_off", response.headers[BROKEN_OFF])


def unreachable(path: str, error: OSError) -> UnreachableError:
    """Return the error for a request that was not answered."""
    in_time = "it did not answer in time" if isinstance(error, TimeoutError) else "it closed the connection"
    reason = (error.strerror or str(error) or in_time).lower()
    return UnreachableError(f"cannot reach supinit at {path}: {reason}")


class Lines:
    """Cuts the pieces of a stream into lines of JSON."""

    def __init__(self) -> None:
        self._rest = b""

    def cut(self, piece: bytes) -> Iterator[Any]:
        """Yield the lines that a piece completes."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if line:
                yield json.loads(line)


def _path(names: Iterable[str]) -> str:
    """Return names as they stand in a path. Raises ValueError for none: that is not the same as all."""
    text = ",".join(quote(name) for name in names)
    if not text:
        raise ValueError("no program given; write 'all' for every program")
    return text


def _stream(names: Iterable[str], last: int | None, follow: bool) -> Iterator[tuple[str, str]]:
    for name in names:
        yield "name", name
    if last is not None:
        yield "n", str(last)
    if follow:
        yield "follow", "1"


def _seconds(value: float) -> str:
    """Return seconds without an exponent, which the API does not read."""
    return f"{value:.6f}".rstrip("0").rstrip(".")
