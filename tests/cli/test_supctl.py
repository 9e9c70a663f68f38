"""supctl against a served container: what it prints, and its exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from signal import SIGUSR1

import pytest

from supervisor import __version__
from supervisor.cli import supctl
from supervisor.cli.ctl import probing
from supervisor.core.container import Asked, ShutdownAsked
from supervisor.core.events import ProcessExited, RestartRequested, StopRequested
from supervisor.core.program import Settings
from supervisor.core.record import Record, replace
from supervisor.core.tree import Branch, Member, Owner, OwnerKind
from supervisor.core.update_config import Order, UpdateConfig

from ..control.dialogue import served
from ..control.steered import SteeredContainer, oneshot, service


class Result(Record):
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def path() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="supinit-") as directory:
        yield f"{directory}/control.sock"


@pytest.fixture
def run(path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run supctl against a container; `then` happens once the server waits for a change.

    With `until`, which says when somebody follows its logs, a line is written then, and the container is over.
    """
    monkeypatch.setenv("SUPINIT_SOCKET", path)

    def run(
        container: SteeredContainer,
        *words: str,
        then: Callable[[], object] = str,
        until: Callable[[], object] | None = None,
    ) -> Result:
        async def scenario() -> int:
            async with served(container, path) as control:
                running = asyncio.create_task(asyncio.to_thread(supctl.main, words))
                watching = asyncio.create_task(_true(until) if until is not None else container.watched.wait())
                await asyncio.wait((running, watching), return_when=asyncio.FIRST_COMPLETED)
                watching.cancel()
                then()
                if until is not None:
                    container.write("web", "more\n")
                    control.server.close()
                return await running

        code = asyncio.run(scenario())
        return Result(code, *capsys.readouterr())

    return run


async def _true(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def up() -> SteeredContainer:
    return SteeredContainer(service("web", scale=2), service("db")).begin()


# ---- status


def test_status_prints_the_table_and_says_that_all_is_up(run: Run) -> None:
    result = run(up(), "status")
    assert (result.code, result.err) == (0, "")
    assert [line.split()[:2] for line in result.out.splitlines()] == [
        ["NAME", "STATE"],
        ["web:1", "RUNNING"],
        ["web:2", "RUNNING"],
        ["db", "RUNNING"],
    ]


def test_status_is_3_when_something_that_is_shown_is_not_up(run: Run) -> None:
    assert run(up().end("db", 1), "status").code == 3
    assert run(up().end("db", 1), "status", "all").code == 3
    assert run(up().end("db", 1), "--json", "status").code == 3
    assert run(up().end("db", 1), "status", "web").code == 0


def test_status_as_json_is_what_the_api_returns(run: Run) -> None:
    for words in (("--json", "status", "web:2"), ("status", "--json", "web:2")):
        result = run(up(), *words)
        assert (result.code, [p["instance"] for p in json.loads(result.out)["programs"]]) == (0, [2])


def test_scale_prints_the_instances_that_remain(run: Run) -> None:
    assert run(up(), "scale", "web=1", "db=0") == Result(0, "web is RUNNING, pid 101\nno instances\n", "")


def test_scale_changes_nothing_where_one_of_the_programs_does_not_exist(run: Run) -> None:
    container = up()
    result = run(container, "scale", "web=1", "dbb=2")
    assert (result.code, result.out) == (4, "")
    assert "dbb" in result.err
    assert container.events == []


@pytest.mark.parametrize("word", ["web", "web=", "=2", "web=-1", "web=two"])
def test_scale_takes_a_program_and_a_number(run: Run, word: str) -> None:
    sentence = f"supctl: cannot read {word!r}; write a program and a number, such as web=4\n"
    assert run(up(), "scale", "db=1", word) == Result(2, "", sentence)


def test_why_is_3_and_says_why_where_something_is_not_up(run: Run) -> None:
    assert run(up(), "why") == Result(0, "everything is up\n", "")
    result = run(up().end("db", 1), "why")
    assert (result.code, result.err) == (3, "")
    assert result.out.startswith("db is in BACKOFF: exited with code 1; tries again in ")
    assert run(up().end("db", 1), "why", "web").code == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("top",), "top needs a terminal (docker exec -it)"),
        (("--json", "top"), "top has no --json; supctl --json status has the figures"),
    ],
)
def test_top_without_a_terminal_is_wrong_use(
    path: str, words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert supctl.main(["-s", path, *words]) == 2
    assert capsys.readouterr() == ("", f"supctl: {sentence}\n")


def test_top_without_its_extra_says_how_to_get_it(
    path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("supervisor.cli.ctl.top_screen", "rich.text", "textual.app"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "rich.text", None)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert supctl.main(["-s", path, "top"]) == 1
    assert "install it with pip install 'supinit[top]'" in capsys.readouterr().err


# ---- logs


def written() -> SteeredContainer:
    return up().write("db", "a\n").write("web", "b\n", instance=2).write("db", "c\n", "stderr")


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (("logs",), "db | a\nweb:2 | b\ndb | c\n"),
        (("logs", "db"), "a\nc\n"),
        (("logs", "-n", "1"), "db | c\n"),
        (("logs", "-n1", "db", "web:2"), "db | c\n"),
        (("logs", "--lines=2"), "web:2 | b\ndb | c\n"),
        (("logs", "--stream", "stdout", "db"), "a\n"),
        (("logs", "--since", "2999-01-01"), ""),
    ],
)
def test_logs_prints_what_programs_have_written(run: Run, words: tuple[str, ...], out: str) -> None:
    assert run(written(), *words) == Result(0, out, "")


def test_logs_as_json_is_what_the_api_returns(run: Run) -> None:
    result = run(written(), "--json", "logs", "-n", "1")
    line = json.loads(result.out)
    assert (result.code, line["program"], line["stream"], line["message"]) == (0, "db", "stderr", "c")


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("logs", "nobody"), 4, "cannot find a program 'nobody'"),
        (("logs", "-n", "many"), 2, "cannot read the number of lines 'many'"),
        (("logs", "--since", "yesterday"), 2, "write how long ago, 5m, or a date"),
        (("logs", "-n"), 2, "-n needs a value: N"),
        (("logs", "-x"), 2, "unknown option -x of logs"),
        (("logs", "--follow=1"), 2, "--follow takes no value"),
    ],
)
def test_logs_that_cannot_be_shown_are_one_line(run: Run, words: tuple[str, ...], code: int, part: str) -> None:
    result = run(written(), *words)
    assert (result.code, result.out, result.err.count("\n")) == (code, "", 1)
    assert part in result.err


@pytest.mark.parametrize("flags", [("-f", "-n", "1"), ("-fn1",), ("-fn", "1"), ("--follow", "--lines", "1")])
def test_logs_follows_until_the_container_is_over(run: Run, flags: tuple[str, ...]) -> None:
    """Which it is as soon as the follower has heard the last line: the server is closed once it listens."""
    container = written()
    result = run(container, "logs", *flags, until=lambda: container.tails.of(("db", 1)).listeners)
    assert result == Result(0, "db | c\nweb:1 | more\n", "")


# ---- events


def test_events_prints_what_has_happened(run: Run) -> None:
    result = run(up(), "events", "-n1", "db")
    assert (result.code, result.err, result.out.count("\n")) == (0, "", 1)
    assert result.out.endswith("Z program.became_ready program=db pid=103 after_seconds=2.0\n")
    line = json.loads(run(up(), "--json", "events", "web:2", "--lines=1").out)
    assert (line["event"], line["program"], line["instance"]) == ("program.became_ready", "web", 2)


def test_events_follows_until_the_container_is_over(run: Run) -> None:
    container = up()
    result = run(
        container,
        *("events", "-fn0"),
        then=lambda: container.journal.write("info", "container.ended", code=0),
        until=lambda: container.journal.listeners,
    )
    assert (result.code, result.out.partition("Z ")[2], result.err) == (0, "container.ended code=0\n", "")


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (("events", "nobody"), 4, "cannot find a program 'nobody'"),
        (("events", "-n", "many"), 2, "cannot read the number of lines 'many'"),
        (("events", "--since", "yesterday"), 2, "write how long ago, 5m, or a date"),
        (("events", "--since", "1700000000000"), 1, "it is not an event of this container"),
    ],
)
def test_events_that_cannot_be_shown_are_one_line(run: Run, words: tuple[str, ...], code: int, part: str) -> None:
    result = run(up(), *words)
    assert (result.code, result.out, result.err.count("\n"), part in result.err) == (code, "", 1, True)


# ---- tree


def test_tree_prints_the_processes_and_is_as_wide_as_it_takes_where_there_is_no_terminal(run: Run) -> None:
    container = up()
    command = ("db", "x" * 300)
    container.branches = (Branch(Owner(OwnerKind.PROGRAM, ("db", 1)), (Member(10, 1, "running", command, 0.0, 1024),)),)
    result = run(container, "tree")
    assert (result.code, result.err, result.out.splitlines()[1].split()) == (
        0,
        "",
        ["db", "10", "1", "running", "0.0s", "1.0K", *command],
    )
    assert json.loads(run(container, "tree", "--json").out)["branches"][0]["processes"][0]["command"] == [*command]
    assert run(container, "tree", "db").code == 2


# ---- start, stop, restart, signal


def test_restart_waits_and_says_what_has_become_of_each(run: Run) -> None:
    container = SteeredContainer(service("web"), obedient=False).begin()
    result = run(container, "restart", "web", then=lambda: container.end("web", 0).wait(1.0))
    assert (result.code, result.out, result.err) == (0, "web is RUNNING, pid 102\n", "")


def test_several_names_are_one_request(run: Run) -> None:
    container = up()
    assert run(container, "restart", "--no-wait", "db", "web:2").code == 0
    assert container.events == [Asked((("db", 1), ("web", 2)), RestartRequested())]


def test_all_is_every_program(run: Run) -> None:
    container = up()
    assert run(container, "stop", "all").code == 0
    assert container.events == [Asked((("web", 1), ("web", 2), ("db", 1)), StopRequested())]


def test_what_fails_is_1_and_one_line(run: Run) -> None:
    container = SteeredContainer(oneshot("migrate"))
    result = run(container, "start", "migrate", then=lambda: container.end("migrate", 7))
    assert (result.code, result.out, result.err) == (1, "", "supctl: cannot start: migrate exited with code 7\n")


def test_what_fails_shows_the_last_lines_of_its_output(run: Run) -> None:
    container = SteeredContainer(oneshot("migrate")).write("migrate", "no\x1b[2J\ntable\n")
    result = run(container, "start", "migrate", then=lambda: container.end("migrate", 7))
    expected = "supctl: cannot start: migrate exited with code 7\n    no [2J\n    table\n"
    assert (result.code, result.out, result.err) == (1, "", expected)


def test_the_first_failure_is_shown_at_once_with_or_without_a_terminal(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    container = SteeredContainer(service("web", start_retries=9), obedient=False)

    async def scenario() -> int:
        async with served(container, path):
            starting = asyncio.create_task(asyncio.to_thread(supctl.main, ["-s", path, "start", "web"]))
            await container.asked.wait()
            while not container.journal.listeners:
                await asyncio.sleep(0.001)
            for _ in range(2):
                container.end("web", 7).wait(5.0)
            told = ""
            while "\n" not in told:
                await asyncio.sleep(0.001)
                told += capsys.readouterr().err
            assert not starting.done()
            assert told == "supctl: web has failed: exited with code 7; it is tried again in 0.1s\n"
            container.wait(5.0)
            return await starting

    assert (asyncio.run(scenario()), capsys.readouterr().err) == (0, "")


def test_a_new_process_beside_the_old_one_that_fails_is_told_once_and_not_as_tried_again(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = UpdateConfig(order=Order.START_FIRST)
    container = SteeredContainer(replace(service("web", scale=2), update_config=config)).begin()

    async def scenario() -> int:
        async with served(container, path):
            words = ["-s", path, "restart", "--rolling", "web"]
            restarting = asyncio.create_task(asyncio.to_thread(supctl.main, words))
            await container.asked.wait()
            new = next(i for i in container.fleet.lives if i not in container.plan.programs["web"].instances)
            container.happen(new, ProcessExited(container.generation(new), 7, None))
            return await restarting

    assert asyncio.run(scenario()) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == "web:1 has failed: exited with code 7"
    assert second.startswith("supctl: cannot restart: web:1 exited with code 7; 0 of 2 replaced, the restart is paused")


def test_what_does_not_come_about_in_time_is_1(run: Run) -> None:
    container = SteeredContainer(service("web"), obedient=False).begin()
    result = run(container, "stop", "--timeout=1ms", "web")
    assert (result.code, "web is STOPPING" in result.err) == (1, True)


def test_signal_reaches_the_main_processes(run: Run) -> None:
    container = up()
    assert run(container, "signal", "USR1", "db", "web:1").code == 0
    assert container.signals == [(("db", 1), SIGUSR1), (("web", 1), SIGUSR1)]


def test_signal_to_what_is_down_is_1(run: Run) -> None:
    assert run(SteeredContainer(service("web")), "signal", "HUP", "web").code == 1


@pytest.mark.parametrize("command", [("stop",), ("start",), ("restart",), ("signal", "HUP"), ("status",), ("wait",)])
def test_an_unknown_name_is_4_and_nothing_is_touched(run: Run, command: tuple[str, ...]) -> None:
    container = up()
    result = run(container, *command, "web", "webb")
    assert (result.code, result.out, container.events, container.signals) == (4, "", [], [])
    assert result.err == "supctl: cannot find a program 'webb'; there are: web, db\n"


def test_names_are_sent_as_they_are(run: Run) -> None:
    """Nothing in a name may become a part of the request."""
    result = run(up(), "status", "a&name=web #?/é")
    assert (result.code, "'a&name=web #?/é'" in result.err) == (4, True)


# ---- healthcheck


def test_healthcheck_is_one_line_and_0_or_1(run: Run) -> None:
    container = SteeredContainer(service("web", checked=True), service("db")).begin()
    assert run(container, "healthcheck") == Result(1, "not healthy: web is STARTING\n", "")
    assert run(container, "healthcheck", "db") == Result(0, "healthy\n", "")
    container.probe("web", True)
    assert run(container, "healthcheck") == Result(0, "healthy\n", "")
    assert run(container.wait(9), "healthcheck", "--max-age", "8s").code == 1
    assert run(container, "healthcheck", "--max-age", "10s").code == 0


@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        (("web", "nobody"), 4, "cannot find a program 'nobody'; there are: web, db\n", ""),
        (("--max-age", "young"), 2, "cannot read the duration 'young'; write 30, 1.5, 500ms or 1m30s\n", ""),
        (("--max-age",), 2, "", "supctl: --max-age needs a value: TIME; see supctl --help\n"),
        (("--what",), 2, "", "supctl: unknown option --what of healthcheck; see supctl --help\n"),
        (("",), 2, "", "supctl: the name given to healthcheck is empty; see supctl --help\n"),
    ],
)
def test_healthcheck_tells_a_probe_that_is_wrong_from_a_container_that_is_ill(
    run: Run, words: tuple[str, ...], code: int, out: str, err: str
) -> None:
    assert run(up(), "healthcheck", *words) == Result(code, out, err)


def test_healthcheck_as_json_is_one_line_too(run: Run) -> None:
    assert run(up(), "--json", "healthcheck") == Result(0, '{"healthy":true,"because":[]}\n', "")
    result = run(up(), "--json", "healthcheck", "nobody")
    assert (result.code, json.loads(result.out)["error"]["code"], result.out.count("\n")) == (4, "no_such_program", 1)


def test_healthcheck_is_0_while_the_container_drains(run: Run) -> None:
    container = SteeredContainer(service("web"), settings=Settings(drain_delay=5.0), obedient=False).begin()
    container.take(ShutdownAsked("test"))
    assert run(container, "healthcheck") == Result(0, "healthy\n", "")
    expected = Result(1, "not healthy: the container is stopping\n", "")
    assert run(container.wait(5.0), "healthcheck") == expected


def test_healthcheck_of_what_cannot_be_reached_is_1_and_says_where_it_looked(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert supctl.main(["-s", path, "healthcheck"]) == 1
    out = capsys.readouterr().out
    assert (path in out, out.count("\n")) == (True, 1)


# ---- wait, shutdown, version, metrics


def test_wait_returns_once_it_holds(run: Run) -> None:
    container = SteeredContainer(service("web", checked=True)).begin()
    result = run(container, "wait", then=lambda: container.probe("web", True))
    assert (result.code, result.out) == (0, "healthy\n")


def test_wait_is_1_after_its_time(run: Run) -> None:
    container = SteeredContainer(service("web", checked=True)).begin()
    assert run(container, "wait", "--for", "ready", "--timeout", "1ms", "web").code == 1


def test_wait_for_the_container_to_stop_returns_when_its_supervisor_goes(
    path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scenario() -> int:
        container = up()
        async with served(container, path) as control:
            running = asyncio.create_task(asyncio.to_thread(supctl.main, ["-s", path, "wait", "--for=stopped"]))
            await container.watched.wait()
            control.server.close()
            return await running

    assert (asyncio.run(scenario()), capsys.readouterr().out) == (0, "stopped\n")


def test_wait_waits_for_the_socket_too(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> int:
        waiting = asyncio.create_task(asyncio.to_thread(supctl.main, ["-s", path, "wait", "--timeout=20s"]))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        async with served(up(), path):
            return await waiting

    assert (asyncio.run(scenario()), capsys.readouterr().out) == (0, "healthy\n")


def test_wait_is_1_where_the_socket_does_not_come_in_time(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert supctl.main(["-s", path, "wait", "--timeout=100ms"]) == 1
    assert f"cannot reach supinit at {path}: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("words", [(), ("web",), ("--timeout", "20s")])
def test_wait_for_stopped_is_0_where_supinit_has_gone(
    path: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert supctl.main(["-s", path, "wait", "--for", "stopped", *words]) == 0
    assert capsys.readouterr() == ("stopped\n", "")


def test_shutdown_asks_for_it(run: Run) -> None:
    container = up()
    assert (run(container, "shutdown").code, type(container.events[0])) == (0, ShutdownAsked)


def test_version_and_metrics(run: Run) -> None:
    assert run(up(), "version").out == f"supinit {__version__}\n"
    assert "supinit_ready 1.0\n" in run(up(), "metrics").out


# ---- wrong use, and a supervisor that is not there


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("dance",),
        ("stop",),
        ("signal", "HUP"),
        ("version", "web"),
        ("status", "--wait"),
        ("stop", "--timeout"),
        ("stop", "--no-wait=1", "web"),
        ("-x", "status"),
        ("-s",),
        ("stop", ""),
    ],
)
def test_wrong_use_is_2_and_asks_nothing(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert supctl.main(words) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), err.startswith("supctl: ")) == ("", 1, True)


@pytest.mark.parametrize(
    "words", [("stop", "--timeout", "soon", "web"), ("signal", "NOTHING", "web"), ("wait", "--for", "x")]
)
def test_what_only_the_supervisor_can_judge_is_2_too(run: Run, words: tuple[str, ...]) -> None:
    container = up()
    assert (run(container, *words).code, container.events) == (2, [])


@pytest.mark.parametrize("words", [("status",), ("stop", "web"), ("wait",), ("version",)])
def test_a_supervisor_that_is_not_there_is_69_and_the_error_says_where_it_looked(
    path: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "PATIENCE", 0.1)
    assert supctl.main(["-s", path, *words]) == 69
    assert f"cannot reach supinit at {path}: no such file" in capsys.readouterr().err


def test_a_supervisor_that_goes_away_before_it_answers_is_69(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def scenario() -> int:
        container = SteeredContainer(service("web"), obedient=False).begin()
        async with served(container, path) as control:
            running = asyncio.create_task(asyncio.to_thread(supctl.main, ["-s", path, "stop", "web"]))
            await container.watched.wait()
            control.server.close()
            return await running

    assert asyncio.run(scenario()) == 69
    assert "it closed the connection" in capsys.readouterr().err


def as_a_stranger(path: str, mode: int, *words: str) -> int:
    """Run supctl as a user that has no rights, against a socket with this mode."""

    async def scenario() -> int:
        async with served(up(), path, mode=mode):
            os.chmod(os.path.dirname(path), 0o755)
            await asyncio.to_thread(lambda: None)  # loads what a stranger may not read where Python lives in /root
            os.seteuid(65534)
            try:
                return await asyncio.to_thread(supctl.main, ["-s", path, *words])
            finally:
                os.seteuid(0)

    return asyncio.run(scenario())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("mode", [0o600, 0o666], ids=["by the file's mode", "by the server"])
def test_what_is_not_permitted_is_77(path: str, mode: int, capsys: pytest.CaptureFixture[str]) -> None:
    """A stranger is kept out by the file, or by the server where the file's mode lets him in."""
    assert as_a_stranger(path, mode, "stop", "web") == 77
    assert "supctl: cannot " in capsys.readouterr().err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize(
    ("mode", "says"),
    [(0o600, "not healthy: cannot open {path}: permission denied; run supctl"), (0o666, "cannot GET /healthz as uid")],
    ids=["by the file's mode", "by the server"],
)
def test_healthcheck_that_is_not_permitted_is_77_and_one_line(
    path: str, mode: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert as_a_stranger(path, mode, "healthcheck") == 77
    out, err = capsys.readouterr()
    assert (out.startswith(says.format(path=path)), out.count("\n"), err) == (True, 1, "")


@pytest.mark.parametrize(
    ("environment", "looked_at"),
    [
        ({}, "/run/supinit/control.sock"),
        ({"SUPINIT_RUN_DIR": "/nowhere/run"}, "/nowhere/run/control.sock"),
        ({"SUPINIT_RUN_DIR": "/nowhere/run", "SUPINIT_SOCKET": "/nowhere/s"}, "/nowhere/s"),
    ],
)
@pytest.mark.skipif(os.path.exists("/run/supinit/control.sock"), reason="there is a supervisor here")
def test_the_socket_is_looked_for_where_the_environment_says(
    environment: dict[str, str],
    looked_at: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("SUPINIT_RUN_DIR", "SUPINIT_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert supctl.main(["status"]) == 69
    assert f" {looked_at}: " in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--help",), ("help",), ("stop", "--help"), ("help", "stop")])
def test_help_is_on_stdout(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert supctl.main(words) == 0
    assert "stop" in capsys.readouterr().out


def test_help_fits_eighty_columns_and_that_of_a_command_has_its_options() -> None:
    assert max(map(len, supctl.manual().splitlines())) <= 80
    assert "[--watch [SECONDS]]" in supctl.manual(["status"])
