"""Whatever another supervisor's file holds: what comes out is a valid table, and nothing is lost silently."""

from __future__ import annotations

import re
from contextlib import suppress

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from supervisor.convert.formats import Converted
from supervisor.errors import ConfigError

from .conversions import converted, folder_of, table_of

QUICKLY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PLACE = re.compile(r"(supervisord\.conf|Procfile|web\.service):[1-9][0-9]*: [^\n]+")
ENVIRON = {"A": "a", "B": "b c", "NUMBER": "2", "HOSTNAME": "box", "HOME": "/root"}

YES, NO = ("true", "ON"), ("false", "0")
PLAIN: dict[str, tuple[str, ...]] = {
    "process_name": (),
    "numprocs": ("1",),
    "numprocs_start": ("0", "7"),
    "directory": (),
    "umask": (),
    "priority": ("1", "999", "-5"),
    "autostart": YES,
    "autorestart": ("unexpected",),
    "startsecs": ("1",),
    "startretries": (),
    "exitcodes": ("0",),
    "stopsignal": ("TERM", "15"),
    "stopwaitsecs": ("10",),
    "stopasgroup": NO,
    "killasgroup": (*YES, *NO),
    "user": (),
    "redirect_stderr": NO,
    "environment": (),
    "serverurl": ("AUTO",),
    "stdout_logfile": ("AUTO", "/dev/stdout", "/proc/self/fd/1"),
    "stderr_logfile": ("auto", "/dev/stderr"),
    **dict.fromkeys(("stdout_logfile_maxbytes", "stderr_logfile_maxbytes"), ("0", "50MB")),
    **dict.fromkeys(("stdout_logfile_backups", "stderr_logfile_backups"), ("0", "10")),
    **dict.fromkeys(("stdout_capture_maxbytes", "stderr_capture_maxbytes"), ("0",)),
    **dict.fromkeys(("stdout_events_enabled", "stderr_events_enabled", "stdout_syslog", "stderr_syslog"), NO),
}
"""Every option but the command, with values that change nothing, or only together with what else is there."""
TELLING: dict[str, tuple[str, ...]] = {
    "process_name": ("%(program_name)s_%(process_num)02d", "other"),
    "numprocs": ("3", "%(ENV_NUMBER)s"),
    "directory": ("/srv", "~/x", "%(here)s", "%(host_node_name)s"),
    "umask": ("022", "7", "1777", "%(ENV_NUMBER)s"),
    "autostart": NO,
    "autorestart": (*YES, *NO, "%(ENV_NUMBER)s"),
    "startsecs": ("0", "99999999999", "-3", "%(ENV_NUMBER)s"),
    "startretries": ("0", "3", "99999999999999999999"),
    "exitcodes": ("0,2", "", "255,255"),
    "stopsignal": ("SIGQUIT", "9", "RTMIN+3", "%(ENV_NUMBER)s"),
    "stopwaitsecs": ("3", "99999999999", "%(ENV_NUMBER)s"),
    "stopasgroup": YES,
    "user": ("root", "1000", "%(ENV_NUMBER)s"),
    "redirect_stderr": YES,
    "environment": ("A=\"1\",B='$x'", 'A="%(process_num)d"', "A=%(ENV_NUMBER)s", 'A="%%,b"', "%(ENV_NUMBER)s"),
    "serverurl": ("http://x",),
    "stdout_logfile": ("none", "syslog", "/dev/fd/2", "/x", "/%(process_num)d", "~/x"),
    "stderr_logfile": ("/dev/null", "syslog", "/dev/stdout", "/y", "/y%(process_num)d", "$y"),
    **dict.fromkeys(("stdout_logfile_maxbytes", "stderr_logfile_maxbytes"), ("1MB", "100", "-1")),
    **dict.fromkeys(("stdout_logfile_backups", "stderr_logfile_backups"), ("1", "5000")),
    **dict.fromkeys(("stdout_capture_maxbytes", "stderr_capture_maxbytes"), ("1MB",)),
    **dict.fromkeys(("stdout_events_enabled", "stderr_events_enabled", "stdout_syslog", "stderr_syslog"), YES),
    "unheard_of": ("x",),
}
COMMANDS = ("cat", "sh -c 'echo $HOME'", 'nginx -g "daemon off;"', "x %(process_num)02d", "no", "a: b", "x\n  y")
ALL = {name: (*PLAIN.get(name, ()), *TELLING.get(name, ())) for name in (*PLAIN, "unheard_of")}


def options(values: dict[str, tuple[str, ...]], at_most: int) -> st.SearchStrategy[dict[str, str]]:
    names = st.lists(st.sampled_from(sorted(name for name in values if values[name])), unique=True, max_size=at_most)
    return st.tuples(st.sampled_from(COMMANDS), names).flatmap(
        lambda drawn: st.fixed_dictionaries(
            {"command": st.just(drawn[0]), **{name: st.sampled_from(values[name]) for name in drawn[1]}}
        )
    )


def section(name: str, given: dict[str, str]) -> str:
    return "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in given.items()), ""])


SECTIONS = st.lists(
    st.one_of(
        st.builds(
            section, st.sampled_from(["program:web", "program:all", "program:a b", "program:no"]), options(ALL, 8)
        ),
        st.builds(section, st.sampled_from(["program:environment", "fcgi-program:web"]), options(ALL, 3)),
        st.sampled_from(
            [
                '[supervisord]\nenvironment=A="0",Z="%(ENV_NUMBER)s"\numask=027\nuser=1000\nloglevel=blather\nodd=1',
                "[group:g]\nprograms=web,no\npriority=3",
                "[group:h]\nprograms=web",
                "[eventlistener:x]\ncommand=x\nevents=TICK_5",
                "[unix_http_server]\nfile=/x\n[supervisorctl]\n[nothing]",
                "[DEFAULT]\nstopwaitsecs=4\nodd=x",
            ]
        ),
    ),
    max_size=6,
).map("\n".join)


def check(conversion: Converted) -> None:
    assert "no program to start" in "".join(conversion.warnings) or table_of(conversion, **ENVIRON).programs
    assert all(PLACE.fullmatch(warning) for warning in conversion.warnings), conversion.warnings


@QUICKLY
@given(SECTIONS)
def test_what_comes_out_of_a_supervisord_conf_is_a_valid_table(text: str) -> None:
    with suppress(ConfigError):
        check(converted(text))


@QUICKLY
@given(options(ALL, 10))
def test_what_comes_out_of_one_program_is_a_valid_table(given_options: dict[str, str]) -> None:
    assume(given_options.get("autostart") not in NO)
    assume(not (given_options.get("stopasgroup") in YES and given_options.get("killasgroup") in NO))
    check(converted(section("program:web", given_options)))


@QUICKLY
@given(options(ALL, 5), options(TELLING, 3))
def test_every_option_changes_the_table_or_is_said_to_be_lost(some: dict[str, str], others: dict[str, str]) -> None:
    """A comment is a change: what is taken away with an option was there because of it."""
    given_options = some | others
    with suppress(ConfigError):
        conversion = converted(section("program:web", given_options) + "[program:other]\ncommand=x\n")
        for name, value in given_options.items():
            if name == "command" or value in PLAIN.get(name, ()):
                continue
            if any(re.search(rf"\b{name}\b", warning) for warning in conversion.warnings):
                continue
            left = {key: value for key, value in given_options.items() if key != name}
            with suppress(ConfigError):
                without = converted(section("program:web", left) + "[program:other]\ncommand=x\n")
                assert without.table != conversion.table, name


@QUICKLY
@given(st.text(st.sampled_from("[]program:webcomand=x %;#$\"'\n\t (ENV_A)s01é\u2028\x85"), max_size=80))
def test_any_text_is_converted_or_refused_with_its_line(text: str) -> None:
    for start in ("", "[program:a]\ncommand=x\n", "[program:b]\ncommand=", "web: "):
        try:
            check(converted(start + text))
        except ConfigError as error:
            assert all(PLACE.fullmatch(problem) for problem in error.problems), error.problems


SCRIPT = st.lists(
    st.sampled_from(
        [
            *(
                "exec",
                "web",
                "s6-setuidgid app",
                "chpst -u a:b -n 1",
                "-e ./env",
                "2>&1",
                "\n",
                "\n",
                "cd /srv",
                "A=1",
                "$A",
            ),
            *(
                '"$B"',
                "'$c'",
                "${D:-x y}",
                "with-contenv",
                "importas -D 1 A A",
                "{",
                "}",
                "foreground",
                "if",
                "export X y",
            ),
            *(
                "fdmove -c 2 1",
                "s6-notifyoncheck -c 'nc -z x'",
                "exec 2>&1",
                "set -e",
                "ulimit -n 9",
                "|",
                ";",
                "#",
                '"',
                "\\",
            ),
        ]
    ),
    max_size=9,
).map(" ".join)


@QUICKLY
@given(st.sampled_from(["#!/bin/sh", "#!/usr/bin/with-contenv bash", "#!/bin/execlineb -P", "#!", ""]), SCRIPT, SCRIPT)
def test_what_comes_out_of_any_script_is_a_valid_table(first: str, script: str, finish: str) -> None:
    files = {"etc/service/web/run": f"{first}\n{script}\n", "etc/service/web/finish": finish}
    conversion = folder_of(files)
    accounts = "programs.web.user: "
    try:
        assert table_of(conversion, **ENVIRON).programs
    except ConfigError as error:
        assert all(accounts in problem for problem in error.problems), (conversion.table, error.problems)


UNIT = st.lists(
    st.sampled_from(
        [
            *(
                "ExecStart=web",
                "ExecStart=",
                "ExecStart=-web $A ${B} %n",
                "ExecStart=web %i",
                'ExecStart=web "',
                "Type=oneshot",
            ),
            *(
                "Type=forking",
                "Type=notify",
                "Type=dbus",
                "Restart=on-abort",
                "Restart=always",
                "RestartSec=soon",
                "Nice=x",
            ),
            *(
                "Environment=A=1 'B=x y'",
                "EnvironmentFile=-/etc/x",
                "LimitNOFILE=1K:2K",
                "LimitCPU=5h",
                "TimeoutStopSec=1min",
            ),
            *(
                "ExecStop=/bin/kill -s QUIT $MAINPID",
                "ExecStop=web stop",
                "ExecReload=web reload",
                "ExecStartPre=-web -t",
            ),
            *(
                "KillMode=control-group",
                "KillSignal=INT",
                "UMask=0022",
                "WorkingDirectory=~",
                "SuccessExitStatus=3 SIGHUP",
            ),
            *("StandardOutput=null", "StandardError=file:/x", "RuntimeDirectory=a b", "PIDFile=x.pid", "Odd=1", "bad"),
        ]
    ),
    max_size=8,
)


@QUICKLY
@given(UNIT)
def test_what_comes_out_of_a_unit_is_a_valid_table(lines: list[str]) -> None:
    with suppress(ConfigError):
        check(converted("\n".join(["[Service]", *lines]), "web.service"))


SERVICE = st.dictionaries(
    st.sampled_from(
        ["command", "entrypoint", "environment", "depends_on", "restart", "healthcheck", "env_file", "user", "odd"]
    ),
    st.sampled_from(["web", "[web, '$$x']", "{a: b}", "[A=1, B]", "null", "'no'", "always", "{test: x}", "5", "root"]),
    max_size=5,
)


@QUICKLY
@given(st.lists(SERVICE, min_size=1, max_size=3))
def test_what_comes_out_of_a_compose_file_is_a_table(services: list[dict[str, str]]) -> None:
    """What is wrong in the file is wrong in the table: its keys are checked there."""
    lines = ["services:"]
    for number, keys in enumerate(services):
        lines.append(f"  s{number}: {{{', '.join(f'{key}: {value}' for key, value in keys.items())}}}")
    with suppress(ConfigError):
        conversion = converted("\n".join(lines), "compose.yaml")
        assert all(warning.startswith("compose.yaml:") for warning in conversion.warnings)
        with suppress(ConfigError):
            table_of(conversion, **ENVIRON)


PROCESS = st.builds(
    "{}: {}".format,
    st.sampled_from(["web", "release", "worker_1", "all", "-x"]),
    st.lists(
        st.sampled_from(
            [
                *("python app.py", "A=1", 'B="x y"', "C=$D", "exec", "cd x", "&&", "$PORT", "2>&1", "> /dev/null", "|"),
                *("'it''s'", '"', "no", "PORT=80", "#", "*", "\\", "a: b"),
            ]
        ),
        min_size=1,
        max_size=5,
    ).map(" ".join),
)


@QUICKLY
@given(st.lists(st.one_of(PROCESS, st.sampled_from(["", "# x", "bad", "we b: x", "x:"])), max_size=6))
def test_what_comes_out_of_a_procfile_is_a_valid_table(lines: list[str]) -> None:
    with suppress(ConfigError):
        conversion = converted("\n".join(lines), "Procfile")
        check(conversion)
        lost = [line for line in lines if line in ("bad", "we b: x", "x:")]
        assert len([warning for warning in conversion.warnings if "left out" in warning]) == len(lost)
