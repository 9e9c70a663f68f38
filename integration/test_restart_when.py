"""`restart_when` with a real PID 1 and processes that leak, or get old."""

from __future__ import annotations

import signal
from pathlib import Path

from integration.conftest import Run
from integration.container import child
from integration.waiting import sleep_until


def test_an_instance_that_leaks_is_replaced_and_the_other_one_is_not(run: Run, tmp_path: Path) -> None:
    (tmp_path / "leak").touch()
    app = {
        "command": child("leaks.py", tmp_path / "leak"),
        "scale": 2,
        "min_uptime": "100ms",
        "stop_grace_period": "1s",
        "update_config": {"order": "start-first", "monitor": 0},
        "restart_when": {"memory": "100mb", "interval": "1s"},
    }
    container = run({"app": app})
    container.await_ready()
    before = {name: entry["pid"] for name, entry in container.programs().items()}
    container.expect("program.rolling_completed program=app what=restart done=1 instances=1", limit=60)
    after = container.programs()
    [leaky] = [name for name, entry in after.items() if entry["pid"] != before[name]]
    number = after[leaky]["instance"]
    assert {entry["restarts"] for entry in after.values()} == {0}
    container.expect(f'warning: program.restart_due program=app instance={number} reason="its memory is ')
    due = container.err.position("program.restart_due")
    new = container.err.position(f"program.started program=app instance={number} pid={after[leaky]['pid']}")
    old = container.err.position(f"program.stop_begun program=app instance={number}")
    assert due < new < old
    counted = f'supinit_program_restarts_due_total{{instance="{number}",program="app",reason="memory"}} 1.0'
    assert counted in container.supctl("metrics").stdout
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    said = sorted(line.partition(" | ")[2] for line in container.out.lines)
    assert said == ["does not leak", "does not leak", "leaks"]


def test_a_process_that_is_too_old_is_restarted_by_its_stop_sequence(run: Run) -> None:
    web = {"command": ["sleep", "1000"], "min_uptime": 0, "stop_signal": "SIGINT", "restart_when": {"age": "2s"}}
    container = run({"web": web, "other": {"command": ["sleep", "1000"], "min_uptime": 0}})
    container.await_ready()
    before = container.programs()
    container.expect("program.restart_due program=web reason=")
    sleep_until(lambda: container.programs()["web"]["pid"] not in (None, before["web"]["pid"]), 20)
    after = container.programs()
    container.expect('program.stop_begun program=web step="SIGINT to its main"')
    assert (after["other"]["pid"], after["web"]["restarts"]) == (before["other"]["pid"], 0)
    container.signal(signal.SIGTERM)
    assert container.end() == 0
