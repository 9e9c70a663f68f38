"""An s6-overlay tree means the same as a table."""

from __future__ import annotations

from signal import SIGQUIT, SIGTERM

import pytest
import yaml

from supervisor.convert.s6 import FIX_ATTRS, OUTSIDE
from supervisor.core.program import (
    Condition,
    Dependency,
    LogMode,
    LogSettings,
    Program,
    ProgramType,
    Readiness,
    Restart,
    RestartWhen,
    ShutdownOn,
    SignalStep,
)
from supervisor.core.record import replace

from .conversions import folder_of, losses_in, programs_in

RC = "rootfs/etc/s6-overlay/s6-rc.d"
ONESHOT = Program("", ("x",), kind=ProgramType.ONESHOT, restart=Restart(RestartWhen.NEVER))


def service(name: str, run: str, **files: str) -> dict[str, str]:
    named = {key.replace("__", "/").replace("_", "-"): text for key, text in files.items()}
    return {f"{RC}/{name}/{key}": text for key, text in {"type": "longrun\n", "run": run, **named}.items()}


def user(*names: str) -> dict[str, str]:
    return {f"{RC}/user/contents.d/{name}": "" for name in names}


def test_services_start_when_their_dependencies_are_up_oneshots_completed() -> None:
    files = {
        **service("web", "#!/usr/bin/with-contenv bash\nexec s6-setuidgid app web --port 80\n", dependencies_d__db=""),
        **{f"{RC}/web/dependencies.d/{name}": "" for name in ("db", "init-web", "base")},
        **service("db", "#!/command/execlineb -P\nwith-contenv\ns6-setuidgid db\ndb -D /data\n", notification_fd="3\n"),
        f"{RC}/init-web/type": "oneshot\n",
        f"{RC}/init-web/up": "/etc/s6-overlay/s6-rc.d/init-web/run\n",
        f"{RC}/init-web/run": "#!/usr/bin/with-contenv bash\nmkdir -p /run/web\nchown app /run/web\n",
        **user("web"),
    }
    del files[f"{RC}/web/dependencies-d/db"]
    document = yaml.safe_load(folder_of(files).table)["programs"]
    assert document == {
        "db": {"command": ["db", "-D", "/data"], "user": "db", "ready": {"notify": {"fd": 3}}},
        "init-web": {"command": ["bash", "/etc/s6-overlay/s6-rc.d/init-web/run"], "type": "oneshot"},
        "web": {
            "command": ["web", "--port", "80"],
            "depends_on": {"db": {"condition": "healthy"}, "init-web": {"condition": "completed"}},
            "user": "app",
        },
    }


def test_bundles_stand_for_what_they_hold_and_what_no_bundle_starts_is_idle() -> None:
    files = {
        **service("web", "#!/bin/sh\nexec web\n"),
        f"{RC}/web/dependencies.d/back": "",
        f"{RC}/back/type": "bundle\n",
        f"{RC}/back/contents.d/db": "",
        f"{RC}/back/contents.d/cache": "",
        **service("db", "#!/bin/sh\nexec db\n"),
        **service("cache", "#!/bin/sh\nexec cache\n"),
        **service("spare", "#!/bin/sh\nexec spare\n"),
        **user("web"),
    }
    programs = programs_in(files)
    assert programs["web"] == Program("web", ("web",), depends_on=(Dependency("cache"), Dependency("db")))
    assert programs["spare"] == Program("spare", ("spare",), autostart=False)
    assert losses_in(files) == []


def test_a_dependency_that_is_not_in_the_tree_is_named() -> None:
    files = {**service("web", "#!/bin/sh\nexec web\n"), f"{RC}/web/dependencies.d/init-adduser": ""}
    assert losses_in(files) == [f"{RC}/web/dependencies.d/init-adduser:1: {OUTSIDE}: web init-adduser"]


def test_a_service_has_its_signal_its_time_and_its_log() -> None:
    files = {
        **service("web", "#!/bin/sh\nexec web 2>&1\n", timeout_kill="2500", down_signal="SIGQUIT"),
        f"{RC}/web/producer-for": "web-log\n",
        **service("web-log", "#!/command/execlineb -P\nlogutil-service /var/log/web\n", consumer_for="web\n"),
    }
    log = LogSettings(LogMode.NONE, "/var/log/web/current", 1000000, 20, redirect_stderr=True)
    assert programs_in(files) == {"web": Program("web", ("web",), stop=(SignalStep(SIGQUIT, 2.5),), log=log)}
    assert losses_in(files) == []


def test_a_check_until_readiness_becomes_a_health_check() -> None:
    run = "#!/bin/sh\nexec \\\n  s6-notifyoncheck -d -n 300 -w 1000 -c 'nc -z localhost 80' \\\n    web\n"
    web = programs_in(service("web", run, notification_fd="3"))["web"]
    assert web.command == ("web",)
    assert web.healthcheck is not None
    assert web.ready == Readiness(timeout=300.0)


def test_a_finish_script_that_ends_the_container_becomes_shutdown_on_exit() -> None:
    finish = "#!/bin/sh\n/run/s6/basedir/bin/halt\n"
    web = programs_in(service("web", "#!/bin/sh\nexec web\n", finish=finish))["web"]
    assert (web.shutdown_on, web.restart) == (ShutdownOn.EXIT, Restart(RestartWhen.NEVER))
    files = service("web", "#!/bin/sh\nexec web\n", finish="#!/bin/sh\nrm -f /run/web.pid\n")
    path = f"{RC}/web/finish"
    image = "/etc/s6-overlay/s6-rc.d/web/finish"
    assert losses_in(files) == [f"{path}:1: {image} is not run after each end of the program"]


def test_the_down_file_of_a_oneshot_runs_at_the_stop_after_its_dependants() -> None:
    files = {
        **service("web", "#!/bin/sh\nexec web\n"),
        f"{RC}/web/dependencies.d/mounts": "",
        f"{RC}/mounts/up": "/usr/local/bin/mount-it\n",
        f"{RC}/mounts/down": "/usr/local/bin/unmount-it now\n",
        f"{RC}/mounts/timeout-down": "5000",
    }
    programs = programs_in(files)
    assert programs["mounts"] == replace(ONESHOT, name="mounts", command=("/usr/local/bin/mount-it",))
    assert programs["web"].depends_on == (Dependency("mounts", Condition.COMPLETED), Dependency("mounts-down"))
    down = programs["mounts-down"]
    assert down.depends_on == (Dependency("mounts", Condition.COMPLETED),)
    assert down.stop == (SignalStep(SIGTERM, 5.0),)
    assert "trap '/usr/local/bin/unmount-it now; kill $!; exit 0' TERM" in down.command[2]


def test_the_folders_of_version_2_run_in_their_order() -> None:
    files = {
        "root/etc/cont-init.d/10-a.sh": "#!/usr/bin/with-contenv bash\nset -e\nmkdir /x && chown app /x\n",
        "root/etc/cont-init.d/20-b": "#!/bin/sh\nmkdir /y\n",
        "root/etc/services.d/web/run": "#!/usr/bin/with-contenv sh\nexec web\n",
        "root/etc/cont-finish.d/bye": "#!/usr/bin/with-contenv bash\nrm -r /x\n",
        "root/etc/fix-attrs.d/01-x": "/x true app 0644 0755\n",
    }
    programs = programs_in(files)
    assert list(programs) == ["init-10-a", "init-20-b", "web", "cont-finish"]
    assert programs["init-10-a"] == replace(
        ONESHOT,
        name="init-10-a",
        command=("bash", "/etc/cont-init.d/10-a.sh"),
        depends_on=(Dependency("cont-finish"),),
    )
    assert programs["init-20-b"].command == ("mkdir", "/y")
    assert programs["init-20-b"].depends_on == (Dependency("init-10-a", Condition.COMPLETED),)
    assert programs["web"].depends_on == (Dependency("init-20-b", Condition.COMPLETED),)
    assert losses_in(files) == [f"root/etc/fix-attrs.d/01-x:1: fix-attrs.d/01-x {FIX_ATTRS}"]


@pytest.mark.parametrize(
    ("script", "program"),
    [
        (
            "with-contenv\ns6-setuidgid ${A}:2\nweb $B\n",
            {"user": "$${A}:2", "command": ["web", "$$B"]},
        ),
        (
            "importas -ui U USER\ns6-setuidgid $U\nweb\n",
            {"user": "${USER?required}", "command": ["web"]},
        ),
        (
            "importas -D 80 P PORT\nweb --port ${P}1\n",
            {"command": ["web", "--port", "${PORT:-80}1"]},
        ),
        (
            "multisubstitute { importas A A importas -u B B }\nexport C d\ncd /srv web $A $B\n",
            {"working_dir": "/srv", "environment": {"C": "d"}, "command": ["web", "${A}", "${B}"]},
        ),
        (
            'foreground { mkdir -p /run/x }\nif { test -d /x }\nweb "a b"\n',
            {"command": ["sh", "-c", "mkdir -p /run/x && test -d /x && exec web 'a b'"]},
        ),
        (
            "fdmove -c 2 1\nweb\n",
            {"command": ["web"], "log": {"redirect_stderr": True}},
        ),
        (
            "s6-softlimit -o 1024 nice -n 5 web\n",
            {"command": ["web"], "nice": 5, "ulimits": {"nofile": 1024}},
        ),
        (
            "backtick X { date }\nweb\n",
            {"command": ["/bin/execlineb", "-P", "/etc/s6-overlay/s6-rc.d/web/run"]},
        ),
    ],
    ids=["braces", "importas", "default", "multisubstitute", "foreground", "fdmove", "limits", "more than that"],
)
def test_execline_scripts_become_commands(script: str, program: dict[str, object]) -> None:
    assert yaml.safe_load(folder_of(service("web", f"#!/bin/execlineb -P\n{script}")).table)["programs"] == {
        "web": program
    }


def test_a_script_that_needs_tools_of_s6_is_run_and_they_are_named() -> None:
    run = "#!/usr/bin/with-contenv bash\nif true; then s6-svwait -U /x; fi\nexec s6-setuidgid app web\n"
    image = "/etc/s6-overlay/s6-rc.d/web/run"
    assert programs_in(service("web", run))["web"].command == ("bash", image)
    assert losses_in(service("web", run)) == [
        f"{RC}/web/run:1: {image} uses s6-setuidgid, s6-svwait: keep them installed, or replace them in the script"
    ]


def test_variables_that_a_script_sets_for_others_are_named() -> None:
    run = "#!/bin/sh\nprintf 1 > /run/s6/container_environment/A\nexec web\n"
    image = "/etc/s6-overlay/s6-rc.d/web/run"
    assert losses_in(service("web", run)) == [
        f"{RC}/web/run:1: {image} sets variables for other programs (container_environment): write them to an env_file"
    ]
