"""A WSGI application whose answer takes two seconds, in twenty pieces."""

import time
from collections.abc import Callable, Iterator
from typing import Any

PIECE = b"0123456789abcdef" * 64
PIECES = 20


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] != "/slow":
        yield b"ok\n"
        return
    for _ in range(PIECES):
        yield PIECE
        time.sleep(2.0 / PIECES)
