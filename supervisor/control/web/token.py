"""The token of the page: read from its file at each request, so a new token is valid at once."""

from __future__ import annotations

from _operator import _compare_digest as is_same  # hmac would load OpenSSL, which takes 2 MB
from typing import TYPE_CHECKING

from supervisor.regular_file import read_regular_file

if TYPE_CHECKING:
    from supervisor.core.web_page import WebPage

LONGEST = 4096


def check_token(web: WebPage) -> str | None:
    """Return why the token's file cannot be used, or None if it can or no token is set."""
    if web.token_file is None:
        return None
    try:
        is_empty = not _read(web.token_file)
    except OSError as error:
        return f"cannot read the token in {web.token_file}: {error.strerror}"
    return f"cannot use the token in {web.token_file}: it is empty" if is_empty else None


def is_token(web: WebPage, given: str) -> bool:
    """Return whether this is the token, in constant time.

    If the file cannot be read or is empty, no token is valid.
    """
    try:
        token = _read(web.token_file) if web.token_file is not None else b""
    except OSError:
        return False
    return bool(token) and is_same(given.encode("latin-1", "replace"), token)


def _read(path: str) -> bytes:
    return read_regular_file(path, LONGEST).strip()
