"""Load a configuration file and the files it includes as one table.

Rule 1: the result is a valid table or the list of all problems in all files, never a part of a table.
Rule 2: each file is read once. Anchors are local to a file.
"""

from __future__ import annotations

import os

from supervisor.config.reading import InvalidValue, Reading, join
from supervisor.config.schema import DOCUMENT
from supervisor.config.source import parse, read_file
from supervisor.config.table import read_programs, read_settings
from supervisor.config.tree import Mapping, Sequence
from supervisor.core.program import Settings, Table
from supervisor.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping as MappingOf

    from supervisor.config.tree import Node, Scalar


class Sources:
    """The sources of a table: the content of each file, and the files that match each pattern of `include`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.patterns: list[tuple[str, str, list[str]]] = []
        """Pattern, the directory that it is relative to, and the files."""


def load(
    path: str,
    environ: MappingOf[str, str],
    needs_programs: bool = True,
    command: tuple[str, ...] = (),
    regular_only: bool = False,
    sources: Sources | None = None,
) -> Table:
    """Read the configuration at `path`. A `command` that is not empty is the main program.

    `regular_only`: refuse a pipe or a device, which could block a running supinit. `sources` takes down what was read.
    Raises ConfigError with all problems, in reading order.
    """
    table, problems = examine(path, environ, needs_programs, command, regular_only, sources)
    if problems:
        raise ConfigError(problems)
    return table


def examine(
    path: str,
    environ: MappingOf[str, str],
    needs_programs: bool = True,
    command: tuple[str, ...] = (),
    regular_only: bool = False,
    sources: Sources | None = None,
) -> tuple[Table, tuple[str, ...]]:
    """Read the configuration at `path`, and return its problems beside the table.

    If there are problems, the table holds what could be read of each program, without dependencies.
    Raises ConfigError if the file itself cannot be read.
    """
    reading, documents = _read(path, environ, regular_only, sources)
    settings = Settings()
    try:
        settings = read_settings(documents.supervisor, reading)
    except InvalidValue:
        pass  # read the programs, too, to report their problems
    programs = read_programs(documents.programs, reading, command)
    if needs_programs and not command and not documents.programs and not reading.problems:
        reading.problem_at(path, 1, 1, "programs", "cannot be empty: there is no program to run")
    return Table(settings, programs, reading.warnings), reading.problems


def expand(path: str, environ: MappingOf[str, str]) -> str:
    """Return the configuration at `path` as one document with its presets expanded. Raises ConfigError."""
    from supervisor.config.expand import write_out

    load(path, environ)
    _, documents = _read(path, environ)
    return write_out(documents.supervisor, documents.programs.values())


def _read(
    path: str, environ: MappingOf[str, str], regular_only: bool = False, sources: Sources | None = None
) -> tuple[Reading, _Documents]:
    reading = Reading(environ)
    documents = _Documents(reading, regular_only, sources or Sources())
    try:
        documents.read(path)
    except OSError as error:
        raise ConfigError((_cannot_read(path, error),)) from None
    return reading, documents


class _Documents:
    """The merged sections of all files."""

    def __init__(self, reading: Reading, regular_only: bool, sources: Sources) -> None:
        self.reading = reading
        self.sources = sources
        self.regular_only = regular_only
        self.supervisor: Node | None = None
        self.programs: dict[str, tuple[Scalar, Node]] = {}
        self.being_read: list[str] = []
        self.read_before: set[str] = set()

    def read(self, file: str) -> None:
        """Add the sections of a file and of the files it includes. Raises OSError if the file itself cannot be read."""
        data = self.sources.files[file] = read_file(file, self.regular_only)
        identity = os.path.realpath(file)
        self.read_before.add(identity)
        self.reading.open(file)
        document = parse(data, file, self.reading)
        if document is None:
            return
        try:
            given = DOCUMENT.read_keys(document, "", self.reading).given
        except InvalidValue:
            return
        if "supervisor" in given:
            self._take_settings(given["supervisor"])
        if "programs" in given:
            self._take_programs(given["programs"])
        if "include" in given:
            self.being_read.append(identity)
            self._include(given["include"], os.path.dirname(file))
            self.being_read.pop()

    def _take_settings(self, node: Node) -> None:
        if self.supervisor is not None:
            self.reading.problem(node, "supervisor", f"duplicate key, first given at {_place(self.supervisor)}")
        else:
            self.supervisor = node

    def _take_programs(self, node: Node) -> None:
        if type(node) is not Mapping:
            self.reading.problem(node, "programs", "must be a mapping of names to programs")
            return
        for name, (key, program) in node.entries.items():
            if name in self.programs:
                sentence = f"program defined twice, first at {_place(self.programs[name][0])}"
                self.reading.problem(key, join("programs", name), sentence)
            else:
                self.programs[name] = (key, program)

    def _include(self, node: Node, directory: str) -> None:
        try:
            patterns = DOCUMENT.keys["include"].kind.read(node, "include", self.reading)
        except InvalidValue:
            return
        items = node.items if type(node) is Sequence else []
        for number, (of_item, item) in enumerate(zip(patterns, items, strict=True)):
            for pattern in of_item:
                files = matches(pattern, directory)
                self.sources.patterns.append((pattern, directory, files))
                for file in files:
                    self._include_file(file, item, f"include[{number}]")

    def _include_file(self, file: str, item: Node, path: str) -> None:
        identity = os.path.realpath(file)
        if identity in self.being_read:
            self.reading.problem(item, path, f"include cycle: {file} includes this file")
        elif identity not in self.read_before:
            try:
                self.read(file)
            except OSError as error:
                self.reading.problem(item, path, _cannot_read(file, error))


def matches(pattern: str, directory: str) -> list[str]:
    """Return the files that match a pattern, sorted. A path without wildcards always matches itself."""
    if not any(wildcard in pattern for wildcard in "*?["):
        return [os.path.join(directory, pattern)]
    from glob import glob

    return sorted(os.path.join(directory, match) for match in glob(pattern, root_dir=directory or None))


def _cannot_read(file: str, error: OSError) -> str:
    return f"cannot read {file}: {error.strerror or error}"


def _place(node: Node) -> str:
    return f"{node.file}:{node.line}:{node.column}"
