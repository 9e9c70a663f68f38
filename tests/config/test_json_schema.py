"""The JSON Schema against the reader: what one takes the other takes."""

from __future__ import annotations

import json

import jsonschema
import pytest
import yaml

from supervisor.config.schema import DOCUMENT, PROGRAM, SUPERVISOR, json_schema
from supervisor.config.sections import Key, Section

from . import test_keys, test_problems
from .documents import problems_of, table_of

VALIDATOR = jsonschema.Draft202012Validator(json_schema())

CONTRACT = """
x-defaults: &defaults {inherit_environment: true, umask: 022}
include: [/nowhere/*.yaml]
supervisor:
  run_dir: /run/supinit
  socket: null
  socket_mode: "0600"
  shutdown_signals: [SIGTERM, SIGINT, SIGQUIT, SIGPWR, SIGRTMIN+3]
  drain_delay: 0s
  revision: ${GIT_HASH:-}
  log: {format: plain, level: info}
  metrics: {listen: "127.0.0.1:9464"}
programs:
  migrate: {command: [./manage.py, migrate], type: oneshot, restart: on-failure:3}
  uwsgi:
    <<: *defaults
    command: [uwsgi, --ini, /etc/uwsgi.ini]
    type: service
    depends_on:
      migrate: {condition: completed}
    environment: {A: "1", B: 2, C: true, D: null, E: {file: /run/secrets/x}}
    env_file: [/etc/app.env]
    working_dir: /srv
    ulimits: {nofile: {soft: 1024, hard: 4096}, core: unlimited}
    scale: ${WORKERS:-2}
    restart: no
    restart_delay: {initial: 100ms, max: 30s, factor: 2, reset_after: 10s}
    start_retries: null
    success_exit_codes: [0, 143]
    stop:
      - {signal: SIGQUIT, wait: 30s}
      - {signal: SIGTERM, wait: 5, scope: group}
      - {write: {path: /run/uwsgi.fifo, data: q}, wait: 30s}
      - {command: [nginx, -s, quit], wait: 30s}
    signals: {SIGUSR1: SIGUSR2, HUP: none}
    ready: {notify: systemd, fail_log: "no python application found", timeout: 60s}
    healthcheck:
      http: {url: "http://127.0.0.1:8000/healthz", status: [200], headers: {}}
      interval: 1m30s
      on_unhealthy: restart
    log: {mode: prefix, file: null, max_line: 64kb}
"""

ONLY_THE_READER_KNOWS = {
    "environment: [A=1, B, ▸A=2]",
    "environment: {A: ▸'${X'}",
    "environment: {A: ▸'${X:?no X}', B: ▸'$'}",
    "cap_add: [KILL, CHOWN], cap_drop: ▸[CAP_CHOWN]",
    "user: ▸nobody-here",
    "user: ▸0:nobody-here",
    "user: 0, group_add: [▸no-such]",
    'working_dir: ▸"a\\0b"',
    "nice: ▸$NO",
    "ulimits: {cpu: ▸{soft: 2, hard: 1}}",
    "ulimits: {cpu: ▸{soft: -1, hard: 1}}",
    "depends_on: [▸dbb]",
    "depends_on: {▸zzz: }",
    "depends_on: [db, ▸db]",
    "depends_on: [▸web]",
    "signals: {USR1: none, ▸SIGUSR1: 1}",
    "umask: ▸8",
    "log: {tail: ▸1kb}",
    "log: {redact: [ok, ▸'(']}",
}
"""Names that must exist or differ, variables, patterns, comparisons of two values, and how a number was written."""


def json_of(text: str) -> object:
    """Return the document as an editor has it: the keys of a JSON object are texts."""
    document: object = json.loads(json.dumps(yaml.safe_load(text)))
    return document


def is_valid(text: str) -> bool:
    return VALIDATOR.is_valid(json_of(text))


def test_the_schema_is_a_schema_and_json() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


def test_a_table_as_it_is_documented_is_valid() -> None:
    table_of(CONTRACT)
    VALIDATOR.validate(json_of(CONTRACT))


@pytest.mark.parametrize(
    "text",
    [f"programs: {{web: {{command: x, {keys}}}}}" for keys, _ in test_keys.PROGRAM_CASES]
    + [f"supervisor: {{{keys}}}" for keys, _ in test_keys.SUPERVISOR_CASES],
)
def test_what_the_reader_takes_is_valid(text: str) -> None:
    VALIDATOR.validate(json_of(text))


@pytest.mark.parametrize(
    "keys",
    [keys for keys, _ in test_problems.PROGRAM_CASES if keys not in ONLY_THE_READER_KNOWS],
)
def test_what_the_reader_refuses_is_not_valid(keys: str) -> None:
    document = test_problems.WRONG % keys.replace("▸", "")
    assert problems_of(document)
    assert not is_valid(document)


@pytest.mark.parametrize("keys", sorted(ONLY_THE_READER_KNOWS))
def test_what_a_schema_cannot_say_is_left_to_the_reader(keys: str) -> None:
    assert keys in dict(test_problems.PROGRAM_CASES)


@pytest.mark.parametrize(
    "text",
    [
        "prgrams: {}",
        "programs: []",
        "programs: {all: {command: x}}",
        "programs: {a b: {command: x}}",
        "programs: {web: }",
        "programs: {web: {}}",
        "programs: {web: {command: []}}",
        "programs: {web: {command: [a, ~]}}",
        "include: a.yaml",
        "supervisor: {log: {level: warn}}",
        "supervisor: {shutdown_signals: []}",
        "supervisor: {shutdown_signals: [FOO]}",
        "supervisor: {socket_mode: rw}",
        "supervisor: {drain_delay: 1y}",
        "- a",
    ],
)
def test_a_document_that_the_reader_refuses_is_not_valid(text: str) -> None:
    assert problems_of(text)
    assert not is_valid(text)


@pytest.mark.parametrize(
    "key",
    ["scale: '${N}'", "nice: $N", "min_uptime: '${T:-1s}'", "type: $T", "restart: $R", "inherit_environment: $I",
     "umask: $U", "success_exit_codes: [$C]", "stop_signal: $S", "log: {mode: $M, max_line: $L}",
     "healthcheck: {tcp: 'db:$P'}", "healthcheck: {http: {url: $URL, status: [$S]}}", "ulimits: {nofile: $N}",
     "healthcheck: {test: [$KIND, x]}", "type: $T, restart: always"],
)  # fmt: skip
def test_a_value_may_be_a_variable_whatever_it_stands_for(key: str) -> None:
    VALIDATOR.validate(json_of(f"programs: {{web: {{command: x, {key}}}}}"))


def keys_of(section: Section) -> list[Key]:
    """Return every key of a section and of those below it that are sections themselves."""
    keys = list(section.keys.values())
    return keys + [key for parent in keys if isinstance(parent.kind, Section) for key in keys_of(parent.kind)]


@pytest.mark.parametrize("key", keys_of(DOCUMENT) + keys_of(PROGRAM), ids=lambda key: key.name)
def test_every_key_is_described_in_one_line_for_the_editor(key: Key) -> None:
    description = str(key.json_schema()["description"])
    assert description.startswith(key.about) and key.about.endswith(".") and "\n" not in key.about
    assert key.since == "0.1.0"


def test_a_default_is_valid_itself() -> None:
    for key in [*keys_of(PROGRAM), *keys_of(SUPERVISOR)]:
        if key.default is not None:
            schema = {**key.json_schema(), "$defs": json_schema()["$defs"]}
            jsonschema.Draft202012Validator(schema).validate(key.default)
