"""How supinit is run: the one that is installed beside the interpreter that runs the benchmarks."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.logs.contender import MAX_SIZE, Contender, Scene

SUPINIT = Path(sys.executable).with_name("supinit")


def contender(mode: str) -> Contender:
    """Return supinit with a mode of log; "file" is a rotated file, and no other output."""
    name = f"supinit {mode}"
    if not SUPINIT.exists():
        return Contender(name, None, f"there is no {SUPINIT}: pip install -e .")
    return Contender(name, partial(_start, mode))


def _start(mode: str, scene: Scene) -> Sequence[int]:
    log: dict[str, object] = {"mode": "none" if mode == "file" else mode}
    if scene.log is not None:
        log |= {"file": str(scene.log), "max_size": MAX_SIZE, "keep": scene.keep}
    programs: dict[str, object] = {
        f"p{number}": {"command": command, "restart": "no", "shutdown_on": "never", "log": log}
        for number, command in enumerate(scene.children)
    }
    # without it, supinit would end with the last writer
    programs["hold"] = {"command": ["sleep", "600"], "log": {"mode": "none"}}
    settings = {"run_dir": str(scene.folder / "run"), "log": {"level": "error"}}
    table = scene.folder / "supinit.yaml"
    table.write_text(json.dumps({"supervisor": settings, "programs": programs}))
    return [scene.processes.start([str(SUPINIT), "-c", str(table)], stdout=scene.stdout)]
