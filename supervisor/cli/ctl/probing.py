"""healthcheck and wait: whether the container, or a program of it, is as it should be."""

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
"""Seconds after which a supervisor that does not answer a health check is not healthy."""


def healthcheck(call: Call) -> int:
    """Print one line, whatever happens. A supervisor that cannot be reached is not healthy, as one that says so."""
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
    """Block until it holds. The container has stopped when its supervisor has gone."""
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
