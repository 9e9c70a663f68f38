"""What people paste from a compose.yaml: the forms in schema/compose-spec.json of compose-spec/compose-spec."""

from __future__ import annotations

import os
from signal import SIGQUIT

import jsonschema
import pytest
import yaml

from supervisor.config import compose
from supervisor.config.schema import DOCUMENT, PROGRAM, json_schema
from supervisor.core.healthcheck import ExecProbe, HealthCheck
from supervisor.core.hook import Hook, HookStep, RuntimeDirectory
from supervisor.core.program import (
    Condition,
    Credentials,
    Dependency,
    EnvFile,
    Limit,
    Program,
    Restart,
    RestartWhen,
    SignalStep,
)

from .documents import problems_of, table_of

SERVICE_KEYS = frozenset(
    [
        "annotations",
        "attach",
        "blkio_config",
        "build",
        "cap_add",
        "cap_drop",
        "cgroup",
        "cgroup_parent",
        "command",
        "configs",
        "container_name",
        "cpu_count",
        "cpu_percent",
        "cpu_period",
        "cpu_quota",
        "cpu_rt_period",
        "cpu_rt_runtime",
        "cpu_shares",
        "cpus",
        "cpuset",
        "credential_spec",
        "depends_on",
        "deploy",
        "develop",
        "device_cgroup_rules",
        "devices",
        "dns",
        "dns_opt",
        "dns_search",
        "domainname",
        "entrypoint",
        "env_file",
        "environment",
        "expose",
        "extends",
        "external_links",
        "extra_hosts",
        "gpus",
        "group_add",
        "healthcheck",
        "hostname",
        "image",
        "init",
        "ipc",
        "isolation",
        "label_file",
        "labels",
        "links",
        "logging",
        "mac_address",
        "mem_limit",
        "mem_reservation",
        "mem_swappiness",
        "memswap_limit",
        "models",
        "network_mode",
        "networks",
        "oom_kill_disable",
        "oom_score_adj",
        "pid",
        "pids_limit",
        "platform",
        "ports",
        "post_start",
        "pre_stop",
        "privileged",
        "profiles",
        "provider",
        "pull_policy",
        "pull_refresh_after",
        "read_only",
        "restart",
        "runtime",
        "scale",
        "secrets",
        "security_opt",
        "shm_size",
        "stdin_open",
        "stop_grace_period",
        "stop_signal",
        "storage_opt",
        "sysctls",
        "tmpfs",
        "tty",
        "ulimits",
        "use_api_socket",
        "user",
        "userns_mode",
        "uts",
        "volumes",
        "volumes_from",
        "working_dir",
    ]
)
"""Every key of a service in the specification."""
TOP_KEYS = frozenset(["configs", "include", "models", "name", "networks", "secrets", "services", "version", "volumes"])
COMMON_KEYS = frozenset(
    [
        "cap_add",
        "cap_drop",
        "command",
        "depends_on",
        "env_file",
        "environment",
        "group_add",
        "healthcheck",
        "oom_score_adj",
        "post_start",
        "pre_stop",
        "profiles",
        "restart",
        "scale",
        "stop_grace_period",
        "stop_signal",
        "ulimits",
        "user",
        "working_dir",
    ]
)


VALIDATOR = jsonschema.Draft202012Validator(json_schema())


def program_of(keys: str, **environ: str) -> Program:
    """Read the program `web` with these keys, each on a line, beside a program `db`."""
    lines = "".join(f"    {line}\n" for line in keys.split("\n"))
    command = "" if keys.startswith("command:") else "    command: serve\n"
    text = f"programs:\n  web:\n{command}{lines}  db:\n    command: postgres\n"
    return table_of(text, **environ).programs[0]


WEB = Program("web", ("serve",))
PROBE = ExecProbe(("curl", "-f", "http://localhost"))
SHELL_PROBE = ExecProbe(("/bin/sh", "-c", "curl -f http://localhost"))

FORMS: list[tuple[str, dict[str, object]]] = [
    ("command: bundle exec thin -p '30 00'", {"command": ("bundle", "exec", "thin", "-p", "30 00")}),
    ('command: ["bundle", "exec", "thin"]', {"command": ("bundle", "exec", "thin")}),
    ("depends_on: [db]", {"depends_on": (Dependency("db"),)}),
    ("depends_on:\n  db: {condition: service_started}", {"depends_on": (Dependency("db"),)}),
    ("depends_on:\n  db: {condition: service_healthy}", {"depends_on": (Dependency("db", Condition.HEALTHY),)}),
    (
        "depends_on:\n  db:\n    condition: service_completed_successfully",
        {"depends_on": (Dependency("db", Condition.COMPLETED),)},
    ),
    (
        'environment:\n  TEXT: a\n  NUMBER: 1\n  FLAG: "true"\n  BARE: true\n  HERE:',
        {"environment": (("TEXT", "a"), ("NUMBER", "1"), ("FLAG", "true"), ("BARE", "true"), ("HERE", None))},
    ),
    ("environment:\n  - A=1\n  - B=\n  - HERE", {"environment": (("A", "1"), ("B", ""), ("HERE", None))}),
    ("env_file: .env", {"env_file": (EnvFile(".env"),)}),
    ("env_file:\n  - a.env\n  - b.env", {"env_file": (EnvFile("a.env"), EnvFile("b.env"))}),
    ("env_file:\n  - path: a.env", {"env_file": (EnvFile("a.env"),)}),
    (
        'env_file:\n  - path: a.env\n    required: false\n  - path: b.env\n    required: "true"\n  - c.env',
        {"env_file": (EnvFile("a.env", is_required=False), EnvFile("b.env"), EnvFile("c.env"))},
    ),
    ("env_file:\n  - path: a.env\n    format: raw", {"env_file": (EnvFile("a.env", is_raw=True),)}),
    ("env_file: {path: a.env, required: false}", {"env_file": (EnvFile("a.env", is_required=False),)}),
    ("healthcheck: {disable: true}", {}),
    ('healthcheck: {disable: "true"}', {}),
    ("healthcheck: {disable: true, interval: 5s}", {}),
    ("healthcheck:\n  disable: true\n  test: [CMD, x]", {}),
    ("healthcheck: {test: [NONE]}", {}),
    ("healthcheck: {disable: false, test: curl -f http://localhost}", {"healthcheck": HealthCheck(SHELL_PROBE)}),
    ('healthcheck: {test: ["CMD", "curl", "-f", "http://localhost"]}', {"healthcheck": HealthCheck(PROBE)}),
    ('healthcheck: {test: ["CMD-SHELL", "curl -f http://localhost"]}', {"healthcheck": HealthCheck(SHELL_PROBE)}),
    ("healthcheck: {test: curl -f http://localhost, retries: 5}", {"healthcheck": HealthCheck(SHELL_PROBE, retries=5)}),
    (
        "healthcheck:\n  test: curl -f http://localhost\n  retries: '5'\n  interval: 1m30s\n  timeout: 10s"
        "\n  start_period: 40s\n  start_interval: 500ms",
        {"healthcheck": HealthCheck(SHELL_PROBE, 90.0, 10.0, 5, 40.0, 0.5)},
    ),
    ("oom_score_adj: -500", {"oom_score_adj": -500}),
    ('oom_score_adj: "-500"', {"oom_score_adj": -500}),
    ("post_start:\n  - command: [./warm.sh]", {"post_start": (Hook(("./warm.sh",)),)}),
    (
        'post_start:\n  - command: ./warm.sh now\n    user: "4711:4712"\n    working_dir: /srv\n    environment: [A=1]',
        {
            "post_start": (
                Hook(
                    ("./warm.sh", "now"),
                    credentials=Credentials(4711, 4712, (4712,), names_group=True),
                    environment=(("A", "1"),),
                    working_dir="/srv",
                ),
            )
        },
    ),
    (
        "pre_stop:\n  - command: [./leave.sh]\n    environment: {A: 1}",
        {"stop": (HookStep(Hook(("./leave.sh",), environment=(("A", "1"),))), SignalStep(15, 10.0))},
    ),
    ('restart: "no"', {"restart": Restart(RestartWhen.NEVER)}),
    ("restart: no", {"restart": Restart(RestartWhen.NEVER)}),
    ("restart: always", {}),
    ("restart: unless-stopped", {}),
    ("restart: on-failure", {"restart": Restart(RestartWhen.ON_FAILURE)}),
    ("restart: on-failure:3", {"restart": Restart(RestartWhen.ON_FAILURE, 3)}),
    ("runtime_directory: /run/web", {"runtime_directory": (RuntimeDirectory("/run/web"),)}),
    (
        'runtime_directory: {path: /run/web, mode: "0700"}',
        {"runtime_directory": (RuntimeDirectory("/run/web", 0o700),)},
    ),
    ("runtime_directory: [/run/web]", {"runtime_directory": (RuntimeDirectory("/run/web"),)}),
    ("scale: 3", {"scale": 3}),
    ('scale: "3"', {"scale": 3}),
    ("stop_grace_period: 1m30s", {"stop": (SignalStep(15, 90.0),)}),
    ("stop_grace_period: 1.5s", {"stop": (SignalStep(15, 1.5),)}),
    ("stop_signal: SIGQUIT", {"stop": (SignalStep(SIGQUIT, 10.0),)}),
    ('stop_signal: "3"', {"stop": (SignalStep(SIGQUIT, 10.0),)}),
    ("ulimits: {nproc: 65535}", {"ulimits": (Limit("nproc", 65535, 65535),)}),
    ('ulimits: {nproc: "65535"}', {"ulimits": (Limit("nproc", 65535, 65535),)}),
    ("ulimits:\n  nofile: {soft: 20000, hard: 40000}", {"ulimits": (Limit("nofile", 20000, 40000),)}),
    ('ulimits:\n  nofile: {soft: "20000", hard: "-1"}', {"ulimits": (Limit("nofile", 20000, -1),)}),
    ('user: "4711:4712"', {"credentials": Credentials(4711, 4712, (4712,), names_group=True)}),
    ("user: 4711", {"credentials": Credentials(4711, 0, (0,))}),
    ("working_dir: /srv", {"working_dir": "/srv"}),
    ("x-note: anything", {}),
]


@pytest.mark.parametrize(("keys", "changes"), FORMS)
def test_a_form_of_a_common_key_is_accepted_with_its_meaning(keys: str, changes: dict[str, object]) -> None:
    program = program_of(keys)
    assert {name: getattr(program, name) for name in changes} == changes
    others = set(Program.__match_args__) - changes.keys()
    assert {name: getattr(program, name) for name in others} == {name: getattr(WEB, name) for name in others}


@pytest.mark.parametrize("keys", [keys for keys, _ in FORMS])
def test_a_form_of_a_common_key_is_valid_for_editors(keys: str) -> None:
    lines = "".join(f"    {line}\n" for line in keys.split("\n"))
    command = "" if keys.startswith("command:") else "    command: serve\n"
    VALIDATOR.validate(yaml.safe_load(f"programs:\n  web:\n{command}{lines}"))


def test_groups_are_added_to_supinits_own_user() -> None:
    groups = (os.getegid(), *(group for group in os.getgroups() if group != os.getegid()))
    expected = Credentials(os.geteuid(), os.getegid(), tuple(dict.fromkeys((*groups, 4711))), added_groups=(4711,))
    assert program_of("group_add: [4711]").credentials == expected
    assert program_of('group_add: ["4711"]').credentials == expected


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("command:", "command: cannot be null (allowed: a string, split into words as a shell does; or a list,"),
        ("command: []", "command: cannot be empty (allowed: a program to run and its arguments)"),
        ("healthcheck: {interval: 5s}", "healthcheck: one of test, http, tcp, unix, file, fastcgi, uwsgi is required"),
        ("healthcheck: {test: []}", "healthcheck.test: cannot be empty"),
        (
            "post_start:\n  - command: x\n    privileged: true",
            "post_start[0].privileged: supinit does not have this key of Compose: a hook has the privileges",
        ),
        (
            "pre_start: [nginx, -t]",
            "pre_start[1]: cannot begin with a dash: write a list of commands, such as",
        ),
        ("runtime_directory: [run]", "runtime_directory[0]: cannot be 'run' (allowed: an absolute path)"),
        ("env_file:\n  - path: a\n    format: json", "env_file[0].format: cannot be 'json' (allowed: raw)"),
    ],
)
def test_a_form_that_means_nothing_here_is_refused_with_what_is_allowed(keys: str, problem: str) -> None:
    command = "" if keys.startswith("command:") else "    command: serve\n"
    lines = "".join(f"    {line}\n" for line in keys.split("\n"))
    (sentence,) = problems_of(f"programs:\n  web:\n{command}{lines}")
    assert sentence.partition(" programs.web.")[2].startswith(problem)


def test_every_key_of_a_service_is_either_common_or_explained() -> None:
    assert compose.PROGRAM_KEYS.keys() == SERVICE_KEYS - COMMON_KEYS
    assert not compose.PROGRAM_KEYS.keys() & PROGRAM.keys.keys()
    assert TOP_KEYS - {"include"} == compose.TOP_KEYS.keys()
    assert not compose.TOP_KEYS.keys() & DOCUMENT.keys.keys()


@pytest.mark.parametrize("key", sorted(compose.PROGRAM_KEYS))
def test_a_key_that_only_compose_has_is_refused_with_what_to_do_instead(key: str) -> None:
    problems = problems_of(f"programs: {{web: {{command: serve, {key}: x}}}}")
    sentence = f"programs.web.{key}: supinit does not have this key of Compose: {compose.PROGRAM_KEYS[key]}"
    assert [problem.split(": ", 1)[1] for problem in problems] == [sentence]


@pytest.mark.parametrize("key", sorted(compose.TOP_KEYS))
def test_a_top_level_key_that_only_compose_has_is_refused_with_what_to_do_instead(key: str) -> None:
    sentence = f"{key}: supinit does not have this key of Compose: {compose.TOP_KEYS[key]}"
    assert problems_of(f"{key}: {{}}") == [f"1:1: {sentence}"]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("deploy", "scale"),
        ("entrypoint", "command"),
        ("logging", "log"),
        ("init", "supinit is the init"),
        ("tty", "stdin: inherit"),
        ("stdin_open", "stdin: inherit"),
        ("ports", "publish ports where you run the container"),
        ("volumes", "mount them where you run the container"),
        ("image", "the programs share the image"),
        ("container_name", "named by its key"),
    ],
)
def test_the_sentence_names_what_to_write_instead(key: str, words: str) -> None:
    assert words in compose.PROGRAM_KEYS[key]
