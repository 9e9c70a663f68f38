"""Convert the socket of [fcgi-program:x]: supinit keeps it, as supervisord does, and a shell moves it to descriptor 0.

Source: supervisord.org/configuration.html, [fcgi-program:x] Section Settings.
"""

from __future__ import annotations

from supervisor.config.sockets import LISTEN
from supervisor.convert.document import Block

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.document import Flow
    from supervisor.convert.supervisord.options import Options

NAME = "fastcgi"
MOVE = 'sh -c \'exec "$$0" "$$@" <&3\' '
MOVED = "a FastCGI program has its socket as stdin; supinit passes it as descriptor 3, so sh moves it"
CANNOT = "cannot be a socket of supinit (IP:PORT or an absolute path); the program is left out"
DEFAULT_MODE = "0700"


def set_socket(options: Options, block: Block) -> None:
    """Give the program its socket. Where that is impossible, the program becomes a comment."""
    text = options.text("socket")
    listen = None if text is None else _address(text.written)
    if text is None or listen is None or (text.literal is not None and not _is_valid(listen)):
        options.lose("socket", CANNOT)
        block.is_off = True
        return
    entry: dict[str, Flow] = {"listen": listen}
    if listen.startswith("/"):
        if (owner := options.text("socket_owner")) is not None:
            entry["user"] = owner.written
        mode = options.text("socket_mode")
        entry["mode"] = DEFAULT_MODE if mode is None else mode.written
    if "socket_backlog" in options:
        entry["backlog"] = options.number("socket_backlog", 1, 1)
    block.entries["sockets"] = sockets = Block()
    sockets.entries[NAME] = entry


def move_socket(block: Block) -> None:
    """Have a shell make the socket the program's stdin."""
    command = block.entries.get("command")
    if "sockets" not in block.entries or not isinstance(command, str | tuple):
        return
    if isinstance(command, str):
        block.entries["command"] = MOVE + command
    else:
        block.entries["command"] = ("sh", "-c", 'exec "$$0" "$$@" <&3', *command)
    block.note(MOVED, "command")


def _address(text: str) -> str | None:
    kind, _, rest = text.partition("://")
    if kind == "unix":
        return rest
    host, _, port = rest.rpartition(":")
    return f"{host or '0.0.0.0'}:{port}" if kind == "tcp" else None


def _is_valid(listen: str) -> bool:
    try:
        return LISTEN.parse(listen) is not None
    except ValueError:
        return False
