"""A small WSGI application: says which code runs, slowly if asked to."""

import os
import time


def application(environ, start_response):
    """Answer /healthz and /slow (two seconds, in pieces) and anything else."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/healthz":
        yield b"ok\n"
        return
    if environ["PATH_INFO"] == "/slow":
        for _ in range(20):
            time.sleep(0.1)
            yield b"."
    yield f"revision {os.environ['GIT_HASH']}\n".encode()
