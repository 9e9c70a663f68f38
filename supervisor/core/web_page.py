"""`supervisor.web`: where the web page is served, and what it takes to control programs with it."""

from __future__ import annotations

from supervisor.core.record import Record


class WebPage(Record):
    """`token_file`: the file with the token; None: the page is read-only for everybody.

    `hosts`: the names besides addresses and localhost under which browsers reach the page, in lower case.
    """

    listen: tuple[str, int]
    token_file: str | None = None
    hosts: tuple[str, ...] = ()
