"""A supervisord.conf means the same as a table, key by key."""

from __future__ import annotations

import os
from pathlib import Path
from signal import SIGKILL, SIGQUIT, SIGTERM, SIGUSR1

import pytest

from supervisor.convert.supervisord.program import BY_HAND, SHELL_FIRST
from supervisor.core.program import (
    Dependency,
    LogMode,
    LogSettings,
    OwnLog,
    Program,
    Restart,
    RestartDelay,
    RestartWhen,
    Scope,
    SignalStep,
)
from supervisor.core.record import replace

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
            LogSettings(mode=LogMode.NONE, file="/x", max_size=100 * 1024, keep=0),
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
            "stopasgroup=false\nkillasgroup=false",
            "4",
            "killasgroup",
            "SIGKILL always reaches the whole process tree",
        ),
        (
            "autorestart=false\nstartretries=5",
            "4",
            "startretries",
            "with autorestart=false, a failed start is not tried again",
        ),
        ("serverurl=http://x", "3", "serverurl", "there is no XML-RPC; supctl finds the control socket by itself"),
        ("process_name=y", "3", "process_name", "the program is called web"),
        (
            "numprocs=2\nprocess_name=y_%(process_num)d",
            "4",
            "process_name",
            "instances are named web:1, web:2 and so on",
        ),
        ("autorestart=%(ENV_X)s", "3", "autorestart", "cannot be a variable here; supervisord's default is used"),
        ("autorestart=true\nexitcodes=", "4", "exitcodes", "supinit needs at least one success exit code"),
        ("redirect_stderr=true", "3", "redirect_stderr", "stderr stays separate, on the container's stderr"),
        ("stdout_logfile=/dev/stderr", "3", "stdout_logfile", "stdout goes to the container's stdout"),
        ("stdout_logfile=syslog", "3", "stdout_logfile", "there is no syslog; it goes to the container's output"),
        (
            "stdout_logfile=NONE",
            "3",
            "stdout_logfile",
            "log.mode: none drops both streams, so this one is shown",
        ),
        (
            "stdout_logfile=/a\nstderr_logfile=/b",
            "4",
            "stderr_logfile",
            "a program has one log file: /a gets both streams",
        ),
        ("stdout_logfile_backups=3", "3", "stdout_logfile_backups", "this stream has no file of its own"),
        ("stderr_syslog=true", "3", "stderr_syslog", "there is no syslog; the container engine collects the output"),
        (
            "stdout_events_enabled=true",
            "3",
            "stdout_events_enabled",
            "output is not an event; supctl logs -f follows it",
        ),
        (
            "environment=%(ENV_PAIRS)s",
            "3",
            "environment",
            "the names and values in a variable cannot be read at conversion",
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
        ("[supervisord]\n", "1: cannot be converted", "there is no program to start"),
        ("[program:a]\ncommand=x\nautostart=false", "1: cannot be converted", "there is no program to start"),
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
    assert {name: program.depends_on for name, program in programs_of(text).items()} == {
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


def test_without_priorities_there_is_no_order() -> None:
    assert "depends_on" not in converted("[program:a]\ncommand=x\n[program:b]\ncommand=x\npriority=999").table


def test_what_does_not_start_by_itself_is_a_comment_with_all_of_it() -> None:
    text = "[program:a]\ncommand=x\n[program:b]\ncommand=y\nautostart=false\nstartsecs=0\nautorestart=no"
    table = converted(text).table
    assert (
        table.splitlines()[-6:]
        == [
            "  # autostart=false: " + BY_HAND,
            "  # b:",
            "  #   command: y",
            "  #   # if this is a task that ends, use type: oneshot, and others can wait for it (condition: completed)",
            '  #   restart: "no"',
            "  #   min_uptime: 0s",
        ][-7:]
    )


def test_a_fastcgi_program_is_a_comment_since_it_gets_no_socket() -> None:
    text = "[program:a]\ncommand=x\n[fcgi-program:b]\ncommand=y\nsocket=unix:///run/b.sock\n"
    assert list(programs_of(text)) == ["a"]
    assert losses_of(text) == [
        "5: [fcgi-program:b] socket: supinit passes no socket: let the program open its own, and remove the #"
    ]


@pytest.mark.parametrize(
    ("section", "place", "reason"),
    [
        (
            "[unix_http_server]\nfile=/x",
            "3: [unix_http_server] file",
            "supctl finds the socket by itself; to change it: supervisor.socket, socket_mode, socket_group",
        ),
        (
            "[inet_http_server]\nport=9001\npassword=secret",
            "3: [inet_http_server] port, password",
            "there is no control over TCP; supervisor.metrics.listen serves health and metrics",
        ),
        ("[supervisorctl]\nprompt=x", "3: [supervisorctl] prompt", "supctl needs no configuration"),
        (
            "[rpcinterface:laforge]\nx=y",
            "3: [rpcinterface:laforge] x",
            "there is no XML-RPC: the control socket speaks HTTP and JSON",
        ),
        (
            "[eventlistener:x]\ncommand=y",
            "3: [eventlistener:x]",
            "supctl events -f shows state changes; a program that fails for good ends the container",
        ),
        (
            "[eventlistener:x]\ncommand=httpok",
            "3: [eventlistener:x]",
            "healthcheck: {http: {url: URL}, on_unhealthy: restart} replaces httpok",
        ),
        (
            "[group:g]\nprograms=a",
            "3: [group:g] programs",
            "there are no groups; supctl takes patterns, as in supctl restart 'web*'",
        ),
        ("[web]\nx=y", "3: [web] x", "is not a section of supervisord"),
        (
            "[supervisord]\npidfile=/x",
            "4: [supervisord] pidfile",
            "supinit writes no pid file: it is PID 1",
        ),
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
        stdout_logfile_backups=1
        [program:b]
        command=x
        stdout_logfile=/x
    """
    assert [program.log.keep for program in programs_of(text).values()] == [1, 1]
    assert losses_of(text) == ["6: /x is rotated with the settings of the first program that writes to it"]


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
    for sentence in ("%(here)s is", "%(host_node_name)s is $HOSTNAME", "does the same: A, B\n"):
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
            "stdout_logfile=/x\nstdout_logfile_backups=5000",
            replace(WEB, log=LogSettings(LogMode.NONE, "/x", 50 * 1024**2, 1000)),
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
    assert [int(loss.partition(":")[0]) for loss in losses_of(text)] == [3, 4, 7, 8]


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
