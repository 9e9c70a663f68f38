"""Every command of README.md, docs/*.md and the cookbook is run, in a container that has what the pages speak of.

A command is a line after `$ ` in a console block, a whole sh block, or a command of ours in the text. Each has a
container of its own and runs inside it, as with docker exec, after the aliases of its block.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.conftest import Run
from integration.container import BIN, Container, child
from integration.waiting import sleep_until
from supervisor.core.record import Record

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs/cookbook").glob("*.md"))]

NOT_RUN = {
    r"python3 -m venv \.venv": "installs the project, as .ci/run does",
    r"\.venv/bin/pytest": "runs the tests, this one among them",
    r"\.venv/bin/supctl": "asks the demo, which integration/test_examples.py runs",
    r"docker (build|run|inspect)": "needs a container engine (test_image.py has one)",
    r"supctl (reload|start|stop|restart|restart --rolling|run|scale)$": "is the name of a command",
    r"supinit (-c|convert) [A-Z]+$|supinit (convert|COMMAND)$|.*\bNAME\b": "is the form of a command",
    r"supctl top$": "needs a terminal (test_top.py has one)",
    r"python -m tests\.fuzz": "runs for sixteen minutes (.ci/run has a shorter run)",
    r"python -m tests\.mutation": "takes minutes (tests/mutation/test_mutation.py tests the tool)",
    r"curl .*\$\(cat token\)": "needs the web page and its token (test_web.py has them)",
    r"supinit convert [^/]+$": "converts a file of the reader's own",
    r"supinit --drill$": "starts the reader's table (test_drill.py has some)",
    r"supinit .*\bCMD$": "stands for a command without a table (test_coming_from.py runs it)",
    r".*manage\.py": "runs a program of the reader's own",
    r"eval .*completion": "belongs into the files of three shells (tests/cli/test_completion.py runs them)",
}
"""Commands that are not run, as regular expressions, and why."""
ENDLESS = re.compile(r"\b(logs|events)\b.* -f\b|follow=1")
"""Commands that run until they are stopped: after PATIENCE seconds they must have printed something and still run."""
PATIENCE = 3.0
WITHOUT_TABLE = re.compile(r"supinit (-\w+ |\w+:\w+ )*sh ")
"""Commands that run without a table."""
CODES = {r"(docker exec app )?supctl (--json )?(status|why)( --json)?$": 3}
"""Exit codes other than 0."""
NEEDED = ("curl", "jq", "ps")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:supctl|supinit|curl|test -f)\s[^`\[|]+)`")

DOCKER = """\
#!/bin/sh
# What stands for docker inside the container: exec [-it] NAME COMMAND, and logs NAME.
case $1 in
  exec) shift; case $1 in -*) shift ;; esac; shift; exec "$@" ;;
  logs) exec cat "$CONTAINER_OUTPUT" ;;
  *) echo "there is no engine for docker $1" >&2; exit 125 ;;
esac
"""


class Command(Record):
    """A command of a page, with the aliases of its block."""

    page: str
    text: str
    before: str = ""

    @property
    def reason_not_to_run(self) -> str | None:
        return next((reason for pattern, reason in NOT_RUN.items() if re.match(pattern, self.text)), None)


def commands_of(page: Path) -> Iterator[Command]:
    text, name = page.read_text(), page.name
    for kind, block in FENCE.findall(text):
        if kind == "sh":
            yield Command(name, block.strip())
        elif kind == "console":
            lines = [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]
            aliases = [line for line in lines if line.startswith("alias ")]
            yield from (Command(name, line, "\n".join(aliases)) for line in lines if line not in aliases)
    for inline in INLINE.findall(FENCE.sub("", text)):
        yield Command(name, " ".join(inline.split()))


COMMANDS = list(dict.fromkeys(command for page in PAGES for command in commands_of(page)))


@pytest.fixture
def container(run: Run) -> Container:
    """web, twice, healthy and talkative; worker, which was killed once; app, twice; a oneshot that is done; broken,
    which is FATAL.

    Inside, its run_dir is where it is by default.
    """
    for tool in NEEDED:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    container = run(
        {
            "migrate": {"command": ["true"], "type": "oneshot"},
            "web": {
                "command": child("chatter.py"),
                "scale": 2,
                "healthcheck": {"test": "true", "interval": "1s"},
                "log": {"mode": "json"},
            },
            "worker": {"command": child("witness.py"), "min_uptime": 0},
            "app": {"command": child("witness.py"), "min_uptime": 0, "scale": 2},
            "broken": {"command": ["false"], "restart": "no", "shutdown_on": "never"},
        },
        settings={"revision": "abc123"},
    )
    container.await_ready()
    assert container.supctl("signal", "KILL", "worker").returncode == 0
    sleep_until(lambda: container.programs()["worker"]["restarts"] == 1, 10, "worker is started again")
    assert container.supctl("restart", "worker").returncode == 0
    assert container.supctl("wait", "--timeout", "20s").returncode == 0
    assert inside(container, f"mount -t tmpfs none /run && ln -s {container.run_dir} /run/supinit").returncode == 0
    return container


def inside(container: Container, script: str, limit: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run a script in the container's namespaces; it is interrupted after `limit` seconds (exit code 124)."""
    folder = container.run_dir.parent
    docker, output = folder / "bin" / "docker", folder / "output"
    docker.parent.mkdir(exist_ok=True)
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    output.write_text("".join(f"{line}\n" for line in [*container.out.lines, *container.err.lines]))
    variables = {
        "PATH": f"{docker.parent}:{BIN}:{os.environ['PATH']}",
        "SUPINIT_CONFIG": f"{container.run_dir}.yaml",
        "CONTAINER_OUTPUT": str(output),
    }
    enter = ["nsenter", "--target", str(container.init), "--mount", "--pid"]
    command = [*enter, "timeout", "--signal=INT", str(limit), "bash", "-c", f"cd {ROOT}\n{script}"]
    return subprocess.run(
        command,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=limit + 60,
        check=False,
    )


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: f"{command.page}: {command.text[:80]}")
def test_every_command_does_what_it_is_there_for(command: Command, request: pytest.FixtureRequest) -> None:
    if (reason := command.reason_not_to_run) is not None:
        pytest.skip(reason)
    container = request.getfixturevalue("container")
    is_endless = ENDLESS.search(command.text) is not None
    code = 124 if is_endless else next((code for text, code in CODES.items() if re.match(text, command.text)), 0)
    before = "unset SUPINIT_CONFIG" if WITHOUT_TABLE.match(command.text) else command.before
    script = f"shopt -s expand_aliases\n{before}\n{command.text}"
    result = inside(container, script, PATIENCE if is_endless else 60.0)
    assert result.returncode == code, result.stdout + result.stderr
    assert result.stdout or command.text.startswith("test "), result.stderr


def test_what_is_not_run_is_still_there() -> None:
    for pattern in (*NOT_RUN, *CODES):
        assert any(re.match(pattern, command.text) for command in COMMANDS), pattern
    assert any(ENDLESS.search(command.text) for command in COMMANDS)
