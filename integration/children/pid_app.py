"""A WSGI and an ASGI application that answer with the pid of their process and the value of RELEASE."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

ANSWER = f"{os.environ.get('RELEASE', '')}:{{}}"


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    body = ANSWER.format(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope: dict[str, Any], _receive: object, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    if scope["type"] == "http":
        body = ANSWER.format(os.getpid()).encode()
        length = (b"content-length", str(len(body)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})
