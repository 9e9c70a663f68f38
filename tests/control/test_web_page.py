"""supervisor.web: who may ask what from a browser, and the files of the page."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import h11
import pytest

from supervisor.control.console import Console
from supervisor.control.http.server import serve_web
from supervisor.control.web import files
from supervisor.control.web.site import HEADERS
from supervisor.control.web.token import is_token
from supervisor.core.tree import Measurement, Usage
from supervisor.core.web_page import WebPage

from .dialogue import Reply
from .steered import SteeredContainer, service
from .test_open_port import Opened, free_port

Scenario = Callable[["Page"], Awaitable[None]]
TOKEN = "3bf1c4f2"


class Page(Opened):
    """A container behind the port of its web page."""

    async def get(self, target: str, method: str = "GET", **headers: str) -> Reply:
        """Ask as a browser does. A header may be named with underscores."""
        fields = {"Host": f"localhost:{self.port}", "Content-Length": "0"}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client() as client:
            request = h11.Request(method=method, target=target, headers=list(fields.items()))
            client.writer.write(client.http.send(request) or b"")
            client.writer.write(client.http.send(h11.EndOfMessage()) or b"")
            return await client.read_reply()

    async def post(self, target: str, **headers: str) -> Reply:
        return await self.get(target, "POST", **headers)


@asynccontextmanager
async def opened(container: SteeredContainer, token: Path | None, *hosts: str) -> AsyncIterator[Page]:
    page = Page(container, "127.0.0.1", free_port())
    console = Console(container, container.usage, page.write, container.clock)
    web = WebPage(("127.0.0.1", page.port), None if token is None else str(token), hosts)
    page.server = await serve_web(console, web)
    try:
        yield page
    finally:
        page.server.close()
        await page.server.wait_closed()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return path


def up() -> SteeredContainer:
    return SteeredContainer(service("web"), service("db")).begin()


def play(scenario: Scenario, container: SteeredContainer, token: Path | None, *hosts: str) -> None:
    async def run() -> None:
        async with opened(container, token, *hosts) as page:
            await scenario(page)

    asyncio.run(run())


def untouched(container: SteeredContainer) -> bool:
    return (container.events, container.signals, container.reloads) == ([], [], [])


# ---- reading


@pytest.mark.parametrize(
    "target", ["/v1/status", "/v1/plan", "/v1/usage", "/v1/why", "/v1/events", "/v1/logs", "/livez"]
)
def test_everybody_who_can_connect_may_read(target: str) -> None:
    async def scenario(page: Page) -> None:
        reply = await page.get(target)
        assert (reply.status, reply.headers["supinit-access"]) == (200, "read")

    play(scenario, up(), None)


def test_the_context_of_a_program_which_has_its_secrets_is_not_here_even_with_the_token(token: Path) -> None:
    async def scenario(page: Page) -> None:
        reply = await page.get("/v1/programs/web/context", Authorization=f"Bearer {TOKEN}")
        assert (reply.status, reply.error_code) == (404, "not_found")

    play(scenario, up(), token)


# ---- controlling

CHANGES = ["/v1/programs/web/stop", "/v1/programs/all/restart", "/v1/shutdown", "/v1/update"]


@pytest.mark.parametrize("target", CHANGES)
@pytest.mark.parametrize("has_token", [False, True])
def test_without_the_token_nothing_is_changed(target: str, has_token: bool, token: Path) -> None:
    container = up()

    async def scenario(page: Page) -> None:
        reply = await page.post(target)
        assert (reply.status, reply.error_code) == (403, "not_permitted")
        assert ("send the token" if has_token else "set supervisor.web.token") in reply.text

    play(scenario, container, token if has_token else None)
    assert untouched(container)


WRONG = ["Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN]


@pytest.mark.parametrize("given", WRONG)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_wrong_token_is_refused_wherever_it_is_sent(given: str, method: str, token: Path) -> None:
    container = up()

    async def scenario(page: Page) -> None:
        target = "/v1/version" if method == "GET" else "/v1/programs/web/stop"
        reply = await page.get(target, method, Authorization=given)
        assert (reply.status, reply.error_code) == (401, "wrong_token")
        assert reply.headers["www-authenticate"] == "Bearer"
        assert TOKEN not in reply.text
        assert str(token) not in reply.text

    play(scenario, container, token)
    assert untouched(container)


def test_with_the_token_programs_are_controlled_and_the_log_says_from_where(token: Path) -> None:
    container = up()

    async def scenario(page: Page) -> None:
        reply = await page.post("/v1/programs/web/stop", Authorization=f"Bearer {TOKEN}")
        assert (reply.status, reply.headers["supinit-access"]) == (200, "control")
        assert reply.json["programs"][0]["state"] == "STOPPED"
        assert page.log == [("info", "control.asked", {"action": "stop", "program": "web", "peer": "127.0.0.1"})]

    play(scenario, container, token)


def test_a_new_token_is_valid_at_once(token: Path) -> None:
    async def scenario(page: Page) -> None:
        assert (await page.get("/v1/version", Authorization=f"Bearer {TOKEN}")).status == 200
        token.write_text("another")
        assert (await page.get("/v1/version", Authorization=f"Bearer {TOKEN}")).status == 401
        assert (await page.get("/v1/version", Authorization="Bearer another")).status == 200

    play(scenario, up(), token)


@pytest.mark.parametrize("content", [None, "", "\n"], ids=["missing", "empty", "blank"])
def test_without_a_usable_file_nothing_is_the_token_and_the_log_says_so(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)

    async def scenario(page: Page) -> None:
        [(level, event, values)] = page.log
        assert (level, event) == ("error", "control.failed")
        problem = "cannot use the token in {}: it is empty" if content is not None else "cannot read the token in {}: "
        assert str(values["reason"]).startswith(problem.format(path))
        for given in ("Bearer", "Bearer None", 'Bearer ""'):
            assert (await page.post("/v1/programs/web/stop", Authorization=given)).status == 401
        assert (await page.get("/v1/status")).headers["supinit-access"] == "locked"

    play(scenario, up(), path)


def test_an_empty_file_has_no_token_that_could_be_sent(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("\n")
    assert not is_token(WebPage(("", 1), str(path)), "")


# ---- other sites in the same browser


@pytest.mark.parametrize("host", ["127.0.0.1:9465", "[::1]:9465", "LOCALHOST", "a.localhost:1", "box.example:9465"])
def test_addresses_localhost_and_the_names_of_the_table_are_served(host: str) -> None:
    async def scenario(page: Page) -> None:
        assert (await page.get("/", Host=host)).status == 200

    play(scenario, up(), None, "box.example")


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil", "1.2.3.4x", "box.example."]
)
@pytest.mark.parametrize("target", ["/", "/v1/status"])
def test_any_other_name_may_be_a_site_that_leads_here_and_is_refused(host: str, target: str) -> None:
    async def scenario(page: Page) -> None:
        reply = await page.get(target, Host=host)
        assert (reply.status, reply.error_code) == (421, "wrong_host")

    play(scenario, up(), None, "box.example")


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost", "http://localhost:1"])
def test_a_request_of_another_site_is_refused_even_with_the_token(origin: str, token: Path) -> None:
    container = up()

    async def scenario(page: Page) -> None:
        reply = await page.post("/v1/programs/web/stop", Authorization=f"Bearer {TOKEN}", Origin=origin)
        assert (reply.status, reply.error_code) == (403, "wrong_origin")

    play(scenario, container, token)
    assert untouched(container)


def test_the_page_itself_may_ask_behind_a_proxy_with_tls_too(token: Path) -> None:
    async def scenario(page: Page) -> None:
        for scheme in ("http", "https"):
            origin = f"{scheme}://box.example"
            reply = await page.post(
                "/v1/programs/web/stop", Authorization=f"Bearer {TOKEN}", Host="box.example", Origin=origin
            )
            assert reply.status == 200

    play(scenario, up(), token, "box.example")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_may_open_the_page_and_do_nothing_else(site: str) -> None:
    async def scenario(page: Page) -> None:
        opens = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        assert (await page.get("/", "GET", **opens)).status == 200
        assert (await page.get("/", "GET", **opens | {"Sec-Fetch-Dest": "iframe"})).status == 403
        assert (await page.get("/v1/logs?follow=1", "GET", **opens)).status == 403
        assert (await page.get("/app.js", "GET", **{"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"})).status == 403

    play(scenario, up(), None)


# ---- the files


def test_every_answer_has_the_headers_that_keep_others_out() -> None:
    async def scenario(page: Page) -> None:
        for target in ("/", "/app.js", "/v1/status", "/nothing", "/v1/events"):
            reply = await page.get(target)
            assert {name: reply.headers[name.lower()] for name, _ in HEADERS} == dict(HEADERS)
        refused = await page.get("/", Host="evil.example")
        assert refused.headers["content-security-policy"].startswith("default-src 'none'")

    play(scenario, up(), None)


def test_files_have_their_types_and_are_sent_again_only_when_they_have_changed() -> None:
    async def scenario(page: Page) -> None:
        for path in sorted(Path(files.FOLDER).iterdir()):
            reply = await page.get(f"/{path.name}")
            kind = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}
            assert reply.headers["content-type"] == kind.get(path.suffix[1:], "text/javascript; charset=utf-8")
            assert (reply.status, reply.body) == (200, path.read_bytes())
            assert reply.headers["cache-control"] == "no-cache"
            again = await page.get(f"/{path.name}", If_None_Match=reply.headers["etag"])
            assert (again.status, again.body, again.headers["etag"]) == (304, b"", reply.headers["etag"])
            assert (await page.get(f"/{path.name}", If_None_Match='"other"')).status == 200
        head = await page.get("/", "HEAD")
        assert (head.status, head.body) == (200, b"")

    play(scenario, up(), None)


@pytest.mark.parametrize(
    "target",
    [
        "/../site.py",
        "/%2e%2e/site.py",
        "/..%2fsite.py",
        "/page/app.js",
        "/../page/app.js",
        "/app.py",
        "/.js",
        "//app.js",
    ],
)
def test_nothing_but_the_files_of_the_page_is_served(target: str) -> None:
    async def scenario(page: Page) -> None:
        assert (await page.get(target)).status == 404

    play(scenario, up(), None)


def test_the_page_has_nothing_inline_and_asks_nobody_else() -> None:
    for path in Path(files.FOLDER).iterdir():
        text = path.read_text().replace('"http://www.w3.org/2000/svg"', "")
        assert not re.search(r"https?://|innerHTML|insertAdjacentHTML|\beval\(", text), path.name
        if path.suffix == ".html":
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*src=)", text)


def test_nothing_of_it_is_loaded_for_the_clients_of_the_control_socket() -> None:
    script = "import sys, supervisor.control.http.server, supervisor.control.router, supervisor.control.http.connection"
    script += "; print([name for name in sys.modules if name.startswith('supervisor.') and 'web' in name])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


# ---- what programs use


def test_those_who_ask_within_a_second_share_a_measurement() -> None:
    container = up()
    container.usages = {("web", 1): Usage(1.25, 4096, 2)}

    async def scenario(page: Page) -> None:
        replies = await asyncio.gather(*(page.get("/v1/usage") for _ in range(5)))
        assert container.measured == 1
        program = {"name": "web", "instance": 1, "cpu_seconds": 1.25, "memory_bytes": 4096, "processes": 2}
        assert {reply.body for reply in replies} == {replies[0].body}
        assert replies[0].json["programs"] == [program]
        container.clock.time += 1
        assert (await page.get("/v1/usage")).status == 200
        assert container.measured == 2

    play(scenario, container, None)


def test_after_an_internal_error_the_next_client_measures_again(monkeypatch: pytest.MonkeyPatch) -> None:
    container = up()

    async def fail() -> Measurement:
        raise ValueError("broken")

    async def scenario(page: Page) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(container, "measure", fail)
            assert (await page.get("/v1/usage")).status == 500
        assert (await page.get("/v1/usage")).status == 200

    play(scenario, container, None)


@pytest.mark.parametrize(("processes", "seconds"), [(0, 2.0), (300, 2.0), (5000, 30.0)])
def test_the_more_processes_there_are_the_more_seldom_they_are_measured(processes: int, seconds: float) -> None:
    container = up()
    container.read_processes = processes

    async def scenario(page: Page) -> None:
        assert (await page.get("/v1/usage")).json["interval_seconds"] == seconds

    play(scenario, container, None)


def test_status_without_usage_measures_nothing() -> None:
    container = up()
    container.usages = {("web", 1): Usage(1.25, 4096, 2)}

    async def scenario(page: Page) -> None:
        for target in ("/v1/status?usage=0", "/v1/programs/web?usage=0"):
            assert (await page.get(target)).json["programs"][0]["memory_bytes"] is None
        assert container.measured == 0
        assert (await page.get("/v1/status?usage=1")).json["programs"][0]["memory_bytes"] == 4096

    play(scenario, container, None)
