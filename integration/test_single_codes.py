"""The exit code of single-command mode, compared with tini and dumb-init."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from integration.container import SUPINIT, UNSHARE
from integration.inits import ENVIRONMENT, PLAIN, SUPINIT_ALONE, TO_GROUP, available, running
from integration.processes import is_alive, stat_of
from integration.waiting import sleep_until


def result_of(command: Sequence[str], env: Mapping[str, str] = ENVIRONMENT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env=env, check=False)


def code_of(command: Sequence[str]) -> int:
    return result_of(command).returncode


@pytest.mark.parametrize("init", PLAIN.values(), ids=PLAIN)
def test_every_exit_code_is_passed_on(init: tuple[str, ...]) -> None:
    init = available(init)
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda code: code_of([*init, "sh", "-c", f"exit {code}"]), range(256)))
    assert codes == list(range(256))


@pytest.mark.parametrize("number", [1, 2, 3, 6, 9, 11, 13, 15, 25, 34, 64])
@pytest.mark.parametrize("init", PLAIN.values(), ids=PLAIN)
def test_a_signal_that_ended_it_is_128_and_its_number(init: tuple[str, ...], number: int) -> None:
    """Among them SIGPIPE and SIGXFSZ, which Python ignores and the command must not."""
    assert code_of([*available(init), "sh", "-c", f"kill -{number} $$"]) == 128 + number


def test_as_pid_1_the_code_is_the_same(namespaces: None) -> None:
    assert code_of([*UNSHARE, SUPINIT, "sh", "-c", "exit 7"]) == 7
    assert code_of([*UNSHARE, SUPINIT, "sh", "-c", "kill -9 $$"]) == 137


@pytest.mark.parametrize("mode", [(), ("-g",)], ids=["child", "session"])
def test_a_command_that_was_killed_while_it_was_stopped_is_137(mode: tuple[str, ...]) -> None:
    with running([SUPINIT, *mode, "sleep", "1000"]) as run:
        child = run.child
        os.kill(child, signal.SIGSTOP)
        sleep_until(lambda: (stat_of(child) or (0, "", 0))[1] == "T")
        os.kill(child, signal.SIGKILL)
        assert run.end() == 137
        assert not is_alive(child)


@pytest.mark.parametrize(
    ("command", "code", "sentence"),
    [
        (["no-such-command"], 127, "no-such-command was not found in /usr/bin:/bin"),
        (["/no/such/command"], 127, "/no/such/command: No such file or directory"),
        (["/etc/passwd"], 126, "/etc/passwd: Permission denied"),
        (["/etc"], 126, "/etc: Permission denied"),
        (["/etc/passwd/x"], 127, "/etc/passwd/x: Not a directory"),
    ],
    ids=["name", "path", "file", "directory", "below a file"],
)
@pytest.mark.parametrize("mode", [(), ("-g",)], ids=["child", "session"])
def test_a_command_that_cannot_be_started_is_126_or_127_with_one_sentence(
    command: list[str], code: int, sentence: str, mode: tuple[str, ...]
) -> None:
    result = result_of([SUPINIT, "--log-level", "error", *mode, *command], env={"PATH": "/usr/bin:/bin"})
    expected = f"supinit: the command cannot be started: {sentence}\n"
    assert (result.returncode, result.stdout, result.stderr) == (code, "", expected)


@pytest.mark.parametrize(("command", "code"), [("no-such-command", 127), ("/etc/passwd", 126)])
@pytest.mark.parametrize("init", [PLAIN["supinit"], PLAIN["tini"]], ids=["supinit", "tini"])
def test_126_and_127_are_those_of_tini(init: tuple[str, ...], command: str, code: int) -> None:
    """dumb-init exits with 2 for both."""
    assert code_of([*available(init), command]) == code


REMAPS = {"supinit": (SUPINIT_ALONE, "--remap-exit"), "tini": (("tini",), "-e")}


@pytest.mark.parametrize(("init", "option"), REMAPS.values(), ids=REMAPS)
def test_a_remapped_exit_code_is_0_whether_it_is_a_code_or_a_signal(init: tuple[str, ...], option: str) -> None:
    """Java exits with 143 after SIGTERM."""
    init = available(init)[:-1]
    scripts = ("exit 143", "kill -TERM $$", "exit 7", "exit 3", "exit 0")
    codes = [code_of([*init, option, "143", option, "7", "--", "sh", "-c", script]) for script in scripts]
    assert codes == [0, 0, 0, 3, 0]


@pytest.mark.parametrize("init", TO_GROUP.values(), ids=TO_GROUP)
def test_a_script_without_an_interpreter_is_run_by_sh(init: tuple[str, ...], tmp_path: Path) -> None:
    """execvp(3) does it, and entrypoints of images rely on it."""
    script = tmp_path / "script"
    script.write_text('exit "$1"\n')
    script.chmod(0o755)
    assert code_of([*available(init), str(script), "9"]) == 9


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["-r", "15"], "cannot rewrite 15: write FROM:TO, as in TERM:QUIT or 15:0"),
        (["-rFOO:1"], "cannot rewrite FOO:1: unknown signal FOO"),
        (["-g", "--single-child"], "--process-group and --single-child cannot be used together"),
        (["-gx"], "unknown option -x in -gx"),
        (["--remap-exit", "256"], "cannot remap the exit code 256: write a number from 0 to 255"),
        (["--remap-exit=-1"], "cannot remap the exit code -1: write a number from 0 to 255"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_64_and_starts_nothing(options: list[str], complaint: str, tmp_path: Path) -> None:
    result = result_of([SUPINIT, *options, "touch", str(tmp_path / "started")])
    assert result.returncode == 64
    assert result.stderr.splitlines()[0] == f"supinit: {complaint}"
    assert not (tmp_path / "started").exists()
