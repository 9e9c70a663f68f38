"""`schedule`: cron in a container, in time, with its environment, its output, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from integration.conftest import Measured, Run
from integration.container import SUPINIT, Container
from integration.processes import descriptor_infos, switches_at_rest, zombies_under
from integration.tap import Tap
from integration.test_log_stalls import CRASHING, crashing
from integration.waiting import sleep_until

pytest.importorskip("cronsim")  # an extra, which need not be installed

EVERY_SECOND = {"cron": "* * * * * *"}
GOAL, LATE = 0.05, 0.5
"""Seconds between the time of a run and its start: the goal, and the limit for most of them on a busy machine."""
SECONDS = 8
IDLE = 10.0


def job(command: str, schedule: dict[str, Any], **keys: Any) -> dict[str, Any]:
    command = command.replace("$", "$$")  # the shell's variables, not the table's
    return {"command": ["bash", "-c", command], "type": "oneshot", "schedule": schedule, **keys}


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def events_of(container: Container, name: str) -> list[dict[str, Any]]:
    _, text = container.request("GET", "/v1/events")
    events = map(json.loads, text.splitlines())
    return [event for event in events if event["event"] == name]


def test_a_run_a_second_starts_in_time_while_nobody_reads_and_200_programs_crash(
    run: Run, tap: Tap, tmp_path: Path, measured: Measured
) -> None:
    record, starts = tmp_path / "record", tmp_path / "starts"
    record.touch()
    table = crashing(record, {"mode": "raw"}) | {"job": job(f"echo $EPOCHREALTIME >>{starts}", EVERY_SECOND)}
    container = run(table, stdout=tap.outlet)
    container.await_socket()
    begin = len(lines_of(starts))
    sleep_until(lambda: len(lines_of(starts)) >= begin + SECONDS, 60, "the schedule has run for a while")
    late = [float(line) % 1.0 for line in lines_of(starts)[begin:]]
    measured(
        f"a run a second, nobody reads, {CRASHING} programs crash: started {statistics.median(late) * 1e3:.0f} ms late "
        f"in the median, {max(late) * 1e3:.0f} ms at most; the goal is {GOAL * 1e3:.0f} ms"
    )
    assert statistics.median(late) < LATE
    entry = container.programs()["job"]
    assert entry["runs_skipped"] + entry["runs_missed"] <= SECONDS
    tap.open()


def test_a_container_that_waits_for_a_run_in_an_hour_never_wakes_up(run: Run, measured: Measured) -> None:
    minute = (datetime.now(UTC) - timedelta(minutes=2)).minute
    table = {
        "cron": job("true", {"cron": f"{minute} * * * *"}),
        "interval": job("true", {"interval": "1h"}),
        "web": {"command": ["sleep", "1000"]},
    }
    container = run(table)
    container.await_ready()
    switches = switches_at_rest(container.init, IDLE)
    measured(f"idle for {IDLE:g} s with a run due in an hour: {switches} context switches")
    assert switches == 0


def test_supinit_hears_of_a_clock_that_is_set_where_a_schedule_follows_it(run: Run) -> None:
    """The kernel has been asked to tell. That it does is not shown: a test must not set the machine's clock."""
    interval, cron = {"interval": "1h"}, {"cron": "0 0 1 1 *"}
    container = run({"job": job("true", interval), "web": {"command": ["sleep", "1000"]}})
    container.await_ready()
    assert clock_watches_of(container.init) == 0
    table = container.run_dir.parent / f"{container.run_dir.name}.yaml"
    document = json.loads(table.read_text())
    document["programs"]["job"]["schedule"] = cron
    table.write_text(json.dumps(document))
    assert container.supctl("update").returncode == 0
    assert clock_watches_of(container.init) == 1


def clock_watches_of(pid: int) -> int:
    """Return how many timers a process has that end when CLOCK_REALTIME is set (proc(5), fdinfo of a timerfd)."""
    return sum("clockid: 0\n" in info and "settime flags: 03\n" in info for info in descriptor_infos(pid))


def test_a_job_has_the_environment_of_the_container_and_its_output_is_the_containers(run: Run) -> None:
    """Cron gives a job neither: it starts with an almost empty environment, and its output is sent by mail."""
    command = "echo $FROM_CONTAINER $FROM_TABLE $SUPINIT_PROGRAM; echo to stderr >&2"
    table = {"job": job(command, {"interval": "300ms"}, environment={"FROM_TABLE": "b"})}
    container = run(table, environment={"FROM_CONTAINER": "a"})
    container.expect("job | a b job")
    container.expect("job | to stderr")
    assert container.out.has("job | a b job")
    assert container.err.has("job | to stderr")


def test_a_job_runs_as_its_user_with_its_limits(run: Run) -> None:
    keys = {"user": "nobody", "ulimits": {"nofile": 99}, "working_dir": "/usr"}
    container = run({"job": job('echo "$(id -un) $(ulimit -n) $PWD"', {"interval": "300ms"}, **keys)})
    container.expect("job | nobody 99 /usr")


def test_nothing_of_a_job_is_left_behind(run: Run) -> None:
    """Under most crons a job's background processes live on, and become zombies of a PID 1 that does not reap."""
    command = "setsid sleep 1000 & (sleep 0.1; exit 3) & disown -a; echo ran"
    container = run({"job": job(command, {"interval": "400ms"}), "web": {"command": ["sleep", "1000"]}})
    sleep_until(lambda: sum("job | ran" in line for line in container.out.lines) >= 3, 20, "three runs")
    container.supctl("stop", "job")
    sleep_until(lambda: container.programs()["job"]["state"] == "STOPPED", 10, "the schedule rests")
    _, branches = container.request("GET", "/v1/tree")
    commands = [process["command"] for branch in branches["branches"] for process in branch["processes"]]
    assert [command for command in commands if command[0] == "sleep"] == [["sleep", "1000"]], "only web's"
    assert zombies_under(container.init) == []


def test_an_overlap_is_skipped_and_a_failure_is_told_and_counted(run: Run) -> None:
    container = run({"job": job("echo no space; sleep 0.7; exit 7", {"interval": "500ms"})})
    sleep_until(lambda: container.programs()["job"]["last_run"] is not None, 20, "a run is over")
    sleep_until(lambda: container.programs()["job"]["runs_skipped"] > 0, 20, "a run was skipped")
    (run_, *_), (skip, *_) = events_of(container, "program.run_failed"), events_of(container, "program.run_skipped")
    assert (run_["reason"], run_["last_lines"], run_["level"]) == ("exited with code 7", ["no space"], "error")
    assert (skip["reason"], skip["level"]) == ("the run before is not over", "warning")
    last_run = container.programs()["job"]["last_run"]
    assert (last_run["outcome"], last_run["code"]) == ("failed", 7)
    _, metrics = container.request("GET", "/metrics")
    (failed,) = [line for line in metrics.splitlines() if 'runs_total{outcome="failed",program="job"}' in line]
    assert float(failed.split()[-1]) >= 1
    status = container.supctl("status", "job")
    assert (status.returncode, "next run" in status.stdout) == (0, True)


def test_runs_overlap_up_to_max_concurrent(run: Run, tmp_path: Path) -> None:
    record = tmp_path / "record"
    command = f"echo start $SUPINIT_INSTANCE >>{record}; sleep 30"
    container = run({"job": job(command, {"interval": "300ms", "max_concurrent": 2}, stop_grace_period="1s")})
    sleep_until(lambda: container.programs()["job"]["runs_skipped"] >= 1, 20, "a run was skipped")
    assert lines_of(record) == ["start 1", "start 2"]
    container.signal(signal.SIGTERM)
    assert container.end() == 0


def test_start_runs_a_job_now_and_answers_with_its_end(run: Run) -> None:
    container = run({"good": job("echo ran", {"interval": "1h"}), "bad": job("exit 7", {"interval": "1h"})})
    assert container.supctl("wait", "--for", "ready").returncode == 0
    assert container.supctl("start", "good").returncode == 0
    container.expect("good | ran")
    failed = container.supctl("start", "bad")
    assert (failed.returncode, failed.stderr) == (1, "supctl: cannot start: bad exited with code 7\n")
    assert container.supctl("status").returncode == 0


def test_a_run_under_way_goes_through_its_stop_sequence(run: Run) -> None:
    command = "trap 'echo saving; sleep 0.3; echo saved; exit 0' TERM; echo up; while :; do sleep 0.1; done"
    table = {"job": job(command, {"interval": "1h", "run_on_start": True}), "web": {"command": ["sleep", "1000"]}}
    container = run(table)
    container.expect("job | up")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert container.out.has("job | saved")


def test_a_table_of_nothing_but_a_schedule_keeps_the_container_up(run: Run) -> None:
    container = run({"job": job("echo ran", {"interval": "300ms"})})
    sleep_until(lambda: sum("job | ran" in line for line in container.out.lines) >= 3, 20, "three runs")
    assert container.marker("ready").exists()
    container.signal(signal.SIGTERM)
    assert container.end() == 0


@pytest.mark.parametrize("deadline", ["1h", None])
def test_what_was_due_while_supinit_was_suspended_is_made_up_for_once(run: Run, deadline: str | None) -> None:
    schedule = {"interval": "3s", "starting_deadline": deadline}
    container = run({"job": job("echo ran", schedule), "web": {"command": ["sleep", "1000"]}})
    container.expect("job | ran")
    due = datetime.fromisoformat(container.programs()["job"]["next_run_at"]).timestamp()
    os.kill(container.init, signal.SIGSTOP)
    sleep_until(lambda: time.time() > due + 5.0, 20, "one run is 5 s late, the next one 2 s")
    os.kill(container.init, signal.SIGCONT)
    sleep_until(lambda: bool(events_of(container, "program.run_missed")), 20, "supinit knows")
    missed = sum(event["runs"] for event in events_of(container, "program.run_missed"))
    began = len(events_of(container, "program.started"))
    if time.time() < due + 5.9:  # else a busy machine has come to the next run
        assert (missed, began) == ((1, 3) if deadline else (2, 2))


def test_a_drill_does_not_wait_for_a_run(tmp_path: Path) -> None:
    table = tmp_path / "table.yaml"
    programs = {
        "job": job("exec sleep 1000", {"interval": "1h", "run_on_start": True}),
        "web": {"command": ["sleep", "1000"], "min_uptime": "100ms"},
    }
    table.write_text(json.dumps({"supervisor": {"run_dir": str(tmp_path / "run")}, "programs": programs}))
    drill = subprocess.run([SUPINIT, "--drill", "-c", str(table)], capture_output=True, text=True, check=False)
    assert drill.returncode == 0, drill.stdout


def test_an_update_lets_a_run_end_and_applies_to_the_next_one(run: Run, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    table = {"job": job(f"echo old; read line <{gate}; echo $line", {"interval": "1h", "run_on_start": True})}
    table["web"] = {"command": ["sleep", "1000"]}
    container = run(table)
    container.expect("job | old")
    file = tmp_path / "container-0.yaml"
    document = json.loads(file.read_text())
    document["programs"]["job"]["command"] = ["echo", "new"]
    file.write_text(json.dumps(document))
    assert container.supctl("update").returncode == 0
    gate.write_text("old one ended\n")
    container.expect("job | old one ended")
    sleep_until(lambda: container.programs()["job"]["state"] == "PENDING", 10, "it waits for its next run")
    assert container.supctl("start", "job").returncode == 0
    container.expect("job | new")
