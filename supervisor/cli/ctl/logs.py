"""logs and events: what is kept, laid out by supinit, and with --follow what comes after, until Ctrl-C."""

from __future__ import annotations

import re
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
        screen = Screen(sys.stdout.isatty())
        response = stream(connection, path + query(pairs), call.accept, screen.show)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        return complain(unanswered(call.path, error), UNREACHABLE)
    if BROKEN_OFF in response.headers:
        return complain(f"cannot continue: {response.headers[BROKEN_OFF]}", FAILED)
    return finish(call, response)


PARAMETERS = {"lines": "n", "stream": "stream", "since": "since"}
"""The options of logs, and their names in the API."""


_COLOR = rb"\x1b\[[0-9;:]*m"
_ACTIVE = re.compile(_COLOR + rb"|\r(?=\n)|[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]")
"""Everything that a terminal acts on: colours, line ends and control characters, including C1 controls in UTF-8."""
_UNFINISHED = re.compile(rb"(?:\x1b(?:\[[0-9;:]{0,30})?|\xc2|\r)$")


class Screen:
    """Shows the output of programs. On a terminal it may only set colours.

    A program could otherwise write over the lines of another one, or make the terminal type for the operator. Other
    control characters are shown as by `cat -v`: ^[ for ESC. Output to a file or a pipe is not changed.
    """

    def __init__(self, is_terminal: bool) -> None:
        self._is_terminal = is_terminal
        self._rest = b""
        """The beginning of a sequence whose end has not come yet."""

    def show(self, data: bytes) -> None:
        if self._is_terminal:
            data = self._rest + data
            unfinished = _UNFINISHED.search(data)
            self._rest = data[unfinished.start() :] if unfinished else b""
            data = tame(data[: len(data) - len(self._rest)])
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def tame(data: bytes) -> bytes:
    """Return output in which only colours, tabs and newlines act on a terminal."""
    return _ACTIVE.sub(_visible, data)


def _visible(match: re.Match[bytes]) -> bytes:
    found = match[0]
    if found[:2] == b"\x1b[" or (found == b"\r" and match.string[match.end() : match.end() + 1] == b"\n"):
        return found
    return b"^" + bytes([found[-1] & 0x7F ^ 0x40]) if len(found) == 1 else b"^[" + bytes([found[1] - 0x40])
