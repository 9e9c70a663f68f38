"""A crontab means the same as a table of scheduled oneshots."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("cronsim")  # an extra, which need not be installed

from supervisor.convert.crontab_names import job_name
from supervisor.core.program import Program, ProgramType, Scope, ShutdownOn
from supervisor.core.schedule import Schedule

from .conversions import converted, losses_in, losses_of, programs_in, programs_of, table_of

FILE = "crontab"


def job_of(line: str, before: str = "") -> Program:
    (program,) = programs_of(f"{before}\n{line}\n", FILE).values()
    return program


def test_a_job_is_a_oneshot_with_a_schedule() -> None:
    job = job_of("*/5 * * * *  /usr/bin/backup --all")
    assert (job.name, job.command, job.kind) == ("backup", ("/usr/bin/backup", "--all"), ProgramType.ONESHOT)
    assert (job.schedule, job.shutdown_on) == (Schedule(cron="*/5 * * * *"), ShutdownOn.NEVER)


@pytest.mark.parametrize(
    ("times", "cron"),
    [
        ("@daily", "0 0 * * *"),
        ("@Hourly", "0 * * * *"),
        ("0\t3 * jan  mon-fri", "0 3 * jan mon-fri"),
        ("-0 3 * * *", "0 3 * * *"),
        ("09,39 * * * *", "09,39 * * * *"),
    ],
)
def test_the_times_are_those_of_cron(times: str, cron: str) -> None:
    assert job_of(f"{times} x").schedule == Schedule(cron=cron)


def test_at_reboot_is_a_oneshot_that_runs_once() -> None:
    job = job_of("@reboot warm-up")
    assert (job.kind, job.schedule, job.shutdown_on) == (ProgramType.ONESHOT, None, ShutdownOn.NEVER)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("backup --all", ("backup", "--all")),
        ("backup > /tmp/x 2>&1", ("sh", "-c", "exec backup > /tmp/x 2>&1")),
        ("date +\\%F", ("date", "+%F")),
        ("echo $HOME", ("sh", "-c", "exec echo $HOME")),
    ],
)
def test_a_command_has_a_shell_only_where_it_needs_one(command: str, words: tuple[str, ...]) -> None:
    assert job_of(f"0 3 * * * {command}").command == words


def test_several_commands_are_stopped_together() -> None:
    job = job_of("0 3 * * * cd /app && python3 manage.py clearsessions")
    assert job.command == ("sh", "-c", "trap exit TERM; cd /app && python3 manage.py clearsessions")
    assert [getattr(step, "scope", None) for step in job.stop] == [Scope.GROUP]


def test_what_follows_a_percent_sign_is_the_input() -> None:
    job = job_of("0 3 * * * cat - %it's%50\\% off")
    script = "trap exit TERM; printf '%s\\n' 'it'\\''s' '50% off' | { cat -; }"
    assert job.command == ("sh", "-c", script)


def test_settings_hold_for_the_jobs_below_them() -> None:
    text = """
        0 1 * * * first
        PATH=/opt/bin:/bin
        NAME = "two words"
        SHELL=/bin/bash
        HOME=/srv
        CRON_TZ=Europe/Berlin
        0 2 * * * second $NAME
        """
    first, second = programs_of("\n".join(line.strip() for line in text.splitlines()), FILE).values()
    assert (first.environment, first.schedule) == ((), Schedule(cron="0 1 * * *"))
    assert second.environment == (("PATH", "/opt/bin:/bin"), ("NAME", "two words"), ("HOME", "/srv"))
    assert second.schedule == Schedule(cron="0 2 * * *", timezone="Europe/Berlin")
    assert (second.command[0], second.working_dir) == ("/bin/bash", "/srv")


def test_what_is_lost_is_named() -> None:
    text = "MAILTO=ops\n61 * * * * a\nwhat is this\n0~30 * * * * b\n0 3 * * * c\n"
    assert losses_of(text, FILE) == [
        "2: the minute field cannot be 61 (0-59; lists, ranges and steps of them); the job is left out: 61 * * * * a",
        "3: cannot be read, and is left out: what is this",
        "4: a random time (~) cannot be written; the job is left out: 0~30 * * * * b",
        "1: MAILTO is left out: output goes to the container's log; docs/alerts.yaml has a rule for a run that failed",
    ]


# ---- users


def test_a_crontab_with_a_user_in_each_line_is_read_as_one() -> None:
    jobs = programs_of("0 3 * * * root a\n0 4 * * *\tnobody\tb -x\n", FILE)
    assert [(job.command, job.credentials and job.credentials.name) for job in jobs.values()] == [
        (("a",), None),
        (("b", "-x"), "nobody"),
    ]


def test_a_command_that_is_called_like_no_user_is_a_command() -> None:
    assert job_of("0 3 * * * frobnicate now").command == ("frobnicate", "now")


def test_a_folder_cron_d_is_read_as_cron_reads_it() -> None:
    def converted_folder(**files: str) -> list[tuple[str, tuple[str, ...]]]:
        import shutil

        from supervisor.convert.formats import convert

        shutil.rmtree("cron.d", ignore_errors=True)
        Path("cron.d").mkdir()
        for name, text in files.items():
            Path("cron.d", name.replace("_", ".")).write_text(text)
        return [(p.name, p.command) for p in table_of(convert("cron.d", {})).programs]

    files = {"app": "0 3 * * * nobody a\n", "app_dpkg-old": "0 3 * * * root old\n", "php": "0 4 * * * root b\n"}
    assert converted_folder(**files) == [("a", ("a",)), ("b", ("b",))]


def test_a_crontab_in_a_folder_is_found() -> None:
    assert list(programs_in({"crontab": "0 3 * * * a\n"})) == ["a"]


def test_debians_own_crontab_becomes_valid() -> None:
    debian = Path("/etc/crontab")
    if not debian.exists():
        pytest.skip("Debian's package cron is not installed")
    jobs = programs_of(debian.read_text(), FILE)
    assert list(jobs) == ["cron.hourly", "cron.daily", "cron.weekly", "cron.monthly"]


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/usr/local/bin/backup.sh --all", "backup"),
        ("cd /app && python3 manage.py clearsessions", "manage-clearsessions"),
        ("php /app/artisan schedule:run >> /dev/null 2>&1", "artisan-schedule-run"),
        ("test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }", "cron.daily"),
        (
            "[ -x /usr/lib/php/sessionclean ] && if [ ! -d /run/systemd ]; then /usr/lib/php/sessionclean; fi",
            "sessionclean",
        ),
        ("FOO=1 nice -n 10 flock -n /tmp/lock /opt/run.py", "lock"),
        ("python3 -m app.poll", "app.poll"),
        ("$HOME/x", "x"),
        ("&&", "job"),
    ],
)
def test_a_job_is_called_after_what_it_runs(command: str, name: str) -> None:
    assert job_name(command) == name


def test_two_jobs_of_one_program_have_two_names() -> None:
    assert list(programs_of("0 3 * * * a x\n0 4 * * * a y\n", FILE)) == ["a", "a-2"]


# ---- systemd


def timer(keys: str, service: str = "ExecStart=/bin/backup") -> dict[str, str]:
    return {"backup.service": f"[Service]\n{service}\n", "backup.timer": f"[Timer]\n{keys}\n"}


@pytest.mark.parametrize(
    ("calendar", "schedule"),
    [
        ("daily", Schedule(cron="0 0 * * *")),
        ("weekly", Schedule(cron="0 0 * * MON")),
        ("*-*-* 03:30:00", Schedule(cron="30 3 * * *")),
        ("*:0/15", Schedule(cron="0/15 * * * *")),
        ("Mon..Fri 09:00", Schedule(cron="0 9 * * MON-FRI")),
        ("Sat..Sun", Schedule(cron="0 0 * * SAT,SUN")),
        ("*-*-01 06,18:05", Schedule(cron="5 6,18 1 * *")),
        ("*-1/3-1 00:00 Europe/Berlin", Schedule(cron="0 0 1 1/3 *", timezone="Europe/Berlin")),
        ("*-*-* *:*:0/10", Schedule(cron="0/10 * * * * *")),
    ],
)
def test_a_calendar_timer_is_a_cron_expression(calendar: str, schedule: Schedule) -> None:
    (backup,) = programs_in(timer(f"OnCalendar={calendar}")).values()
    assert (backup.kind, backup.schedule, backup.shutdown_on) == (ProgramType.ONESHOT, schedule, ShutdownOn.NEVER)


def test_a_monotonic_timer_is_an_interval() -> None:
    (backup,) = programs_in(timer("OnBootSec=5min\nOnUnitActiveSec=1h 30min")).values()
    assert backup.schedule == Schedule(interval=5400.0, run_on_start=True)


def test_a_service_that_a_timer_starts_is_not_restarted_for_ever() -> None:
    (backup,) = programs_in(timer("OnCalendar=hourly", "ExecStart=/bin/backup\nRestart=always")).values()
    assert backup.restart.when.value == "no"


def test_what_a_timer_loses_is_named() -> None:
    keys = "OnCalendar=*-02~03\nOnCalendar=daily\nRandomizedDelaySec=1h\nPersistent=true\nWakeSystem=yes"
    assert losses_in(timer(keys)) == [
        "backup.timer:2: backup.timer: OnCalendar: cannot write '*-02~03' as a cron expression",
        "backup.timer:4: backup.timer: RandomizedDelaySec: a run starts at its time",
        "backup.timer:5: backup.timer: Persistent: a missed run is made up for within 1h, not across a new container",
        "backup.timer:6: backup.timer: WakeSystem: cannot be written",
    ]
    (backup,) = programs_in(timer(keys)).values()
    assert backup.schedule == Schedule(cron="0 0 * * *", starting_deadline=3600.0)


def test_a_timer_without_a_time_that_can_be_written_leaves_its_service_on_demand() -> None:
    assert losses_in(timer("OnCalendar=*-02~03")) == [
        "backup.timer:1: backup.timer: Timer: no time of it can be written, so the program waits for supctl start",
        "backup.timer:2: backup.timer: OnCalendar: cannot write '*-02~03' as a cron expression",
    ]
    (backup,) = programs_in(timer("OnCalendar=*-02~03")).values()
    assert (backup.autostart, backup.schedule) == (False, None)


def test_a_timer_by_its_own_name() -> None:
    Path("x.service").write_text("[Service]\nExecStart=/bin/x\n")
    Path("x.timer").write_text("[Timer]\nOnCalendar=daily\n")
    (x,) = table_of(converted("[Timer]\nOnCalendar=daily\n", "x.timer")).programs
    assert (x.command, x.schedule) == (("/bin/x",), Schedule(cron="0 0 * * *"))
