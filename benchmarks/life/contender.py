"""Who takes part: supinit, the least that an init has to do, and bare interpreters to hold it against."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmarks.life.box import Box, Command, box

SUPINIT, SUPCTL = (Path(sys.executable).with_name(name) for name in ("supinit", "supctl"))
REFERENCE = Path(__file__).with_name("reference.py")
PYTHON = (sys.executable, "-I")
UNBOUNDED = 1_000_000

Prepare = Callable[[Box, Sequence[Command]], Sequence[str]]
"""Writes what a contender needs into the folder of the box, and returns the command to be PID 1."""


@dataclass(frozen=True, slots=True)
class Contender:
    """`prepare` is not called where there is a `gap`, which says why it does not take part.

    `most`: children that it is run with at the most. `stop`: what makes it stop them all.
    """

    name: str
    prepare: Prepare
    gap: str = ""
    most: int = UNBOUNDED
    stop: int = signal.SIGTERM
    code: str | None = None
    """Of an interpreter that runs this and has no children."""


def supinit(name: str = "supinit", program: Mapping[str, object] | None = None) -> Contender:
    """Return the supinit beside the interpreter that runs this; `program`: keys of each of its programs."""
    gap = "" if SUPINIT.exists() else f"there is no {SUPINIT}: pip install ."
    return Contender(name, partial(_supinit, program or {}), gap)


def compiled() -> Contender:
    """Return the same supinit with a table that was compiled before, as an image does it."""
    return replace(supinit("supinit, compiled"), prepare=_compiled)


def supinit_alone() -> Contender:
    """Return supinit in place of tini: with a command and no table."""
    return Contender("supinit COMMAND", lambda box, children: [str(SUPINIT), "--", *children[0]], supinit().gap)


def reference() -> Contender:
    return Contender("asyncio reference", lambda box, children: [*PYTHON, str(REFERENCE), _listed(box, children)])


def loop_in_c() -> Contender:
    return Contender("loop in C", lambda box, children: [str(box.stopwatch), "init", _listed(box, children)])


def bare(code: str, *options: str) -> Contender:
    """Return an interpreter that runs `code` and ends: what it takes before anything of ours is done."""
    name = " ".join(("python -I", *options, f'-c "{code}"'))
    return Contender(name, lambda box, children: [*PYTHON, *options, "-c", code], code=code)


def run_through(stopwatch: Path, contender: Contender) -> float:
    """Run one that ends by itself; return the milliseconds from its exec to its end."""
    with box(stopwatch) as running:
        running.start(contender.prepare(running, []))
        running.await_stamps("G", 1)
        return (running.at("G") - running.at("X")) / 1e6


def sized(contender: Contender, size: int) -> Contender:
    """Return it with a gap where it is not run with so many children."""
    if contender.gap or size <= contender.most:
        return contender
    return replace(contender, gap=f"not run with more than {contender.most}")


def without_pyc(contender: Contender) -> Contender:
    """Return it as in an image that has none of Python's .pyc files, as the official ones."""
    hide = ["env", "PYTHONDONTWRITEBYTECODE=1", "PYTHONPYCACHEPREFIX=/nonexistent"]
    prepare = contender.prepare
    return replace(
        contender, name=f"{contender.name}, no .pyc", prepare=lambda box, children: [*hide, *prepare(box, children)]
    )


def table_of(box: Box, children: Sequence[Command], program: Mapping[str, object]) -> Path:
    """Write the table in which each child is a program."""
    programs = {f"p{number}": {"command": list(child), **program} for number, child in enumerate(children)}
    file = box.folder / "supinit.yaml"
    file.write_text(_yaml({"supervisor": {"run_dir": str(box.folder / "run")}, "programs": programs}))
    return file


def _supinit(program: Mapping[str, object], box: Box, children: Sequence[Command]) -> Sequence[str]:
    return [str(SUPINIT), "-c", str(table_of(box, children, program))]


def _compiled(box: Box, children: Sequence[Command]) -> Sequence[str]:
    table = table_of(box, children, {})
    subprocess.run([SUPINIT, "--compile", "-c", table], stdout=subprocess.DEVNULL, check=True)
    return [str(SUPINIT), "-c", str(table)]


def _yaml(value: Mapping[str, object], indent: str = "") -> str:
    """Write a table as a person would: maps in lines, lists in brackets."""
    lines = []
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            lines.append(f"{indent}{key}:\n{_yaml(item, indent + '  ')}")
        else:
            lines.append(f"{indent}{key}: {json.dumps(item)}\n")
    return "".join(lines)


def _listed(box: Box, children: Sequence[Command]) -> str:
    file = box.folder / "commands"
    file.write_text("".join(f"{shlex.join(child)}\n" for child in children))
    return str(file)
