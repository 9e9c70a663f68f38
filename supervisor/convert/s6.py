"""Convert an s6-overlay tree: s6-rc.d, services.d, cont-init.d and cont-finish.d.

s6-rc starts what the bundle `user` holds, each service when its dependencies are up. Before version 3 there were only
cont-init.d, whose scripts run one after the other, services.d, which starts after them, and cont-finish.d.
Sources: github.com/just-containers/s6-overlay, skarnet.org/software/s6-rc (s6-rc-compile).
"""

from __future__ import annotations

import os
import shlex

from supervisor.convert.document import Block
from supervisor.convert.draft import IDLE, Draft
from supervisor.convert.findings import Location
from supervisor.convert.loggers import log_of
from supervisor.convert.scripts import Script, set_command
from supervisor.convert.service_folder import (
    OUTPUT,
    convert_folder,
    milliseconds,
    path_in_image,
    read_script,
    value_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from supervisor.convert.findings import Findings

FOLDERS = ("s6-rc.d", "services.d", "cont-init.d", "cont-finish.d", "fix-attrs.d")
FAILURES = "A program that fails for good ends the container; s6 restarts it for ever (here: start_retries: null)."
INITIAL = "A script of cont-init.d that fails ends the container, as under S6_BEHAVIOUR_IF_STAGE2_FAILS=2."
FIX_ATTRS = "is not applied: set owners and modes in the image, or in a oneshot"
OUTSIDE = "depends on services that are not in this tree"
_BUILT_IN = frozenset(("base", "user", "user2", "top", "default", "legacy-services", "fix-attrs", "legacy-fix-attrs"))
_MAX_DEPTH = 6


def find_folders(path: str) -> dict[str, str]:
    """Return the folders of an s6-overlay tree by name, the uppermost of each."""
    path = path.rstrip("/") or "/"
    if (name := os.path.basename(os.path.abspath(path))) in FOLDERS:
        return {name: path}
    found: dict[str, str] = {}
    for folder, names, _ in os.walk(path):
        names.sort()
        if folder[len(path) :].count("/") >= _MAX_DEPTH:
            names.clear()
        for name in [name for name in names if name in FOLDERS]:
            found.setdefault(name, os.path.join(folder, name))
            names.remove(name)
    return found


def convert_s6(folders: Mapping[str, str], findings: Findings) -> Block:
    """Return the table."""
    conversion = _Conversion(Draft(findings))
    if "fix-attrs.d" in folders:
        for name in _files(folders["fix-attrs.d"]):
            path = os.path.join(folders["fix-attrs.d"], name)
            conversion.draft.lose(Location(path, 1), f"fix-attrs.d/{name} {FIX_ATTRS}")
    initial = conversion.read_initial(folders.get("cont-init.d", ""))
    if "s6-rc.d" in folders:
        _Services(folders["s6-rc.d"], conversion, initial).convert()
    conversion.read_services(folders.get("services.d", ""), initial)
    conversion.read_final(folders.get("cont-finish.d", ""))
    return conversion.finish()


class _Conversion:
    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.draft.document.note(FAILURES)

    def read_initial(self, folder: str) -> str:
        """Add the scripts of cont-init.d, one after the other. Return the name of the last, or an empty text."""
        before = ""
        for name in _files(folder):
            script = read_script(os.path.join(folder, name), self.draft)
            if script is None:
                continue
            program = Block()
            program.entries["type"] = "oneshot"
            set_command(script, program, self.draft)
            if before:
                program.entries["depends_on"] = _conditions({before: "completed"})
            else:
                self.draft.document.note(INITIAL)
            before = self.draft.add(f"init-{os.path.splitext(name)[0]}", program, script.place)
        return before

    def read_services(self, folder: str, initial: str) -> None:
        """Add the services of services.d; they start after cont-init.d."""
        for name in _folders(folder):
            program = convert_folder(os.path.join(folder, name), self.draft)
            if program is None:
                continue
            if initial:
                program.entries["depends_on"] = _conditions({initial: "completed"})
            self.add_service(name, program, os.path.join(folder, name))

    def add_service(self, name: str, program: Block, folder: str) -> str:
        place = Location(os.path.join(folder, "run"), 1)
        if os.path.exists(os.path.join(folder, "down")):
            program.entries[IDLE] = False
        return self.draft.add(name, program, place)

    def read_final(self, folder: str) -> None:
        """Add the scripts of cont-finish.d as a program that everything depends on, and that so stops last."""
        scripts = [script for name in _files(folder) if (script := read_script(os.path.join(folder, name), self.draft))]
        if not scripts:
            return
        command = "; ".join(shlex.join((*script.interpreter, script.path)) for script in scripts)
        others = list(self.draft.programs.values())
        name = self.draft.add("cont-finish", at_stop(command, "30s"), scripts[0].place)
        for program in others:
            after = program.entries.get("depends_on")
            conditions = after if isinstance(after, Block) else _conditions({})
            if not conditions.entries:
                conditions.entries[name] = {"condition": "started"}
                program.entries["depends_on"] = conditions

    def finish(self) -> Block:
        return self.draft.finish()


class _Services:
    """The services of s6-rc.d, with their types, dependencies and bundles."""

    def __init__(self, folder: str, conversion: _Conversion, initial: str) -> None:
        self.folder = folder
        self.draft = conversion.draft
        self.initial = initial
        self.names = _folders(folder)
        self.types = {name: self._type(name) for name in self.names}
        self.loggers = {
            producer: name for name in self.names for producer in self._listed(name, "consumer-for") if producer
        }
        self.added: dict[str, str] = {}

    def convert(self) -> None:
        starting = self._starting()
        order = [name for name in self.names if self.types[name] in ("oneshot", "longrun")]
        consumers = set(self.loggers.values())
        blocks = {name: self._program(name) for name in order if name not in consumers}
        for name, program in blocks.items():
            if program is None:
                continue
            place = Location(os.path.join(self.folder, name, "run" if self.types[name] == "longrun" else "up"), 1)
            if name not in starting:  # it is in no bundle that starts
                program.entries[IDLE] = False
            self.added[name] = self.draft.add(name, program, place)
        for name, program in blocks.items():
            if program is not None:
                self._set_dependencies(name, program)
        for name in blocks:
            if name in self.added and self.types[name] == "oneshot":
                self._set_down(name)

    def _type(self, name: str) -> str:
        """Return the type. A tree out of a repository may lack the file: the others tell."""
        folder = os.path.join(self.folder, name)
        if kind := value_of(folder, "type"):
            return kind
        if os.path.isfile(os.path.join(folder, "up")):
            return "oneshot"
        return "longrun" if os.path.isfile(os.path.join(folder, "run")) else "bundle"

    def _listed(self, name: str, file: str) -> list[str]:
        """Return the names in a folder NAME.d, or the lines of a file NAME."""
        folder = os.path.join(self.folder, name, f"{file}.d")
        if os.path.isdir(folder):
            return _files(folder)
        try:
            with open(os.path.join(self.folder, name, file), encoding="utf-8", errors="replace") as lines:
                return [line.strip() for line in lines.read(65536).splitlines() if line.strip()]
        except OSError:
            return []

    def _expanded(self, names: Iterable[str], seen: frozenset[str] = frozenset()) -> list[str]:
        """Return services, with bundles replaced by what they hold."""
        found: list[str] = []
        for name in names:
            if self.types.get(name) == "bundle" and name not in seen:
                found += self._expanded(self._listed(name, "contents"), seen | {name})
            elif name not in seen:
                found.append(name)
        return list(dict.fromkeys(found))

    def _starting(self) -> set[str]:
        """Return what the bundles of the user start, with all that it depends on; everything where none is there."""
        waiting = self._expanded([name for name in ("user", "user2") if name in self.types])
        if not waiting:
            return set(self.names)
        starting: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name not in starting:
                starting.add(name)
                waiting += self._expanded(self._listed(name, "dependencies"))
        return starting

    def _program(self, name: str) -> Block | None:
        folder = os.path.join(self.folder, name)
        if self.types[name] == "longrun":
            program = convert_folder(folder, self.draft)
            if program is not None and name in self.loggers:
                self._set_logger(self.loggers[name], program)
            return program
        script = read_script(os.path.join(folder, "up"), self.draft)
        if script is None:
            return None
        program = Block()
        program.entries["type"] = "oneshot"
        set_command(self._called(script), program, self.draft)
        if wait := milliseconds(value_of(folder, "timeout-up")):
            program.entries["ready"] = {"timeout": wait}
        return program

    def _called(self, script: Script) -> Script:
        """Return the script that a file `up` or `down` calls, where it is in the tree; else the file, as execline."""
        words = [line for line in script.text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        path = words[0].strip() if len(words) == 1 else ""
        root = os.path.abspath(self.folder).removesuffix(path_in_image(self.folder))
        called = read_script(root + path, self.draft) if path.startswith("/") and " " not in path else None
        return called or Script(f"#!execlineb\n{script.text}", script.path, script.place)

    def _set_logger(self, name: str, program: Block) -> None:
        script = read_script(os.path.join(self.folder, name, "run"), self.draft)
        log = None if script is None else log_of(script.text.split())
        if log is not None:
            own = program.entries.get("log")
            program.entries["log"] = {**log, **(own if isinstance(own, dict) else {})}
        elif script is not None:
            self.draft.findings.group(script.place, OUTPUT, name, "run")

    def _set_dependencies(self, name: str, program: Block) -> None:
        conditions: dict[str, str] = {}
        for other in self._expanded(self._listed(name, "dependencies")):
            other = next((producer for producer, logger in self.loggers.items() if logger == other), other)
            if other == "legacy-cont-init" and self.initial:
                conditions[self.initial] = "completed"
            elif other in self.added and other != name:
                conditions[self.added[other]] = self._condition(other)
            elif other not in _BUILT_IN and other != "legacy-cont-init" and other != name:
                place = Location(os.path.join(self.folder, name, "dependencies.d", other), 1)
                self.draft.findings.group(place, OUTSIDE, name, other)
        if conditions:
            program.entries["depends_on"] = _conditions(conditions)

    def _condition(self, name: str) -> str:
        """s6-rc waits for a oneshot to succeed, and for a service to be up, or ready where it can tell."""
        if self.types[name] == "oneshot":
            return "completed"
        entries = self.draft.programs[self.added[name]].entries
        return "healthy" if "ready" in entries or "healthcheck" in entries else "started"

    def _set_down(self, name: str) -> None:
        """Run the file down of a oneshot when the container stops, after what depends on it."""
        script = read_script(os.path.join(self.folder, name, "down"), self.draft)
        if script is None or not script.text.strip():
            return
        program = Block()
        set_command(self._called(script), program, self.draft)
        command = program.entries["command"]
        text = command if isinstance(command, str) else shlex.join(str(word) for word in command)  # type: ignore[union-attr]  # a list of words
        wait = milliseconds(value_of(os.path.join(self.folder, name), "timeout-down")) or "30s"
        stopper = at_stop(text, wait)
        stopper.entries["depends_on"] = _conditions({self.added[name]: "completed"})
        down = self.draft.add(f"{name}-down", stopper, script.place)
        for other, dependant in self.draft.programs.items():
            after = dependant.entries.get("depends_on")
            if isinstance(after, Block) and self.added[name] in after.entries and other != down:
                after.entries[down] = {"condition": "started"}


def at_stop(command: str, wait: str) -> Block:
    """Return a program that does nothing until it is stopped, and runs a command then."""
    program = Block()
    program.note("waits, and runs its command when the container stops")
    quoted = command.replace("'", "'\\''")
    script = f"trap '{quoted}; kill $$!; exit 0' TERM; while :; do sleep 86400 & wait; done"
    program.entries["command"] = ("sh", "-c", script)
    program.entries["stop_grace_period"] = wait
    return program


def _conditions(conditions: Mapping[str, str]) -> Block:
    block = Block()
    block.entries.update((name, {"condition": condition}) for name, condition in conditions.items())
    return block


def _files(folder: str) -> list[str]:
    if not folder or not os.path.isdir(folder):
        return []
    return sorted(name for name in os.listdir(folder) if os.path.isfile(os.path.join(folder, name)) and name[0] != ".")


def _folders(folder: str) -> list[str]:
    if not folder or not os.path.isdir(folder):
        return []
    return sorted(name for name in os.listdir(folder) if os.path.isdir(os.path.join(folder, name)) and name[0] != ".")
