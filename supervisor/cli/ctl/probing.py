"""healthcheck and wait: whether the container, or one of its programs, is healthy, ready or stopped."""

from __future__ import annotations

from supervisor.cli.ctl.call import (
    CODES,
    FAILED,
    NOT_PERMITTED,
    Call,
    ask,
    finish,
    not_permitted,
    reach,
    show,
    unreachable,
)
from supervisor.client.wire import connect, exchange, query

PATIENCE = 10.0
"""Seconds after which a supinit that does not answer counts as not healthy."""


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
    """Block until the goal is met. The container has stopped when supinit has gone."""
    goal = call.options.get("for", "healthy")
    pairs = [("name", word) for word in call.words] + [("for", goal)]
    if "timeout" in call.options:
        pairs.append(("timeout", call.options["timeout"]))
    target = "/v1/wait" + query(pairs)
    if goal != "stopped" or call.words:
        return finish(call, ask(call, "GET", target))
    connection = reach(call)
    if isinstance(connection, int):
        return connection
    try:
        return finish(call, exchange(connection, "GET", target, call.accept))
    except OSError:
        show(b'{"stopped":true,"because":[]}\n' if call.as_json else b"stopped\n")
        return 0


def _not_healthy(reason: str, code: int = FAILED) -> int:
    show(f"not healthy: {reason}\n".encode())
    return code
