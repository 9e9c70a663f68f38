"""Every way in which a table can be wrong: the whole line that the operator reads, without the name of the file."""

from __future__ import annotations

import pytest

from supervisor.config.schema import PROGRAM
from supervisor.errors import ConfigError

from .documents import FILE, problems_of, table_of

PROGRAM_KEYS = ", ".join(PROGRAM.keys)
SIGNAL = "a signal such as SIGTERM, TERM, 15 or SIGRTMIN+3"
CATCHABLE = "a signal such as SIGTERM, but not SIGKILL, SIGSTOP or SIGCHLD"
DURATION = "a duration such as 90, 1.5, 500ms or 1m30s"
SOME_DURATION = "a duration greater than 0, such as 90, 1.5, 500ms or 1m30s"
TEXT = "a non-empty string"
COMMAND = "a string, split into words as a shell does; or a list, each item a string"
STEP = "a mapping with the keys signal, write, command, wait, scope"
PROBES = "test, http, tcp, unix, file, fastcgi, uwsgi"
RESOURCES = (
    "one of as, core, cpu, data, fsize, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, stack"
)
TEST_FORMS = "CMD and a command, CMD-SHELL and one string, or NONE alone"
RESTART = "always, on-failure, on-failure:5, no or unless-stopped"
A_PROGRAM = f"a mapping with the keys {PROGRAM_KEYS}"
NAME = "letters, digits, dots, underscores and dashes, starting with a letter or digit; not all or supinit"


WRONG = "programs:\n  db: {command: postgres}\n  web: {command: nginx, <<:\n {%s}}"


def case(keys: str, *problems: str) -> tuple[str, tuple[str, ...]]:
    return keys, problems


PROGRAM_CASES = [
    case("▸restrat: no", f"restrat: unknown key, did you mean restart? (allowed: {PROGRAM_KEYS})"),
    case("▸zzz: 1", f"zzz: unknown key (allowed: {PROGRAM_KEYS})"),
    case("nice: ▸20", "nice: cannot be '20' (allowed: a whole number from -20 to 19)"),
    case("nice: ▸1.5", "nice: cannot be '1.5' (allowed: a whole number from -20 to 19)"),
    case("nice: ▸[1]", "nice: cannot be a list (allowed: a whole number from -20 to 19)"),
    case("nice: ▸{a: 1}", "nice: cannot be a mapping (allowed: a whole number from -20 to 19)"),
    case("nice: ▸''", "nice: cannot be '' (allowed: a whole number from -20 to 19)"),
    case("nice: ▸$NO", "nice: cannot be '' (allowed: a whole number from -20 to 19)"),
    case("oom_score_adj: ▸1001", "oom_score_adj: cannot be '1001' (allowed: a whole number from -1000 to 1000)"),
    case(
        "cap_add: [▸NET_BIND_SERVIC]",
        "cap_add[0]: unknown capability 'NET_BIND_SERVIC', did you mean NET_BIND_SERVICE? (allowed: a capability such "
        "as NET_BIND_SERVICE, with or without CAP_, or ALL)",
    ),
    case(
        "cap_add: [KILL, CHOWN], cap_drop: ▸[CAP_CHOWN]",
        "cap_drop: cannot drop CHOWN, which cap_add adds: remove it from one of the two",
    ),
    case("scale: ▸-1", "scale: cannot be '-1' (allowed: a whole number from 0 to 1000)"),
    case("scale: ▸1001", "scale: cannot be '1001' (allowed: a whole number from 0 to 1000)"),
    case("stdin: inherit, ▸scale: 0", "scale: must be 1 for the main program (stdin: inherit)"),
    case(
        "profiles: [▸'a,b']",
        "profiles[0]: cannot be 'a,b' (allowed: the name of a profile: letters, digits, dots, underscores and dashes, "
        "starting with a letter or digit)",
    ),
    case("type: ▸daemon", "type: cannot be 'daemon' (allowed: service, oneshot, forking)"),
    case("type: ▸onshot", "type: cannot be 'onshot', did you mean oneshot? (allowed: service, oneshot, forking)"),
    case("type: ▸[oneshot]", "type: cannot be a list (allowed: service, oneshot, forking)"),
    case(
        "shutdown_on: ▸fail",
        "shutdown_on: cannot be 'fail', did you mean failure? (allowed: failure, exit, never)",
    ),
    case("inherit_environment: ▸1", "inherit_environment: cannot be '1' (allowed: true or false)"),
    case("working_dir: ▸''", f"working_dir: cannot be '' (allowed: {TEXT})"),
    case('working_dir: ▸"a\\0b"', "working_dir: cannot contain a null byte"),
    case("umask: ▸8", "umask: cannot be '8' (allowed: octal permission bits such as 022)"),
    case("user: ▸nobody-here", "user: unknown user 'nobody-here'"),
    case("user: ▸0:nobody-here", "user: unknown group 'nobody-here'"),
    case("user: 0, group_add: [▸no-such]", "group_add[0]: unknown group 'no-such'"),
    case("env_file: ▸''", f"env_file: cannot be '' (allowed: {TEXT})"),
    case(
        "env_file: [/a, ▸~]",
        f"env_file[1]: cannot be null (allowed: {TEXT}; or a mapping with the keys path, required, format)",
    ),
    case("env_file: ▸{required: false}", f"env_file: required key 'path' is missing (allowed: {TEXT})"),
    case("env_file: {path: a, format: ▸json}", "env_file.format: cannot be 'json' (allowed: raw)"),
    case("environment: {▸'': 1}", "environment.: cannot be '' (allowed: a variable name)"),
    case("environment: {▸A=B: 1}", "environment.A=B: cannot be 'A=B' (allowed: a variable name)"),
    case(
        "environment: {A: ▸[1]}", "environment.A: cannot be a list (allowed: a string; or a mapping with the keys file)"
    ),
    case("environment: {A: ▸{}}", f"environment.A: required key 'file' is missing (allowed: {TEXT})"),
    case(
        "environment: {A: ▸{▸fil: x}}",
        f"environment.A: required key 'file' is missing (allowed: {TEXT})",
        "environment.A.fil: unknown key, did you mean file? (allowed: file)",
    ),
    case("environment: [A=1, B, ▸A=2]", "environment: duplicate 'A=2', first given on line 4"),
    case(
        "environment: [▸'=1']",
        "environment[0]: cannot be '=1' (allowed: NAME=value, or NAME for the value in supinit's own environment)",
    ),
    case("environment: {A: ▸'${X'}", "environment.A: missing closing brace after '${X'"),
    case(
        "environment: {A: ▸'${X:?no X}', B: ▸'$'}",
        "environment.A: required variable X is not set: no X",
        "environment.B: invalid variable '$' (write $$ for a dollar sign)",
    ),
    case(
        "environment: ▸A",
        "environment: cannot be 'A' (allowed: a list, each item NAME=value, or NAME for the value in"
        " supinit's own environment;"
        " or a mapping of names to strings, null or {file: PATH})",
    ),
    case("ulimits: {▸files: 1}", f"ulimits.files: cannot be 'files' (allowed: {RESOURCES})"),
    case("ulimits: {cpu: ▸-2}", "ulimits.cpu: cannot be '-2' (allowed: a whole number, -1 or unlimited)"),
    case(
        "ulimits: {cpu: ▸{soft: 1}}",
        "ulimits.cpu: required key 'hard' is missing (allowed: a whole number, -1 or unlimited)",
    ),
    case("ulimits: {cpu: ▸{soft: 2, hard: 1}}", "ulimits.cpu: the soft limit cannot exceed the hard limit"),
    case("ulimits: {cpu: ▸{soft: -1, hard: 1}}", "ulimits.cpu: the soft limit cannot exceed the hard limit"),
    case("ulimits: ▸1", "ulimits: cannot be '1' (allowed: a mapping of resources to limits)"),
    case("stdin: ▸tty", "stdin: cannot be 'tty' (allowed: null, inherit)"),
    case("stdin: inherit, ▸scale: 2", "scale: must be 1 for the main program (stdin: inherit)"),
    case(
        "stdin: inherit, ▸ready: {log: up}",
        "ready: ready.log and ready.fail_log cannot be used with log.mode: inherit, the default of the main program"
        " (allowed: log: {mode: prefix})",
    ),
    case("stdin: ▸/dev/null", "stdin: cannot be '/dev/null', did you mean null? (allowed: null, inherit)"),
    case("restart: ▸sometimes", f"restart: cannot be 'sometimes' (allowed: {RESTART})"),
    case("restart: ▸true", f"restart: cannot be 'true' (allowed: {RESTART})"),
    case("restart: ▸on-failure:0", f"restart: cannot be 'on-failure:0' (allowed: {RESTART})"),
    case("restart: ▸'on-failure:'", f"restart: cannot be 'on-failure:' (allowed: {RESTART})"),
    case(
        "type: oneshot, ▸restart: always",
        "restart: cannot be always with type: oneshot (allowed: no, on-failure, on-failure:5)",
    ),
    case(
        "▸restart: unless-stopped, type: oneshot",
        "restart: cannot be always with type: oneshot (allowed: no, on-failure, on-failure:5)",
    ),
    case("restart_delay: {initial: ▸-1}", f"restart_delay.initial: cannot be '-1' (allowed: {DURATION})"),
    case("restart_delay: {factor: ▸0.5}", "restart_delay.factor: cannot be '0.5' (allowed: a number of at least 1)"),
    case(
        "restart_delay: ▸5",
        "restart_delay: cannot be '5' (allowed: a mapping with the keys initial, max, factor, reset_after)",
    ),
    case(
        "start_retries: ▸0",
        "start_retries: cannot be '0' (allowed: a whole number of at least 1)",
    ),
    case("min_uptime: ▸soon", f"min_uptime: cannot be 'soon' (allowed: {DURATION})"),
    case(
        "success_exit_codes: [▸256]", "success_exit_codes[0]: cannot be '256' (allowed: a whole number from 0 to 255)"
    ),
    case(
        "success_exit_codes: ▸[]",
        "success_exit_codes: cannot be empty (allowed: a non-empty list, each item a whole number from 0 to 255)",
    ),
    case("stop_signal: ▸FOO", f"stop_signal: cannot be 'FOO' (allowed: {SIGNAL})"),
    case("stop_signal: ▸0", f"stop_signal: cannot be '0' (allowed: {SIGNAL})"),
    case("stop_signal: ▸65", f"stop_signal: cannot be '65' (allowed: {SIGNAL})"),
    case("stop_grace_period: ▸x", f"stop_grace_period: cannot be 'x' (allowed: {DURATION})"),
    case("stop: ▸[]", f"stop: cannot be empty (allowed: a non-empty list, each item {STEP})"),
    case("stop: [▸{signal: TERM}]", f"stop[0]: required key 'wait' is missing (allowed: {DURATION})"),
    case("stop: [▸{wait: 1}]", "stop[0]: one of signal, write, command is required"),
    case(
        "stop: [{signal: TERM, ▸command: x, wait: 1}]",
        "stop[0].command: cannot be used together with signal (allowed: one of signal, write, command)",
    ),
    case("stop: [{command: x, wait: 1, ▸scope: tree}]", "stop[0].scope: cannot be used without signal"),
    case("stop: [{signal: ▸X, wait: 1}]", f"stop[0].signal: cannot be 'X' (allowed: {SIGNAL})"),
    case("stop: [{signal: 1, wait: 1, scope: ▸all}]", "stop[0].scope: cannot be 'all' (allowed: main, group, tree)"),
    case("stop: [{write: ▸{data: x}, wait: 1}]", f"stop[0].write: required key 'path' is missing (allowed: {TEXT})"),
    case("stop: [{write: ▸{path: x}, wait: 1}]", "stop[0].write: required key 'data' is missing (allowed: a string)"),
    case(
        "stop: [{signal: TERM, wait: 1}], ▸stop_signal: TERM, ▸stop_grace_period: 1",
        "stop_signal: cannot be used together with stop (allowed: one of the two)",
        "stop_grace_period: cannot be used together with stop (allowed: one of the two)",
    ),
    case("signals: {▸FOO: TERM}", f"signals.FOO: cannot be 'FOO' (allowed: {CATCHABLE})"),
    case("signals: {▸KILL: TERM}", f"signals.KILL: cannot be 'KILL' (allowed: {CATCHABLE})"),
    case("signals: {HUP: ▸x}", f"signals.HUP: cannot be 'x' (allowed: {SIGNAL}, or none)"),
    case("signals: {USR1: none, ▸SIGUSR1: 1}", "signals: duplicate 'SIGUSR1', first given on line 4"),
    case(
        "reload_signal: HUP, ▸reload_command: x",
        "reload_command: cannot be used together with reload_signal (allowed: one of the two)",
    ),
    case("ready: {timeout: ▸0}", f"ready.timeout: cannot be '0' (allowed: {SOME_DURATION})"),
    case(
        "log: {mode: ▸rwa}", "log.mode: cannot be 'rwa', did you mean raw? (allowed: prefix, raw, json, inherit, none)"
    ),
    case(
        "log: {max_line: ▸0}",
        "log.max_line: cannot be '0' (allowed: a size of at least 1 such as 4096, 64kb, 10mb or 1g)",
    ),
    case("healthcheck: ▸{}", f"healthcheck: one of {PROBES} is required"),
    case("healthcheck: ▸{interval: 1}", f"healthcheck: one of {PROBES} is required"),
    case(
        "healthcheck: {tcp: 'a:1', ▸unix: /a}",
        f"healthcheck.unix: cannot be used together with tcp (allowed: one of {PROBES})",
    ),
    case(
        "healthcheck: {test: ▸[CMD]}",
        f"healthcheck.test: invalid test ['CMD'] (allowed: {TEST_FORMS})",
    ),
    case(
        "healthcheck: {test: ▸[curl, -f]}",
        f"healthcheck.test: invalid test ['curl', '-f'] (allowed: {TEST_FORMS})",
    ),
    case(
        "healthcheck: {test: ▸[CMD-SHELL, a, b]}",
        f"healthcheck.test: invalid test ['CMD-SHELL', 'a', 'b'] (allowed: {TEST_FORMS})",
    ),
    case(
        "healthcheck: {test: ▸[]}",
        "healthcheck.test: cannot be empty (allowed: a non-empty list, each item a string)",
    ),
    case("healthcheck: {test: ▸''}", f"healthcheck.test: cannot be '' (allowed: {TEXT})"),
    case("healthcheck: {tcp: ▸a}", "healthcheck.tcp: cannot be 'a' (allowed: host:port, with a port from 1 to 65535)"),
    case(
        "healthcheck: {tcp: ▸'a:99999'}",
        "healthcheck.tcp: cannot be 'a:99999' (allowed: host:port, with a port from 1 to 65535)",
    ),
    case(
        "healthcheck: {http: {url: ▸'https://a/'}}",
        "healthcheck.http.url: https is not supported: health checks do not use TLS (allowed: http)",
    ),
    case(
        "healthcheck: {http: {url: ▸a}}",
        "healthcheck.http.url: cannot be 'a' (allowed: http://host:port/path, or http+unix://%2Fpath%2Fof.sock/path)",
    ),
    case(
        "healthcheck: {http: ▸{}}",
        "healthcheck.http: required key 'url' is missing"
        " (allowed: http://host:port/path, or http+unix://%2Fpath%2Fof.sock/path)",
    ),
    case(
        "healthcheck: {http: {url: 'http://a', status: [▸99]}}",
        "healthcheck.http.status[0]: cannot be '99' (allowed: a whole number from 100 to 599)",
    ),
    case(
        "healthcheck: {http: {url: 'http://a', headers: {▸'A B': x, C: ▸\"a\\r\\nb\"}}}",
        "healthcheck.http.headers.A B: cannot be 'A B' (allowed: the name of an HTTP header)",
        "healthcheck.http.headers.C: cannot be 'a\\r\\nb' (allowed: a string of printable ASCII characters)",
    ),
    case(
        "healthcheck: {unix: /a, retries: ▸0}",
        "healthcheck.retries: cannot be '0' (allowed: a whole number of at least 1)",
    ),
    case("healthcheck: {unix: /a, interval: ▸0s}", f"healthcheck.interval: cannot be '0s' (allowed: {SOME_DURATION})"),
    case(
        "healthcheck: {unix: /a, on_unhealthy: ▸kill}",
        "healthcheck.on_unhealthy: cannot be 'kill' (allowed: none, restart, shutdown)",
    ),
    case(
        "depends_on: ▸db",
        f"depends_on: cannot be 'db' (allowed: a list, each item {TEXT}; or a mapping of program names to conditions)",
    ),
    case(
        "depends_on: [▸dbb]",
        "depends_on[0]: unknown program 'dbb', did you mean db? (allowed: db)",
    ),
    case("depends_on: {▸zzz: }", "depends_on.zzz: unknown program 'zzz' (allowed: db)"),
    case("depends_on: [db, ▸db]", "depends_on: duplicate 'db', first given on line 4"),
    case(
        "depends_on: {db: {condition: ▸ready}}",
        "depends_on.db.condition: cannot be 'ready' (allowed: started, healthy, completed, service_started,"
        " service_healthy, service_completed_successfully)",
    ),
    case("depends_on: [▸web]", "depends_on[0]: dependency cycle: web → web"),
    case(
        "ready: {log: up}, ▸log: {mode: inherit}",
        "log: mode: inherit cannot be used with ready.log or ready.fail_log: supinit does not see the output",
    ),
    *(
        case(
            f"log: {{mode: inherit, ▸{key}: {value}}}",
            f"log.{key}: cannot be used with mode: inherit: supinit does not see the output",
        )
        for key, value in (
            ("file", "a"),
            ("when_full", "drop"),
            ("rate_limit", "1kb/s"),
            ("redact", "[a]"),
            ("multiline", "a"),
        )
    ),
    case(
        "log: {rate_limit: ▸10mb}",
        "log.rate_limit: cannot be '10mb' (allowed: a size per second, such as 64kb/s or 10mb/s)",
    ),
    case(
        "log: {rate_limit: ▸0/s}",
        "log.rate_limit: cannot be '0/s' (allowed: a size per second, such as 64kb/s or 10mb/s)",
    ),
    case("log: {compress: ▸zip}", "log.compress: cannot be 'zip', did you mean gzip? (allowed: gzip)"),
    case("log: {when_full: ▸wait}", "log.when_full: cannot be 'wait' (allowed: block, drop)"),
    case(
        "log: {tail: ▸1kb}",
        "log.tail: cannot be '1kb' (allowed: a size of at least 4096 such as 4096, 64kb, 10mb or 1g)",
    ),
    case(
        "log: {redact: [ok, ▸'(']}",
        "log.redact[1]: invalid regular expression: missing ), unterminated subpattern at position 0",
    ),
]


@pytest.mark.parametrize(("keys", "problems"), PROGRAM_CASES, ids=[keys for keys, _ in PROGRAM_CASES])
def test_a_wrong_program_is_refused_with_the_place_the_path_and_what_is_allowed(
    keys: str, problems: tuple[str, ...]
) -> None:
    """Each ▸ in the keys, which are the fourth line of the document, stands where a problem is reported."""
    parts = keys.split("▸")
    columns = [len(" {") + len("".join(parts[:number])) + 1 for number in range(1, len(parts))]
    assert problems_of(WRONG % "".join(parts)) == [
        f"4:{column}: programs.web.{problem}" for column, problem in zip(columns, problems, strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("programs: {web: {}}", [f"1:17: programs.web: required key 'command' is missing (allowed: {COMMAND})"]),
        ("programs: {web: {command: }}", [f"1:27: programs.web.command: cannot be null (allowed: {COMMAND})"]),
        ("programs: {web: }", [f"1:17: programs.web: cannot be null (allowed: {A_PROGRAM})"]),
        ("programs: {web: x}", [f"1:17: programs.web: cannot be 'x' (allowed: {A_PROGRAM})"]),
        ("programs: []", ["1:11: programs: must be a mapping of names to programs"]),
        (
            "programs: {web: {command: []}}",
            ["1:27: programs.web.command: cannot be empty (allowed: a program to run and its arguments)"],
        ),
        (
            "programs: {web: {command: ['', a]}}",
            ["1:27: programs.web.command: cannot be empty (allowed: a program to run and its arguments)"],
        ),
        (
            "programs: {web: {command: ' '}}",
            ["1:27: programs.web.command: cannot be empty (allowed: a program to run and its arguments)"],
        ),
        (
            "programs: {web: {command: \"a 'b\"}}",
            ["1:27: programs.web.command: cannot be split into words: no closing quote '"],
        ),
        (
            "programs: {web: {command: [a, ~, [b]]}}",
            [
                "1:31: programs.web.command[1]: cannot be null (allowed: a string)",
                "1:34: programs.web.command[2]: cannot be a list (allowed: a string)",
            ],
        ),
        ("programs: {all: {command: x}}", [f"1:12: programs.all: cannot be 'all' (allowed: {NAME})"]),
        ("programs: {supinit: {command: x}}", [f"1:12: programs.supinit: cannot be 'supinit' (allowed: {NAME})"]),
        ("programs: {-a: {command: x}}", [f"1:12: programs.-a: cannot be '-a' (allowed: {NAME})"]),
        ("programs: {a b: {command: x}}", [f"1:12: programs.a b: cannot be 'a b' (allowed: {NAME})"]),
        ("programs: {'a/b': {command: x}}", [f"1:12: programs.a/b: cannot be 'a/b' (allowed: {NAME})"]),
        (
            "programs: {'': {nice: 99}}",
            [
                f"1:12: programs.: cannot be '' (allowed: {NAME})",
                f"1:16: programs.: required key 'command' is missing (allowed: {COMMAND})",
                "1:23: programs..nice: cannot be '99' (allowed: a whole number from -20 to 19)",
            ],
        ),
        (
            "programs: {a: {command: x, depends_on: [b]}, b: {command: x, depends_on: {c: }},\n"
            "  c: {command: x, depends_on: [d, a]}, d: {command: x, nice: 99}}",
            [
                "1:41: programs.a.depends_on[0]: dependency cycle: a → b → c → a",
                "2:62: programs.d.nice: cannot be '99' (allowed: a whole number from -20 to 19)",
            ],
        ),
        (
            "programs: {a: {command: x, depends_on: [b]}}",
            [
                "1:41: programs.a.depends_on[0]: unknown program 'b'"
                " (allowed: none: there is no other program)"
            ],
        ),
        (
            "prgrams: {}",
            ["1:1: prgrams: unknown key, did you mean programs? (allowed: include, supervisor, programs)"],
        ),
        ("- a", ["1:1: cannot be a list (allowed: a mapping with the keys include, supervisor, programs)"]),
        ("a", ["1:1: cannot be 'a' (allowed: a mapping with the keys include, supervisor, programs)"]),
        (
            "include: a.yaml",
            [f"1:10: include: cannot be 'a.yaml' (allowed: a list, each item {TEXT}; or a mapping with the keys path)"],
        ),
        ("include: ['']", [f"1:11: include[0]: cannot be '' (allowed: {TEXT})"]),
        ("supervisor: {log: {format: xml}}", ["1:28: supervisor.log.format: cannot be 'xml' (allowed: plain, json)"]),
        (
            "programs: {a: {command: x, log: {file: /l}}, b: {command: x, log: {file: /l, keep: 5}},"
            " c: {command: x, log: {file: /l, keep: 1}}}",
            ["1:110: programs.c.log.file: cannot share /l with a: max_size, keep or compress differ"],
        ),
        (
            "supervisor: {log: {level: warn}}",
            [
                "1:27: supervisor.log.level: cannot be 'warn', did you mean warning?"
                " (allowed: debug, info, warning, error)"
            ],
        ),
        (
            "supervisor: {shutdown_signals: [TERM, STOP]}",
            [f"1:39: supervisor.shutdown_signals[1]: cannot be 'STOP' (allowed: {CATCHABLE})"],
        ),
        (
            "supervisor: {shutdown_signals: []}",
            [
                "1:32: supervisor.shutdown_signals: cannot be empty"
                f" (allowed: a non-empty list, each item {CATCHABLE})"
            ],
        ),
        (
            "supervisor: {socket_mode: rw}",
            ["1:27: supervisor.socket_mode: cannot be 'rw' (allowed: octal permission bits such as 022)"],
        ),
        ("supervisor: {socket_group: no-such}", ["1:28: supervisor.socket_group: unknown group 'no-such'"]),
        ("supervisor: {run_dir: ''}", [f"1:23: supervisor.run_dir: cannot be '' (allowed: {TEXT})"]),
        ("supervisor: {syslog: true}", ["1:22: supervisor.syslog: cannot be 'true' (allowed: an absolute path)"]),
        ("supervisor: {drain_delay: x}", [f"1:27: supervisor.drain_delay: cannot be 'x' (allowed: {DURATION})"]),
        (
            "supervisor: {required_environment: [A=B]}",
            ["1:37: supervisor.required_environment[0]: cannot be 'A=B' (allowed: a variable name)"],
        ),
        (
            "supervisor: {metrics: {listen: ':0'}}",
            [
                "1:32: supervisor.metrics.listen: cannot be ':0' (allowed: host:port, with a port from 1 to 65535; "
                ":port for all interfaces)"
            ],
        ),
    ],
)  # fmt: skip
def test_a_wrong_document_is_refused_with_the_place_the_path_and_what_is_allowed(
    text: str, problems: list[str]
) -> None:
    assert problems_of(text) == problems


def test_a_long_value_is_cut_and_stays_on_one_line() -> None:
    (problem,) = problems_of(f'programs: {{web: {{command: x, nice: "a\\nb{"x" * 100}"}}}}')
    assert problem == (
        f"1:36: programs.web.nice: cannot be 'a\\nb{'x' * 54}…' (allowed: a whole number from -20 to 19)"
    )


def test_a_service_cannot_be_done_once_and_a_pattern_must_be_one() -> None:
    text = """\
programs:
  a: {command: x, once: {key: a, dir: b}, ready: {log: "(", fail_log: "[[a]", notify: {fd: 2}}}
  b: {command: x, type: nonsense, once: {key: "", dir: b}}
"""
    with pytest.raises(ConfigError) as refusal:
        table_of(text)
    assert refusal.value.problems == (
        f"{FILE}:2:19: programs.a.once: cannot be used with type: service (allowed: type: oneshot)",
        f"{FILE}:2:56: programs.a.ready.log: invalid regular expression:"
        " missing ), unterminated subpattern at position 0",
        f"{FILE}:2:92: programs.a.ready.notify.fd: cannot be '2' (allowed: a whole number from 3 to 1023)",
        f"{FILE}:3:25: programs.b.type: cannot be 'nonsense' (allowed: service, oneshot, forking)",
        f"{FILE}:3:47: programs.b.once.key: cannot be '' (allowed: {TEXT})",
    )


def test_a_table_that_was_refused_leaves_nothing_behind_for_the_next() -> None:
    problems_of("programs: {web: {nice: x}}")
    assert len(table_of("programs: {web: {command: x}}").programs) == 1


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("{}", "supervisor.web: required key 'listen' is missing"),
        ("{listen: 9465}", "supervisor.web.listen: cannot be '9465' (allowed: host:port, with a port from 1 to 65535"),
        (
            "{listen: ':9465', token: secret}",
            "supervisor.web.token: cannot be 'secret' (allowed: a mapping with the keys file)",
        ),
        ("{listen: ':9465', token: {}}", "supervisor.web.token: required key 'file' is missing"),
        ("{listen: ':9465', hosts: ['box:80']}", "supervisor.web.hosts[0]: cannot be 'box:80' (allowed: a host name"),
    ],
)
def test_a_wrong_web_page_is_refused(keys: str, problem: str) -> None:
    [found] = problems_of("supervisor: {web: " + keys + "}\nprograms: {web: {command: web}}")
    assert problem in found


PORTS = "a whole number from 1 to 65535"


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("after: 0, ports: [80]", "after: cannot be '0' (allowed: a duration greater than 0, such as"),
        ("after: 1m, ports: [0]", f"ports[0]: cannot be '0' (allowed: {PORTS})"),
        ("after: 1m, ports: [80, 65536]", f"ports[1]: cannot be '65536' (allowed: {PORTS})"),
        ("after: 1m, ports: [http]", f"ports[0]: cannot be 'http' (allowed: {PORTS})"),
        ("after: 1m, ports: []", "ports: cannot be empty"),
        ("after: 1m", "required key 'ports' is missing"),
        ("ports: [80]", "required key 'after' is missing"),
    ],
)
def test_a_wrong_idle_shutdown_is_refused(keys: str, problem: str) -> None:
    [found] = problems_of("supervisor: {idle_shutdown: {" + keys + "}}\nprograms: {web: {command: web}}")
    assert "supervisor.idle_shutdown" in found
    assert problem in found


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("watch: /certs", "watch: cannot be '/certs' (allowed: a list"),
        ("watch: [certs]", "watch[0]: cannot be 'certs' (allowed: an absolute path)"),
        ("watch: [{path: ./certs}]", "watch[0].path: cannot be './certs' (allowed: an absolute path)"),
        ("watch: [{action: reload}]", "watch[0]: required key 'path' is missing"),
        ("watch: [{path: /a, action: restrat}]", "watch[0].action: cannot be 'restrat', did you mean restart?"),
        ("watch: [{path: /a, debounce: soon}]", "watch[0].debounce: cannot be 'soon'"),
        ("watch: [{path: /a, recursive: true}]", "watch[0].recursive: unknown key"),
        ("watch: [/a, {path: /a/, action: restart}]", "watch: duplicate item, first given on line 1"),
        (
            "type: oneshot, watch: [/a]",
            "watch: cannot be used with type: oneshot, which has no process to reload or restart"
            " (allowed: type: service, type: forking)",
        ),
        (
            "restart_when: 500mb",
            "restart_when: cannot be '500mb' (allowed: a mapping with the keys memory, age, interval)",
        ),
        ("restart_when: {}", "restart_when: one of memory, age is required"),
        ("restart_when: {memory: null}", "restart_when: one of memory, age is required"),
        ("restart_when: {age: 1h, requests: 5}", "restart_when.requests: unknown key (allowed: memory, age, interval)"),
        (
            "restart_when: {memory: 500}",
            "restart_when.memory: cannot be less than 1mb: every program has more, so it would be restarted for ever",
        ),
        ("restart_when: {memory: lots}", "restart_when.memory: cannot be 'lots' (allowed: a size"),
        ("restart_when: {age: 0}", "restart_when.age: cannot be '0' (allowed: a duration greater than 0"),
        ("restart_when: {age: 1h, interval: 5s}", "restart_when.interval: cannot be used without memory"),
        (
            "restart_when: {memory: 1g, interval: 0.5}",
            "restart_when.interval: cannot be less than 1s: a measurement reads every process in /proc",
        ),
        (
            "type: oneshot, restart_when: {age: 1h}",
            "restart_when: cannot be used with type: oneshot, which ends by itself and would begin its work again"
            " (allowed: type: service, type: forking)",
        ),
        (
            "stdin: inherit, restart_when: {age: 1h}",
            "restart_when: cannot be used for the main program (stdin: inherit), because its end is the container's",
        ),
    ],
)
def test_a_wrong_watch_or_limit_is_refused(keys: str, problem: str) -> None:
    [found] = problems_of("programs: {web: {command: web, " + keys + "}}")
    assert f"programs.web.{problem}" in found


@pytest.mark.parametrize(
    ("keys", "is_warned"),
    [
        ("watch: [/a]", True),
        ("watch: [{path: /a, action: restart}]", False),
        ("watch: [/a], reload_signal: SIGHUP", False),
        ("watch: [/a], reload_command: [nginx, -s, reload]", False),
        ("watch: [/a], preset: nginx", False),
    ],
)
def test_a_reload_that_nobody_has_described_is_a_warning(keys: str, is_warned: bool) -> None:
    warnings = table_of("programs: {web: {command: web, " + keys + "}}").warnings
    assert [warning.partition(", so it gets")[0] for warning in warnings] == is_warned * [
        f"{FILE}:1:32: programs.web.watch: it does not say how the program reloads"
    ]


@pytest.mark.parametrize("scale", [0, 1])
def test_a_pid_file_names_one_daemon(scale: int) -> None:
    keys = "type: forking, pid_file: /run/web.pid"
    assert table_of(f"programs: {{web: {{command: web, {keys}, scale: {scale}}}}}").programs[0].scale == scale
    [found] = problems_of(f"programs: {{web: {{command: web, {keys}, scale: 3}}}}")
    assert (
        "programs.web.scale: cannot be 3 with pid_file, because all instances would write the same file: "
        "write one program for each daemon, or leave pid_file out (allowed: 0, 1)"
    ) in found
