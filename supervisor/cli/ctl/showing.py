"""status, why, tree, version, metrics and shutdown: one request each, and its answer as it is."""

from __future__ import annotations

import os
import sys

from supervisor.cli.ctl.call import Call, ask, finish, finish_status, has_color
from supervisor.client.wire import query


def status(call: Call) -> int:
    """Print the table, which supinit lays out for this terminal."""
    if "watch" in call.options:
        from supervisor.cli.ctl.watch import watch

        return watch(call)
    pairs = [("name", word) for word in call.words]
    if not call.as_json:
        pairs += [("columns", str(_columns())), ("color", "1" if has_color() else "0")]
    return finish_status(call, ask(call, "GET", "/v1/status" + query(pairs)))


def why(call: Call) -> int:
    """Print why something is not up."""
    return finish_status(call, ask(call, "GET", "/v1/why" + query(("name", word) for word in call.words)))


def tree(call: Call) -> int:
    """Print all processes, laid out for this terminal."""
    pairs = [] if call.as_json else [("columns", str(_columns()))]
    return finish(call, ask(call, "GET", "/v1/tree" + query(pairs)))


def version(call: Call) -> int:
    return finish(call, ask(call, "GET", "/v1/version"))


def metrics(call: Call) -> int:
    return finish(call, ask(call, "GET", "/metrics"))


def shutdown(call: Call) -> int:
    return finish(call, ask(call, "POST", "/v1/shutdown"))


def _columns() -> int:
    """Return the terminal's width; 0 if there is no terminal: then nothing is cut."""
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns
    except (OSError, ValueError):
        return 0
