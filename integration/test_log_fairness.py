"""A program that writes a lot does not slow down other programs, the control socket or an idle container."""

from __future__ import annotations

import re
import signal
import threading
import time
from math import inf
from pathlib import Path
from typing import Any

import pytest

from integration.asking import ask_status, share, told
from integration.busyness import slowness
from integration.conftest import Measured, Run
from integration.container import child
from integration.flooding import dropped, flood_lines, size_of
from integration.processes import switches_at_rest
from integration.tap import Tap
from integration.waiting import sleep_until

FLOODED = 4.0
"""Seconds during which the effect of a flood on others is measured."""
TICKERS, TICK = 5, 0.05
"""Programs that write a line now and then, and the seconds between two lines."""
BREATH = 0.02
"""Seconds between two looks."""
STATUS, LINE = 0.05, 0.2
"""Median seconds that an answer, and a line of another program, may take during a flood."""
RATE = 1 << 20
LIMITED = 40_000
"""Lines of a flood that is limited to RATE: about 4 MB."""
IDLE = 5.0


class Ear:
    """Reads everything, and keeps only the age of each tick, by its writer."""

    def __init__(self, tap: Tap) -> None:
        self.ages: dict[str, list[float]] = {f"tick{number}": [] for number in range(TICKERS)}
        self.size = 0
        self._tap = tap
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        begun = b""
        for block in self._tap.blocks():
            now = time.monotonic()
            data = begun + block
            end = data.rfind(b"\n") + 1
            self.size += len(block)
            begun = data[end:]
            for name, at in re.findall(rb"(?m)^(tick\d) (.*)$", data[:end]):
                self.ages[name.decode()].append(now - float(at))


@pytest.mark.parametrize("floods", [1, 30], ids=["one_flood", "thirty_floods"])
@pytest.mark.parametrize("mode", ["raw", "prefix", "json"])
def test_floods_keep_no_other_line_and_no_request_waiting(
    run: Run, tap: Tap, tmp_path: Path, mode: str, floods: int, measured: Measured
) -> None:
    """The test reads slowly, so the container's stdout is congested most of the time."""
    flood = {"command": child("flood.py", tmp_path / "record", 10**9)}
    file = {"mode": "none", "file": str(tmp_path / "log"), "max_size": "10mb", "keep": 1, "compress": "gzip"}
    table: dict[str, Any] = {f"flood{number}": flood | {"log": {"mode": mode}} for number in range(floods)}
    table["filer"] = flood | {"log": file}
    ear = Ear(tap)
    table |= {name: {"command": child("tick.py"), "log": {"mode": "raw"}} for name in ear.ages}
    container = run(table, stdout=tap.outlet)
    container.await_socket()
    container.await_ready()
    before, size, statuses = {name: len(ages) for name, ages in ear.ages.items()}, ear.size, []
    began = time.monotonic()
    while time.monotonic() - began < FLOODED:
        statuses.append(ask_status(container))
        time.sleep(BREATH)
    took = time.monotonic() - began
    ages = {name: ages[before[name] :] for name, ages in ear.ages.items()}
    every = [age for some in ages.values() for age in some] or [inf]
    measured(
        f"{floods} floods with {(ear.size - size) / took / 1e6:.0f} MB/s in {mode}, and a log file: "
        f"another's line after {told(every)}, status {told(statuses)}"
    )
    factor = slowness(began)
    assert share(statuses, 0.5) < STATUS * factor
    assert {name: len(some) for name, some in ages.items() if len(some) < FLOODED / TICK / 3 / factor} == {}
    assert {name: share(some, 0.5) for name, some in ages.items() if share(some, 0.5) > LINE * factor} == {}


def limited(tmp_path: Path, count: int, when_full: str) -> dict[str, Any]:
    log = {"mode": "raw", "rate_limit": f"{RATE}/s", "when_full": when_full}
    return {"command": child("flood.py", tmp_path / "record", count), "log": log}


def test_a_rate_limit_holds_a_program_to_its_rate_and_loses_nothing(
    run: Run, tap: Tap, tmp_path: Path, measured: Measured
) -> None:
    (tmp_path / "record").touch()
    tap.open()
    container = run({"flood": limited(tmp_path, LIMITED, "block")}, stdout=tap.outlet)
    sleep_until(lambda: tap.pieces, 15, "the first lines")
    began = time.monotonic()
    sleep_until(lambda: sum(map(len, list(tap.pieces))) >= size_of(flood_lines(LIMITED)), 30, "the last lines")
    took = time.monotonic() - began
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    assert tap.finish().decode().splitlines() == flood_lines(LIMITED)
    assert not container.err.has("log.dropped")
    ideal = size_of(flood_lines(LIMITED)) / RATE - 1  # what comes of one second's silence comes at once
    measured(f"{ideal + 1:.1f} MB at 1 MB/s, the first of them at once: {took:.2f} s")
    assert 0.9 * ideal < took < 1.5 * ideal + slowness(began)


def test_a_rate_limit_counts_what_it_drops_to_the_line_and_the_byte(
    run: Run, tap: Tap, tmp_path: Path, measured: Measured
) -> None:
    count = 10 * LIMITED
    record = tmp_path / "record"
    record.touch()
    tap.open()
    began = time.monotonic()
    container = run({"flood": limited(tmp_path, count, "drop")}, stdout=tap.outlet)
    sleep_until(lambda: "lines" in record.read_text(), 30, "the flood is over, and was not held up")
    container.signal(signal.SIGTERM)
    assert container.end() == 0
    took = time.monotonic() - began
    lines = tap.finish().decode().splitlines()
    numbers = [int(line.split()[1]) for line in lines]
    assert numbers == sorted(set(numbers))
    lost, size = dropped(container, "flood", "rate_limit")
    assert (len(lines) + lost, size_of(lines) + size) == (count, size_of(flood_lines(count)))
    sizes = size_of(flood_lines(count)) / RATE, size_of(lines) / RATE
    measured(f"of {sizes[0]:.0f} MB in {took:.1f} s a limit of 1 MB/s let {sizes[1]:.1f} MB by")
    assert 0.9 < sizes[1] < 1.5 * (1 + took)


def test_the_idle_container_sleeps_after_floods_of_every_kind(
    run: Run, tap: Tap, tmp_path: Path, measured: Measured
) -> None:
    record = tmp_path / "record"
    record.touch()
    logs: dict[str, dict[str, Any]] = {
        "raw": {"mode": "raw"},
        "prefix": {"mode": "prefix", "redact": ["secret"]},
        "json": {"mode": "json", "multiline": "^json"},
        "file": {"mode": "none", "file": str(tmp_path / "log"), "max_size": "1mb", "compress": "gzip"},
        "limited": {"mode": "raw", "rate_limit": "1mb/s"},
        "dropping": {"mode": "raw", "rate_limit": "1mb/s", "when_full": "drop"},
    }
    table = {name: {"command": child("flood.py", record, LIMITED), "log": log} for name, log in logs.items()}
    tap.open()
    container = run(table, stdout=tap.outlet)
    container.await_ready()
    sleep_until(lambda: record.read_text().count("lines") == len(table), 60, "the floods are over")
    switches = switches_at_rest(container.init, IDLE)
    measured(f"idle for {IDLE:g} s after {len(table)} floods: {switches} context switches")
    assert switches == 0
