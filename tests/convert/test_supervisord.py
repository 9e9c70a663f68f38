"""A supervisord.conf means the same as a table, key by key."""

from __future__ import annotations

import os
from pathlib import Path
from signal import SIGKILL, SIGQUIT, SIGTERM, SIGUSR1

import pytest
import yaml

from supervisor.convert.formats import NOTHING
from supervisor.convert.supervisord.listeners import ALERTS, DEPENDENCIES, EITHER, EXITED, FATAL, OUTPUT
from supervisor.convert.supervisord.program import SHELL_FIRST
from supervisor.core.program import (
    CommandStep,
    Dependency,
    LogMode,
    LogSettings,
    OwnLog,
    Program,
    Restart,
    RestartDelay,
    RestartWhen,
    Scope,
    ShutdownOn,
    SignalStep,
)
from supervisor.core.record import replace
from supervisor.core.sockets import ListenSocket
from supervisor.errors import ConfigError

from .conversions import converted, losses_of, program_of, programs_of, refusals_of, table_of

ON_FAILURE, NEVER = Restart(RestartWhen.ON_FAILURE), Restart(RestartWhen.NEVER)
WEB = Program("web", ("x",), restart=ON_FAILURE)


@pytest.mark.parametrize(
    ("options", "program"),
    [
        ("", WEB),
        ("autorestart=true", replace(WEB, restart=Restart(RestartWhen.ALWAYS))),
        ("autorestart=FALSE", replace(WEB, restart=NEVER)),
        ("exitcodes=0,2", replace(WEB, success_exit_codes=(0, 2))),
        ("exitcodes=", replace(WEB, restart=Restart(RestartWhen.ALWAYS))),
        ("autorestart=true\nexitcodes=3", replace(WEB, restart=Restart(RestartWhen.ALWAYS), success_exit_codes=(3,))),
        ("startsecs=0", replace(WEB, min_uptime=0.0)),
        ("startsecs=30", replace(WEB, min_uptime=30.0)),
        ("startretries=0", replace(WEB, start_retries=1)),
        ("startretries=3", replace(WEB, start_retries=4, restart_delay=RestartDelay(initial=1.0))),
        ("stopsignal=QUIT", replace(WEB, stop=(SignalStep(SIGQUIT, 10.0),))),
        ("stopsignal=9", replace(WEB, stop=(SignalStep(SIGKILL, 10.0),))),
        ("stopwaitsecs=3", replace(WEB, stop=(SignalStep(SIGTERM, 3.0),))),
        ("stopasgroup=true\nstopsignal=usr1", replace(WEB, stop=(SignalStep(SIGUSR1, 10.0, Scope.GROUP),))),
        ("killasgroup=true", WEB),
        ("directory=/srv", replace(WEB, working_dir="/srv")),
        ("directory=~/app", replace(WEB, working_dir="/home/app/app")),
        ("umask=0027", replace(WEB, umask=0o027)),
        ("numprocs=3\nprocess_name=%(program_name)s_%(process_num)02d", replace(WEB, scale=3)),
        ("numprocs=%(ENV_COUNT)s", replace(WEB, scale=2)),
        ("priority=1", WEB),
        ("serverurl=AUTO\nstdout_capture_maxbytes=0\nstdout_events_enabled=false\nstderr_syslog=off", WEB),
        ("environment=A=\"1\",B='a,b',C=c:/d", replace(WEB, environment=(("A", "1"), ("B", "a,b"), ("C", "c:/d")))),
        ('environment=A="$x %%"', replace(WEB, environment=(("A", "$x %"),))),
        ("environment=A=%(ENV_HOME)s", replace(WEB, environment=(("A", "/home/app"),))),
    ],
    ids=lambda value: value.replace("\n", "; ") if isinstance(value, str) else "",
)
def test_a_key_becomes_what_it_means(options: str, program: Program) -> None:
    assert program_of(options, HOME="/home/app", COUNT="2") == program


@pytest.mark.parametrize(
    ("options", "log"),
    [
        ("", LogSettings()),
        ("stdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0\nstderr_logfile=/dev/fd/2", LogSettings()),
        ("stdout_logfile=NONE\nstderr_logfile=off", LogSettings(mode=LogMode.NONE)),
        ("stdout_logfile=NONE\nredirect_stderr=true", LogSettings(mode=LogMode.NONE)),
        (
            "stdout_logfile=/var/log/x.log",
            LogSettings(mode=LogMode.NONE, file="/var/log/x.log", max_size=50 * 1024**2, keep=10),
        ),
        (
            "redirect_stderr=true\nstdout_logfile=/x\nstdout_logfile_maxbytes=100KB\nstdout_logfile_backups=0",
            LogSettings(mode=LogMode.NONE, file="/x", max_size=100 * 1024, keep=0, redirect_stderr=True),
        ),
        ("stdout_logfile=/x\nstdout_logfile_maxbytes=0", LogSettings(LogMode.NONE, "/x", 10**6 * 1024**3, 10)),
        (
            "stderr_logfile=%(ENV_LOGS)s/%(program_name)s.err\nstderr_logfile_maxbytes=1000",
            LogSettings(LogMode.NONE, "/logs/web.err", 1000, 10),
        ),
        ("stdout_logfile=/dev/stdout\nstderr_logfile=/x", LogSettings(file="/x", max_size=50 * 1024**2, keep=10)),
    ],
    ids=["unsaid", "the container's", "none", "none, both", "file", "one file", "no rotation", "expanded", "besides"],
)
def test_output_goes_where_it_went(options: str, log: LogSettings) -> None:
    assert program_of(options, LOGS="/logs").log == log


@pytest.mark.parametrize(
    ("option", "line", "key", "reason"),
    [
        (
            "autorestart=false\nstartretries=5\nstartsecs=0",
            "4",
            "startretries",
            "with autorestart=false, a failed start is not tried again",
        ),
        ("autorestart=%(ENV_X)s", "3", "autorestart", "cannot be a variable here; supervisord's default is used"),
        ("autorestart=true\nexitcodes=", "4", "exitcodes", "supinit needs at least one success exit code"),
        (
            "stdout_logfile=/dev/stderr\nstderr_logfile=/dev/stderr",
            "3",
            "stdout_logfile",
            "stdout goes to the container's stdout",
        ),
        (
            "stdout_logfile=syslog\nredirect_stderr=true",
            "3",
            "stdout_logfile",
            "there is no syslog; it goes to the container's output",
        ),
        (
            "stdout_logfile=NONE",
            "3",
            "stdout_logfile",
            "log.mode: none drops both streams, so this one is shown",
        ),
        ("stderr_syslog=true", "3", "stderr_syslog", "there is no syslog; the container engine collects the output"),
        (
            "environment=%(ENV_PAIRS)s",
            "3",
            "environment",
            "names and values that are in a variable cannot be read at conversion",
        ),
        ("comand=x", "3", "comand", "is not a key of supervisord"),
    ],
    ids=lambda value: value.replace("\n", "; ") if value[0].isalpha() else "",
)
def test_what_cannot_be_carried_over_is_said(option: str, line: str, key: str, reason: str) -> None:
    assert losses_of(f"[program:web]\ncommand=x\n{option}\n") == [f"{line}: [program:web] {key}: {reason}"]


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("[program:a]\nuser=root", "1: [program:a] command", "is required"),
        ("[program:a]\ncommand=", "2: [program:a] command", "cannot be empty"),
        (
            "[program:a]\ncommand=bash -c 'a ; b'",
            "2: [program:a] command",
            "cannot be split into words (to supervisord, what follows ' ;' or ' #' is a comment)",
        ),
        (
            "[program:a]\ncommand=50%",
            "2: [program:a] command",
            "cannot contain a single % (write %(name)s for a variable, %% for a percent sign)",
        ),
        ("[program:a]\ncommand=%(name)s", "2: [program:a] command", "cannot expand %(name)s"),
        (
            "[program:a]\ncommand=%(process_num)99999999d",
            "2: [program:a] command",
            "cannot contain a single % (write %(name)s for a variable, %% for a percent sign)",
        ),
        ("[program:a]\ncommand=x\nautostart=maybe", "3: [program:a] autostart", "cannot be 'maybe'"),
        ("[program:a]\ncommand=x\nstopsignal=FOO", "3: [program:a] stopsignal", "cannot be 'FOO'"),
        ("[program:a]\ncommand=x\nexitcodes=256", "3: [program:a] exitcodes", "cannot be '256'"),
        ("[program:a]\ncommand=x\numask=9", "3: [program:a] umask", "cannot be '9'"),
        (
            "[program:a]\ncommand=x\nstdout_logfile_maxbytes=1TB",
            "3: [program:a] stdout_logfile_maxbytes",
            "cannot be '1TB'",
        ),
        (
            "[program:a]\ncommand=x\nstopasgroup=true\nkillasgroup=false",
            "4: [program:a] killasgroup",
            "cannot be false with stopasgroup=true",
        ),
        (
            "[program:a]\ncommand=x\nenvironment=A",
            "3: [program:a] environment",
            'expected NAME="VALUE",NAME="VALUE"',
        ),
        ('[program:a]\ncommand=x\nenvironment=A="', "3: [program:a] environment", "No closing quotation"),
        ("[program:a]\ncommand=x\nuser=", "3: [program:a] user", "cannot be empty"),
        (
            "[program:a]\ncommand=x\n[group:g]\nprograms=b",
            "4: [group:g] programs",
            "there is no program 'b'",
        ),
        ("[include]\n[program:a]\ncommand=x", "1: [include] files", "is required"),
    ],
    ids=lambda value: value.replace("\n", "; ")[:60] if value[0] == "[" else "",
)
def test_what_supervisord_refuses_is_refused(text: str, place: str, problem: str) -> None:
    assert refusals_of(text) == [f"{place}: {problem}"]


def test_every_problem_is_found_at_once() -> None:
    assert refusals_of("[program:a]\ncommand=%\nstartsecs=x\n[program:b]\n") == [
        "2: [program:a] command: cannot contain a single % (write %(name)s for a variable, %% for a percent sign)",
        "3: [program:a] startsecs: cannot be 'x'",
        "4: [program:b] command: is required",
    ]


def test_what_is_said_for_all_programs_is_in_each() -> None:
    before = '[supervisord]\nenvironment=A="1",B="2"\numask=077\ndirectory=/srv\nloglevel=warn\n'
    programs = programs_of(f'{before}[program:a]\ncommand=x %(ENV_A)s\n[program:b]\ncommand=x\nenvironment=B="3"')
    common = Program("a", ("x", "1"), restart=ON_FAILURE, working_dir="/srv", umask=0o077)
    assert programs["a"] == replace(common, environment=(("A", "1"), ("B", "2")))
    assert programs["b"] == replace(common, name="b", command=("x",), environment=(("A", "1"), ("B", "3")))
    assert table_of(converted(f"{before}[program:a]\ncommand=x")).settings.log == OwnLog(level="warning")


def test_a_value_may_name_variables_of_its_own_program() -> None:
    options = 'environment=A="1"\nstdout_logfile=/%(ENV_A)s/%(ENV_B)s\n'
    assert program_of(options, before='[supervisord]\nenvironment=A="0",B="2"').log.file == "/1/2"
    assert programs_of('[program:a]\ncommand=x %(ENV_A)s\nenvironment=A="1"')["a"].command == ("x", "1")


def test_what_supervisord_expands_twice_has_its_percent_signs_four_times() -> None:
    options = 'stdout_logfile=/a%%%%b\nenvironment=B="%%"\n'
    program = program_of(options, before='[supervisord]\nenvironment=A="%%%%"')
    assert program.log.file == "/a%b"
    assert program.environment == (("A", "%"), ("B", "%"))


def test_instances_that_differ_are_programs_of_their_own() -> None:
    options = "numprocs=2\nnumprocs_start=8\nprocess_name=%(program_name)s_%(process_num)02d\nstopwaitsecs=3\n"
    conversion = converted(f"[program:web]\ncommand=x --port 80%(process_num)02d\n{options}")
    first = Program("web_08", ("x", "--port", "8008"), restart=ON_FAILURE, stop=(SignalStep(SIGTERM, 3.0),))
    assert table_of(conversion).programs == (first, replace(first, name="web_09", command=("x", "--port", "8009")))
    assert conversion.warnings == ()
    assert conversion.table.count("stop_grace_period") == 1


def test_a_lower_priority_starts_before_and_stops_after() -> None:
    text = """
        [program:late]
        command=x
        [program:db]
        command=x
        priority=1
        [program:app]
        command=x %(process_num)d
        numprocs=2
        process_name=app%(process_num)d
        priority=10
        [program:cache]
        command=x
        priority=1
        [program:by_hand]
        command=x
        priority=5
        autostart=false
    """
    programs = programs_of(text)
    programs.pop("by_hand", None)
    assert {name: program.depends_on for name, program in programs.items()} == {
        "late": (Dependency("app0"), Dependency("app1")),
        "db": (),
        "app0": (Dependency("db"), Dependency("cache")),
        "app1": (Dependency("db"), Dependency("cache")),
        "cache": (),
    }


def test_priorities_within_a_group_come_after_those_of_groups() -> None:
    text = """
        [group:back]
        programs=b1, b2
        priority=5
        [program:b1]
        command=x
        priority=100
        [program:b2]
        command=x
        priority=200
        [program:front]
        command=x
        priority=50
    """
    depends_on = {name: program.depends_on for name, program in programs_of(text).items()}
    assert depends_on == {"b1": (), "b2": (Dependency("b1"),), "front": (Dependency("b2"),)}


def test_streams_that_one_log_gets_are_written_in_their_order() -> None:
    """supervisord joins them in one pipe; two pipes would swap lines."""
    for options in ("stdout_logfile=/dev/stdout", "stdout_logfile=/x", ""):
        assert program_of(f"redirect_stderr=true\n{options}").log.redirect_stderr, options
    assert not program_of("redirect_stderr=false").log.redirect_stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            "stdout_logfile=/dev/stdout",
            "stderr goes to the container's stderr; supervisord kept it in a file of its own",
        ),
        ("stdout_logfile=/x", "the log file gets stderr as well; supervisord kept it in a file of its own"),
    ],
    ids=["the container's", "file"],
)
def test_stderr_that_moves_with_stdout_is_said_in_one_line_for_all_programs(options: str, sentence: str) -> None:
    text = f"[program:a]\ncommand=x\n{options}\n[program:b]\ncommand=x\n{options}\n"
    assert losses_of(text) == [f"3: {sentence}: [program:a] stdout_logfile; [program:b] stdout_logfile"]
    joined = text.replace(options, f"{options}\nredirect_stderr=true")
    assert losses_of(joined) == []


def test_two_log_files_become_one_and_a_single_instance_has_the_sections_name() -> None:
    text = "[program:{0}]\ncommand=x\nprocess_name=y\nstdout_logfile=/a/{0}\nstderr_logfile=/b/{0}\n"
    assert losses_of(text.format("a") + text.format("b")) == [
        "3: a program of one instance has the name of its section: [program:a] process_name; [program:b] process_name",
        "5: a program has one log file, that of stdout, for both streams: "
        "[program:a] stderr_logfile; [program:b] stderr_logfile",
    ]


def test_without_priorities_there_is_no_order() -> None:
    assert "depends_on" not in converted("[program:a]\ncommand=x\n[program:b]\ncommand=x\npriority=999").table


TEXT_BY_HAND = (
    "[program:a]\ncommand=x\n[program:b]\ncommand=y\npriority=1\nautostart=false\nstartsecs=0\nautorestart=no\n"
)


def test_what_does_not_start_by_itself_has_autostart_false_and_nothing_depends_on_it() -> None:
    document = yaml.safe_load(converted(TEXT_BY_HAND).table)["programs"]
    assert document == {
        "a": {"command": "x", "restart": "on-failure"},
        "b": {"command": "y", "restart": "no", "min_uptime": "0s", "autostart": False},
    }
    assert losses_of(TEXT_BY_HAND) == []
    options = "[program:a]\ncommand=x\nautostart=%(ENV_ON)s\n"
    assert "autostart: ${ON?required}" in converted(options).table
    for value, is_idle in (("true", False), ("no", True)):
        conversion = converted(options, ON=value)
        assert ("autostart: false" in conversion.table) is is_idle
        assert conversion.warnings == (
            "supervisord.conf:3: [program:a] autostart: cannot be a variable here; its value at conversion is used: "
            + value,
        )


@pytest.mark.parametrize(
    ("options", "socket"),
    [
        ("socket=unix:///run/b.sock", ListenSocket("fastcgi", "/run/b.sock", mode=0o700)),
        (
            "socket=unix:///run/b.sock\nsocket_owner=5:6\nsocket_mode=0666\nsocket_backlog=7",
            ListenSocket("fastcgi", "/run/b.sock", uid=5, gid=6, backlog=7),
        ),
        ("socket=tcp://localhost:90", ListenSocket("fastcgi", ("127.0.0.1", 90))),
        ("socket=tcp://:90", ListenSocket("fastcgi", ("0.0.0.0", 90))),
    ],
)
def test_a_fastcgi_program_has_its_socket_as_stdin(options: str, socket: ListenSocket) -> None:
    program = programs_of(f"[fcgi-program:b]\ncommand=y 'a b'\nnumprocs=2\n{options}\n")["b"]
    assert program.command == ("sh", "-c", 'exec "$0" "$@" <&3', "y", "a b")
    assert (program.sockets, program.scale) == ((socket,), 2)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("socket=tcp://db:90", "cannot be a socket of supinit (IP:PORT or an absolute path); the program is left out"),
        (
            "socket=unix:///run/b.sock\nnumprocs=2\nenvironment=N=%(process_num)d",
            "the instances differ by process_num and would be several programs, which cannot share a socket",
        ),
    ],
)
def test_a_fastcgi_program_whose_socket_cannot_be_had_is_a_comment(options: str, reason: str) -> None:
    text = f"[program:a]\ncommand=x\n[fcgi-program:b]\ncommand=y\nprocess_name=b%(process_num)d\n{options}\n"
    assert list(programs_of(text)) == ["a"]
    assert f"6: [fcgi-program:b] socket: {reason}" in losses_of(text)


@pytest.mark.parametrize(
    ("section", "place", "reason"),
    [
        (
            "[inet_http_server]\nport=9001\npassword=secret",
            "3: [inet_http_server] port, password",
            "there is no control over TCP; supervisor.metrics.listen serves health and metrics",
        ),
        (
            "[rpcinterface:laforge]\nx=y",
            "3: [rpcinterface:laforge] x",
            "there is no XML-RPC: the control socket speaks HTTP and JSON",
        ),
        (
            "[group:g]\nprograms=a",
            "3: [group:g] programs",
            "there are no groups; supctl takes patterns, as in supctl restart 'web*'",
        ),
        ("[web]\nx=y", "3: [web] x", "is not a section of supervisord"),
    ],
    ids=lambda value: value.partition("]")[0] if value[0] == "[" else "",
)
def test_a_section_that_is_no_program_is_said_to_be_lost(section: str, place: str, reason: str) -> None:
    assert losses_of(f"[program:a]\ncommand=x\n{section}\n") == [f"{place}: {reason}"]


def test_no_password_reaches_the_table() -> None:
    table = converted("[program:a]\ncommand=x\n[inet_http_server]\nport=1\npassword=secret\n").table
    assert "secret" not in table


def test_the_main_rpc_interface_is_no_loss() -> None:
    section = (
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface"
    )
    assert losses_of(f"[program:a]\ncommand=x\n{section}\n") == []


def test_included_files_are_part_of_it(tmp_path: Path) -> None:
    folder = tmp_path / "conf.d"
    folder.mkdir()
    (folder / "b.conf").write_text("[program:b]\ncommand=%(here)s/run\nodd=1\n")
    (folder / "a.conf").write_text("[program:a]\ncommand=x\n[include]\nfiles=more\n")
    main = tmp_path / "supervisord.conf"
    text = "[include]\nfiles = conf.d/*.conf %(ENV_NAME)s.ini\n[DEFAULT]\nstopwaitsecs=3\n"
    conversion = converted(text, str(main), NAME="other")
    programs = {program.name: program for program in table_of(conversion).programs}
    assert list(programs) == ["a", "b"]
    assert programs["b"].command == (str(folder / "run"),)
    assert programs["b"].stop == (SignalStep(SIGTERM, 3.0),)
    assert conversion.warnings == (
        f"{main}:2: [include] files: no file matches {tmp_path}/other.ini",
        f"{folder}/a.conf:3: [include]: is ignored in an included file, as under supervisord",
        f"{folder}/b.conf:3: [program:b] odd: is not a key of supervisord",
    )


def test_programs_that_share_a_file_rotate_it_as_the_first_does() -> None:
    text = """
        [program:a]
        command=x
        stdout_logfile=/x
        redirect_stderr=true
        stdout_logfile_backups=1
        [program:b]
        command=x
        redirect_stderr=true
        stdout_logfile=/x
    """
    assert [program.log.keep for program in programs_of(text).values()] == [1, 1]
    assert losses_of(text) == ["7: /x is rotated with the settings of the first program that writes to it"]


@pytest.mark.parametrize(
    ("wanted", "name"),
    [("all", "all-2"), ("_x", "x"), ("a b", "a-b"), ("Übung", "bung"), ("web.v2", "web.v2")],
)
def test_a_name_that_is_not_allowed_becomes_the_nearest_one(wanted: str, name: str) -> None:
    text = f"[program:{wanted}]\ncommand=x\n"
    assert list(programs_of(text)) == [name]
    assert losses_of(text) == ([] if name == wanted else [f"1: [program:{wanted}]: {wanted} is called {name} here"])


@pytest.mark.parametrize(
    ("command", "preset"),
    [
        ('nginx -g "daemon off;"', "nginx"),
        ("/usr/sbin/php-fpm8.2 -F", "php-fpm"),
        ("/venv/bin/python3 -m gunicorn app", "gunicorn"),
        ("redis-server /etc/redis.conf", "redis"),
        ("/usr/bin/uwsgi_python3 x", "uwsgi"),
        ("apachectl -D FOREGROUND", "apache"),
        ("nginx-debug", None),
        ("bash -c nginx", None),
    ],
)
def test_a_preset_is_suggested_and_never_chosen(command: str, preset: str | None) -> None:
    table = converted(f"[program:a]\ncommand={command}\n").table
    assert ("# write preset: " in table) is (preset is not None)
    assert preset is None or f"# write preset: {preset} instead" in table
    assert "\n    preset:" not in table


def test_the_names_that_only_the_place_knows_are_explained() -> None:
    conversion = converted("[program:a]\ncommand=%(here)s/x %(host_node_name)s %(group_name)s %(ENV_B)s%(ENV_A)s\n")
    (program,) = table_of(conversion, HOSTNAME="box", A="1", B="2").programs
    assert program.command == (f"{os.getcwd()}/x", "box", "a", "21")
    for sentence in ("%(here)s is", "%(host_node_name)s is $HOSTNAME", "as for supervisord: A, B\n"):
        assert sentence in conversion.table


def test_a_value_over_several_lines_is_one_command() -> None:
    assert program_of("").command == ("x",)
    (program,) = programs_of('[program:a]\ncommand=sh -c\n  "exec a\n   b"\n  ; gone\n  c\n').values()
    assert program.command == ("sh", "-c", "exec a\nb", "c")


@pytest.mark.parametrize(
    ("options", "program", "reason"),
    [
        ("numprocs=5000", replace(WEB, scale=1000), "numprocs: supinit runs at most 1000 instances"),
        (
            "stdout_logfile=/x\nstdout_logfile_backups=5000\nredirect_stderr=true",
            replace(WEB, log=LogSettings(LogMode.NONE, "/x", 50 * 1024**2, 1000, redirect_stderr=True)),
            "stdout_logfile_backups: at most 1000 files are kept",
        ),
        (
            "numprocs=%(ENV_COUNT)s\nenvironment=N=%(process_num)s",
            replace(WEB, environment=(("N", "0"),)),
            "numprocs: instances differ by process_num; write one program for each",
        ),
    ],
    ids=["instances", "kept files", "an unknown number that differ"],
)
def test_what_is_more_than_there_can_be_is_as_much_as_there_can_be(options: str, program: Program, reason: str) -> None:
    assert program_of(options, COUNT="2") == program
    losses = losses_of(f"[program:web]\ncommand=x\n{options}\n")
    assert [loss.partition("] ")[2] for loss in losses] == [reason]


def test_a_number_of_no_instances_starts_none() -> None:
    assert list(programs_of("[program:a]\ncommand=x\nnumprocs=0\n[program:b]\ncommand=x")) == ["b"]


def test_a_program_in_two_groups_runs_once_and_that_is_said() -> None:
    text = "[group:g]\nprograms=a\n[group:h]\nprograms=a\n[program:a]\ncommand=%(group_name)s\n"
    assert programs_of(text)["a"].command == ("g",)
    assert "4: [group:h] programs: a is in g already, and runs only once" in losses_of(text)


def test_what_is_lost_is_said_in_the_order_of_the_lines() -> None:
    text = "[program:a]\ncommand=x\nodd=1\n[group:g]\nprograms=a\n[supervisord]\npidfile=/x\nodd=1\n"
    assert [int(loss.partition(":")[0]) for loss in losses_of(text)] == [3, 4, 8, 7]


@pytest.mark.parametrize(
    ("command", "is_said"),
    [
        ("sh -c 'cd /srv && python app.py'", True),
        ("/bin/bash -lc -c 'a; b'", True),
        ("sh -c 'cd /srv && exec python app.py'", False),
        ("sh -c 'trap exit TERM; a'", False),
        ("sh /run.sh", False),
        ("python -c 'a; b'", False),
    ],
)
def test_a_shell_that_would_end_before_what_it_runs_is_said_to_do_so(command: str, is_said: bool) -> None:
    losses = losses_of(f"[program:a]\ncommand={command}\nstopasgroup=true\n")
    assert losses == ([f"3: [program:a] stopasgroup: {SHELL_FIRST}"] if is_said else [])


EVERYTHING_BY_DEFAULT = """\
[supervisord]
nodaemon=false
user=root
minfds=1024
minprocs=200
loglevel=info
logfile_maxbytes=50MB
logfile_backups=10
strip_ansi=false
nocleanup=false
silent=false
identifier=supervisor
[program:web]
command=x
process_name=%(program_name)s
numprocs=1
priority=999
startsecs=1
autorestart=unexpected
exitcodes=0
stopsignal=TERM
stopwaitsecs=10
stopasgroup=false
killasgroup=false
redirect_stderr=false
stdout_logfile_maxbytes=50MB
stdout_logfile_backups=10
stdout_capture_maxbytes=0
stdout_events_enabled=false
stdout_syslog=false
serverurl=AUTO
"""


def test_a_value_that_is_the_default_is_not_reported() -> None:
    assert losses_of(EVERYTHING_BY_DEFAULT) == []
    assert table_of(converted(EVERYTHING_BY_DEFAULT)).programs == (WEB,)


def test_serious_losses_come_first_and_what_is_not_needed_is_one_line() -> None:
    text = """\
        [unix_http_server]
        file=/x
        chmod=0700
        [supervisord]
        pidfile=/x
        logfile=/dev/null
        [supervisorctl]
        serverurl=unix:///x
        [program:a]
        command=x
        odd=1
        serverurl=http://x
        stdout_logfile_backups=3
        stdout_syslog=true
    """
    assert losses_of(text) == [
        "14: [program:a] stdout_syslog: there is no syslog; the container engine collects the output",
        "11: [program:a] odd: is not a key of supervisord",
        "2: not needed under supinit: [unix_http_server] file, chmod; [supervisord] pidfile, logfile; "
        "[supervisorctl] serverurl; [program:a] serverurl, stdout_logfile_backups",
    ]


LISTENER = "[program:web]\ncommand=x\nautorestart=true\n[eventlistener:l]\ncommand={}\nevents={}\n"
KILL = "bash -c \"printf 'READY'; while read line; do kill -SIGQUIT $PPID; done < /dev/stdin\""


@pytest.mark.parametrize(
    ("command", "events"),
    [
        ("/srv/kill-supervisor.sh", "PROCESS_STATE_EXITED"),
        ("python /srv/stop_supervisor.py", "PROCESS_STATE_STOPPED,PROCESS_STATE_EXITED, PROCESS_STATE_FATAL"),
        (KILL, "PROCESS_STATE_EXITED,PROCESS_STATE_FATAL"),
    ],
    ids=["script", "several events", "in a shell"],
)
def test_a_listener_that_stops_supervisord_when_a_program_exits_becomes_shutdown_on_exit(
    command: str, events: str
) -> None:
    (web,) = programs_of(LISTENER.format(command, events)).values()
    assert (web.shutdown_on, web.restart) == (ShutdownOn.EXIT, NEVER)
    assert losses_of(LISTENER.format(command, events)) == [f"4: [eventlistener:l]: {EXITED}"]


def test_a_listener_whose_script_stops_supervisord_is_known_by_the_script(tmp_path: Path) -> None:
    script = "os.kill(os.getppid(), signal.SIGTERM)\n"
    (tmp_path / "watch.py").write_text(script)
    Path("own.py").write_text(script)
    for command in (f"python {tmp_path}/watch.py", "%(here)s/own.py", "%(ENV_PLACE)s/watch.py"):
        conversion = converted(LISTENER.format(command, "PROCESS_STATE_EXITED"), PLACE=str(tmp_path))
        assert "shutdown_on: exit" in conversion.table.rpartition("programs:")[2], command
    (tmp_path / "watch.py").write_text("print('READY')\n")
    assert losses_of(LISTENER.format(f"{tmp_path}/watch.py", "PROCESS_STATE_EXITED")) == [
        f"4: [eventlistener:l]: {EITHER}"
    ]


@pytest.mark.parametrize(
    ("command", "events", "sentence"),
    [
        ("/srv/kill-supervisor.sh", "PROCESS_STATE_FATAL", f"{FATAL}; {ALERTS}"),
        ("kill.sh", "PROCESS_STATE_BACKOFF,PROCESS_STATE_FATAL", f"{FATAL}; {ALERTS}"),
        ("supervisor_stdout", "PROCESS_LOG", OUTPUT),
        ("python -m supervisor_logging", "PROCESS_LOG_STDOUT,PROCESS_LOG_STDERR", OUTPUT),
        (
            "memmon -a 200MB",
            "TICK_60",
            "its memory limits are lost (memmon -a 200MB); write restart_when: {memory: LIMIT} for each program",
        ),
        (
            "/usr/bin/httpok -p web -t 20 http://localhost:8000/ping",
            "TICK_5",
            "its health check is lost; write for web: healthcheck: "
            "{http: {url: 'http://localhost:8000/ping'}, interval: 5s, on_unhealthy: restart}",
        ),
        (
            "/srv/check.sh",
            "TICK_3600",
            "its health check is lost (/srv/check.sh); write for the program it watches: healthcheck: "
            "{test: COMMAND, interval: 1h, on_unhealthy: restart}",
        ),
        ("crashmail -a -m ops@example.org", "PROCESS_STATE_EXITED", f"is lost; {ALERTS}"),
        ("supervisord-dependent-startup", "PROCESS_STATE", DEPENDENCIES),
        ("/srv/listen.py", "PROCESS_COMMUNICATION", f"is lost; {ALERTS}"),
        ("/srv/listen.py", "PROCESS_STATE", EITHER),
    ],
    ids=lambda value: value[:40],
)
def test_a_listener_is_told_by_its_events_and_command(command: str, events: str, sentence: str) -> None:
    text = LISTENER.format(command, events)
    assert losses_of(text) == [f"4: [eventlistener:l]: {sentence}"]
    assert programs_of(text)["web"] == replace(WEB, restart=Restart(RestartWhen.ALWAYS))


def test_instances_whose_names_say_nothing_begin_with_the_name_of_the_section() -> None:
    text = "[program:{0}]\ncommand=x %(process_num)d\nnumprocs=2\nprocess_name=%(process_num)02d\n"
    assert list(programs_of(text.format("a") + text.format("b"))) == ["a_00", "a_01", "b_00", "b_01"]
    same = text.replace("=%(process_num)02d", "=w%(process_num)d")
    assert list(programs_of(same.format("a") + same.format("b"))) == ["w0", "w1", "b_w0", "b_w1"]


def test_a_variable_that_the_environment_lacks_is_refused_as_by_supervisord() -> None:
    conversion = converted("[program:a]\ncommand=x --key %(ENV_KEY)s\n")
    with pytest.raises(ConfigError) as refusal:
        table_of(conversion)
    assert "KEY, which is not set" in refusal.value.problems[0] or "KEY is not set" in refusal.value.problems[0]
    assert table_of(conversion, KEY="1").programs[0].command == ("x", "--key", "1")
    assert table_of(conversion, KEY="").programs[0].command == ("x", "--key")


def test_a_key_that_cannot_hold_a_variable_has_its_value_at_conversion() -> None:
    conversion = converted("[program:a]\ncommand=x\nautorestart=%(ENV_AGAIN)s\n", AGAIN="false")
    assert table_of(conversion).programs[0].restart == NEVER
    assert conversion.warnings[0] == (
        "supervisord.conf:3: [program:a] autorestart: cannot be a variable here; its value at conversion is used: false"
    )


@pytest.mark.parametrize(
    "text", ["[supervisord]\n[include]\nfiles=none/*.conf\n", "[program:a]\ncommand=x\nnumprocs=0\n"]
)
def test_a_table_that_starts_nothing_is_written_with_everything_that_is_to_say(text: str) -> None:
    conversion = converted(text)
    assert f"supervisord.conf:1: {NOTHING}" in conversion.warnings
    assert len(conversion.warnings) == 2
    assert yaml.safe_load(conversion.table)["programs"] == {}


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ('A=%(ENV_A)s,B="x', "No closing quotation"),
        ("A=%(ENV_A)s,B", 'expected NAME="VALUE",NAME="VALUE"'),
    ],
)
def test_an_environment_that_supervisord_refuses_is_refused_with_variables_in_it_too(
    environment: str, problem: str
) -> None:
    assert refusals_of(f"[program:a]\ncommand=x\nenvironment={environment}\n") == [
        f"3: [program:a] environment: {problem}"
    ]


def test_variables_beside_a_variable_of_variables_are_kept() -> None:
    text = '[program:web]\ncommand=x\nenvironment=A="1",%(ENV_MORE)s,B="2"\n'
    assert programs_of(text)["web"].environment == (("A", "1"), ("B", "2"))
    assert len(losses_of(text)) == 1


def test_a_pidproxy_is_replaced_by_a_signal_to_the_process_in_its_pid_file() -> None:
    text = "[program:web]\ncommand=/usr/bin/pidproxy /run/x.pid server --foo\nstopsignal=QUIT\nstopwaitsecs=5\n"
    (web,) = programs_of(text).values()
    assert web.command == ("server", "--foo")
    assert web.stop == (CommandStep(("sh", "-c", 'kill -s QUIT "$(cat /run/x.pid)"'), 5.0),)
    assert losses_of(text) == [
        "2: [program:web] command: pidproxy is replaced: stop and reload signal the process in /run/x.pid"
    ]


def test_a_quick_end_that_supervisord_took_for_a_failed_start_is_named() -> None:
    early = "an exit with code 0 within startsecs was a failed start; here the program has ended well"
    text = "[program:{}]\ncommand=x\nautorestart=false\n"
    assert losses_of(text.format("a") + text.format("b")) == [
        f"3: {early}: [program:a] autorestart; [program:b] autorestart"
    ]
    assert losses_of(text.format("a") + "startsecs=0\n") == []
    assert "An exit with code 0 within startsecs" in converted("[program:a]\ncommand=x\n").table
