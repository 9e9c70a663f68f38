"""Convert units that belong together: one .service file, or all those in a folder."""

from __future__ import annotations

import os

from supervisor.convert.document import Block
from supervisor.convert.draft import Draft
from supervisor.convert.findings import Location
from supervisor.convert.sources import read_text
from supervisor.convert.systemd.service import ServiceUnit
from supervisor.convert.systemd.unit import read_unit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from supervisor.convert.findings import Findings
    from supervisor.convert.systemd.unit import Unit

FAILURES = "A program that fails for good ends the container; under systemd the other units run on."
SCOPE = "A stop signal goes to the main process first, then to what is left; systemd sends it to all (KillMode)."
TIMER = "is not read: write it as schedule"
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
    by_file = {service.unit.file_name: service for service in services}
    for service in services:
        _set_order(service, by_file, names, draft)
    for folder in {os.path.dirname(unit.path) for unit in units}:
        for name in sorted(os.listdir(folder or ".")):
            if name.endswith((".timer", ".socket", ".path")) and f"{name.rpartition('.')[0]}.service" in names:
                reason = TIMER if name.endswith(".timer") else "is not read"
                draft.lose(Location(os.path.join(folder, name), 1), f"{name} {reason}")
    return draft.finish()


def _set_order(service: ServiceUnit, services: dict[str, ServiceUnit], names: dict[str, str], draft: Draft) -> None:
    """Turn After= and Requires= into depends_on, as far as the units are there."""
    unit = service.unit
    wanted = {
        word: key
        for key in ("Requires", "Wants", "BindsTo", "Requisite", "After")
        for word in unit.words(f"Unit.{key}")
    }
    before = [file for file, other in services.items() if unit.file_name in other.unit.words("Unit.Before")]
    conditions = Block()
    for word in [*wanted, *before]:
        word = word if "." in word else f"{word}.service"
        other = services.get(word)
        if other is not None and other is not service and not other.block.is_off:
            conditions.entries[names[word]] = {"condition": _condition(other)}
        elif other is None and not word.endswith(_ALWAYS_THERE) and not word.startswith(_SYSTEM):
            place = _place(unit, wanted.get(word, "After"))
            draft.mention(place, f"{unit.file_name}: {word} is not in the table", service.block)
    if conditions.entries:
        service.block.entries["depends_on"] = conditions


def _condition(other: ServiceUnit) -> str:
    """systemd waits until a unit is up: a oneshot has ended well, a notify service is ready."""
    if other.kind == "oneshot":
        return "completed"
    return "healthy" if other.kind in ("notify", "notify-reload", "forking") else "started"


def _place(unit: Unit, key: str) -> Location:
    assignments = unit.all(f"Unit.{key}")
    return assignments[0].place if assignments else unit.place
