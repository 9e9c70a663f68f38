"""One call of supctl: its command line, how it reaches supinit, and how the answer becomes output and an exit code.

Exit codes: docs/supctl.md. Every error is one line on stderr that says what to do next.
"""

from __future__ import annotations

import sys
from os import environ

from supervisor.client.wire import FINE, JSON, TEXT, connect, exchange, socket_path
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable, Mapping

    from supervisor.client.wire import Response

FAILED, WRONG_USE, NOT_FINE, NO_SUCH_PROGRAM, UNREACHABLE, NOT_PERMITTED = 1, 2, 3, 4, 69, 77
INTERRUPTED = 128 + 2
CODES = {400: WRONG_USE, 403: NOT_PERMITTED, 404: NO_SUCH_PROGRAM}
"""Exit codes by HTTP status; every other error is FAILED."""
ERASE = "\r\x1b[K"


class Call(Record):
    """A command with its words and options; an option without a value has the value ""."""

    command: str
    words: tuple[str, ...] = ()
    options: Mapping[str, str] = {}
    socket: str | None = None
    as_json: bool = False

    @property
    def accept(self) -> str:
        return JSON if self.as_json else TEXT

    @property
    def path(self) -> str:
        """Return where the control socket is."""
        return self.socket or socket_path()


def ask(
    call: Call, method: str, target: str, body: str = "", meanwhile: Callable[[socket], None] | None = None
) -> Response | int:
    """Return supinit's answer; if there is none, say so and return the exit code.

    `meanwhile` is called with the connection before the answer is read.
    """
    connection = reach(call)
    if isinstance(connection, int):
        return connection
    try:
        return exchange(connection, method, target, call.accept, body, meanwhile)
    except OSError as error:
        return complain(unanswered(call.path, error), UNREACHABLE)


def reach(call: Call) -> socket | int:
    """Return a connection to supinit; if it cannot be reached, say so and return the exit code."""
    try:
        return connect(call.path)
    except PermissionError:
        return complain(not_permitted(call.path), NOT_PERMITTED)
    except OSError as error:
        return complain(unreachable(call.path, error), UNREACHABLE)


def not_permitted(path: str) -> str:
    return f"cannot open {path}: permission denied; run supctl as root or as supinit's own user"


def unreachable(path: str, error: OSError) -> str:
    hint = "is supinit running? -s or SUPINIT_SOCKET names another socket"
    return f"cannot reach supinit at {path}: {why(error)}; {hint}"


def unanswered(path: str, error: OSError) -> str:
    return f"cannot get an answer on {path}: {why(error)}; is the container stopping?"


def has_color() -> bool:
    """Return whether to use colours: on a terminal, unless NO_COLOR is set (no-color.org)."""
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb" and sys.stdout.isatty()


def why(error: OSError) -> str:
    """Return the text of an error, without its number."""
    return (error.strerror or str(error)).lower()


def finish(call: Call, response: Response | int) -> int:
    """Print an answer and return the exit code: results to stdout, errors to stderr, with --json all to stdout."""
    if isinstance(response, int):
        return response
    succeeded = response.status < 400
    if succeeded or call.as_json:
        show(response.body)
        return 0 if succeeded else CODES.get(response.status, FAILED)
    return complain(response.body.decode("utf-8", "replace").strip(), CODES.get(response.status, FAILED))


def finish_status(call: Call, response: Response | int) -> int:
    """Print an answer; the exit code says whether everything that it shows is up."""
    code = finish(call, response)
    if code == 0 and not isinstance(response, int) and response.headers.get(FINE) != "yes":
        return NOT_FINE
    return code


def show(body: bytes) -> None:
    """Print what supinit has laid out."""
    sys.stdout.buffer.write(body)


def complain(sentence: str, code: int) -> int:
    """Print an error, over the line that shows progress if there is one, and return the exit code."""
    sys.stderr.write(f"{ERASE if sys.stderr.isatty() else ''}supctl: {sentence}\n")
    return code
