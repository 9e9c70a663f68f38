"""Convert units that belong together: one .service file, or all those in a folder."""

from __future__ import annotations

import os

from supervisor.convert.document import Block
from supervisor.convert.draft import Draft
from supervisor.convert.findings import Location
from supervisor.convert.sources import read_text
from supervisor.convert.systemd.service import ServiceUnit
from supervisor.convert.systemd.unit import Unit, read_unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervisor.convert.findings import Findings

FAILURES = "A program that fails for good ends the container; under systemd the other units run on."
SCOPE = "A stop signal goes to the main process first, then to what is left; systemd sends it to all (KillMode)."
_ALWAYS_THERE = (".target", ".slice", ".mount", ".socket", ".device", ".path", ".timer", ".swap", ".scope")
_SYSTEM = (
    "systemd-",
    "dbus",
    "syslog",
    "rsyslog",
    "network",
    "NetworkManager",
    "nss-",
    "remote-fs",
    "local-fs",
    "cloud-",
)


def find_units(path: str) -> list[str]:
    """Return the .service files of a folder."""
    names = sorted(os.listdir(path)) if os.path.isdir(path) else []
    return [os.path.join(path, name) for name in names if name.endswith(".service")]


def convert_units(paths: Iterable[str], findings: Findings) -> Block:
    """Return the table. It is useless where `findings` hold a problem."""
    draft = Draft(findings)
    draft.document.notes[""] = [FAILURES, SCOPE]
    units = [read_unit(text, path, findings) for path in paths if (text := read_text(path, findings)) is not None]
    services = [ServiceUnit(unit, draft) for unit in units]
    names = {}
    for service in services:
        names[service.unit.file_name] = draft.add(service.unit.name, service.convert(), service.unit.place)
    _read_companions(units, services, draft)
    by_file = {service.unit.file_name: service for service in services}
    _set_order(by_file, names, draft)
    for folder in {os.path.dirname(unit.path) for unit in units}:
        for name in sorted(os.listdir(folder or ".")):
            if name.endswith(".path") and f"{name.rpartition('.')[0]}.service" in names:
                draft.lose(Location(os.path.join(folder, name), 1), f"{name} is not read")
    return draft.finish()


def _read_companions(units: list[Unit], services: list[ServiceUnit], draft: Draft) -> None:
    """Read the timers and sockets beside the units. A service that a timer starts is not started by anything else."""
    by_file = {service.unit.file_name: service for service in services}
    for folder in dict.fromkeys(os.path.dirname(unit.path) for unit in units):
        for name in sorted(os.listdir(folder or ".")):
            path = os.path.join(folder, name)
            if not name.endswith((".timer", ".socket")) or (text := read_text(path, draft.findings)) is None:
                continue
            unit = read_unit(text, path, draft.findings)
            named = unit.last("Timer.Unit") or unit.last("Socket.Service") or f"{unit.name}.service"
            service = by_file.get(named)
            if service is None:
                continue
            if name.endswith(".timer"):
                from supervisor.convert.systemd.timer import set_schedule

                set_schedule(unit, service.block, draft)
            else:
                from supervisor.convert.systemd.socket import set_sockets

                set_sockets(unit, service.block, draft)


def _set_order(services: dict[str, ServiceUnit], names: dict[str, str], draft: Draft) -> None:
    """Turn After= and Before= into depends_on, and Requires= and the like where they leave the order open."""
    after: dict[str, list[str]] = {file: [] for file in services}
    ordered = [(file, _file(word)) for file, service in services.items() for word in service.unit.words("Unit.After")]
    ordered += [(_file(word), file) for file, service in services.items() for word in service.unit.words("Unit.Before")]
    wanted = [
        (file, _file(word))
        for key in ("Requires", "BindsTo", "Requisite", "Wants")
        for file, service in services.items()
        for word in service.unit.words(f"Unit.{key}")
    ]
    for file, other in (*ordered, *wanted):
        if file not in services or file == other:
            continue
        unit = services[file].unit
        if other not in services:
            if not other.endswith(_ALWAYS_THERE) and not other.startswith(_SYSTEM):
                draft.mention(unit.place, f"{file}: {other} is not in the table", services[file].block)
        elif _reaches(other, file, after):
            if (file, other) in ordered:
                draft.lose(unit.place, f"{file}: After={other} closes a cycle, and is left out", services[file].block)
        elif other not in after[file] and not services[other].block.is_off:
            after[file].append(other)
    for file, others in after.items():
        if others:
            services[file].block.entries["depends_on"] = conditions = Block()
            conditions.entries.update((names[other], {"condition": _condition(services[other])}) for other in others)


def _file(word: str) -> str:
    return word if "." in word else f"{word}.service"


def _reaches(start: str, end: str, after: dict[str, list[str]]) -> bool:
    """Whether `start` comes after `end`, directly or through others."""
    waiting, seen = [start], {start}
    while waiting:
        for other in after[waiting.pop()]:
            if other == end:
                return True
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return False


def _condition(other: ServiceUnit) -> str:
    """systemd waits until a unit is up: a oneshot has ended well, a notify service is ready."""
    if other.kind == "oneshot":
        return "completed"
    return "healthy" if other.kind in ("notify", "notify-reload", "forking") else "started"
