"""The table of a chaos run: a hundred programs of every kind that supinit knows."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from supervisor.config.schema import PROGRAM

Programs = dict[str, dict[str, Any]]

COUNT = 100
COMMON: dict[str, Any] = {
    "shutdown_on": "never",
    "start_retries": None,
    "min_uptime": "50ms",
    "restart_delay": {"initial": "50ms", "max": "500ms"},
    "stop_grace_period": "1s",
}
SLEEP = ["sleep", "1000"]


def make_programs(seed: int, folder: Path) -> Programs:
    """Return the programs, in the order in which they may depend on each other."""
    chance = random.Random(seed)
    programs: Programs = {}
    for kind, count in (
        (_oneshot, 8), (_family, 26), (_stubborn, 5), (_crashing, 8), (_forking, 8), (_scaled, 6), (_orphans, 5),
        (_flood, 4), (_probed, 5), (_hooked, 3), (_on_demand, 3), (_scheduled, 5), (_with_socket, 4),
    ):  # fmt: skip
        for number in range(count):
            name = f"{kind.__name__[1:].replace('_', '-')}-{number}"
            program = COMMON | kind(name, chance, folder)
            if programs and chance.random() < 0.3 and "schedule" not in program:
                program["depends_on"] = _dependencies(programs, chance)
            programs[name] = program
    for number in range(COUNT - len(programs)):
        programs[f"plain-{number}"] = COMMON | {"command": SLEEP}
    return programs


def _dependencies(programs: Programs, chance: random.Random) -> dict[str, Any]:
    """Return one to three dependencies on programs that come up by themselves."""
    able = [name for name, program in programs.items() if "schedule" not in program and program.get("autostart", True)]
    names = chance.sample(able, min(len(able), chance.randint(1, 3)))
    is_oneshot = {name: programs[name].get("type") == "oneshot" for name in names}
    return {name: {"condition": "completed" if is_oneshot[name] else "started"} for name in names}


def _shell(script: str) -> dict[str, Any]:
    return {"command": ["/bin/sh", "-c", script.replace("$", "$$")]}


def _oneshot(name: str, chance: random.Random, folder: Path) -> dict[str, Any]:
    seconds = chance.choice((0, 0.1, 0.5))
    return {**_shell(f"sleep {seconds} & wait"), "type": "oneshot", "restart": "on-failure"}


def _family(name: str, chance: random.Random, folder: Path) -> dict[str, Any]:
    """A process with children: in its group, in a session of their own, and behind a parent that has exited."""
    parts = ("sleep 1000 &", "setsid sleep 1000 &", "(setsid sleep 1000 &);", "sleep 1000 | sleep 1000 &")
    return _shell(" ".join([*chance.sample(parts, chance.randint(1, 3)), "exec sleep 1000"]))


def _stubborn(name: str, chance: random.Random, folder: Path) -> dict[str, Any]:
    return {**_shell("trap '' TERM; while :; do sleep 1; done"), "stop_grace_period": "300ms"}


def _crashing(name: str, chance: random.Random, folder: Path) -> dict[str, Any]:
    return _shell(f"setsid sleep 1000 & sleep {chance.choice((0.02, 0.2, 1, 3))}; exit {chance.randint(0, 3)}")


def _forking(name: str, chance: random.Random, folder: Path) -> dict[str, Any]:
    path = f"{folder}/{name}.pid"
    if chance.random() < 0.5:
        keys = _shell(f"setsid sleep 1000 & echo $! >{path}")
        return {**keys, "type": "forking", "pid_file": path, "ready": {"timeout": "5s"}}
    return {**_shell("setsid sleep 1000 &"), "type": "forking", "ready": {"timeout": "5s"}}


def _scaled(name: str, chance: random.Random, folder: Path) -> dict[str, Any]:
    return {**_shell("setsid sleep 1000 & exec sleep 1000"), "scale": chance.randint(2, 4)}


def _orphans(name: str, chance: random.Random, folder: Path) -> dict[str, Any]:
    return _shell("while :; do (sleep 0.3 &); (setsid sleep 0.1 &); sleep 0.2; done")


def _flood(name: str, chance: random.Random, folder: Path) -> dict[str, Any]:
    keys = _shell("while :; do yes 0123456789 | head -c 1000000; sleep 0.3; done")
    return keys | ({"log": {"rate_limit": "1mb/s", "when_full": "drop"}} if chance.random() < 0.5 else {})


def _probed(name: str, chance: random.Random, folder: Path) -> dict[str, Any]:
    test = chance.choice((["CMD", "true"], ["CMD-SHELL", "sleep 0.2 & wait"], ["CMD-SHELL", "sleep 1000 & exit 0"]))
    check = {"test": test, "interval": "1s", "timeout": "2s", "retries": 2, "on_unhealthy": "restart"}
    return {"command": SLEEP, "healthcheck": check}


def _hooked(name: str, chance: random.Random, folder: Path) -> dict[str, Any]:
    return {"command": SLEEP, "pre_start": [["true"]], "post_start": [["true"]], "post_stop": [["sleep", "0.1"]]}


def _on_demand(name: str, chance: random.Random, folder: Path) -> dict[str, Any]:
    return {"command": SLEEP, "autostart": False}


def _scheduled(name: str, chance: random.Random, folder: Path) -> dict[str, Any]:
    if "schedule" not in PROGRAM.keys:
        return {"command": SLEEP}
    interval = chance.choice(("500ms", "1s", "3s"))
    keys = _shell(f"setsid sleep 1000 & sleep {chance.choice((0.1, 1))}")
    return {**keys, "type": "oneshot", "schedule": {"interval": interval, "run_on_start": True}}


def _with_socket(name: str, chance: random.Random, folder: Path) -> dict[str, Any]:
    if "sockets" not in PROGRAM.keys:
        return {"command": SLEEP}
    return {"command": SLEEP, "sockets": {"own": {"listen": f"{folder}/{name}.sock"}}, "scale": chance.randint(1, 2)}


def vary(programs: Programs, chance: random.Random) -> Programs:
    """Return another table: some programs changed in place, some in a way that needs a new process, some gone."""
    varied = dict(programs)
    for name in chance.sample(sorted(programs), chance.randint(1, 6)):
        change = chance.random()
        if change < 0.4:
            varied[name] = varied[name] | {"environment": {"VARIATION": str(chance.randint(0, 9))}}
        elif change < 0.7:
            varied[name] = varied[name] | {"stop_grace_period": f"{chance.randint(300, 900)}ms"}
        elif change < 0.85 and not {"schedule", "pid_file"} & varied[name].keys():
            varied[name] = varied[name] | {"scale": chance.randint(0, 3)}
        else:
            del varied[name]
    known = set(varied)
    for name, program in varied.items():
        if needs := program.get("depends_on"):
            varied[name] = program | {"depends_on": {other: how for other, how in needs.items() if other in known}}
    for number in range(chance.randint(0, 2)):
        varied[f"extra-{number}"] = COMMON | {"command": SLEEP}
    return varied
