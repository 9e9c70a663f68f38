"""`supinit --check`: validate the configuration and print the plan, without starting or writing anything."""

from __future__ import annotations

import os
import shlex
import sys

from supervisor.config.lint import warnings_on, warnings_on_files, warnings_on_programs, warnings_on_python
from supervisor.config.load import examine, expand
from supervisor.config.table import active_profiles
from supervisor.core.hook import HookStep
from supervisor.core.plan import critical_path, make_plan, start_waves, stop_waves
from supervisor.core.program import SignalStep, WriteStep
from supervisor.core.signals import signal_name
from supervisor.core.wording import address_text, exact_time
from supervisor.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from supervisor.core.plan import Plan
    from supervisor.core.program import Program, Step


def check(path: str, expanded: bool, command: tuple[str, ...] = (), engine: str | None = None) -> int:
    """Print the plan, the `expanded` table or the settings for an `engine`, and the warnings. Return 0.

    Raises ConfigError.
    A `command` that is not empty is the main program.
    """
    table, problems = examine(path, os.environ, command=command)
    if problems:
        _print_warnings((*table.warnings, *warnings_on_programs(table.programs)))
        raise ConfigError(problems)
    plan = make_plan(table)
    if expanded:
        sys.stdout.write(expand(path, os.environ))
    elif engine is not None:
        from supervisor.cli.engines import snippet

        sys.stdout.writelines(f"{line}\n" for line in snippet(engine, plan))
    else:
        sys.stdout.writelines(f"{line}\n" for line in describe(plan, active_profiles(os.environ)))
    _print_warnings((*warnings_on(plan), *warnings_on_files(plan, os.environ), *warnings_on_python()))
    return 0


def _print_warnings(warnings: Iterable[str]) -> None:
    sys.stderr.writelines(f"warning: {warning}\n" for warning in warnings)


def describe(plan: Plan, active: Collection[str] = ()) -> Iterator[str]:
    """Yield the lines of the plan, with these profiles active."""
    count = len(plan.programs)
    yield f"{count} program{'' if count == 1 else 's'}"
    if plan.main is not None:
        yield f"main program: {plan.main} ({shlex.join(plan.programs[plan.main].command)})"
    yield ""
    yield "start order:"
    yield from _describe_waves(plan, start_waves(plan))
    yield from _describe_on_demand(plan, active)
    if plan.scheduled:
        from supervisor.cli.check_schedules import describe_schedules

        yield ""
        yield from describe_schedules(plan)
    yield ""
    yield "stop order:"
    yield from _describe_waves(plan, stop_waves(plan))
    yield ""
    yield "stop sequences:"
    width = max(map(len, plan.programs), default=0)
    for name, program in plan.programs.items():
        yield f"  {name:{width}}  {describe_stop_sequence(program)}"
    yield ""
    if any(program.sockets for program in plan.programs.values()):
        yield from _describe_sockets(plan)
        yield ""
    if any(program.update_config for program in plan.programs.values()):
        yield from _describe_rolling(plan)
        yield ""
    yield _describe_worst_case(plan)
    web, idle = plan.settings.web, plan.settings.idle_shutdown
    if web is not None:
        who = "read-only" if web.token_file is None else f"controls programs with the token in {web.token_file}"
        yield f"web page: http://{address_text(*web.listen)}/, {who}"
    for name, watch in plan.watches:
        missing = "" if os.path.exists(watch.path) else ", which does not exist yet"
        when = f"{exact_time(watch.debounce)} after a change to {watch.path}{missing}"
        yield f"watch: {watch.action.value} {name} {when}"
    if plan.limited:
        yield from _describe_limits(plan)
    if idle is not None:
        ports = f"port{'s' if len(idle.ports) > 1 else ''} {', '.join(map(str, idle.ports))}"
        every = f"looked at every {exact_time(idle.look_interval)}"
        yield f"idle shutdown: after {exact_time(idle.after)} without a connection to {ports}, {every}"


def _describe_limits(plan: Plan) -> Iterator[str]:
    from supervisor.core.restart_due import AGE_SPREAD, MIB

    for name in plan.limited:
        limits = plan.programs[name].restart_when
        assert limits is not None
        reasons = []
        if limits.memory is not None:
            reasons.append(f"above {limits.memory / MIB:g} MiB, measured every {exact_time(limits.interval)}")
        if limits.age is not None:
            reasons.append(f"after {exact_time((1 - AGE_SPREAD) * limits.age)} to {exact_time(limits.age)}")
        how = "restart" if plan.programs[name].update_config is None else "rolling restart"
        yield f"restart_when: {how} of {name} {' or '.join(reasons)}"


def _describe_on_demand(plan: Plan, active: Collection[str]) -> Iterator[str]:
    """Yield what each profile starts, and what does not start with the container."""
    programs = plan.programs.values()
    profiles = dict.fromkeys(profile for program in programs for profile in program.profiles)
    if profiles:
        yield ""
        yield "profiles:"
    width = max(map(len, profiles), default=0)
    for profile in profiles:
        members = [program for program in programs if profile in program.profiles]
        started = [program.name for program in members if program.autostart]
        yield f"  {profile:{width}}  {', '.join(started) or 'nothing'}{' (active)' if profile in active else ''}"
    if waiting := [program.name for program in programs if not program.starts_by_itself]:
        yield ""
        yield f"on demand (supctl start, or a program that depends on it): {', '.join(waiting)}"


def _describe_waves(plan: Plan, waves: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    for number, names in enumerate(waves, 1):
        scales = ((name, plan.programs[name].scale) for name in names)
        yield f"  {number}. {', '.join(f'{name} (x{scale})' if scale != 1 else name for name, scale in scales)}"


def describe_stop_sequence(program: Program) -> str:
    """Return the stop sequence as one line: "SIGQUIT 30s → SIGTERM (group) 5s → SIGKILL"."""
    hooks = (f"post_stop {hook.label} {exact_time(hook.timeout)}" for hook in program.post_stop)
    return " → ".join((*map(_describe_step, program.stop), "SIGKILL (tree)", *hooks))


def _describe_step(step: Step) -> str:
    match step:
        case SignalStep(signal=signal, wait=wait, scope=scope):
            return f"{signal_name(signal)} ({scope.value}) {exact_time(wait)}"
        case WriteStep(path=path, data=data, wait=wait):
            return f"write {data.decode(errors='replace')!r} to {path} {exact_time(wait)}"
        case HookStep(hook=hook):
            return f"pre_stop {hook.label} {exact_time(hook.timeout)}"
        case _:
            return f"{' '.join(step.command)} {exact_time(step.wait)}"


def _describe_sockets(plan: Plan) -> Iterator[str]:
    from supervisor.core.sockets import numbered

    yield "sockets:"
    width = max(len(name) for name, program in plan.programs.items() if program.sockets)
    for name, program in plan.programs.items():
        for number, socket in numbered(program):
            yield f"  {name:{width}}  descriptor {number}: {socket.name}, {socket.listen} ({socket.kind.value})"


def _describe_rolling(plan: Plan) -> Iterator[str]:
    yield "rolling restarts and updates:"
    width = max(len(name) for name, program in plan.programs.items() if program.update_config)
    for name, program in plan.programs.items():
        if (config := program.update_config) is not None:
            pace = f"{config.order.value}, parallelism {config.parallelism or 'all'}, delay {exact_time(config.delay)}"
            failure = f"monitor {exact_time(config.monitor)}, failure_action {config.failure_action.value}"
            yield f"  {name:{width}}  {pace}, {failure}"


def _describe_worst_case(plan: Plan) -> str:
    path, seconds = critical_path(plan)
    drain = plan.settings.drain_delay
    chain = " → ".join((*((f"drain {exact_time(drain)}",) if drain else ()), *path))
    line = f"worst-case shutdown: {exact_time(seconds)} ({chain})"
    timeout = plan.settings.shutdown_timeout
    return line if timeout is None else f"{line}, cut to shutdown_timeout {exact_time(timeout)}"
