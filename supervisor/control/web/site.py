"""The site: the files of the page and the API, for browsers. Each request is authorized separately.

Rule 1: the name in Host must be an address, localhost or one of `hosts`. This refuses sites that use DNS rebinding.
Rule 2: Origin and Sec-Fetch-Site show requests from other sites in the same browser, which are refused. Other sites may
only link to the page itself.
Rule 3: without the token a request can only read. The token comes in the header Authorization, which browsers never add
by themselves, so other sites cannot use it. It is compared in constant time with the file, which is read each time.
Rule 4: the context of a program contains secrets and is not served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.control import router
from supervisor.control.access import Rights
from supervisor.control.http.message import Request, RequestError, Response
from supervisor.control.web.files import INDEX, serve_file
from supervisor.control.web.token import is_token
from supervisor.core.record import Record, replace

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from supervisor.control.console import Console
    from supervisor.core.web_page import WebPage

HEADERS = (
    (
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""Headers of every answer: they forbid foreign and inline content, and embedding in other sites."""
ACCESS = "Supinit-Access"
"""The header that tells the page its access: read (no token is set), locked (the token is missing) or control."""
SCHEME = "bearer "
PAGE = frozenset({"/", f"/{INDEX}"})


class Site(Record):
    web: WebPage

    def respond(self, console: Console, request: Request, _: Rights) -> Response | Awaitable[Response]:
        """Carry out a request: return its answer, or an awaitable of it. Raises RequestError, as awaiting may."""
        self._check_sender(request)
        if request.method in ("GET", "HEAD"):
            file = serve_file(request.path, request.headers.get("if-none-match", ""))
            if file is not None:
                return file
        rights = self._rights_of(request)
        route, _names = router.find(request)
        if route.control_only:
            raise RequestError(404, "not_found", f"cannot find {request.path}; only the control socket has it")
        if rights is Rights.READ and route.method != "GET":
            raise RequestError(403, "not_permitted", self._not_permitted(request))
        answer = router.respond(console, request, rights)
        access = "control" if rights is Rights.CONTROL else "read" if self.web.token_file is None else "locked"
        return _with_access(answer, access) if isinstance(answer, Response) else _await_with_access(answer, access)

    # ---- where it comes from

    def _check_sender(self, request: Request) -> None:
        host = request.headers.get("host", "").lower()
        name = _name_of(host)
        if not (_is_address(name) or name == "localhost" or name.endswith(".localhost") or name in self.web.hosts):
            sentence = f"cannot serve {name or 'a request without Host'}: use an address or localhost"
            raise RequestError(421, "wrong_host", f"{sentence}, or add the name to supervisor.web.hosts")
        origin = request.headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host}", f"https://{host}"):
            raise RequestError(403, "wrong_origin", f"cannot serve {origin}: only the page itself may ask")
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not _opens_page(request):
            raise RequestError(403, "wrong_origin", "cannot serve another site: only the page itself may ask")

    # ---- the token

    def _rights_of(self, request: Request) -> Rights:
        """Return what a request may do. Raises RequestError for a wrong token."""
        given = request.headers.get("authorization")
        if given is None:
            return Rights.READ
        if self.web.token_file is None:
            raise _wrong_token("there is none; set supervisor.web.token")
        if given[: len(SCHEME)].lower() != SCHEME:
            raise _wrong_token("write Authorization: Bearer TOKEN")
        if not is_token(self.web, given[len(SCHEME) :].strip()):
            raise _wrong_token("it is not the one in the file of supervisor.web.token")
        return Rights.CONTROL

    def _not_permitted(self, request: Request) -> str:
        way_out = "send the token" if self.web.token_file is not None else "set supervisor.web.token"
        return f"cannot {request.method} {request.path} without a token; {way_out}"


def _wrong_token(reason: str) -> RequestError:
    return RequestError(401, "wrong_token", f"cannot accept this token: {reason}", (("WWW-Authenticate", "Bearer"),))


def _name_of(host: str) -> str:
    """Return the host without its port: "[::1]:80" is "::1"."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    """Return whether it is an IP address, which DNS rebinding cannot forge."""
    parts = name.split(".")
    if len(parts) == 4 and all(part.isdecimal() and part.isascii() for part in parts):
        return True
    return ":" in name and all(letter in "0123456789abcdef:." for letter in name)


def _opens_page(request: Request) -> bool:
    """Return whether the user has followed a link to the page."""
    return (
        request.method == "GET"
        and request.path in PAGE
        and request.headers.get("sec-fetch-mode") == "navigate"
        and request.headers.get("sec-fetch-dest", "document") == "document"
    )


def _with_access(answer: Response, access: str) -> Response:
    return replace(answer, headers=(*answer.headers, (ACCESS, access)))


async def _await_with_access(answer: Awaitable[Response], access: str) -> Response:
    return _with_access(await answer, access)
