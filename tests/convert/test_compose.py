"""A compose.yaml means the same as a table."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from supervisor.convert.compose import CONTAINER, NO_COMMAND

from .conversions import converted, losses_of, refusals_of

FILE = "compose.yaml"


def document_of(text: str) -> dict[str, dict[str, object]]:
    programs: dict[str, dict[str, object]] = yaml.safe_load(converted(text, FILE).table)["programs"]
    return programs


def program_of(keys: str) -> dict[str, object]:
    return document_of(f"services:\n  web: {{{keys}}}\n")["web"]


@pytest.mark.parametrize(
    ("keys", "program"),
    [
        ("command: web --port 80", {"command": "web --port 80"}),
        ("command: [web, '80']", {"command": ["web", "80"]}),
        ("entrypoint: [tini, --], command: web 80", {"command": ["tini", "--", "web", "80"]}),
        ("entrypoint: /entry.sh, command: web", {"command": "/entry.sh web"}),
        ("command: web, environment: {A: 1, B: 'x: y'}", {"command": "web", "environment": {"A": "1", "B": "x: y"}}),
        ("command: web, environment: [A=1, B]", {"command": "web", "environment": ["A=1", "B"]}),
        ("command: web, environment: {A: 1, B: }", {"command": "web", "environment": ["A=1", "B"]}),
        ("command: web, env_file: a.env", {"command": "web", "env_file": ["a.env"]}),
        ("command: web, user: '1000:1000'", {"command": "web", "user": "1000:1000"}),
        ("command: web, stop_signal: SIGINT, stop_grace_period: 1m30s",
         {"command": "web", "stop_signal": "SIGINT", "stop_grace_period": "1m30s"}),
        ("command: web, ulimits: {nofile: {soft: 1, hard: 2}, nproc: 3}",
         {"command": "web", "ulimits": {"nofile": {"soft": 1, "hard": 2}, "nproc": 3}}),
        ("command: web, cap_drop: [ALL], cap_add: [NET_BIND_SERVICE], security_opt: ['no-new-privileges:true']",
         {"command": "web", "cap_drop": ["ALL"], "cap_add": ["NET_BIND_SERVICE"], "no_new_privileges": True}),
        ("command: web, security_opt: ['no-new-privileges:false']", {"command": "web"}),
        ("command: web, deploy: {replicas: 3}", {"command": "web", "scale": 3}),
        ("command: web, scale: 3", {"command": "web", "scale": 3}),
        ("command: web, restart: unless-stopped", {"command": "web", "restart": "unless-stopped"}),
        ("command: web, restart: 'on-failure:3'", {"command": "web", "restart": "on-failure:3"}),
        ("command: web, restart: no", {"command": "web"}),
        ("command: web, deploy: {restart_policy: {condition: any}}", {"command": "web", "restart": "always"}),
        ("command: web, healthcheck: {disable: true}", {"command": "web"}),
        ("command: web, healthcheck: {test: curl x, interval: 5s, retries: 3}",
         {"command": "web", "healthcheck": {"test": "curl x", "interval": "5s", "retries": 3}}),
        ("command: 'web --db ${DB:-x} $$y'", {"command": "web --db ${DB:-x} $$y"}),
        ("image: 'library/redis:7-alpine'", {"command": "redis-server"}),
    ],
)  # fmt: skip
def test_a_key_means_the_same(keys: str, program: dict[str, object]) -> None:
    assert program_of(keys) == {"restart": "no"} | program


def test_a_dependency_keeps_its_condition_and_a_completed_one_is_a_oneshot() -> None:
    text = """
        services:
          web:
            command: web
            depends_on:
              db: {condition: service_healthy}
              migrate: {condition: service_completed_successfully}
              cache: {condition: service_started}
              mail: {condition: service_started}
          db: {command: db}
          migrate: {command: migrate}
          cache: {command: cache, depends_on: [db]}
          mail: {image: mailhog}
    """
    programs = document_of(text)
    assert programs["web"]["depends_on"] == {
        "db": {"condition": "healthy"},
        "migrate": {"condition": "completed"},
        "cache": {"condition": "started"},
    }
    assert programs["migrate"] == {"command": "migrate", "type": "oneshot", "restart": "no"}
    assert programs["cache"]["depends_on"] == {"db": {"condition": "started"}}
    assert losses_of(text, FILE) == [
        f"13: mail {NO_COMMAND.format('mailhog')}",
        "5: web depends on mail, which is not in the table",
        f"13: {CONTAINER}: mail image",
    ]


def test_anchors_and_merge_keys_are_followed() -> None:
    text = """
        x-app: &app
          user: app
          environment: &env {A: "1"}
        services:
          web: {<<: *app, command: web}
          worker: {<<: *app, command: worker, environment: {<<: *env, B: "2"}}
    """
    programs = document_of(text)
    assert programs["web"] == {"command": "web", "user": "app", "environment": {"A": "1"}, "restart": "no"}
    assert programs["worker"]["environment"] == {"A": "1", "B": "2"}
    assert losses_of(text, FILE) == []


@pytest.mark.parametrize(
    ("dockerfile", "keys", "command"),
    [
        ('FROM x\nCMD ["a"]\nFROM y\nCMD ["web", "$P"]\n', "build: .", ["web", "$$P"]),
        ("FROM x\nENTRYPOINT [\"/entry\"]\nCMD web \\\n  --port 80\n", "build: {context: .}",
         ["/entry", "sh", "-c", "web    --port 80"]),
        ('FROM x\nENTRYPOINT ["/entry"]\nCMD ["web"]\n', "build: ., command: worker x", ["/entry", "worker", "x"]),
        ('FROM x\nCMD ["web"]\n', "build: ., command: worker", "worker"),
    ],
    ids=["the last stage", "both", "own command", "command alone"],
)  # fmt: skip
def test_the_command_of_an_image_is_looked_up_in_its_dockerfile(dockerfile: str, keys: str, command: object) -> None:
    Path("Dockerfile").write_text(dockerfile)
    try:
        assert program_of(keys)["command"] == command
    finally:
        Path("Dockerfile").unlink()


def test_the_command_of_an_earlier_stage_is_not_that_of_the_image() -> None:
    Path("Dockerfile").write_text('FROM x AS build\nCMD ["build"]\nFROM y\n')
    try:
        lost = f"2: web {NO_COMMAND.format('(see its Dockerfile)')}"
        assert lost in losses_of("services:\n  web: {build: .}\n", FILE)
    finally:
        Path("Dockerfile").unlink()


def test_what_belongs_to_the_container_is_one_line_and_what_is_lost_comes_first() -> None:
    text = """
        version: "3"
        services:
          web:
            image: app
            command: web
            ports: ["80:80"]
            extends: {file: other.yaml, service: x}
            tty: true
            init: true
            deploy: {resources: {limits: {cpus: "1"}}}
          db:
            image: other
            command: db
        volumes: {data: {}}
    """
    assert losses_of(text, FILE) == [
        "4: the services use several images, and programs share one: app, other",
        "8: web: extends is not followed: add the keys of the other service",
        "9: web: tty is the container's; stdin: inherit gives the terminal to the main program",
        "2: not needed under supinit: version; web init",
        f"5: {CONTAINER}: web image, ports, deploy.resources; db image; volumes",
    ]


def test_a_file_that_is_not_compose_is_refused() -> None:
    assert refusals_of("services:\n  - web\n", FILE) == ["1: cannot be converted: services is not a mapping"]
    problem, *_ = refusals_of("services:\n  a: {b\n", FILE)
    assert problem.partition(":")[0] in ("2", "3") and "YAML" in problem
