"""The validated dependency graph: the order of starts and stops, and the worst-case time of a stop."""

from __future__ import annotations

from supervisor.core.program import Condition, Dependency
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from supervisor.core.program import InstanceId, Program, Settings, Table
    from supervisor.core.watch import WatchKey


class Plan(Record):
    """A table with its dependency graph. Every mapping has a key for every program, in the table's order."""

    settings: Settings
    programs: Mapping[str, Program]
    dependants: Mapping[str, tuple[str, ...]]
    """The programs that name this one in `depends_on`."""
    stop_time_below: Mapping[str, float]
    """The seconds that the slowest chain of dependencies may take to stop after this program is down."""
    main: str | None = None
    """The main program: it has stdin and the terminal, and its exit code is the container's."""
    scheduled: tuple[str, ...] = ()
    """The programs that have a schedule."""
    warnings: tuple[str, ...] = ()
    """What the operator should know about the table, each sentence with its position."""
    watches: tuple[WatchKey, ...] = ()
    """Every watch of every program."""
    limited: tuple[str, ...] = ()
    """The programs that have `restart_when`."""
    entries: Mapping[InstanceId, Program] = {}
    """The entries of single instances that differ from their program's, while it is updated one by one (rolling.py)."""
    scaled: Mapping[str, tuple[int, int]] = {}
    """The `scale` of the table and the one at run time, where somebody has asked for another one (scaling.py)."""

    def down_time(self, name: str) -> float:
        """Return the seconds until everything of a program is gone, if no step of its stop sequences helps."""
        return _down_time(self.programs, self.entries, name)

    def find(self, instance: InstanceId) -> Program | None:
        """Return the entry of one instance; None: its program is not in the table."""
        return self.program_of(instance) if instance[0] in self.programs else None

    def program_of(self, instance: InstanceId) -> Program:
        """Return the entry of one instance."""
        return self.entries.get(instance) or self.programs[instance[0]]

    @property
    def everyone(self) -> tuple[InstanceId, ...]:
        """All instances, with those that come or go beside the ones that serve."""
        return tuple(instance for program in self.programs.values() for instance in program.everyone)

    @property
    def instances(self) -> tuple[InstanceId, ...]:
        return tuple(instance for program in self.programs.values() for instance in program.instances)


def make_plan(table: Table, entries: Mapping[InstanceId, Program] | None = None) -> Plan:
    """Build the plan of a valid table, in which every dependency exists and there is no cycle."""
    own = entries or {}
    programs = {program.name: program for program in table.programs}
    dependants: dict[str, list[str]] = {name: [] for name in programs}
    for program in table.programs:
        for dependency in program.depends_on:
            dependants[dependency.program].append(program.name)
    below: dict[str, float] = {}
    for name in _dependencies_first(programs):
        dependencies = programs[name].depends_on
        below[name] = max((below[d.program] + _stop_time(programs, own, d) for d in dependencies), default=0.0)
    return Plan(
        settings=table.settings,
        programs=programs,
        dependants={name: tuple(names) for name, names in dependants.items()},
        stop_time_below=below,
        main=main_of(table.programs),
        scheduled=scheduled_among(table.programs),
        warnings=table.warnings,
        watches=watches_of(table.programs),
        limited=limited_among(table.programs),
        entries=own,
    )


def main_of(programs: Iterable[Program]) -> str | None:
    """Return the name of the main program, if there is one."""
    return next((program.name for program in programs if program.is_main), None)


def scheduled_among(programs: Iterable[Program]) -> tuple[str, ...]:
    """Return the names of the programs that have a schedule."""
    return tuple(program.name for program in programs if program.schedule is not None)


def limited_among(programs: Iterable[Program]) -> tuple[str, ...]:
    """Return the names of the programs that have `restart_when`."""
    return tuple(program.name for program in programs if program.restart_when is not None)


def watches_of(programs: Iterable[Program]) -> tuple[WatchKey, ...]:
    """Return every watch of every program."""
    return tuple((program.name, watch) for program in programs for watch in program.watch)


def start_waves(plan: Plan) -> tuple[tuple[str, ...], ...]:
    """Return the programs by start wave. Each depends only on programs of earlier waves."""
    return _waves({name: [d.program for d in program.depends_on] for name, program in plan.programs.items()})


def stop_waves(plan: Plan) -> tuple[tuple[str, ...], ...]:
    """Return the programs by stop wave. Each stops once what depends on it, all in earlier waves, is down."""
    return _waves(plan.dependants)


def critical_path(plan: Plan) -> tuple[tuple[str, ...], float]:
    """Return the chain of programs that takes longest to stop, in stop order, and its worst case in seconds.

    The seconds include `drain_delay`; `shutdown_timeout` is not applied, so that the two can be compared.
    """
    programs, below, path = plan.programs, plan.stop_time_below, []
    candidates: Sequence[Dependency] = tuple(Dependency(name) for name in programs)
    while candidates:
        slowest = max(candidates, key=lambda d: _stop_time(programs, plan.entries, d) + below[d.program])
        if slowest.condition is not Condition.COMPLETED:
            path.append(slowest.program)
        candidates = programs[slowest.program].depends_on
    return tuple(path), plan.settings.drain_delay + sum(plan.down_time(name) for name in path)


def _stop_time(programs: Mapping[str, Program], entries: Mapping[InstanceId, Program], dependency: Dependency) -> float:
    """Return the time that a dependency may take to stop: none, if it had to complete before its dependant started."""
    return 0.0 if dependency.condition is Condition.COMPLETED else _down_time(programs, entries, dependency.program)


def _down_time(programs: Mapping[str, Program], entries: Mapping[InstanceId, Program], name: str) -> float:
    program = programs[name]
    return max([program.down_time, *(entries[i].down_time for i in program.everyone if i in entries)])


def find_cycles(graph: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Return the dependency cycles of a graph, each as the names along it; the first is not repeated at the end.

    The result is empty exactly when there is no cycle. Of cycles that share an edge, some may be missing.
    Names that are not a key of the graph are ignored.
    """
    cycles: list[tuple[str, ...]] = []
    finished: set[str] = set()
    for start in graph:
        trail: dict[str, None] = {}
        branches = [iter((start,))]
        while branches:
            name = next(branches[-1], None)
            if name is None:
                branches.pop()
                if trail:
                    finished.add(trail.popitem()[0])
            elif name in trail:
                names = list(trail)
                cycles.append(tuple(names[names.index(name) :]))
            elif name in graph and name not in finished:
                trail[name] = None
                branches.append(iter(graph[name]))
    return tuple(cycles)


def _dependencies_first(programs: Mapping[str, Program]) -> tuple[str, ...]:
    waves = _waves({name: [d.program for d in program.depends_on] for name, program in programs.items()})
    return tuple(name for wave in waves for name in wave)


def _waves(edges: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Group names by the length of their longest path along `edges`, shortest first, in O(names + edges)."""
    depth: dict[str, int] = {}
    pending = list(edges)
    while pending:
        name = pending[-1]
        if name not in depth and (missing := [target for target in edges[name] if target not in depth]):
            pending += missing
            continue
        pending.pop()
        if name not in depth:
            depth[name] = 1 + max((depth[target] for target in edges[name]), default=-1)
    waves: list[list[str]] = [[] for _ in set(depth.values())]
    for name in edges:
        waves[depth[name]].append(name)
    return tuple(tuple(wave) for wave in waves)
