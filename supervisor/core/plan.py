"""The validated graph: who waits for whom, in which order, and how long the longest stop can take."""

from __future__ import annotations

from supervisor.core.program import Condition
from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from supervisor.core.program import InstanceId, Program, Settings, Table


class Plan(Record):
    """A table with its graph worked out. Every mapping has every program's name as a key, in the table's order."""

    settings: Settings
    programs: Mapping[str, Program]
    dependants: Mapping[str, tuple[str, ...]]
    """The programs that name this one in `depends_on`."""
    stop_time_below: Mapping[str, float]
    """Seconds that the slowest chain of dependencies under this program may take to stop once it is down."""
    main: str | None = None
    """The main program, which has stdin and the terminal, and whose code is the container's."""
    warnings: tuple[str, ...] = ()
    """What the operator should know about the table, each sentence with its position."""

    @property
    def instances(self) -> tuple[InstanceId, ...]:
        return tuple(instance for program in self.programs.values() for instance in program.instances)


def make_plan(table: Table) -> Plan:
    """Work the graph of a valid table out: every dependency exists, and there is no cycle."""
    programs = {program.name: program for program in table.programs}
    dependants: dict[str, list[str]] = {name: [] for name in programs}
    for program in table.programs:
        for dependency in program.depends_on:
            dependants[dependency.program].append(program.name)
    below: dict[str, float] = {}
    for name in _dependencies_first(programs):
        stop_times = (below[target] + programs[target].stop_time for target in _stopped_after(programs[name]))
        below[name] = max(stop_times, default=0.0)
    return Plan(
        settings=table.settings,
        programs=programs,
        dependants={name: tuple(names) for name, names in dependants.items()},
        stop_time_below=below,
        main=next((program.name for program in table.programs if program.is_main), None),
        warnings=table.warnings,
    )


def start_waves(plan: Plan) -> tuple[tuple[str, ...], ...]:
    """Return the programs by wave: each depends on programs of earlier waves only, and on one of the wave before it."""
    return _waves({name: [d.program for d in program.depends_on] for name, program in plan.programs.items()})


def stop_waves(plan: Plan) -> tuple[tuple[str, ...], ...]:
    """Return the programs by stop wave. A program stops once everything of earlier waves that depends on it is down."""
    return _waves(plan.dependants)


def critical_path(plan: Plan) -> tuple[tuple[str, ...], float]:
    """Return the chain of programs that takes longest to stop, first to stop first, and its worst case in seconds.

    `drain_delay` counts, `shutdown_timeout` does not: compare the two.
    """
    path: list[str] = []
    candidates: Sequence[str] = tuple(plan.programs)
    while candidates:
        slowest = max(candidates, key=lambda name: plan.programs[name].stop_time + plan.stop_time_below[name])
        path.append(slowest)
        candidates = _stopped_after(plan.programs[slowest])
    return tuple(path), plan.settings.drain_delay + sum(plan.programs[name].stop_time for name in path)


def _stopped_after(program: Program) -> list[str]:
    """Return the dependencies that may be alive when the program is down: what had to complete for it no longer is."""
    return [d.program for d in program.depends_on if d.condition is not Condition.COMPLETED]


def find_cycles(graph: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Return cycles of a graph of names, each as the names along it, without the first repeated at its end.

    There is none exactly when the result is empty; where cycles share an edge, not each of them is listed.
    Names that are no key of the graph are passed over.
    """
    cycles: list[tuple[str, ...]] = []
    finished: set[str] = set()
    for start in graph:
        trail: list[str] = []
        branches = [iter((start,))]
        while branches:
            name = next(branches[-1], None)
            if name is None:
                branches.pop()
                if trail:
                    finished.add(trail.pop())
            elif name in trail:
                cycles.append(tuple(trail[trail.index(name) :]))
            elif name in graph and name not in finished:
                trail.append(name)
                branches.append(iter(graph[name]))
    return tuple(cycles)


def _dependencies_first(programs: Mapping[str, Program]) -> tuple[str, ...]:
    waves = _waves({name: [d.program for d in program.depends_on] for name, program in programs.items()})
    return tuple(name for wave in waves for name in wave)


def _waves(edges: Mapping[str, Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Group names by the length of their longest path along `edges`, shortest first; O(names + edges)."""
    depth: dict[str, int] = {}
    pending = list(edges)
    while pending:
        name = pending[-1]
        missing = [target for target in edges[name] if target not in depth]
        if missing:
            pending += missing
            continue
        depth.setdefault(name, 1 + max((depth[target] for target in edges[name]), default=-1))
        pending.pop()
    waves: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for name in edges:
        waves[depth[name]].append(name)
    return tuple(tuple(wave) for wave in waves)
