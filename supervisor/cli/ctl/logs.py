"""logs and events: what is kept, laid out by supinit, and with --follow what comes after, until Ctrl-C."""

from __future__ import annotations

import sys

from supervisor.cli.ctl.call import FAILED, UNREACHABLE, Call, complain, finish, has_color, reach, unanswered
from supervisor.client.wire import BROKEN_OFF, query, stream
from supervisor.core.quantities import parse_integer

DIGITS_OF_AN_ID = 13
"""An event's id begins with the time in milliseconds. Shorter numbers are seconds, as they are for logs."""


def logs(call: Call) -> int:
    """Print the kept output, and with --follow what comes after it, as it comes."""
    pairs = [(name, call.options[option]) for option, name in PARAMETERS.items() if option in call.options]
    if not call.as_json:
        pairs.append(("color", "1" if has_color() else "0"))
        pairs.append(("timestamps", "1" if "timestamps" in call.options else "0"))
    return _stream(call, "/v1/logs", pairs)


def events(call: Call) -> int:
    """Print what has happened, and with --follow what happens."""
    pairs = [("n", call.options["lines"])] if "lines" in call.options else []
    if "since" in call.options:
        since = call.options["since"]
        is_short = parse_integer(since) is not None and len(since) < DIGITS_OF_AN_ID
        pairs.append(("since", f"{since}s" if is_short else since))
    return _stream(call, "/v1/events", pairs)


def _stream(call: Call, path: str, pairs: list[tuple[str, str]]) -> int:
    pairs = [*(("name", word) for word in call.words), *pairs]
    if "follow" in call.options:
        pairs.append(("follow", "1"))
    connection = reach(call)
    if isinstance(connection, int):
        return connection
    try:
        response = stream(connection, path + query(pairs), call.accept, _show)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        return complain(unanswered(call.path, error), UNREACHABLE)
    if BROKEN_OFF in response.headers:
        return complain(f"cannot continue: {response.headers[BROKEN_OFF]}", FAILED)
    return finish(call, response)


PARAMETERS = {"lines": "n", "stream": "stream", "since": "since"}
"""The options of logs, and their names in the API."""


def _show(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
