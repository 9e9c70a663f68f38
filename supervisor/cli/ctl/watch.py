"""status --watch: refresh the table in place on the terminal's alternate screen, and leave the last one behind.

Rule 1: nothing is cleared before it is overwritten, so nothing flickers: each line erases its own rest, and the last
one what is below it.
Rule 2: however it ends, the cursor and the screen are restored.
"""

from __future__ import annotations

import os
import signal
import sys

from supervisor.cli.ctl.call import UNREACHABLE, WRONG_USE, Call, complain, finish_status, has_color, reach, unanswered
from supervisor.client.wire import TEXT, connect, get, query
from supervisor.core.quantities import parse_duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

    from supervisor.client.wire import Response

ENTER, LEAVE = b"\x1b[?1049h\x1b[?25l\x1b[?7l", b"\x1b[?7h\x1b[?25h\x1b[?1049l"
"""Enter the alternate screen, without cursor and wrapping, and leave it."""
HOME, END_OF_LINE, END_OF_TABLE = b"\x1b[H", b"\x1b[K\r\n", b"\x1b[K\x1b[J"


def watch(call: Call) -> int:
    """Show the table until Ctrl-C; the exit code is that of the last table."""
    seconds = parse_duration(call.options["watch"] or "1")
    if not seconds:
        return complain(f"cannot read --watch={call.options['watch']}; write seconds, such as --watch=2", WRONG_USE)
    if call.as_json:
        return complain("--watch and --json exclude each other", WRONG_USE)
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return complain("--watch needs a terminal (docker exec -t)", WRONG_USE)
    connection = reach(call)
    if isinstance(connection, int):
        return connection
    table = Screen(call, connection)
    try:
        response = table.look()
    except OSError as error:
        return complain(unanswered(call.path, error), UNREACHABLE)
    if response.status != 200:
        return finish_status(call, response)
    response, failure = _repeat(table, response, seconds)
    table.close()
    code = finish_status(call, response)
    sys.stdout.flush()
    return code if failure is None else complain(unanswered(call.path, failure), UNREACHABLE)


class Screen:
    """Asks for the table on one connection that is kept open."""

    def __init__(self, call: Call, connection: socket) -> None:
        self._call = call
        self._connection = connection

    def look(self) -> Response:
        """Ask for the table, laid out for the terminal as it is now. Raises OSError if supinit does not answer."""
        columns = max(
            1, _size().columns - 1
        )  # a full line would leave the cursor on its end, and lose it to the erasing
        pairs = [("name", word) for word in self._call.words]
        pairs += [("columns", str(columns)), ("color", "1" if has_color() else "0")]
        target = "/v1/status" + query(pairs)
        try:
            return get(self._connection, target, TEXT)
        except OSError:  # idle for longer than supinit keeps a connection
            self._connection.close()
            self._connection = connect(self._call.path)
            return get(self._connection, target, TEXT)

    def close(self) -> None:
        self._connection.close()


def _repeat(table: Screen, response: Response, seconds: float) -> tuple[Response, OSError | None]:
    """Refresh until Ctrl-C, or until supinit does not answer; return the last answer, and the error."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGWINCH})
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        _write(ENTER)
        while True:
            _write(drawn(response.body, _size().lines))
            signal.sigtimedwait({signal.SIGWINCH}, seconds)
            response = table.look()
    except KeyboardInterrupt:
        return response, None
    except OSError as error:
        return response, error
    finally:
        _write(LEAVE)


def drawn(table: bytes, height: int) -> bytes:
    """Return what draws a table over the previous one, cut to the height of the terminal."""
    lines = table.splitlines()
    if len(lines) > height:
        hidden = len(lines) - height + 1
        lines[height - 1 :] = [b"... and %d more" % hidden]
    return HOME + END_OF_LINE.join(lines) + END_OF_TABLE


def _size() -> os.terminal_size:
    """Return the terminal's size; 80 x 24 if it does not know."""
    size = os.get_terminal_size(sys.stdout.fileno())
    return os.terminal_size((size.columns or 80, size.lines or 24))


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
