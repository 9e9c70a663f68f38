"""What stands in a query, read with a sentence for what cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.control.http.message import RequestError
from supervisor.core.quantities import parse_integer

if TYPE_CHECKING:
    from supervisor.control.http.message import Request


def read_choice(request: Request, name: str, words: tuple[str, ...]) -> str | None:
    """Return one of the words; None: it is left out."""
    word = request.last(name)
    if word is not None and word not in words:
        raise RequestError(400, "invalid_query", f"cannot read {name}={word!r}; it is {' or '.join(words)}")
    return word


def read_flag(request: Request, name: str) -> bool:
    """Return whether it is 1; left out, it is 0."""
    return read_choice(request, name, ("0", "1")) == "1"


def read_count(request: Request, name: str) -> int | None:
    """Return a number of lines; None: it is left out."""
    text = request.last(name)
    if text is None:
        return None
    count = parse_integer(text)
    if count is None or count < 0:
        raise RequestError(400, "invalid_query", f"cannot read the number of lines {text!r}; write 100")
    return count
