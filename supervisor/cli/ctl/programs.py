"""start, stop, restart, reload, signal and update: one request each, for all names together; scale: one for each name.

If one of several names is unknown, nothing is touched.
"""

from __future__ import annotations

import sys

from supervisor.cli.ctl.call import (
    FAILED,
    INTERRUPTED,
    UNREACHABLE,
    WRONG_USE,
    Call,
    ask,
    complain,
    finish,
    reach,
    unanswered,
)
from supervisor.client.wire import exchange, json_object, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from supervisor.client.wire import Response

INVALID = 422


def change(call: Call) -> int:
    """Start, stop, restart or reload, and wait for the result unless told otherwise."""
    fields: list[tuple[str, str | bool]] = [("wait", "no-wait" not in call.options)]
    if "timeout" in call.options:
        fields.append(("timeout", call.options["timeout"]))
    if "rolling" in call.options:
        fields.append(("rolling", True))
    target = f"/v1/programs/{_names(call.words)}"
    return finish(call, _ask_and_tell(call, target, f"{target}/{call.command}", fields))


def _ask_and_tell(call: Call, states: str, target: str, fields: Sequence[tuple[str, str | bool]]) -> Response | int:
    """Send a request and show its progress. Return the answer; if there is none, say so and return the exit code.

    `states`: the path of the states of the programs concerned.
    """
    connection = reach(call)
    if isinstance(connection, int):
        return connection
    meanwhile = None
    try:
        if not {"no-wait", "dry-run"} & call.options.keys() and not call.as_json:
            from supervisor.cli.ctl.progress import Progress

            meanwhile = Progress(call, states).show
        return exchange(connection, "POST", target, call.accept, json_object(fields), meanwhile)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        return complain(unanswered(call.path, error), UNREACHABLE)
    except KeyboardInterrupt:
        return complain(
            f"stopped waiting; the {call.command} continues, supctl status shows how far it is", INTERRUPTED
        )


def scale(call: Call) -> int:
    """Change the number of instances of one program after the other, after checking that all of them exist."""
    wanted: dict[str, str] = {}
    for word in call.words:
        name, equals, number = word.rpartition("=")
        if not name or not equals or not number.isascii() or not number.isdecimal():
            return complain(f"cannot read {word!r}; write a program and a number, such as web=4", WRONG_USE)
        wanted[name] = number
    known = ask(call, "GET", f"/v1/programs/{_names(tuple(wanted))}")
    if isinstance(known, int) or known.status >= 400:
        return finish(call, known)
    fields: list[tuple[str, str | bool | int]] = [("wait", "no-wait" not in call.options)]
    if "timeout" in call.options:
        fields.append(("timeout", call.options["timeout"]))
    code = 0
    for name, number in wanted.items():
        body = json_object([("instances", int(number[:9])), *fields])
        code = finish(call, ask(call, "POST", f"/v1/programs/{quote(name)}/scale", body)) or code
    return code


def signal(call: Call) -> int:
    """Send a signal to the main processes."""
    body = json_object([("signal", call.words[0])])
    return finish(call, ask(call, "POST", f"/v1/programs/{_names(call.words[1:])}/signal", body))


def update(call: Call) -> int:
    """Have the configuration read again; print what that changes, or every problem."""
    fields: list[tuple[str, str | bool]] = [
        ("dry_run", "dry-run" in call.options),
        ("wait", "no-wait" not in call.options),
    ]
    if "timeout" in call.options:
        fields.append(("timeout", call.options["timeout"]))
    response = _ask_and_tell(call, "/v1/programs/all", "/v1/update", fields)
    if isinstance(response, int) or response.status != INVALID or call.as_json:
        return finish(call, response)
    sys.stderr.write(response.body.decode("utf-8", "replace"))
    return complain("cannot update: the table has problems; nothing has changed", FAILED)


def _names(words: tuple[str, ...]) -> str:
    return ",".join(quote(word) for word in words)
