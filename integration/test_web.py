"""The web page in a real browser: what is seen, what its buttons do, and what it costs PID 1."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.browser import CHROMIUM, Browser
from integration.conftest import Measured, Run
from integration.container import Container
from integration.nginx_uwsgi import free_port
from integration.processes import kill
from integration.waiting import sleep_until

if CHROMIUM is None:
    pytest.skip("chromium is not installed", allow_module_level=True)

TOKEN = "5f0c2b7d"
SLEEP = {"command": ["sleep", "1000"], "min_uptime": "100ms"}
CRASHING = {
    "command": ["sh", "-c", "echo cannot reach the SMTP server >&2; sleep 0.3; exit 3"],
    "shutdown_on": "never",
    "start_retries": None,
    "restart_delay": {"initial": "1s", "max": "2s"},
}
UNHEALTHY = {"test": ["CMD", "sh", "-c", "echo HTTP 500 from :9100; exit 1"], "interval": "1s", "retries": 2}
PROGRAMS: dict[str, Any] = {
    "migrate": {"command": ["true"], "type": "oneshot"},
    "postgres": SLEEP,
    "redis": SLEEP,
    "app": SLEEP | {"scale": 2, "depends_on": {"migrate": {"condition": "completed"}, "postgres": {}}},
    "nginx": SLEEP | {"depends_on": ["app"]},
    "worker": SLEEP | {"depends_on": ["redis"]},
    "mailer": CRASHING,
    "exporter": SLEEP | {"healthcheck": UNHEALTHY, "shutdown_on": "never"},
    "reports": SLEEP | {"depends_on": {"exporter": {"condition": "healthy"}}, "shutdown_on": "never"},
    "cache": SLEEP | {"autostart": False},
}


@pytest.fixture(scope="module")
def one_browser() -> Iterator[Browser]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, Browser(Path(folder)) as browser:
        yield browser


@pytest.fixture
def browser(one_browser: Browser) -> Iterator[Browser]:
    one_browser.resize(1280, 800)
    yield one_browser
    one_browser.open("about:blank")
    one_browser.console.clear()


@pytest.fixture
def start_page(run: Run, tmp_path: Path) -> Callable[..., tuple[Container, str]]:
    """Run a table with a web page, and return the container and the address of the page."""
    port = free_port()
    token = tmp_path / "token"
    token.write_text(TOKEN)

    def start(programs: dict[str, Any]) -> tuple[Container, str]:
        web = {"listen": f"127.0.0.1:{port}", "token": {"file": str(token)}}
        container = run(programs, settings={"web": web})
        container.await_socket()
        return container, f"http://localhost:{port}/"

    return start


def row(name: str) -> str:
    return f"#rows tr[data-program={json.dumps(name)}]"


def enter_token(browser: Browser, token: str = TOKEN) -> None:
    """Answer the dialog that asks for the token."""
    browser.type("#token", token)
    browser.press("#token-dialog button", "Unlock")


def test_it_shows_states_reasons_dependencies_and_figures(
    start_page: Callable[..., tuple[Container, str]], browser: Browser
) -> None:
    _, address = start_page(PROGRAMS)
    browser.open(address)
    browser.await_text("#summary", "ready", "3 of 11 not up")
    for name, state in (("migrate", "EXITED"), ("app:2", "RUNNING"), ("exporter", "UNHEALTHY"), ("reports", "PENDING")):
        browser.await_text(row(name), state)
    browser.await_text(row("cache"), "STOPPED")
    browser.await_text(row("mailer"), "BACKOFF")
    browser.await_text("#rows", "waits for exporter", "HTTP 500 from :9100", "exited with code 3")
    browser.await_text(row("postgres"), "%", "MiB")
    nodes = "[...document.querySelectorAll('#drawing g')].map(node => node.getAttribute('aria-label'))"
    assert "reports: pending; depends on exporter (healthy)" in browser.run(nodes)
    assert len(browser.run(nodes)) == 10
    assert browser.run("document.querySelectorAll('#drawing .edge').length") == 5
    browser.await_text("#timeline", "mailer exited with code 3", "mailer starts again in")
    browser.press("#rows button", "reports")
    browser.await_text("#detail", "reports is PENDING: it waits for exporter to be healthy", "HTTP 500 from :9100")
    browser.press("#rows button", "mailer")
    browser.await_text("#lines", "cannot reach the SMTP server")
    browser.await_text("#last-lines", "cannot reach the SMTP server")
    assert browser.console == []  # no error, and nothing that the Content-Security-Policy has refused
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    browser.resize(390, 844)
    assert browser.run("document.documentElement.scrollWidth <= innerWidth"), "it is too wide for a phone"


def test_programs_are_restarted_and_stopped_by_who_has_the_token(
    start_page: Callable[..., tuple[Container, str]], browser: Browser
) -> None:
    container, address = start_page({"web": SLEEP, "db": SLEEP})
    container.await_ready()
    before = container.programs()["web"]["pid"]
    browser.open(f"{address}#web")
    browser.await_text("#access", "read-only")
    browser.await_text("#detail-title", "web")
    assert browser.run("document.querySelectorAll('#actions button').length") == 0
    status = browser.run("fetch('/v1/programs/web/restart', {method: 'POST'}).then(response => response.status)")
    assert (status, container.programs()["web"]["pid"]) == (403, before)

    browser.press("#unlock")
    enter_token(browser, "guessed")
    browser.await_text("#token-problem", "cannot accept this token")
    browser.run("document.querySelector('#token').value = ''")
    enter_token(browser)
    browser.await_text("#access", "control")

    browser.press("#actions button", "Restart")
    browser.press("#question button", "Restart")
    browser.await_text("#notices", "restart web: done")
    after = container.programs()["web"]["pid"]
    assert after not in (before, None)
    browser.await_text("#facts", f"pid {after}".replace(" ", "\n"))
    browser.press("#actions button", "Stop")
    browser.press("#question button", "Cancel")
    assert container.programs()["web"]["state"] == "RUNNING"
    browser.press("#actions button", "Stop")
    browser.press("#question button", "Stop")
    browser.await_text(row("web"), "STOPPED")
    browser.press("#actions button", "Start")
    browser.await_text(row("web"), "RUNNING")
    container.expect("control.asked action=restart program=web peer=127.0.0.1")
    browser.press("#lock")
    browser.await_text("#access", "read-only")


WATCH_TIMERS = """
window.lags = [];
let last = performance.now();
setInterval(() => { const now = performance.now(); lags.push(now - last); last = now; }, 20);
"""
NEW_LINES = "Number(document.querySelector('#log-state').textContent.replace(/\\D/g, ''))"
ROLLING = {"scale": 2, "update_config": {"monitor": 0}}


def test_instances_are_replaced_one_by_one_and_scaled_and_a_schedule_runs_now(
    start_page: Callable[..., tuple[Container, str]], browser: Browser
) -> None:
    job = {"command": ["echo", "written"], "type": "oneshot", "schedule": {"interval": "1h"}}
    container, address = start_page({"web": SLEEP | ROLLING, "job": job})
    container.await_ready()
    before = {entry["pid"] for name, entry in container.programs().items() if name != "job"}
    browser.open(f"{address}#web")
    browser.await_text("#detail-title", "web")
    browser.press("#unlock")
    enter_token(browser)
    browser.press("#actions button", "Rolling restart")
    browser.press("#question button", "Restart one by one")
    browser.await_text("#notices", "restart web: done")
    container.expect('control.asked action="restart --rolling" program=web peer=127.0.0.1')
    assert before.isdisjoint({entry["pid"] for entry in container.programs().values()})
    browser.press("#actions button", "Scale")
    browser.run("document.querySelector('#question-number').value = 3")
    browser.press("#question button", "Scale")
    browser.await_text("#notices", "scale web: done")
    browser.await_text(row("web:3"), "RUNNING")
    browser.await_text("#drawing", "web ×3")
    browser.press("#rows button", "job")
    browser.await_text(row("job"), "PENDING")
    browser.await_text("#rows", "next run")
    browser.press("#actions button", "Run now")
    browser.await_text("#lines", "written")
    browser.await_text("#timeline", "job exited with code 0")


def test_a_paused_restart_is_shown_with_its_way_out_until_it_is_over(
    start_page: Callable[..., tuple[Container, str]], browser: Browser, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    command = ["sh", "-c", f"test ! -e {broken} || exit 5; exec sleep 1000"]
    container, address = start_page({"web": SLEEP | ROLLING | {"command": command, "restart": "no"}})
    container.await_ready()
    browser.open(f"{address}#web")
    browser.await_text("#detail-title", "web")
    broken.touch()
    assert container.supctl("restart", "--rolling", "web").returncode == 1
    paused = "web:1 exited with code 5; 0 of 2 replaced, the restart is paused: mend the cause and run it again"
    browser.await_text("#why", paused)
    browser.await_text("#rows", paused)
    broken.unlink()
    assert container.supctl("restart", "web").returncode == 0
    sleep_until(lambda: "paused" not in browser.text("#why") + browser.text("#rows"), 15, "it is over")


FLOOD = """
import sys, time
began, count = time.monotonic(), 0
while True:
    wanted = int((time.monotonic() - began) * 5000)
    sys.stdout.write("".join(f"line {number} of a program that writes a lot\\n" for number in range(count, wanted)))
    sys.stdout.flush()
    count = wanted
    time.sleep(0.02)
"""


def test_five_thousand_lines_a_second_leave_the_page_responsive(
    start_page: Callable[..., tuple[Container, str]], browser: Browser, measured: Measured
) -> None:
    container, address = start_page({"flood": {"command": ["python3", "-c", FLOOD]}, "quiet": SLEEP})
    container.await_ready()
    browser.open(address)
    browser.await_text("#lines", "of a program that writes a lot")
    browser.run(WATCH_TIMERS)
    last = "Number(document.querySelector('#lines').lastElementChild.textContent.match(/line (\\d+)/)[1])"
    first = browser.run(last)
    browser.await_true(f"{last} > {first + 15000}", "three seconds of lines have come", 60)
    lags = sorted(browser.run("lags"))
    measured(f"web page under 5,000 lines/s: its timers wait {lags[len(lags) // 2]:.0f} ms (median), {lags[-1]:.0f} ms")
    assert lags[len(lags) // 2] < 200
    assert browser.run("document.querySelectorAll('#lines > *').length") <= 600
    browser.press("#pause")
    browser.await_text("#log-state", "paused", "new lines")
    shown = browser.run(last)
    browser.await_true(f"{NEW_LINES} > 5000", "a second has passed")
    assert browser.run(last) == shown
    browser.press("#pause", "Go on")
    browser.await_true(f"{last} > {shown + 5000}", "it goes on")
    browser.type("#filter", "line 1")
    browser.await_true(
        "[...document.querySelectorAll('#lines > *')].every(e => e.textContent.includes('line 1'))", "filter"
    )


def test_it_goes_on_when_the_container_was_restarted(
    start_page: Callable[..., tuple[Container, str]], browser: Browser
) -> None:
    container, address = start_page({"web": SLEEP, "old": SLEEP})
    container.await_ready()
    browser.open(address)
    browser.await_text("#rows", "web", "old")
    browser.await_text("#timeline", "became ready")
    kill(container.init)
    browser.await_text("#connection", "Trying again")
    container.end()
    again, _ = start_page({"web": SLEEP, "new": SLEEP})
    again.await_ready()
    browser.await_text("#rows", "web", "new")
    browser.await_true("document.querySelector('#connection').hidden", "it is connected again")
    assert "old" not in browser.text("#rows")
    assert again.supctl("restart", "new").returncode == 0
    browser.await_text("#timeline", "restart was asked for")


def test_an_open_page_costs_pid_1_little_and_a_closed_one_nothing(
    start_page: Callable[..., tuple[Container, str]], browser: Browser, measured: Measured
) -> None:
    container, address = start_page(dict.fromkeys("abcdefghij", SLEEP))
    container.await_ready()
    memory, seconds = _memory(container.init), 4.0
    browser.open(address)
    browser.await_text("#rows", "MiB")
    began = _cpu(container.init)
    time.sleep(seconds)  # what is measured is time
    share = (_cpu(container.init) - began) / seconds
    growth = _memory(container.init) - memory
    measured(f"web page open: {100 * share:.2f} % of a core and {growth / 2**20:.1f} MiB in PID 1")
    assert share <= 0.01
    assert growth <= 2 * 2**20
    browser.open("about:blank")
    sleep_until(lambda: _sockets(container.init) == 1, 15, "only the listener of the page is left")
    began = _cpu(container.init)
    time.sleep(seconds)
    assert _cpu(container.init) == began


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> int:
    """Return the private memory in bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def _sockets(pid: int) -> int:
    """Return how many TCP sockets a process has."""
    inodes = {
        line.split()[9]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]
    }
    links = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(os.readlink(path))
        except FileNotFoundError:  # closed meanwhile
            pass
    return sum(link[len("socket:[") : -1] in inodes for link in links if link.startswith("socket:["))
