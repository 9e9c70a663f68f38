"""`supinit --check`: validate the configuration and print the plan. Nothing is started, nothing is written."""

from __future__ import annotations

import os
import shlex
import sys

from supervisor.cli.lint import lint, uncompiled
from supervisor.config.load import expand, load
from supervisor.core.plan import critical_path, make_plan, start_waves, stop_waves
from supervisor.core.program import Condition, ProgramType, RestartWhen, SignalStep, WriteStep
from supervisor.core.signals import signal_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.core.plan import Plan
    from supervisor.core.program import Program, Step

DOCKER_STOP_TIMEOUT = 10.0
"""Seconds that `docker stop` waits by default before it kills (docker-container-stop(1))."""


def check(path: str, expanded: bool, command: tuple[str, ...] = ()) -> int:
    """Print the plan of a valid table, or the table `expanded`, and its warnings; return 0. Raises ConfigError.

    `command` is the main program beside the table.
    """
    table = load(path, os.environ, command=command)
    plan = make_plan(table)
    if expanded:
        sys.stdout.write(expand(path, os.environ))
    else:
        sys.stdout.writelines(f"{line}\n" for line in describe(plan))
    for warning in (*table.warnings, *warnings_on(plan), *warnings_on_python()):
        sys.stderr.write(f"warning: {warning}\n")
    return 0


def describe(plan: Plan) -> Iterator[str]:
    """Yield the plan, line by line."""
    count = len(plan.programs)
    yield f"{count} program{'' if count == 1 else 's'}"
    if plan.main is not None:
        yield f"main program: {plan.main} ({shlex.join(plan.programs[plan.main].command)})"
    yield ""
    yield "start order:"
    yield from _describe_waves(plan, start_waves(plan))
    yield ""
    yield "stop order:"
    yield from _describe_waves(plan, stop_waves(plan))
    yield ""
    yield "stop sequences:"
    width = max(map(len, plan.programs), default=0)
    for name, program in plan.programs.items():
        yield f"  {name:{width}}  {describe_ladder(program)}"
    yield ""
    yield _describe_worst_case(plan)


def warnings_on_python() -> Iterator[str]:
    """Yield what makes each start slow here."""
    missing = list(uncompiled(("asyncio", "yaml", "supervisor")))
    if missing:
        verb = "has" if len(missing) == 1 else "have"
        yield (
            f"{', '.join(missing)} {verb} no .pyc files, so each start compiles them and takes several times as long: "
            "run `python3 -m compileall -q` on Python's library and on site-packages in the image"
        )


def _describe_waves(plan: Plan, waves: tuple[tuple[str, ...], ...]) -> Iterator[str]:
    for number, names in enumerate(waves, 1):
        labels = (f"{name} (x{plan.programs[name].scale})" if plan.programs[name].scale > 1 else name for name in names)
        yield f"  {number}. {', '.join(labels)}"


def describe_ladder(program: Program) -> str:
    """Return a stop sequence as one line: "SIGQUIT 30s → SIGTERM (group) 5s → SIGKILL"."""
    return " → ".join((*map(_describe_step, program.stop), "SIGKILL (tree)"))


def _describe_step(step: Step) -> str:
    match step:
        case SignalStep(signal=signal, wait=wait, scope=scope):
            return f"{signal_name(signal)} ({scope.value}) {wait:g}s"
        case WriteStep(path=path, data=data, wait=wait):
            return f"write {data.decode(errors='replace')!r} to {path} {wait:g}s"
        case _:
            return f"{' '.join(step.command)} {step.wait:g}s"


def _describe_worst_case(plan: Plan) -> str:
    path, seconds = critical_path(plan)
    drain = plan.settings.drain_delay
    chain = " → ".join((*((f"drain {drain:g}s",) if drain else ()), *path))
    line = f"worst-case shutdown: {seconds:g}s ({chain})"
    timeout = plan.settings.shutdown_timeout
    return line if timeout is None else f"{line}, cut to shutdown_timeout {timeout:g}s"


def warnings_on(plan: Plan) -> Iterator[str]:
    """Yield what is allowed and will bite all the same."""
    yield from _warnings_on_time(plan)
    for name, program in plan.programs.items():
        yield from (f"programs.{name}: {sentence}" for sentence in lint(program))
        for received, _ in program.signals:
            if received in plan.settings.shutdown_signals:
                yield f"programs.{name}.signals: {signal_name(received)} is a shutdown signal and never forwarded"
        for dependency in program.depends_on:
            target = plan.programs[dependency.program]
            if reason := _reason_never_met(dependency.condition, target):
                yield f"programs.{name}.depends_on.{target.name}: waits for ever, since {target.name} {reason}"


def _warnings_on_time(plan: Plan) -> Iterator[str]:
    settings = plan.settings
    _, seconds = critical_path(plan)
    timeout = settings.shutdown_timeout
    if timeout is None and seconds > DOCKER_STOP_TIMEOUT:
        yield (
            f"a shutdown can take {seconds:g}s, but docker stop kills after {DOCKER_STOP_TIMEOUT:g}s: raise its "
            "--time (stop_grace_period in Compose) or set supervisor.shutdown_timeout"
        )
    elif timeout is not None and settings.drain_delay >= timeout:
        yield f"drain_delay leaves nothing of shutdown_timeout ({timeout:g}s): every stop would be a SIGKILL"
    elif timeout is not None and seconds > timeout:
        yield f"a shutdown can take {seconds:g}s, longer than shutdown_timeout ({timeout:g}s): stops will be cut short"


def _reason_never_met(condition: Condition, target: Program) -> str | None:
    """Say why a condition cannot come true however well everything goes."""
    if condition is Condition.COMPLETED and target.restart.when is RestartWhen.ALWAYS:
        return "is always started again (restart: always)"
    if condition is Condition.HEALTHY and target.kind is ProgramType.ONESHOT and not target.says_when_ready:
        return "is a oneshot without a health check (condition: completed)"
    return None
