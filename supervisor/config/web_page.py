"""`supervisor.web`: the keys of the web page."""

from __future__ import annotations

from supervisor.config.kinds import ListOf, Value, or_variable
from supervisor.config.scalars import LISTEN_ADDRESS, TEXT, is_name
from supervisor.config.sections import Key, Section

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.web_page import WebPage


def _host_name(text: str) -> str | None:
    return text.lower() if is_name(text) else None


def _web_page(listen: tuple[str, int], token: str | None = None, hosts: tuple[str, ...] = ()) -> WebPage:
    from supervisor.core.web_page import WebPage

    return WebPage(listen, token, hosts)


HOST_NAME = Value(
    _host_name,
    "a host name, without a port",
    or_variable({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$"}),
)
TOKEN = Section(
    Key("file", TEXT, "File with the token, read at each request. Space around it is removed.", is_required=True),
    make=lambda file: file,
)
WEB_PAGE = Section(
    Key("listen", LISTEN_ADDRESS, "Address of the page. Anyone who can connect can read.", is_required=True),
    Key("token", TOKEN, "The token that the page asks for before it controls programs. Default: it only shows them."),
    Key("hosts", ListOf(HOST_NAME), "Host names of the page, in addition to addresses and localhost.", []),
    make=_web_page,
)
