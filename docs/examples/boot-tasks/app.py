"""A small WSGI application: says which code runs."""

import os


def application(environ, start_response):
    """Answer /healthz and anything else."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/healthz":
        yield b"ok\n"
    else:
        yield f"revision {os.environ['GIT_HASH']}\n".encode()
