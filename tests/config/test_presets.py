"""Presets are keys like any other: written out before the table is read, and outdone by what stands beside them."""

from __future__ import annotations

from pathlib import Path
from signal import SIGQUIT, SIGTERM, SIGUSR2

import pytest

from supervisor.config.load import expand, load
from supervisor.config.presets import PRESETS
from supervisor.core.program import Program, SignalStep

HOOK = ("UWSGI_HOOK_MASTER_START", "unix_signal:15 gracefully_kill_them_all")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "supinit.yaml"


def _program(table: Path, keys: str) -> Program:
    table.write_text(f"programs: {{web: {{command: serve, {keys}}}}}")
    (program,) = load(str(table), {}).programs
    return program


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_valid_program(table: Path, name: str) -> None:
    program = _program(table, f"preset: {name}")
    assert program.stop != Program("web", ("serve",)).stop


def test_a_preset_is_the_keys_that_it_stands_for(table: Path) -> None:
    assert _program(table, "preset: php-fpm") == Program(
        "web", ("serve",), stop=(SignalStep(SIGQUIT, 30.0), SignalStep(SIGTERM, 5.0)), reload=SIGUSR2
    )


@pytest.mark.parametrize(
    ("keys", "stop"),
    [
        ("stop: [{signal: TERM, wait: 1}]", (SignalStep(SIGTERM, 1.0),)),
        ("stop_grace_period: 90", (SignalStep(SIGQUIT, 90.0),)),
        ("stop_signal: TERM", (SignalStep(SIGTERM, 30.0),)),
    ],
    ids=["stop", "stop_grace_period", "stop_signal"],
)
def test_a_key_beside_a_preset_wins(table: Path, keys: str, stop: tuple[SignalStep, ...]) -> None:
    assert _program(table, f"preset: nginx, {keys}").stop == stop


def test_a_reload_command_takes_the_place_of_the_presets_signal(table: Path) -> None:
    assert _program(table, "preset: nginx, reload_command: nginx -s reload").reload == ("nginx", "-s", "reload")


@pytest.mark.parametrize(
    ("written", "environment"),
    [
        ("{A: 1}", (HOOK, ("A", "1"))),
        ("[A=1]", (HOOK, ("A", "1"))),
        ("{UWSGI_HOOK_MASTER_START: mine}", ((HOOK[0], "mine"),)),
        ("[UWSGI_HOOK_MASTER_START=mine]", ((HOOK[0], "mine"),)),
    ],
    ids=["map", "list", "the same in a map", "the same in a list"],
)
def test_environments_are_put_together(table: Path, written: str, environment: tuple[tuple[str, str], ...]) -> None:
    assert _program(table, f"preset: uwsgi, environment: {written}").environment == environment


def test_the_expanded_table_means_the_same_and_has_no_preset_left(table: Path) -> None:
    table.write_text(
        "include: [more.yaml]\n"
        "supervisor: {drain_delay: 5s, revision: '${REVISION:-none}'}\n"
        "programs:\n"
        "  web: {preset: nginx, command: [nginx, -g, 'daemon off;'], depends_on: [app], restart: no, umask: 022}\n"
    )
    (table.parent / "more.yaml").write_text("programs: {app: {preset: uwsgi, command: uwsgi, environment: {A: '1'}}}")
    before = load(str(table), {})
    text = expand(str(table), {})
    table.write_text(text)
    assert load(str(table), {}) == before
    assert "preset" not in text
    assert "include" not in text
    assert "${REVISION:-none}" in text
