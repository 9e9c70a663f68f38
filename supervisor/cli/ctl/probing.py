"""healthcheck and wait: whether the container, or one of its programs, is healthy, ready or stopped."""

from __future__ import annotations

from time import monotonic, sleep

from supervisor.cli.ctl.call import (
    CODES,
    FAILED,
    NOT_PERMITTED,
    UNREACHABLE,
    WRONG_USE,
    Call,
    complain,
    finish,
    not_permitted,
    show,
    unanswered,
    unreachable,
)
from supervisor.client.wire import connect, exchange, query
from supervisor.core.quantities import parse_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

PATIENCE = 10.0
"""Seconds after which a supinit that does not answer counts as not healthy, and to wait for its socket by default."""
INTERVAL = 0.05
"""Seconds between two looks for the socket."""


def healthcheck(call: Call) -> int:
    """Print one line, whatever happens. A supinit that cannot be reached is not healthy."""
    pairs = [("name", word) for word in call.words]
    if "max-age" in call.options:
        pairs.append(("max_age", call.options["max-age"]))
    try:
        connection = connect(call.path, PATIENCE)
        response = exchange(connection, "GET", "/healthz" + query(pairs), call.accept)
    except TimeoutError:
        return _not_healthy(f"supinit did not answer within {PATIENCE:g} s on {call.path}")
    except PermissionError:
        return _not_healthy(not_permitted(call.path), NOT_PERMITTED)
    except OSError as error:
        return _not_healthy(unreachable(call.path, error))
    show(response.body)
    return 0 if response.status == 200 else CODES.get(response.status, FAILED)


def wait(call: Call) -> int:
    """Block until the goal is met. Waits for the socket as well; where supinit has gone, it has stopped."""
    goal = call.options.get("for", "healthy")
    timeout = _timeout(call)
    if isinstance(timeout, int):
        return timeout
    began = monotonic()
    connection = _await_socket(call, goal, *timeout)
    if isinstance(connection, int):
        return connection
    pairs = [*(("name", word) for word in call.words), ("for", goal)]
    if timeout[0] is not None:
        pairs.append(("timeout", f"{max(0.0, timeout[0] - (monotonic() - began)):.3f}"))
    try:
        return finish(call, exchange(connection, "GET", "/v1/wait" + query(pairs), call.accept))
    except OSError as error:
        return _stopped(call) if goal == "stopped" else complain(unanswered(call.path, error), UNREACHABLE)


def _timeout(call: Call) -> tuple[float | None, float] | int:
    """Return the limit of the wait, None for no limit, and that for the socket; an exit code for a wrong one."""
    text = call.options.get("timeout")
    if text is None:
        return None, PATIENCE
    seconds = parse_duration(text.strip())
    if seconds is None:
        return complain(f"cannot read the duration {text!r}; write 30, 1.5, 500ms or 1m30s", WRONG_USE)
    return seconds, seconds


def _await_socket(call: Call, goal: str, limit: float | None, patience: float) -> socket | int:
    """Return a connection as soon as supinit listens; an exit code if it does not in time, or has stopped."""
    deadline = monotonic() + patience
    while True:
        try:
            return connect(call.path)
        except PermissionError:
            return complain(not_permitted(call.path), NOT_PERMITTED)
        except OSError as error:
            if goal == "stopped":
                return _stopped(call)
            if monotonic() >= deadline:
                return complain(unreachable(call.path, error), UNREACHABLE if limit is None else FAILED)
        sleep(min(INTERVAL, max(0.0, deadline - monotonic())))


def _stopped(call: Call) -> int:
    show(b'{"stopped":true,"because":[]}\n' if call.as_json else b"stopped\n")
    return 0


def _not_healthy(reason: str, code: int = FAILED) -> int:
    show(f"not healthy: {reason}\n".encode())
    return code
