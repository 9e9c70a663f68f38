"""The difference between two tables, and the plans on the way from one to the other.

Rule 1: a program whose entry is the same is not touched.
Rule 2: a process is stopped by the entry that it was started with. A program that needs a new process keeps its old
        entry until the old process is gone (`Leaving`), and so does a program that is removed.
Rule 3: everything else applies from the moment of the update.
"""

from __future__ import annotations

from enum import Enum

from supervisor.core.life import Stopping
from supervisor.core.plan import find_cycles, limited_among, main_of, make_plan, scheduled_among, watches_of
from supervisor.core.program import LogMode, Program, Settings, Table
from supervisor.core.record import Record, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from supervisor.core.life import Life
    from supervisor.core.plan import Plan
    from supervisor.core.program import InstanceId
    from supervisor.core.roll import Roll

_PROGRAM_FIELDS = Program.__match_args__
NEW_PROCESS = _PROGRAM_FIELDS[: _PROGRAM_FIELDS.index("depends_on")]
"""Fields of a program that need a new process. The others are applied in place; `_needs_new_process` says which parts
of `ready`, `log` and `sockets` are not."""
KEYS = {"kind": "type", "credentials": "user", "is_main": "stdin", "is_enabled": "profiles"}
"""The key of a field, where it has another name."""
FIXED = Settings.__match_args__[: Settings.__match_args__.index("shutdown_signals")]
"""Settings that are used once, at the start."""


class UpdateAction(Enum):
    ADD = "add"
    REMOVE = "remove"
    RESTART = "restart"
    CHANGE = "change"
    """In place, without a new process."""


class ProgramChange(Record):
    """The change of one program. `because`: the keys that have changed; empty if it is added or removed."""

    name: str
    action: UpdateAction
    because: tuple[str, ...] = ()


class Difference(Record):
    """The difference between two tables. `later`: settings that have changed, but need a new container."""

    programs: tuple[ProgramChange, ...] = ()
    settings: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    unchanged: int = 0
    """How many programs stay as they are."""

    def names(self, *actions: UpdateAction) -> tuple[str, ...]:
        return tuple(change.name for change in self.programs if change.action in actions)


class Reading(Record):
    """A table that was read, its `difference` from the `old` plan, and the `stale` keys (`core.container.Updated`)."""

    plan: Plan
    stale: Mapping[str, tuple[str, ...]]
    old: Plan
    difference: Difference

    def difference_from(self, plan: Plan, leaving: Mapping[str, Leaving], rolls: Mapping[str, Roll]) -> Difference:
        """Return the difference from the current plan, which may have been replaced since the table was read."""
        return self.difference if plan is self.old else compare(plan, leaving, self.plan, self.stale, rolls)


class Leaving(Record):
    """Instances that are to go, and what follows them."""

    instances: tuple[InstanceId, ...]
    becomes: Program | None
    """The new entry. None: the program is removed."""
    wanted: tuple[InstanceId, ...] = ()
    """Those that are started with the new entry."""
    run_next: tuple[InstanceId, ...] = ()
    """Those of a scheduled program that run at once, because somebody has asked for it."""


def compare(
    old: Plan,
    leaving: Mapping[str, Leaving],
    new: Plan,
    stale: Mapping[str, tuple[str, ...]] | None = None,
    rolls: Mapping[str, Roll] | None = None,
) -> Difference:
    """Return the difference that `new` makes to the old table, an update under way included.

    `stale`: the keys of a program that name a file whose content has changed since the program was started.
    """
    files, new = stale or {}, with_scales(old, new)
    changes: list[ProgramChange] = []
    for name, entry in new.programs.items():
        befores, entry = tuple(map(as_in_table, _entries_before(old, leaving, rolls or {}, name))), as_in_table(entry)
        if not befores:
            changes.append(ProgramChange(name, UpdateAction.ADD))
        elif name in files or any(before != entry for before in befores):
            is_restart = name in files or any(needs_new_process(before, entry) for before in befores)
            is_restart = is_restart and not keeps_runs(befores[0], entry)
            changed = (key for before in befores for key in _changed(before, entry))
            because = dict.fromkeys((*changed, *files.get(name, ())))
            changes.append(
                ProgramChange(name, UpdateAction.RESTART if is_restart else UpdateAction.CHANGE, tuple(because))
            )
    gone = [name for name in old.programs if name not in new.programs]
    changes += [
        ProgramChange(n, UpdateAction.REMOVE) for n in gone if n not in leaving or leaving[n].becomes is not None
    ]
    settings = _changed(old.settings, new.settings)
    return Difference(
        programs=tuple(changes),
        settings=tuple(key for key in settings if key not in FIXED),
        later=tuple(key.replace("_listen", "") for key in settings if key in FIXED),
        unchanged=len(new.programs) - sum(change.action is not UpdateAction.REMOVE for change in changes),
    )


def _entries_before(
    old: Plan, leaving: Mapping[str, Leaving], rolls: Mapping[str, Roll], name: str
) -> tuple[Program, ...]:
    """Return the entry of a program, or the one that it is about to have; several where a rolling update has paused."""
    roll, going = rolls.get(name), leaving.get(name)
    if roll is not None and roll.is_active and roll.becomes is not None:
        return (roll.becomes,)
    if going is not None:
        return () if going.becomes is None else (going.becomes,)
    if name not in old.programs:
        return ()
    own = (replace(entry, scale=old.programs[name].scale) for i, entry in old.entries.items() if i[0] == name)
    return (old.programs[name], *own)


def leave(
    old: Plan,
    lives: Mapping[InstanceId, Life],
    before: Mapping[str, Leaving],
    new: Plan,
    stale: Collection[str] = (),
    rolling: Collection[str] = (),
) -> dict[str, Leaving]:
    """Return what has to go before the new table applies as a whole, including what was to go `before`.

    Programs that are `rolling` are replaced one by one instead, and only what was to go before goes.
    """
    leaving: dict[str, Leaving] = {}
    mixed = {name for name, _ in old.entries}
    for name, entry in old.programs.items():
        becomes, going = new.programs.get(name), before.get(name)
        if name in rolling:
            if going is not None:
                assert going.becomes is not None
                leaving[name] = replace(going, becomes=replace(entry, scale=going.becomes.scale))
            continue
        if (
            becomes is None
            or name in stale
            or needs_new_process(entry, becomes)
            or name in mixed
            or is_in_the_way(entry, becomes, lives)
        ):
            instances = entry.everyone
        elif going is not None:
            instances = going.instances
        elif becomes.scale < entry.scale:
            instances = entry.instances[becomes.scale :]
        else:
            continue
        wanted_before, run_next = ((), ()) if going is None else (going.wanted, going.run_next)
        wanted = tuple(i for i in instances if lives[i].is_wanted or i in wanted_before)
        leaving[name] = Leaving(instances, becomes, wanted, run_next)
    return leaving


def merge(old: Plan, leaving: Mapping[str, Leaving], new: Plan, rolling: Collection[str] = ()) -> Plan:
    """Return the plan for the time in between: what leaves keeps its old entry, everything else has its new one.

    What is `rolling` keeps its old entry, too, but waits for what the new one depends on.
    """
    programs = {**new.programs, **{name: old.programs[name] for name in leaving}}
    for name in rolling:
        programs[name] = replace(old.programs[name], depends_on=new.programs[name].depends_on)
    plan = _plan_between(settings_after(old.settings, new.settings), programs, leaving, old.entries)
    return replace(plan, warnings=new.warnings, scaled=new.scaled)


def replace_entries(
    plan: Plan, entries: Mapping[str, Program | None], leaving: Iterable[str], gone: Collection[InstanceId] = ()
) -> Plan:
    """Return the plan with the new entries of programs that have left (None: removed), while others are `leaving`.

    Instances that are `gone` have no entries of their own any more.
    """
    programs = dict(plan.programs)
    for name, entry in entries.items():
        if entry is None:
            del programs[name]
        else:
            programs[name] = entry
    if None in entries.values():
        # an entry that still names a removed program is about to leave itself, and need not wait for it
        programs = {name: _without_the_missing(program, programs) for name, program in programs.items()}
    own = {instance: entry for instance, entry in plan.entries.items() if instance not in gone}
    if len(own) == len(plan.entries) and all(
        _has_same_place(plan.programs[name], programs.get(name)) for name in entries
    ):
        entries_now = programs.values()
        return replace(
            plan,
            programs=programs,
            main=main_of(entries_now),
            scheduled=scheduled_among(entries_now),
            watches=watches_of(entries_now),
            limited=limited_among(entries_now),
        )
    between = _plan_between(plan.settings, programs, leaving, own)
    return replace(between, warnings=plan.warnings, scaled=plan.scaled)


def as_in_table(program: Program) -> Program:
    """Return the entry without what only holds at run time."""
    if program.second_lane or program.beside:
        return replace(program, second_lane=(), beside=())
    return program


def with_entry(plan: Plan, instance: InstanceId, entry: Program) -> Plan:
    """Return the plan with an entry for one instance, which may be that of its program."""
    name = instance[0]
    own = {other: program for other, program in plan.entries.items() if other != instance}
    if as_in_table(entry) != as_in_table(plan.programs[name]):
        own[instance] = entry
    if entry.down_time <= plan.down_time(name):
        return replace(plan, entries=own)
    between = _plan_between(plan.settings, dict(plan.programs), (), own)
    return replace(between, warnings=plan.warnings, scaled=plan.scaled)


def with_scales(old: Plan, new: Plan) -> Plan:
    """Return the new table with what holds at run time: the lanes, and `scale` unless the table changes it."""
    lanes = {
        name: replace(new.programs[name], second_lane=program.second_lane, beside=program.beside)
        for name, program in old.programs.items()
        if (program.second_lane or program.beside) and name in new.programs
    }
    programs = {**new.programs, **lanes}
    kept = {n: both for n, both in old.scaled.items() if n in programs and programs[n].scale == both[0]}
    scaled = {name: replace(programs[name], scale=now) for name, (_, now) in kept.items()}
    return replace(new, programs={**programs, **scaled}, scaled=kept)


def _has_same_place(before: Program, after: Program | None) -> bool:
    """Whether the graph, and the times in it, are the same with the new entry."""
    return after is not None and (before.depends_on, before.stop_time) == (after.depends_on, after.stop_time)


def _plan_between(
    settings: Settings, programs: dict[str, Program], leaving: Iterable[str], own: Mapping[InstanceId, Program]
) -> Plan:
    """Make a plan of old and new entries. If they form a cycle, drop the dependencies of what leaves."""
    if find_cycles({name: tuple(d.program for d in program.depends_on) for name, program in programs.items()}):
        programs = programs | {name: replace(programs[name], depends_on=()) for name in leaving}
    return make_plan(Table(settings, tuple(programs.values())), own)


def settings_after(old: Settings, new: Settings) -> Settings:
    """Return the new settings, without the changes that need a new container."""
    return replace(new, **{key: getattr(old, key) for key in FIXED})


def _without_the_missing(program: Program, programs: Mapping[str, object]) -> Program:
    kept = tuple(dependency for dependency in program.depends_on if dependency.program in programs)
    return replace(program, depends_on=kept)


def needs_new_process(old: Program, new: Program) -> bool:
    if any(getattr(old, field) != getattr(new, field) for field in NEW_PROCESS):
        return True
    if (old.schedule is None) != (new.schedule is None):
        return True
    descriptors = (old.log.passes_by, old.log.redirect_stderr) != (new.log.passes_by, new.log.redirect_stderr)
    if descriptors or (old.log.mode is LogMode.INHERIT) != (new.log.mode is LogMode.INHERIT):
        return True
    if old.sockets != new.sockets:
        from supervisor.core.sockets import passed_alike

        if not passed_alike(old, new):
            return True
    return old.ready.notify != new.ready.notify


def keeps_runs(before: Program, becomes: Program | None) -> bool:
    """Whether a run under way goes on to its end with its old entry: the new one applies to the next run."""
    return before.schedule is not None and becomes is not None and becomes.schedule is not None


def is_in_the_way(old: Program, new: Program, lives: Mapping[InstanceId, Life]) -> bool:
    """Whether an instance is in the middle of a stop sequence that the new entry changes."""
    return old.stop != new.stop and any(isinstance(lives[i].phase, Stopping) for i in old.instances)


def _changed(old: Record, new: Record) -> tuple[str, ...]:
    """Return the table's keys for the fields that differ, in the record's order."""
    return tuple(KEYS.get(f, f) for f in old.__match_args__ if getattr(old, f) != getattr(new, f))
