"""The files of the page. Each request reads them, so they take no memory."""

from __future__ import annotations

import os

from supervisor.control.http.message import Response

FOLDER = os.path.join(os.path.dirname(__file__), "page")
TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
INDEX = "index.html"
LIMIT = 1 << 20


def serve_file(path: str, known: str) -> Response | None:
    """Return the file of the page at `path`, or None if it does not exist.

    `known` is If-None-Match: if it names the current version, the answer is a 304 without a body.
    """
    name = path.removeprefix("/") or INDEX
    stem, _, kind = name.rpartition(".")
    if not stem.isalnum() or kind not in TYPES:
        return None
    try:
        with open(os.path.join(FOLDER, name), "rb") as file:
            status = os.fstat(file.fileno())
            tag = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
            headers = (("ETag", tag), ("Cache-Control", "no-cache"))
            if tag in known or known.strip() == "*":
                return Response(304, b"", TYPES[kind], headers)
            return Response(200, file.read(LIMIT), TYPES[kind], headers)
    except FileNotFoundError:
        return None
