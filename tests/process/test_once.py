"""Claims and records: alone, in racing processes, and for oneshots in real containers."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from supervisor.core.life import Backoff, Exited, Fatal, Pending
from supervisor.core.once import Once
from supervisor.core.program import (
    Condition,
    Dependency,
    InstanceId,
    Program,
    ProgramType,
    Restart,
    RestartDelay,
    RestartWhen,
)
from supervisor.process.once import Busy, Claims, Granted, Skipped

from ..engines import Turn, program, script
from ..engines import adopting as adopting
from ..engines import open_folder as open_folder
from ..engines import turned as turned
from .nursery import NOBODY, Nursery, elsewhere, is_gone, open_descriptors, sleep_until

MIGRATE: InstanceId = ("migrate", 1)
ROOT = str(Path(__file__).parents[2])

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    return tmp_path / "deploys"


def done(shared: Path, key: str = "v1", order: str | None = None) -> None:
    """Record it as another container would."""
    claims = Claims()
    once = Once(key, str(shared), order)
    assert claims.claim(MIGRATE, once) == Granted()
    claims.record(MIGRATE, once)


def outcome(shared: Path, key: str = "v2", order: str | None = None) -> Granted | Skipped | Busy:
    claims = Claims()
    answer = claims.claim(MIGRATE, Once(key, str(shared), order))
    claims.release(MIGRATE)
    return answer


def test_a_link_that_was_planted_in_the_directory_leads_to_no_other_file(shared: Path, tmp_path: Path) -> None:
    """Other users may write to a shared directory."""
    (tmp_path / "precious").write_text("whole\n")
    (shared / "migrate").mkdir(parents=True)
    (shared / "migrate" / "v1.json.new").symlink_to(tmp_path / "precious")
    done(shared)
    assert (tmp_path / "precious").read_text() == "whole\n"
    assert isinstance(outcome(shared, "v1"), Skipped)
    (shared / "migrate" / "lock").unlink()
    (shared / "migrate" / "lock").symlink_to(tmp_path / "new")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        outcome(shared)
    assert not (tmp_path / "new").exists()


def test_a_directory_that_has_vanished_is_not_made_again_for_the_record(shared: Path) -> None:
    claims = Claims()
    claims.claim(MIGRATE, Once("v1", str(shared)))
    shared.rename(shared.with_name("elsewhere"))
    with pytest.raises(FileNotFoundError):
        claims.record(MIGRATE, Once("v1", str(shared)))
    assert not shared.exists()


@needs_root
def test_a_directory_that_another_user_has_replaced_by_a_link_is_refused(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    shared.mkdir()
    (shared / "migrate").symlink_to(tmp_path / "etc")
    os.lchown(shared / "migrate", NOBODY, NOBODY)
    with pytest.raises(PermissionError, match=f"migrate is a link that uid {NOBODY} has made"):
        outcome(shared)
    assert list((tmp_path / "etc").iterdir()) == []
    os.lchown(shared / "migrate", 0, 0)
    done(shared)
    assert isinstance(outcome(shared, "v1"), Skipped)


def records(shared: Path) -> list[str]:
    return sorted(str(path.relative_to(shared)) for path in shared.rglob("*") if path.name != "lock" and path.is_file())


# ---- the lock


def test_a_second_claim_is_refused_while_the_first_is_held(shared: Path) -> None:
    first, second = Claims(), Claims()
    once = Once("v1", str(shared))
    assert first.claim(MIGRATE, once) == Granted()
    assert second.claim(MIGRATE, once) == Busy()
    assert second.claim(MIGRATE, Once("v2", str(shared))) == Busy()
    first.release(MIGRATE)
    assert second.claim(MIGRATE, once) == Granted()
    second.release(MIGRATE)


def test_programs_have_separate_locks(shared: Path) -> None:
    claims = Claims()
    once = Once("v1", str(shared))
    assert claims.claim(MIGRATE, once) == Granted()
    assert claims.claim(("seed", 1), once) == Granted()
    claims.record(MIGRATE, once)
    assert outcome(shared, "v1") == Skipped("was done before for v1")
    claims.release(("seed", 1))
    assert records(shared) == ["migrate/v1.json"]


def test_two_instances_run_it_once(shared: Path) -> None:
    claims = Claims()
    once = Once("v1", str(shared))
    assert claims.claim(MIGRATE, once) == Granted()
    assert claims.claim(("migrate", 2), once) == Busy()
    claims.record(MIGRATE, once)
    assert claims.claim(("migrate", 2), once) == Skipped("was done before for v1")


def test_a_claim_without_a_record_is_granted_again(shared: Path) -> None:
    claims = Claims()
    once = Once("v1", str(shared))
    for _ in range(3):
        assert claims.claim(MIGRATE, once) == Granted()
    claims.release(MIGRATE)
    claims.release(MIGRATE)
    assert records(shared) == []
    assert outcome(shared, "v1") == Granted()


def test_no_outcome_leaks_a_descriptor(shared: Path) -> None:
    before = open_descriptors()
    claims, other = Claims(), Claims()
    once = Once("v1", str(shared), "1")
    claims.claim(MIGRATE, once)
    other.claim(MIGRATE, once)
    claims.record(MIGRATE, once)
    other.claim(MIGRATE, once)
    outcome(shared, "v0", "0")
    outcome(shared, "v2", "2")
    (shared / "migrate" / "bad.json").write_text("{")
    with pytest.raises(OSError, match="not a record"):
        other.claim(MIGRATE, Once("v3", str(shared), "3"))
    assert open_descriptors() == before


def test_a_released_lock_is_free_even_if_a_child_has_its_descriptor(shared: Path) -> None:
    """A child between fork and exec has all of supinit's descriptors."""
    claims = Claims()
    once = Once("v1", str(shared))
    claims.claim(MIGRATE, once)
    (copy,) = [os.dup(lock) for lock, _ in claims._held.values()]
    claims.record(MIGRATE, once)
    assert outcome(shared, "v2") == Granted()
    os.close(copy)


CONTENDER = """
import os, sys
sys.path.insert(0, {root!r})
from supervisor.core.once import Once
from supervisor.process.once import Busy, Claims, Granted
claims, once = Claims(), Once("v1", {shared!r})
print("here", flush=True)
os.read(0, 1)
while (outcome := claims.claim(("migrate", 1), once)) == Busy():
    pass
if outcome == Granted():
    with open({ran!r}, "a") as file:
        file.write("x")
    claims.record(("migrate", 1), once)
print("granted" if outcome == Granted() else "skipped", flush=True)
"""


@pytest.mark.parametrize("count", [2, 8])
def test_exactly_one_of_several_racing_containers_runs_it(
    nursery: Nursery, shared: Path, tmp_path: Path, count: int
) -> None:
    ran = tmp_path / "ran"
    text = CONTENDER.format(root=ROOT, shared=str(shared), ran=str(ran))
    read_end, write_end = os.pipe2(os.O_CLOEXEC)
    for _ in range(count):
        nursery.python(text, stdin=read_end)
    os.close(read_end)
    assert nursery.ear.lines(count) == ["here"] * count
    os.close(write_end)
    assert sorted(nursery.ear.lines(count)) == ["granted", *["skipped"] * (count - 1)]
    assert ran.read_text() == "x"


HOLDER = """
import sys, time
sys.path.insert(0, {root!r})
from supervisor.core.once import Once
from supervisor.process.once import Claims
claims = Claims()
print(claims.claim(("migrate", 1), Once("v1", {shared!r})), flush=True)
time.sleep(1000)
"""


def test_a_crash_leaves_neither_a_lock_nor_a_record(nursery: Nursery, shared: Path) -> None:
    pid = nursery.python(HOLDER.format(root=ROOT, shared=str(shared)))
    assert nursery.ear.line() == "Granted()"
    assert outcome(shared, "v1") == Busy()
    os.kill(pid, signal.SIGKILL)
    assert nursery.end(pid) == -signal.SIGKILL
    assert outcome(shared, "v1") == Granted()
    assert records(shared) == []


def test_a_draft_left_by_a_crash_is_ignored_and_overwritten(shared: Path) -> None:
    (shared / "migrate").mkdir(parents=True)
    (shared / "migrate" / "v1.json.new").write_text('{"order": "9')
    assert outcome(shared, "v1", "1") == Granted()
    done(shared, "v1", "1")
    assert records(shared) == ["migrate/v1.json"]


# ---- the record


def test_a_record_has_program_key_order_time_duration_and_host(shared: Path) -> None:
    began = time.time()
    done(shared, "1a2b3c", "1700000000")
    text = (shared / "migrate" / "1a2b3c.json").read_text()
    assert text.endswith("}\n")
    record = json.loads(text)
    duration, at = record.pop("duration_seconds"), record.pop("completed_at")
    assert record == {"program": "migrate", "key": "1a2b3c", "order": "1700000000", "host": os.uname().nodename}
    assert 0 <= duration <= time.time() - began + 0.001
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", at)


@pytest.mark.parametrize(
    "key",
    [
        "a/b", "../../etc/passwd", "/", ".", "..", "", " ", "a\nb", "é", "日本", "%2F", "-", "x.json", "\udcff",
        "a" * 5000, "/" * 5000,
    ],
    ids=lambda key: ascii(key[:20]),
)  # fmt: skip
def test_any_text_is_a_valid_key_and_its_file_stays_inside_the_directory(shared: Path, key: str) -> None:
    assert outcome(shared, key) == Granted()
    done(shared, key)
    assert outcome(shared, key) == Skipped(f"was done before for {key}")
    (name,) = records(shared)
    assert name.startswith("migrate/")
    assert json.loads((shared / name).read_text())["key"] == key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a/b", "a%2Fb"),
        ("a/b", "a_b"),
        ("a", "A"),
        ("x" * 5000, "x" * 5001),
        ("é", "e\u0301"),
        ("", " "),
        ("v1", "v1.json"),
        ("a" * 101, "a" * 100),
    ],
    ids=["escaped", "replaced", "case", "long", "normalised", "empty", "suffix", "prefix"],
)
def test_different_keys_have_different_records(shared: Path, one: str, other: str) -> None:
    done(shared, one)
    assert outcome(shared, other) == Granted()


def test_the_file_name_of_a_long_key_is_not_that_of_another_key(shared: Path) -> None:
    done(shared, "x" * 5000)
    (name,) = records(shared)
    assert outcome(shared, name.removeprefix("migrate/").removesuffix(".json")) == Granted()


# ---- the order


@pytest.mark.parametrize(
    ("recorded", "own", "runs"),
    [
        ("2", "1", False),
        ("1", "2", True),
        ("1", "1", True),
        ("10", "9", False),
        ("9", "10", True),
        ("1700000001", "1700000000", False),
        ("20240101000000000002", "20240101000000000001", False),
        ("1.5", "1.25", False),
        ("-1", "0", True),
        ("b", "a", False),
        ("a", "b", True),
        ("a", "1", False),
        ("1", "a", True),
        ("2024-02", "2024-01", False),
        ("nan", "1", False),
        (None, "1", True),
        ("2", None, True),
        (None, None, True),
    ],
)
def test_it_never_runs_after_a_record_with_a_greater_order(
    shared: Path, recorded: str | None, own: str | None, runs: bool
) -> None:
    done(shared, "v1", recorded)
    reason = f"was done for a later release ({recorded} is after {own})"
    assert outcome(shared, "v2", own) == (Granted() if runs else Skipped(reason))


def test_the_order_is_compared_with_every_record(shared: Path) -> None:
    for key, order in (("c", "1"), ("a", "5"), ("b", "9")):
        done(shared, key, order)
    assert isinstance(outcome(shared, "d", "8"), Skipped)
    assert outcome(shared, "d", "10") == Granted()


def test_a_record_of_the_same_key_is_enough(shared: Path) -> None:
    """A restarted container must not fail because of an unrelated record."""
    done(shared, "v1", "1")
    (shared / "migrate" / "a.json").write_text("garbage")
    assert outcome(shared, "v1", "1") == Skipped("was done before for v1")


# ---- what cannot be used


CORRUPT = {
    "empty": b"",
    "cut off": b'{"order": "1',
    "no order": b'{"key": "v0"}',
    "a list": b"[1]",
    "a number": b"7",
    "null": b"null",
    "binary": b"\xff\xfe\x00",
    "nested": b"[" * 60_000,
    "huge": b" " * 200_000 + b'{"order": "1"}',
}


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_an_unreadable_record_is_an_error_if_an_order_is_given(shared: Path, content: bytes) -> None:
    done(shared, "v1", "1")
    path = shared / "migrate" / "v0.json"
    path.write_bytes(content)
    with pytest.raises(OSError, match=re.escape(f"{path} is not a record written by supinit")):
        outcome(shared, "v2", "2")
    assert outcome(shared, "v2") == Granted()


@pytest.mark.parametrize("is_open", [False, True], ids=["nobody writes", "somebody writes"])
def test_a_fifo_among_the_records_does_not_hang_supinit(shared: Path, is_open: bool) -> None:
    done(shared, "v1", "1")
    path = shared / "migrate" / "v0.json"
    os.mkfifo(path)
    other = os.open(path, os.O_RDWR) if is_open else None
    with pytest.raises(OSError, match="not a record"):
        outcome(shared, "v2", "2")
    if other is not None:
        os.close(other)


def in_the_way(shared: Path) -> None:
    shared.write_text("a file")


def program_in_the_way(shared: Path) -> None:
    shared.mkdir()
    (shared / "migrate").write_text("a file")


def lock_in_the_way(shared: Path) -> None:
    (shared / "migrate" / "lock").mkdir(parents=True)


UNUSABLE = {"a file is there": in_the_way, "a file for the program": program_in_the_way, "no lock": lock_in_the_way}


@pytest.mark.parametrize("spoil", UNUSABLE.values(), ids=UNUSABLE)
def test_a_directory_that_cannot_be_used_is_an_error(shared: Path, spoil: Callable[[Path], None]) -> None:
    spoil(shared)
    before = open_descriptors()
    with pytest.raises(OSError, match=r"Errno"):
        Claims().claim(MIGRATE, Once("v1", str(shared)))
    assert open_descriptors() == before


@needs_root
@pytest.mark.parametrize("exists", [False, True], ids=["new", "there"])
def test_a_directory_of_another_user_is_an_error(open_folder: Path, exists: bool) -> None:
    shared = open_folder / "deploys"
    shared.mkdir(mode=0o755)
    if exists:
        done(shared, "v0")

    def claim() -> str:
        try:
            return repr(Claims().claim(MIGRATE, Once("v1", str(shared))))
        except PermissionError:
            return "refused"

    assert elsewhere(claim, NOBODY) == "refused"


def test_a_record_that_cannot_be_written_is_an_error_and_frees_the_lock(shared: Path) -> None:
    claims = Claims()
    once = Once("v1", str(shared))
    claims.claim(MIGRATE, once)
    (shared / "migrate" / "v1.json.new").mkdir()
    with pytest.raises(OSError, match=r"Errno"):
        claims.record(MIGRATE, once)
    (shared / "migrate" / "v1.json.new").rmdir()
    assert outcome(shared, "v1") == Granted()


# ---- in a container


def oneshot(shared: Path, *command: str, order: str | None = None, key: str = "v1", **fields: Any) -> Program:
    defaults: dict[str, Any] = {"kind": ProgramType.ONESHOT, "once": Once(key, str(shared), order)}
    return program("migrate", *(command or ("echo", "ran")), **(defaults | fields))


def web(*needs: str) -> Program:
    needed = tuple(Dependency(need, Condition.COMPLETED) for need in needs)
    return program("web", *script("tell('serves'); live()"), depends_on=needed)


def test_it_runs_once_in_all_containers_that_share_the_directory(turned: Turn, shared: Path) -> None:
    for ran in (1, 0, 0):
        container = turned(oneshot(shared), web("migrate")).begin()
        container.run_until_told("serves")
        assert container.told.count("ran") == ran
        assert isinstance(container.phase("migrate"), Exited)
        container.shut_down()
    assert records(shared) == ["migrate/v1.json"]


def test_a_skipped_oneshot_has_no_process_and_a_reason(turned: Turn, shared: Path) -> None:
    done(shared)
    container = turned(oneshot(shared), web("migrate")).begin()
    assert container.phase("migrate") == Exited("was done before for v1")
    container.run_until_told("serves")
    assert container.told == ["serves"]
    container.shut_down()


def test_it_is_recorded_before_what_depends_on_it_starts(turned: Turn, shared: Path) -> None:
    path = shared / "migrate" / "v1.json"
    look = program(
        "web", *script(f"tell(os.path.exists('{path}')); live()"),
        depends_on=(Dependency("migrate", Condition.COMPLETED),),
    )  # fmt: skip
    container = turned(oneshot(shared), look).begin()
    container.run_until_told("True")
    container.shut_down()


@pytest.mark.parametrize("command", ["exit 3", "kill -9 $$"], ids=["code", "signal"])
def test_a_failed_oneshot_leaves_no_record_and_no_lock(turned: Turn, shared: Path, command: str) -> None:
    container = turned(oneshot(shared, "sh", "-c", command), program("other")).begin()
    container.run_until(lambda: isinstance(container.phase("migrate"), Fatal))
    assert records(shared) == []
    assert outcome(shared, "v1") == Granted()
    container.shut_down()


def test_a_stopped_oneshot_leaves_no_record_and_no_lock(turned: Turn, shared: Path) -> None:
    text = "signal.signal(signal.SIGTERM, lambda *_: os._exit(0)); tell('here'); live()"
    container = turned(oneshot(shared, *script(text))).begin()
    container.run_until_told("here")
    assert outcome(shared, "v1") == Busy()
    container.shut_down()
    assert records(shared) == []
    assert outcome(shared, "v1") == Granted()


def test_a_oneshot_that_cannot_be_started_leaves_no_record_and_no_lock(turned: Turn, shared: Path) -> None:
    container = turned(oneshot(shared, "no-such-command"), program("other")).begin()
    container.run_until(lambda: isinstance(container.phase("migrate"), Fatal))
    assert records(shared) == []
    assert outcome(shared, "v1") == Granted()
    container.shut_down()


def test_a_oneshot_that_succeeds_at_the_second_try_is_recorded(turned: Turn, shared: Path, tmp_path: Path) -> None:
    again = Restart(RestartWhen.ON_FAILURE)
    text = f"if [ -e {tmp_path}/tried ]; then exit 0; else touch {tmp_path}/tried; exit 1; fi"
    delay = RestartDelay(initial=0.01, max=0.02)
    migrate = oneshot(shared, "sh", "-c", text, restart=again, restart_delay=delay)
    container = turned(migrate, program("other")).begin()
    container.run_until(lambda: isinstance(container.phase("migrate"), Exited))
    assert records(shared) == ["migrate/v1.json"]
    container.shut_down()


def test_a_container_waits_while_another_runs_it_and_then_skips_it(
    turned: Turn, shared: Path, nursery: Nursery
) -> None:
    claims = Claims()
    once = Once("v1", str(shared))
    claims.claim(MIGRATE, once)
    container = turned(oneshot(shared), web("migrate")).begin()
    assert isinstance(container.phase("migrate"), Pending)
    assert isinstance(container.phase("web"), Pending)
    claims.record(MIGRATE, once)
    container.run_until_told("serves")
    assert container.told == ["serves"]
    container.shut_down()


def test_a_container_runs_it_when_the_one_that_ran_it_crashed(turned: Turn, shared: Path, nursery: Nursery) -> None:
    pid = nursery.python(HOLDER.format(root=ROOT, shared=str(shared)))
    assert nursery.ear.line() == "Granted()"
    container = turned(oneshot(shared), web("migrate")).begin()
    assert isinstance(container.phase("migrate"), Pending)
    os.kill(pid, signal.SIGKILL)
    sleep_until(lambda: is_gone(pid))
    container.run_until_told("serves")
    assert container.told == ["ran", "serves"]
    assert records(shared) == ["migrate/v1.json"]
    container.shut_down()


def test_an_older_release_skips_it_after_a_newer_one(turned: Turn, shared: Path) -> None:
    done(shared, "new", "2")
    container = turned(oneshot(shared, key="old", order="1"), web("migrate")).begin()
    container.run_until_told("serves")
    assert container.told == ["serves"]
    assert container.phase("migrate") == Exited("was done for a later release (2 is after 1)")
    container.shut_down()


@pytest.mark.parametrize("spoil", UNUSABLE.values(), ids=UNUSABLE)
def test_it_does_not_run_if_the_directory_cannot_be_used(
    turned: Turn, shared: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(shared)
    container = turned(oneshot(shared), web("migrate")).begin()
    container.run_until(lambda: isinstance(container.phase("migrate"), Fatal))
    phase = container.phase("migrate")
    assert isinstance(phase, Fatal)
    assert f"cannot use {shared} for once: " in phase.reason
    assert phase.code == 1
    assert container.told == []
    container.shut_down()


def test_an_unusable_directory_is_tried_again(turned: Turn, shared: Path) -> None:
    shared.write_text("a file")
    again = Restart(RestartWhen.ON_FAILURE)
    delay = RestartDelay(initial=0.01, max=0.02)
    container = turned(oneshot(shared, restart=again, restart_delay=delay, start_retries=None), program("other"))
    container.begin()
    assert isinstance(container.phase("migrate"), Backoff)
    shared.unlink()
    container.run_until(lambda: isinstance(container.phase("migrate"), Exited))
    assert container.told == ["ran"]
    container.shut_down()


def test_a_record_that_cannot_be_written_is_logged_and_the_program_completes(turned: Turn, shared: Path) -> None:
    (shared / "migrate" / "v1.json.new").mkdir(parents=True)
    container = turned(oneshot(shared), web("migrate")).begin()
    container.run_until_told("serves")
    assert f"cannot record in {shared} that it is done" in (container.folder / "log").read_text()
    container.shut_down()
    (shared / "migrate" / "v1.json.new").rmdir()
    assert outcome(shared, "v1") == Granted()


def test_its_process_holds_the_lock_as_well(turned: Turn, shared: Path) -> None:
    """Otherwise another container could start it while it outlives its killed supinit."""
    look = "tell('seen=' + repr([n for n in range(1000) if os.path.realpath(f'/proc/self/fd/{n}').endswith('lock')]))"
    container = turned(oneshot(shared, *script(look)), program("other")).begin()
    assert container.value("seen") == "[3]"
    container.run_until(lambda: isinstance(container.phase("migrate"), Exited))
    container.shut_down()
