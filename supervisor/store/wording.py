"""Errors of databases as one sentence for the operator."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.store.claims import Request

_SERVER = re.compile(r"connection to server .* failed: (.*)")
_OPENSSL = re.compile(r"\[SSL: \w+\] ")
_SOURCE = re.compile(r" \(_ssl\.c:\d+\)")
HIDDEN = "[hidden]"
MAX_LENGTH = 300


def one_sentence(error: BaseException, request: Request, password: str | None) -> str:
    """Return the message of an error on one line, without passwords and without library noise."""
    text = str(error).strip() or type(error).__name__
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = next((line for line in lines if _SERVER.search(line)), lines[0])
    if (server := _SERVER.search(line)) is not None:
        line = server[1]
    line = _OPENSSL.sub("TLS: ", line)
    line = _SOURCE.sub("", line)
    for prefix in ("FATAL:", "ERROR:", "error:"):
        line = line.removeprefix(prefix).strip()
    for secret in _secrets(request, password):
        line = line.replace(secret, HIDDEN)
    return line[:MAX_LENGTH].rstrip(".")


def _secrets(request: Request, password: str | None) -> list[str]:
    """Return the spellings of the passwords, and the URL, longest first."""
    inside = urlsplit(request.url).password
    known = {text for text in (inside, password) if text}
    spellings = {spelling for text in known for spelling in (text, unquote(text), quote(text, safe=""))}
    return sorted({request.url, *spellings}, key=len, reverse=True)
