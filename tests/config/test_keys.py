"""Every key: what is written, and the record that comes of it."""

from __future__ import annotations

import json
import os
import resource
from signal import SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGRTMIN, SIGTERM, SIGUSR1, SIGUSR2

import pytest

from supervisor.config.healthcheck import HEALTHCHECK
from supervisor.config.schema import DOCUMENT, PROGRAM, SUPERVISOR
from supervisor.config.sections import Section
from supervisor.core.healthcheck import (
    ExecProbe,
    FastCgiProbe,
    FileProbe,
    HealthCheck,
    HttpProbe,
    OnUnhealthy,
    Probe,
    TcpProbe,
    UnixProbe,
    UwsgiProbe,
)
from supervisor.core.idle_shutdown import IdleShutdown
from supervisor.core.once import Once
from supervisor.core.program import (
    CommandStep,
    Condition,
    Credentials,
    Dependency,
    EnvFile,
    Limit,
    LogMode,
    LogSettings,
    OwnLog,
    Program,
    ProgramType,
    Readiness,
    Restart,
    RestartDelay,
    RestartWhen,
    Scope,
    SecretFile,
    Settings,
    ShutdownOn,
    SignalStep,
    Step,
    WhenFull,
    WriteStep,
)
from supervisor.core.record import replace
from supervisor.core.restart_limits import RestartLimits
from supervisor.core.watch import Watch, WatchAction
from supervisor.core.web_page import WebPage

from .documents import program_of, settings_of, table_of

WEB = Program("web", ("nginx",))
ALWAYS, NEVER = Restart(RestartWhen.ALWAYS), Restart(RestartWhen.NEVER)


PROGRAM_CASES: list[tuple[str, dict[str, object]]] = [
    ("", {}),
    ("type: service", {}),
    ("type: oneshot", {"kind": ProgramType.ONESHOT, "restart": NEVER}),
    ("depends_on: [db]", {"depends_on": (Dependency("db"),)}),
    ("depends_on: []", {}),
    ("depends_on: {db: }", {"depends_on": (Dependency("db"),)}),
    ("depends_on: {db: {}}", {"depends_on": (Dependency("db"),)}),
    (
        "depends_on: {db: {required: false, restart: true}}",
        {"depends_on": (Dependency("db", required=False, restart=True),)},
    ),
    ("depends_on: {nobody: {required: false}, db: {}}", {"depends_on": (Dependency("db"),)}),
    ("environment: {A: '1', B: no, C: 1.50}", {"environment": (("A", "1"), ("B", "no"), ("C", "1.50"))}),
    ("environment: {A: , B: ''}", {"environment": (("A", None), ("B", ""))}),
    ("environment: {A: {file: /run/a}}", {"environment": (("A", SecretFile("/run/a")),)}),
    ("environment: [A=1, B=, C, 'D=x=y']", {"environment": (("A", "1"), ("B", ""), ("C", None), ("D", "x=y"))}),
    ("env_file: [/etc/a.env, b.env]", {"env_file": (EnvFile("/etc/a.env"), EnvFile("b.env"))}),
    ("inherit_environment: false", {"inherit_environment": False}),
    ("inherit_environment: No", {"inherit_environment": False}),
    ("inherit_environment: 'on'", {"inherit_environment": True}),
    ("working_dir: /srv", {"working_dir": "/srv"}),
    ("working_dir: 5", {"working_dir": "5"}),
    ("umask: '022'", {"umask": 0o022}),
    ("umask: 022", {"umask": 0o022}),
    ("ulimits: {nofile: 1024}", {"ulimits": (Limit("nofile", 1024, 1024),)}),
    (
        "ulimits: {nofile: {soft: 1, hard: 2}, core: unlimited, memlock: {soft: 0, hard: -1}}",
        {"ulimits": (Limit("nofile", 1, 2), Limit("core", -1, -1), Limit("memlock", 0, -1))},
    ),
    ("nice: -20", {"nice": -20}),
    ("oom_score_adj: '1000'", {"oom_score_adj": 1000}),
    ("cap_drop: [ALL], cap_add: [CAP_CHOWN, kill]", {"cap_drop": ("ALL",), "cap_add": ("CHOWN", "KILL")}),
    ("cap_drop: [net_raw, cap_sys_admin]", {"cap_drop": ("NET_RAW", "SYS_ADMIN")}),
    ("no_new_privileges: true", {"no_new_privileges": True}),
    ("stdin: 'null'", {}),
    ("stdin: null", {}),
    ("scale: 3", {"scale": 3}),
    ("scale: 0", {"scale": 0}),
    ("autostart: false", {"autostart": False}),
    ("autostart: '${RUN_CRON:-false}'", {"autostart": False}),
    ("profiles: []", {"profiles": ()}),
    ("profiles: [web, all]", {"profiles": ("web", "all"), "is_enabled": False}),
    ("restart: always", {"restart": ALWAYS}),
    ("restart: unless-stopped", {"restart": ALWAYS}),
    ("restart: on-failure", {"restart": Restart(RestartWhen.ON_FAILURE)}),
    ("restart: on-failure:5", {"restart": Restart(RestartWhen.ON_FAILURE, 5)}),
    ("restart: no", {"restart": NEVER}),
    ("restart: 'no'", {"restart": NEVER}),
    ("restart: false", {"restart": NEVER}),
    (
        "type: oneshot, restart: on-failure:2",
        {"kind": ProgramType.ONESHOT, "restart": Restart(RestartWhen.ON_FAILURE, 2)},
    ),
    (
        "restart_delay: {initial: 1s, max: 1m, factor: 1.5, reset_after: 0}",
        {"restart_delay": RestartDelay(1.0, 60.0, 1.5, 0.0)},
    ),
    ("restart_delay: {max: 5}", {"restart_delay": RestartDelay(max=5.0)}),
    ("start_retries: 3", {"start_retries": 3}),
    ("start_retries: null", {"start_retries": None}),
    ("min_uptime: 0", {"min_uptime": 0.0}),
    ("success_exit_codes: [0, 143, 255]", {"success_exit_codes": (0, 143, 255)}),
    ("shutdown_on: exit", {"shutdown_on": ShutdownOn.EXIT}),
    ("stop_signal: QUIT", {"stop": (SignalStep(SIGQUIT, 10.0),)}),
    ("stop_grace_period: 1m30s", {"stop": (SignalStep(SIGTERM, 90.0),)}),
    ("stop_signal: 9, stop_grace_period: 0", {"stop": (SignalStep(SIGKILL, 0.0),)}),
    ("signals: {USR1: SIGUSR2, 2: none}", {"signals": ((SIGUSR1, SIGUSR2), (SIGINT, None))}),
    ("signals: {SIGRTMIN+3: SIGTERM}", {"signals": ((SIGRTMIN + 3, SIGTERM),)}),
    ("reload_signal: usr1", {"reload": SIGUSR1}),
    ("reload_command: [nginx, -s, reload]", {"reload": ("nginx", "-s", "reload")}),
    ("ready: {timeout: 5m}", {"ready": Readiness(timeout=300.0)}),
    ("log: {mode: json, max_line: 1kb}", {"log": LogSettings(LogMode.JSON, max_line=1024)}),
    (
        "log: {mode: none, file: /a, max_size: 1g, keep: 0, compress: gzip}",
        {"log": LogSettings(LogMode.NONE, "/a", 1 << 30, 0, compress=True)},
    ),
    ("log: {tail: 1mb, when_full: drop}", {"log": LogSettings(tail=1 << 20, when_full=WhenFull.DROP)}),
    ("log: {rate_limit: 1.5kb/s}", {"log": LogSettings(rate_limit=1536)}),
    (
        "log: {redact: ['token=\\S+', b], multiline: '^[0-9]'}",
        {"log": LogSettings(redact=("token=\\S+", "b"), multiline="^[0-9]")},
    ),
    ("log: {redirect_stderr: true}", {"log": LogSettings(redirect_stderr=True)}),
    ("log: {}, ready: {}, restart_delay: {}, ulimits: {}", {}),
    ("nice: , user: , log: , stop: , healthcheck: , preset: ", {}),
    ("x-note: {anything: [goes]}", {}),
    (
        "type: oneshot, once: {key: v1, dir: /shared, order: 5}",
        {"kind": ProgramType.ONESHOT, "restart": NEVER, "once": Once("v1", "/shared", "5")},
    ),
    (
        "type: oneshot, once: {key: v1, dir: /shared, order: ''}",
        {"kind": ProgramType.ONESHOT, "restart": NEVER, "once": Once("v1", "/shared")},
    ),
    ("watchdog: 30s", {"watchdog": 30.0}),
    ("ready: {notify: systemd}", {"ready": Readiness("systemd")}),
    ("ready: {notify: {fd: 3}}", {"ready": Readiness(3)}),
    ("ready: {log: 'up$$', fail_log: '[x]'}", {"ready": Readiness(log="up$", fail_log="[x]")}),
    (
        "healthcheck: {fastcgi: {address: /run/php.sock}}",
        {"healthcheck": HealthCheck(FastCgiProbe("/run/php.sock"))},
    ),
    (
        "healthcheck: {fastcgi: {address: 'php:9000', path: /status}}",
        {"healthcheck": HealthCheck(FastCgiProbe("php:9000", "/status"))},
    ),
    ("healthcheck: {uwsgi: {address: 'app:3031'}}", {"healthcheck": HealthCheck(UwsgiProbe("app:3031"))}),
    ("clear_before_start: [/run/web.pid]", {"clear_before_start": ("/run/web.pid",)}),
]


@pytest.mark.parametrize(("keys", "changes"), PROGRAM_CASES)
def test_a_key_of_a_program_sets_its_field(keys: str, changes: dict[str, object]) -> None:
    assert program_of(keys) == replace(WEB, **changes)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("nginx", ("nginx",)),
        ("nginx -g 'daemon off;'", ("nginx", "-g", "daemon off;")),
        ("[nginx, -g, daemon off;]", ("nginx", "-g", "daemon off;")),
        ("[sleep, 5, true, 1.50, '']", ("sleep", "5", "true", "1.50", "")),
        ("[echo, a b, \"$$HOME\"]", ("echo", "a b", "$HOME")),
        ("${BIN:-nginx} -t", ("nginx", "-t")),
    ],
)  # fmt: skip
def test_a_command_is_a_list_or_a_text_split_as_a_shell_splits_words(command: str, words: tuple[str, ...]) -> None:
    assert table_of(f"programs:\n  web:\n    command: {command}").programs[0].command == words


@pytest.mark.parametrize(
    ("word", "condition"),
    [
        ("started", Condition.STARTED),
        ("healthy", Condition.HEALTHY),
        ("completed", Condition.COMPLETED),
        ("service_started", Condition.STARTED),
        ("service_healthy", Condition.HEALTHY),
        ("service_completed_successfully", Condition.COMPLETED),
    ],
)
def test_a_dependency_waits_for_a_condition_in_either_spelling(word: str, condition: Condition) -> None:
    assert program_of(f"depends_on: {{db: {{condition: {word}}}}}").depends_on == (Dependency("db", condition),)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("{signal: SIGQUIT, wait: 30s}", (SignalStep(SIGQUIT, 30.0),)),
        (
            "{signal: INT, wait: 1, scope: group}, {signal: 15, wait: 0, scope: tree}",
            (SignalStep(SIGINT, 1.0, Scope.GROUP), SignalStep(SIGTERM, 0.0, Scope.TREE)),
        ),
        ("{write: {path: /run/fifo, data: q}, wait: 5}", (WriteStep("/run/fifo", b"q", 5.0),)),
        ('{write: {path: /run/fifo, data: "é\\n"}, wait: 5}', (WriteStep("/run/fifo", b"\xc3\xa9\n", 5.0),)),
        ("{command: [nginx, -s, quit], wait: 5}", (CommandStep(("nginx", "-s", "quit"), 5.0),)),
        ("{command: nginx -s quit, wait: 5}", (CommandStep(("nginx", "-s", "quit"), 5.0),)),
    ],
)
def test_a_stop_sequence_is_a_list_of_steps(steps: str, expected: tuple[Step, ...]) -> None:
    assert program_of(f"stop: [{steps}]") == replace(WEB, stop=expected)


@pytest.mark.parametrize(
    ("keys", "probe"),
    [
        ("test: [CMD, curl, -f, 1]", ExecProbe(("curl", "-f", "1"))),
        ("test: [CMD-SHELL, curl -f x || exit 1]", ExecProbe(("/bin/sh", "-c", "curl -f x || exit 1"))),
        ("test: curl -f x", ExecProbe(("/bin/sh", "-c", "curl -f x"))),
        ("http: {url: 'http://localhost/'}", HttpProbe("http://localhost/")),
        (
            "http: {url: 'http://a:1/', status: [200, 204], headers: {Host: x, X-Y: ''}}",
            HttpProbe("http://a:1/", (200, 204), (("Host", "x"), ("X-Y", ""))),
        ),
        ("tcp: '[::1]:80'", TcpProbe("::1", 80)),
        ("unix: /run/app.sock", UnixProbe("/run/app.sock")),
        ("file: {path: /run/ok}", FileProbe("/run/ok")),
        ("file: {path: /run/ok, max_age: 60s}", FileProbe("/run/ok", 60.0)),
    ],
)
def test_a_health_check_asks_in_one_way(keys: str, probe: Probe) -> None:
    assert program_of(f"healthcheck: {{{keys}}}") == replace(WEB, healthcheck=HealthCheck(probe))


def test_a_health_check_has_compose_s_times() -> None:
    keys = "interval: 1, timeout: 2, retries: 4, start_period: 5, start_interval: 6, on_unhealthy: restart"
    assert program_of(f"healthcheck: {{unix: /a, {keys}}}").healthcheck == HealthCheck(
        UnixProbe("/a"), 1.0, 2.0, 4, 5.0, 6.0, OnUnhealthy.RESTART
    )


def test_a_health_check_that_is_none_is_not_there() -> None:
    assert program_of("healthcheck: {test: [NONE], interval: 5}") == WEB


@pytest.mark.parametrize(
    ("keys", "watches"),
    [
        ("watch: [/certs]", (Watch("/certs"),)),
        (
            "watch: [{path: /certs}, {path: /conf, action: restart, debounce: 2s}]",
            (Watch("/certs"), Watch("/conf", WatchAction.RESTART, 2.0)),
        ),
        ("watch: [{path: /certs, action: reload, debounce: 0}]", (Watch("/certs", WatchAction.RELOAD, 0.0),)),
        ("watch: []", ()),
        ("watch: null", ()),
    ],
    ids=str,
)
def test_a_program_watches_files(keys: str, watches: tuple[Watch, ...]) -> None:
    assert program_of(keys) == replace(WEB, watch=watches)


@pytest.mark.parametrize(
    ("keys", "limits"),
    [
        ("{memory: 500mb}", RestartLimits(memory=500 * 1024 * 1024)),
        ("{age: 24h}", RestartLimits(age=86400.0)),
        ("{memory: 1mb, age: 1, interval: 1s}", RestartLimits(1024 * 1024, 1.0, 1.0)),
        ("null", None),
    ],
)
def test_a_program_has_limits_at_which_it_is_restarted(keys: str, limits: RestartLimits | None) -> None:
    assert program_of(f"restart_when: {keys}") == replace(WEB, restart_when=limits)


def test_a_user_brings_its_groups_and_those_added() -> None:
    name = "root"
    groups = (0, *(group for group in os.getgrouplist(name, 0) if group != 0))
    root = Credentials(0, 0, groups, name, os.path.expanduser("~root"))
    assert program_of("user: root").credentials == root
    added = program_of("user: 0:0, group_add: [4711, root, '4712']").credentials
    assert added == replace(root, groups=(*groups, 4711, 4712), names_group=True, added_groups=(4711, 0, 4712))


SUPERVISOR_CASES: list[tuple[str, dict[str, object]]] = [
    ("", {}),
    ("run_dir: /r", {"run_dir": "/r"}),
    ("socket: /s", {"socket": "/s"}),
    ("socket: null", {}),
    ("socket_mode: '0660'", {"socket_mode": 0o660}),
    ("socket_group: 0", {"socket_group": 0}),
    ("socket_group: root", {"socket_group": 0}),
    ("shutdown_signals: [TERM, SIGRTMIN+4]", {"shutdown_signals": (SIGTERM, SIGRTMIN + 4)}),
    ("drain_delay: 5s", {"drain_delay": 5.0}),
    ("idle_shutdown: {after: 30m, ports: [8080, '443', 8080]}", {"idle_shutdown": IdleShutdown(1800.0, (8080, 443))}),
    ("idle_shutdown: null", {}),
    ("web: {listen: ':9465'}", {"web": WebPage(("", 9465))}),
    (
        "web: {listen: 'localhost:9465', token: {file: /t}, hosts: [Box.Example]}",
        {"web": WebPage(("localhost", 9465), "/t", ("box.example",))},
    ),
    ("start_timeout: 2m", {"start_timeout": 120.0}),
    ("shutdown_timeout: 9.5", {"shutdown_timeout": 9.5}),
    ("required_environment: []", {}),
    ("revision: abc", {"revision": "abc"}),
    ("revision: 1e3", {"revision": "1e3"}),
    ("revision: '${NONE:-}'", {}),
    ("log: {format: json}", {"log": OwnLog("json")}),
    ("log: {level: debug}", {"log": OwnLog(level="debug")}),
    ("metrics: {}", {}),
    ("x-note: 1, log: {x-note: 1}", {}),
]


@pytest.mark.parametrize(("keys", "changes"), SUPERVISOR_CASES)
def test_a_key_of_the_supervisor_sets_its_field(keys: str, changes: dict[str, object]) -> None:
    assert settings_of(keys) == replace(Settings(), **changes)


@pytest.mark.parametrize(
    ("address", "listen"),
    [(":9464", ("", 9464)), ("127.0.0.1:9464", ("127.0.0.1", 9464)), ("[::1]:9464", ("::1", 9464))],
)
def test_an_address_for_metrics(address: str, listen: tuple[str, int]) -> None:
    assert settings_of(f"metrics: {{listen: '{address}'}}") == Settings(metrics_listen=listen)


SECTIONS = {
    "programs: {web: {command: nginx, %s}}": PROGRAM,
    "programs: {web: {command: nginx, restart_delay: {%s}}}": PROGRAM.keys["restart_delay"].kind,
    "programs: {web: {command: nginx, ready: {%s}}}": PROGRAM.keys["ready"].kind,
    "programs: {web: {command: nginx, log: {%s}}}": PROGRAM.keys["log"].kind,
    "programs: {web: {command: nginx, type: oneshot, once: {key: a, dir: b, %s}}}": PROGRAM.keys["once"].kind,
    "programs: {web: {command: nginx, healthcheck: {unix: /a, %s}}}": HEALTHCHECK,
    "programs: {web: {command: nginx, healthcheck: {http: {url: 'http://a', %s}}}}": HEALTHCHECK.keys["http"].kind,
    "programs: {web: {command: nginx, healthcheck: {fastcgi: {address: /a, %s}}}}": HEALTHCHECK.keys["fastcgi"].kind,
    "programs: {web: {command: nginx, healthcheck: {uwsgi: {address: /a, %s}}}}": HEALTHCHECK.keys["uwsgi"].kind,
    "supervisor: {%s}": SUPERVISOR,
    "supervisor: {log: {%s}}": SUPERVISOR.keys["log"].kind,
}


def keys_with_a_default() -> list[tuple[str, str]]:
    """Return documents, each with a place for a key, and that key with its default, as JSON, which is YAML."""
    return [
        (document, f"{key.name}: {json.dumps(key.default)}")
        for document, section in SECTIONS.items()
        if isinstance(section, Section)
        for key in section.keys.values()
        if key.default is not None
    ]


@pytest.mark.parametrize(("document", "key"), keys_with_a_default())
def test_a_documented_default_is_what_leaving_the_key_out_gives(document: str, key: str) -> None:
    assert table_of(document % key) == table_of(document % "")


def test_every_field_of_a_program_can_be_set_by_a_key() -> None:
    by_another_name = {
        "name": "the key itself",
        "kind": "type",
        "credentials": "user",
        "is_main": "stdin",
        "is_enabled": "profiles",
        "reload": "reload_signal",
        "second_lane": "nothing: it holds at run time only",
        "beside": "nothing: it holds at run time only",
    }
    assert set(Program.__match_args__) - set(by_another_name) <= set(PROGRAM.keys)


@pytest.mark.parametrize(
    ("active", "starts"), [("", False), ("web", True), ("other, all,", True), ("WEB", False), ("we,b", False)]
)
def test_a_program_with_profiles_starts_by_itself_if_one_of_them_is_active(active: str, starts: bool) -> None:
    assert program_of("profiles: [web, all]", SUPINIT_PROFILES=active).starts_by_itself is starts
    assert not program_of("profiles: [web, all], autostart: false", SUPINIT_PROFILES=active).starts_by_itself


@pytest.mark.parametrize(
    ("profiles", "active", "words"),
    [
        ("[web, worker]", "wokrer", "'wokrer' of --profile or $SUPINIT_PROFILES, did you mean worker?: {ours}"),
        ("[web, worker]", "web,x", "'x' of --profile or $SUPINIT_PROFILES: {ours}"),
        ("[]", "web", "'web' of --profile or $SUPINIT_PROFILES: no program has profiles"),
    ],
)
def test_an_active_profile_that_no_program_has_is_a_warning(profiles: str, active: str, words: str) -> None:
    text = f"programs: {{a: {{command: x, profiles: {profiles}}}}}"
    ours = "the profiles are web, worker"
    assert table_of(text, SUPINIT_PROFILES=active).warnings == (
        f"no program has the profile {words.format(ours=ours)}",
    )
    assert table_of(text, SUPINIT_PROFILES="web, worker" if profiles != "[]" else "").warnings == ()


def test_limits_are_named_as_the_kernel_names_them() -> None:
    names = {name.removeprefix("RLIMIT_").lower() for name in dir(resource) if name.startswith("RLIMIT_")} - {"ofile"}
    for name in names:
        assert program_of(f"ulimits: {{{name}: 1}}").ulimits == (Limit(name, 1, 1),)


def test_the_top_has_three_keys() -> None:
    assert list(DOCUMENT.keys) == ["include", "supervisor", "programs"]


def test_reload_is_sighup_unless_said_otherwise() -> None:
    assert WEB.reload == SIGHUP == program_of("").reload
