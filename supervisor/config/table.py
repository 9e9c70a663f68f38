"""Build the records of a table from its sections, and check what concerns the table as a whole.

Every dependency exists, there is no dependency cycle, and every required environment variable is set.
"""

from __future__ import annotations

from supervisor.config.main_program import DEFAULTS, check_main, with_command
from supervisor.config.presets import apply_preset
from supervisor.config.reading import InvalidValue, join, quote, suggestion
from supervisor.config.scalars import PROGRAM_NAME
from supervisor.config.schema import PROGRAM, SUPERVISOR
from supervisor.config.tree import Mapping, Sequence
from supervisor.core.hook import HookStep
from supervisor.core.plan import find_cycles
from supervisor.core.program import Program, ProgramType, Restart, RestartWhen, Settings, ShutdownOn, SignalStep
from supervisor.core.record import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from collections.abc import Mapping as Environ
    from typing import Any

    from supervisor.config.privileges import Privileges
    from supervisor.config.reading import Reading
    from supervisor.config.sections import SectionReading
    from supervisor.config.tree import Node, Scalar
    from supervisor.core.hook import Hook
    from supervisor.core.program import Credentials, Dependency, LogSettings


PROFILES = "SUPINIT_PROFILES"
USER_KEYS = frozenset({"user", "group_add"})
CAPABILITY_KEYS = frozenset({"cap_add", "cap_drop"})
HOOK_KEYS = ("pre_start", "post_start", "pre_stop", "post_stop")


def read_settings(node: Node | None, reading: Reading) -> Settings:
    """Read the `supervisor:` section, or None for its defaults. Raises InvalidValue after reporting its problems."""
    settings = Settings()
    if node is not None:
        place = SUPERVISOR.read_parts(node, "supervisor", reading)
        _require_environment(place)
        if not place.is_intact:
            raise InvalidValue
        settings = _settings(**place.values)
    run_dir = reading.environ.get("SUPINIT_RUN_DIR")
    return replace(settings, run_dir=run_dir) if run_dir else settings


def read_programs(
    nodes: dict[str, tuple[Scalar, Node]], reading: Reading, command: tuple[str, ...] = ()
) -> tuple[Program, ...]:
    """Read the programs of all files. A `command` that is not empty is the main program.

    If there are problems, return what could be read of each program, without its dependencies.
    """
    places = {name: place for name, (key, node) in nodes.items() if (place := _read_place(name, key, node, reading))}
    dependencies = {name: _dependency_places(place, nodes) for name, place in places.items()}
    for name, targets in dependencies.items():
        _check_names(name, targets, nodes, reading)
    _check_cycles(dependencies, reading)
    _check_log_files(places, reading)
    _check_privileges(places, reading)
    if any("sockets" in place.values for place in places.values()):
        from supervisor.config.sockets import check_sockets

        check_sockets(places, reading)
    check_main(nodes, places, command, reading)
    if reading.problems:
        readable = (name for name, place in places.items() if "command" in place.values)
        return tuple(_program(name, {**places[name].values, "depends_on": ()}, ()) for name in readable)
    active = active_profiles(reading.environ)
    _warn_of_profiles(places, active, reading)
    programs = tuple(_program(name, place.values, active) for name, place in places.items())
    return with_command(programs, command) if command else programs


def active_profiles(environ: Environ[str, str]) -> tuple[str, ...]:
    """Return the profiles that $SUPINIT_PROFILES names, separated by commas."""
    return tuple(name for item in environ.get(PROFILES, "").split(",") if (name := item.strip()))


def _warn_of_profiles(places: dict[str, SectionReading], active: Collection[str], reading: Reading) -> None:
    """Warn of active profiles that no program has: probably a wrong spelling, and nothing starts."""
    known = {profile: None for place in places.values() for profile in place.values.get("profiles", ())}
    for profile in active:
        if profile not in known:
            meant = suggestion(profile, known)
            ours = f"the profiles are {', '.join(known)}" if known else "no program has profiles"
            reading.warn_of_environment(
                f"no program has the profile {quote(profile)} of --profile or ${PROFILES}{meant}: {ours}"
            )


def _read_place(name: str, key: Scalar, node: Node, reading: Reading) -> SectionReading | None:
    """Read one program. Return None for a node that is not a mapping, which is reported."""
    path = join("programs", name)
    try:
        PROGRAM_NAME.read_text(name, key, path, reading)
    except InvalidValue:
        pass  # report the program's other problems, too
    program = apply_preset(node)
    if type(program) is Mapping and "sockets" in program.entries:
        from supervisor.config.sockets import descriptors_of

        reading.descriptors = descriptors_of(program, path, reading)
    try:
        place = PROGRAM.read_parts(program, path, reading)
        if reading.descriptors is not None:
            reading.descriptors.mark(place)
        return place
    except InvalidValue:
        return None
    finally:
        reading.descriptors = None


def _settings(metrics: tuple[str, int] | None = None, revision: str = "", **given: Any) -> Settings:
    return Settings(metrics_listen=metrics, revision=revision or None, **given)


def _program(name: str, given: dict[str, Any], active: Collection[str]) -> Program:
    fields = {key: given[key] for key in Program.__match_args__ if key in given}
    fields["kind"] = given.get("type", ProgramType.SERVICE)
    if given.get("profiles"):
        fields["is_enabled"] = any(profile in active for profile in given["profiles"])
    if given.get("stdin"):
        fields = {"is_main": True} | DEFAULTS | fields
    elif "restart" not in given and fields["kind"] is ProgramType.ONESHOT:
        fields["restart"] = Restart(RestartWhen.NEVER)
    schedule = given.get("schedule")
    if schedule is not None:
        fields.setdefault("shutdown_on", ShutdownOn.NEVER)
        fields["scale"] = schedule.max_concurrent if given.get("scale", 1) else 0
    fields["credentials"] = _credentials(given)
    if "stop_signal" in given or "stop_grace_period" in given:
        (step,) = Program._defaults["stop"]
        fields["stop"] = (SignalStep(given.get("stop_signal", step.signal), given.get("stop_grace_period", step.wait)),)
    if given.get("pre_stop"):
        steps = fields.get("stop", Program._defaults["stop"])
        fields["stop"] = (*(HookStep(hook) for hook in given["pre_stop"]), *steps)
    if "reload_signal" in given or "reload_command" in given:
        fields["reload"] = given.get("reload_signal", given.get("reload_command"))
    return Program(name=name, **fields)


def _credentials(given: dict[str, Any]) -> Credentials | None:
    """Return the user of a program. `group_add` alone adds groups to supinit's own user."""
    if "user" not in given and not given.get("group_add"):
        return None
    from supervisor.config.accounts import add_groups, own_user

    return add_groups(given.get("user") or own_user(), given.get("group_add", ()))


def _require_environment(place: SectionReading) -> None:
    node = place.given.get("required_environment")
    for number, name in enumerate(place.values.get("required_environment", ())):
        if not place.reading.environ.get(name) and type(node) is Sequence:
            state = "is empty" if name in place.reading.environ else "is not set"
            path = f"supervisor.required_environment[{number}]"
            place.reading.problem(node.items[number], path, f"required variable {name} {state}")
            place.is_intact = False


def _check_log_files(places: dict[str, SectionReading], reading: Reading) -> None:
    """Report programs that share a log file but rotate it differently."""
    first: dict[str, tuple[str, LogSettings]] = {}
    for name, place in places.items():
        log: LogSettings | None = place.values.get("log")
        if log is None or log.file is None:
            continue
        other, others = first.setdefault(log.file, (name, log))
        if (log.max_size, log.keep, log.compress) != (others.max_size, others.keep, others.compress):
            sentence = f"cannot share {log.file} with {other}: max_size, keep or compress differ"
            reading.problem(place.given["log"], f"{place.path}.log.file", sentence)


def _check_privileges(places: dict[str, SectionReading], reading: Reading) -> None:
    """Report users that supinit cannot switch to, and capabilities that it cannot add or drop."""
    keys = USER_KEYS | CAPABILITY_KEYS
    concerned = [p for p in places.values() if keys & p.values.keys() or any(_hook_users(p))]
    if not concerned:
        return
    from supervisor.config.privileges import own_privileges

    own = own_privileges()
    for place in concerned:
        for node, path, sentence in _obstacles(place, own):
            reading.problem(node, path, sentence)


def _obstacles(place: SectionReading, own: Privileges) -> Iterator[tuple[Node, str, str]]:
    """Yield the node and the path of each key that asks for more than supinit is permitted, and the reason."""
    from supervisor.config.privileges import obstacle_to, obstacle_to_capabilities

    values, credentials = place.values, _credentials(place.values)
    if USER_KEYS & values.keys() and credentials is not None and (sentence := obstacle_to(credentials, own)):
        key = "user" if "user" in place.given else "group_add"
        yield place.given[key], f"{place.path}.{key}", sentence
    for node, path, user in _hook_users(place):
        if sentence := obstacle_to(user, own):
            yield node, path, sentence
    if CAPABILITY_KEYS & values.keys():
        add, drop = values.get("cap_add", ()), values.get("cap_drop", ())
        found = obstacle_to_capabilities(add, drop, credentials, own, values.get("no_new_privileges", False))
        if found is not None:
            key, sentence = found
            yield place.given[key], f"{place.path}.{key}", sentence


def _hook_users(place: SectionReading) -> Iterator[tuple[Node, str, Credentials]]:
    """Yield the node, the path and the value of `user` in each hook that has it."""
    for key in HOOK_KEYS:
        hooks: tuple[Hook, ...] = place.values.get(key, ())
        for number, hook in enumerate(hooks):
            node = place.given[key]
            if hook.credentials is not None and type(node) is Sequence:
                item = node.items[number]
                at = item.entries["user"][1] if type(item) is Mapping else item
                yield at, f"{place.path}.{key}[{number}].user", hook.credentials


def _check_names(name: str, targets: dict[str, tuple[Node, str]], programs: Collection[str], reading: Reading) -> None:
    """Report dependencies on programs that do not exist."""
    for target, (node, path) in targets.items():
        if target not in programs:
            others = [other for other in programs if other != name]
            sentence = f"unknown program {quote(target)}{suggestion(target, others)}"
            reading.problem(node, path, sentence, ", ".join(others) or "none: there is no other program")


def _check_cycles(dependencies: dict[str, dict[str, tuple[Node, str]]], reading: Reading) -> None:
    """Report each dependency cycle at the place where its first program names the second."""
    for cycle in find_cycles({name: tuple(targets) for name, targets in dependencies.items()}):
        around = (*cycle, cycle[0])
        node, path = dependencies[around[0]][around[1]]
        reading.problem(node, path, f"dependency cycle: {' → '.join(around)}")


def _dependency_places(place: SectionReading, programs: Collection[str]) -> dict[str, tuple[Node, str]]:
    """Return the node and the path of each dependency, by its name. Empty if `depends_on` is invalid.

    A dependency that is not required, on a program that does not exist, is dropped.
    """
    node = place.given.get("depends_on")
    path = f"{place.path}.depends_on"
    named: list[tuple[Node, str]] = []
    if type(node) is Sequence:
        named = [(item, f"{path}[{number}]") for number, item in enumerate(node.items)]
    elif type(node) is Mapping:
        named = [(key, join(path, name)) for name, (key, _) in node.entries.items()]
    needs: tuple[Dependency, ...] = place.values.get("depends_on", ())
    at = {dependency.program: at for dependency, at in zip(needs, named, strict=False)}
    missing = {need.program for need in needs if not need.required and need.program not in programs}
    if missing:
        place.values["depends_on"] = tuple(d for d in needs if d.program not in missing)
    return {name: where for name, where in at.items() if name not in missing}
