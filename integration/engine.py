"""A container engine, used as the docker command, and what its containers say.

The engine is $CONTAINER_ENGINE, or ../shared/container-lab/engine beside the repository, or a docker that works.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from integration.waiting import sleep_until

ROOT = Path(__file__).parent.parent
Engine = Callable[..., subprocess.CompletedProcess[str]]


def find_engine() -> str | None:
    """Return the command of a container engine that answers."""
    beside = ROOT.parent / "shared" / "container-lab" / "engine"
    for candidate in (os.environ.get("CONTAINER_ENGINE"), str(beside), "docker"):
        if candidate and shutil.which(candidate):
            trial = subprocess.run([candidate, "ps"], capture_output=True, timeout=600, check=False)
            if trial.returncode == 0:
                return candidate
    return None


def health(engine: Engine, name: str) -> int:
    """Return the exit code of the image's HEALTHCHECK. Docker has no command for that, so it is run by hand there."""
    if "podman" in engine("--version", check=False).stdout.lower():
        return engine("healthcheck", "run", name, check=False).returncode
    return engine("exec", name, "supctl", "healthcheck", check=False).returncode


def await_health(engine: Engine, name: str, code: int, limit: float = 60.0) -> None:
    def holds() -> bool:
        assert engine("inspect", "-f", "{{.State.Running}}", name).stdout.strip() == "true", "the container has ended"
        return health(engine, name) == code

    sleep_until(holds, limit, f"the health check says {code}")


def exit_code(engine: Engine, name: str) -> int:
    return int(engine("inspect", "-f", "{{.State.ExitCode}}", name).stdout)


def logs(engine: Engine, name: str) -> str:
    result = engine("logs", name)
    return result.stdout + result.stderr
