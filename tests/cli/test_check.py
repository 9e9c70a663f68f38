"""`supinit --check`: the plan, and what will bite."""

from __future__ import annotations

from pathlib import Path
from signal import SIGQUIT, SIGTERM

import pytest

from supervisor.cli.check import check, describe
from supervisor.config.lint import warnings_on, warnings_on_files
from supervisor.core.idle_shutdown import IdleShutdown
from supervisor.core.plan import make_plan
from supervisor.core.program import (
    CommandStep,
    Condition,
    Dependency,
    Program,
    ProgramType,
    Restart,
    RestartWhen,
    Scope,
    Settings,
    SignalStep,
    Table,
    WriteStep,
)
from supervisor.core.record import replace
from supervisor.core.restart_limits import RestartLimits
from supervisor.core.update_config import FailureAction, Order, UpdateConfig
from supervisor.core.watch import Watch, WatchAction
from supervisor.core.web_page import WebPage
from supervisor.errors import ConfigError

NGINX = Program(
    "nginx",
    ("nginx", "-g", "daemon off;"),
    depends_on=(Dependency("uwsgi", Condition.HEALTHY),),
    stop=(SignalStep(SIGQUIT, 30.0), SignalStep(SIGTERM, 5.0, Scope.GROUP)),
)
UWSGI = Program(
    "uwsgi",
    ("uwsgi", "--master", "--need-app"),
    depends_on=(Dependency("migrate", Condition.COMPLETED),),
    scale=2,
    stop=(WriteStep("/run/uwsgi.fifo", b"q", 20.0), CommandStep(("uwsgi", "--stop"), 1.5)),
)
MIGRATE = Program("migrate", ("migrate",), kind=ProgramType.ONESHOT, restart=Restart(RestartWhen.NEVER))


def _describe(*programs: Program, settings: Settings | None = None) -> list[str]:
    return list(describe(make_plan(Table(settings or Settings(), programs))))


def _warnings(*programs: Program, settings: Settings | None = None) -> list[str]:
    return list(warnings_on(make_plan(Table(settings or Settings(shutdown_timeout=3600.0), programs))))


@pytest.mark.parametrize(
    ("web", "shown"),
    [
        (WebPage(("127.0.0.1", 9465)), "web page: http://127.0.0.1:9465/, read-only"),
        (WebPage(("::1", 80), "/t"), "web page: http://[::1]:80/, controls programs with the token in /t"),
    ],
)
def test_the_plan_shows_the_web_page(web: WebPage, shown: str) -> None:
    assert _describe(MIGRATE, settings=Settings(web=web))[-1] == shown


def test_the_plan_shows_what_is_watched(tmp_path: Path) -> None:
    watches = (Watch(str(tmp_path)), Watch("/does/not/exist", WatchAction.RESTART, 2.0))
    assert _describe(replace(MIGRATE, watch=watches))[-2:] == [
        f"watch: reload migrate 0.5s after a change to {tmp_path}",
        "watch: restart migrate 2s after a change to /does/not/exist, which does not exist yet",
    ]


@pytest.mark.parametrize(
    ("limits", "config", "shown"),
    [
        (RestartLimits(500 * 1024 * 1024), None, "restart of migrate above 500 MiB, measured every 30s"),
        (RestartLimits(age=36000.0), UpdateConfig(), "rolling restart of migrate after 9h to 10h"),
        (
            RestartLimits(1024 * 1024, 10.0, 1.0),
            None,
            "restart of migrate above 1 MiB, measured every 1s or after 9s to 10s",
        ),
    ],
    ids=["memory", "age", "both"],
)
def test_the_plan_shows_the_limits_of_a_program(limits: RestartLimits, config: UpdateConfig | None, shown: str) -> None:
    assert _describe(replace(MIGRATE, restart_when=limits, update_config=config))[-1] == f"restart_when: {shown}"


def test_the_plan_shows_the_idle_shutdown() -> None:
    settings = Settings(idle_shutdown=IdleShutdown(1800.0, (8080, 8443)))
    shown = "idle shutdown: after 30m without a connection to ports 8080, 8443, looked at every 30s"
    assert _describe(MIGRATE, settings=settings)[-1] == shown


def test_the_plan_shows_both_orders_every_stop_sequence_and_the_worst_case() -> None:
    assert _describe(NGINX, UWSGI, MIGRATE, settings=Settings(drain_delay=4.0)) == [
        "3 programs",
        "",
        "start order:",
        "  1. migrate",
        "  2. uwsgi (x2)",
        "  3. nginx",
        "",
        "stop order:",
        "  1. nginx",
        "  2. uwsgi (x2)",
        "  3. migrate",
        "",
        "stop sequences:",
        "  nginx    SIGQUIT (main) 30s → SIGTERM (group) 5s → SIGKILL (tree)",
        "  uwsgi    write 'q' to /run/uwsgi.fifo 20s → uwsgi --stop 1.5s → SIGKILL (tree)",
        "  migrate  SIGTERM (main) 10s → SIGKILL (tree)",
        "",
        "worst-case shutdown: 60.5s (drain 4s → nginx → uwsgi)",
    ]


def test_the_plan_shows_what_each_profile_starts_and_what_is_on_demand() -> None:
    web = Program("web", ("web",), profiles=("web", "all"))
    cron = Program("cron", ("cron",), profiles=("all",), is_enabled=False)
    shell = Program("shell", ("shell",), autostart=False, profiles=("dev",), is_enabled=False)
    plan = make_plan(Table(Settings(), (web, cron, shell, Program("none", ("none",), scale=0))))
    assert list(describe(plan, ("web",)))[2:10] == [
        "start order:",
        "  1. web, cron, shell, none (x0)",
        "",
        "profiles:",
        "  web  web (active)",
        "  all  web, cron",
        "  dev  nothing",
        "",
    ]
    assert list(describe(plan))[10] == "on demand (supctl start, or a program that depends on it): cron, shell"


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        (
            Settings(),
            "a shutdown can take 35s, but docker stop kills after 10s: raise its --time (stop_grace_period in Compose) "
            "or set supervisor.shutdown_timeout",
        ),
        (
            Settings(shutdown_timeout=25.0),
            "a shutdown can take 35s, but shutdown_timeout is 25s: stop sequences are cut short",
        ),
        (
            Settings(shutdown_timeout=25.0, drain_delay=25.0),
            "drain_delay uses up shutdown_timeout (25s): every program would get SIGKILL at once",
        ),
    ],
    ids=["docker's limit", "shutdown_timeout", "drain_delay"],
)
def test_a_shutdown_that_takes_longer_than_it_may_is_warned_of(settings: Settings, warning: str) -> None:
    alone = Program("nginx", NGINX.command, stop=NGINX.stop)
    assert _warnings(alone, settings=settings) == [warning]


@pytest.mark.parametrize(
    ("condition", "target", "reason"),
    [
        (Condition.COMPLETED, Program("db", ("db",)), "is always started again (restart: always)"),
        (Condition.HEALTHY, Program("db", ("db",), kind=ProgramType.ONESHOT), "is a oneshot without a health check"),
    ],
    ids=["completed", "healthy"],
)
def test_a_condition_that_cannot_come_true_is_warned_of(condition: Condition, target: Program, reason: str) -> None:
    web = Program("web", ("web",), depends_on=(Dependency("db", condition),))
    (warning,) = _warnings(web, target)
    assert warning.startswith(f"programs.web.depends_on.db: waits for ever, because db {reason}")


def test_a_shutdown_signal_in_a_signals_map_is_warned_of() -> None:
    web = Program("web", ("web",), signals=((SIGTERM, None),))
    assert _warnings(web) == ["programs.web.signals: SIGTERM is a shutdown signal and is never forwarded"]


def test_a_table_without_surprises_has_no_warning() -> None:
    assert _warnings(NGINX, UWSGI, MIGRATE) == []


def test_the_main_program_is_named_with_its_command() -> None:
    main = Program("main", ("bash", "-c", "echo it"), is_main=True, depends_on=(Dependency("migrate"),))
    assert _describe(MIGRATE, main)[:3] == ["2 programs", "main program: main (bash -c 'echo it')", ""]


@pytest.mark.parametrize(
    ("command", "folder", "warning"),
    [
        ("no-such-command", None, "command: no-such-command was not found in /usr/bin:/bin on this file system"),
        ("/nowhere/serve", None, "command: /nowhere/serve does not exist on this file system"),
        ("/etc/passwd", None, "command: /etc/passwd is not executable"),
        ("env", "/nowhere", "working_dir: /nowhere is not a directory on this file system"),
        ("./nothing", "/usr/bin", "command: ./nothing does not exist on this file system"),
        ("./env", "/usr/bin", None),
        ("env", None, None),
    ],
)
def test_commands_and_directories_that_are_not_there_are_warned_of(
    command: str, folder: str | None, warning: str | None
) -> None:
    plan = make_plan(Table(Settings(), (Program("web", (command,), working_dir=folder),)))
    expected = [] if warning is None else [f"programs.web.{warning}"]
    assert list(warnings_on_files(plan, {"PATH": "/usr/bin:/bin"})) == expected


def test_a_program_s_own_path_is_searched(tmp_path: Path) -> None:
    (tmp_path / "serve").touch(mode=0o755)
    program = Program("web", ("serve",), environment=(("PATH", str(tmp_path)),))
    assert list(warnings_on_files(make_plan(Table(Settings(), (program,))), {"PATH": "/usr/bin"})) == []


def test_warnings_are_shown_beside_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A user that exists only in the image hides nothing else."""
    table = tmp_path / "table.yaml"
    table.write_text(
        "programs:\n  web: {command: [cron], user: nobody-here, environment: {A: $NO_SUCH}}\n"
        "  db: {command: [npm, start]}\n"
    )
    with pytest.raises(ConfigError) as caught:
        check(str(table), expanded=False)
    assert caught.value.problems == (f"{table}:2:32: programs.web.user: unknown user 'nobody-here'",)
    assert capsys.readouterr().err.splitlines() == [
        f"warning: {table}:2:62: programs.web.environment.A: variable NO_SUCH is not set and is replaced with an empty"
        " string",
        "warning: programs.web: cron goes to the background and then looks as if it had exited: add -f",
        "warning: programs.db: npm does not forward signals reliably: run node itself",
    ]


def test_it_says_how_instances_are_replaced_where_the_table_does() -> None:
    first = UpdateConfig(Order.START_FIRST, 0, 1.5, 10.0, FailureAction.ROLLBACK)
    lines = _describe(
        replace(UWSGI, update_config=first, depends_on=()), replace(MIGRATE, update_config=UpdateConfig())
    )
    start = lines.index("rolling restarts and updates:")
    assert lines[start : start + 4] == [
        "rolling restarts and updates:",
        "  uwsgi    start-first, parallelism all, delay 1.5s, monitor 10s, failure_action rollback",
        "  migrate  stop-first, parallelism 1, delay 0s, monitor 5s, failure_action pause",
        "",
    ]
    assert "rolling restarts and updates:" not in _describe(MIGRATE)
