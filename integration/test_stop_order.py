"""The order of a shutdown, seen from outside: through programs that are not running, and with many programs."""

from __future__ import annotations

import signal
import time

from integration.busyness import slowness
from integration.conftest import Run

MANY = 200


def _shell(text: str) -> list[str]:
    return ["bash", "-c", text]


def test_a_database_waits_for_what_depends_on_it_through_a_oneshot_that_has_completed(run: Run) -> None:
    """db ← migrate (completed) ← web: db keeps running until web is gone."""
    db = _shell('trap "echo db was told to stop; exit 0" TERM; echo db is up; while :; do sleep 0.05; done')
    web = _shell('trap "sleep 0.7; echo web is done; exit 0" TERM; echo web is up; while :; do sleep 0.05; done')
    container = run(
        {
            "db": {"command": db, "min_uptime": 0},
            "migrate": {"command": ["true"], "type": "oneshot", "depends_on": ["db"]},
            "web": {"command": web, "depends_on": {"migrate": {"condition": "completed"}}},
        }
    )
    container.expect("web is up")
    container.expect("db is up")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    said = [line for line in container.out.lines if "done" in line or "told" in line]
    assert said == ["web | web is done", "db | db was told to stop"]


def test_many_programs_are_started_and_stopped_in_turns_and_none_is_forgotten(run: Run) -> None:
    sleeper = {"command": ["sleep", "1000"], "min_uptime": 0}
    container = run({f"p{number}": sleeper for number in range(MANY)})
    container.expect("container.became_ready", 30)
    assert sum("program.started" in line for line in container.err.lines) == MANY
    begun = time.monotonic()
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert time.monotonic() - begun < 8 * slowness(begun)
    assert sum("program.stopped" in line for line in container.err.lines) == MANY
