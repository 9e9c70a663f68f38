"""start, stop, restart, reload, signal and update: what changes something, in one request.

Where one of several names is unknown, all are left untouched.
"""

from __future__ import annotations

import sys

from supervisor.cli.ctl.call import ERASE, FAILED, Call, ask, complain, finish
from supervisor.control.client import json_object, quote

INVALID = 422
VERBS = {"start": "starting", "stop": "stopping", "restart": "restarting", "reload": "reloading"}


def change(call: Call) -> int:
    """Start, stop, restart or reload, and wait for the result unless told otherwise."""
    fields: list[tuple[str, str | bool]] = [("wait", "no-wait" not in call.options)]
    if "timeout" in call.options:
        fields.append(("timeout", call.options["timeout"]))
    shows_progress = "no-wait" not in call.options and not call.as_json and sys.stderr.isatty()
    if shows_progress:
        _progress(f"{VERBS[call.command]} {' '.join(call.words)} ...")
    try:
        response = ask(call, "POST", f"/v1/programs/{_names(call.words)}/{call.command}", json_object(fields))
    finally:
        if shows_progress:
            _progress(ERASE)
    return finish(call, response)


def signal(call: Call) -> int:
    """Send a signal to the main processes."""
    body = json_object([("signal", call.words[0])])
    return finish(call, ask(call, "POST", f"/v1/programs/{_names(call.words[1:])}/signal", body))


def update(call: Call) -> int:
    """Have the table read again; print what that changes, or every problem."""
    fields: list[tuple[str, str | bool]] = [
        ("dry_run", "dry-run" in call.options),
        ("wait", "no-wait" not in call.options),
    ]
    if "timeout" in call.options:
        fields.append(("timeout", call.options["timeout"]))
    response = ask(call, "POST", "/v1/update", json_object(fields))
    if isinstance(response, int) or response.status != INVALID or call.as_json:
        return finish(call, response)
    sys.stderr.write(response.body.decode("utf-8", "replace"))
    return complain("cannot update: the table has problems; nothing has changed", FAILED)


def _names(words: tuple[str, ...]) -> str:
    return ",".join(quote(word) for word in words)


def _progress(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
