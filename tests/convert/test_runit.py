"""A runit service directory means the same as a table; and what a shell script is made of."""

from __future__ import annotations

import pytest
import yaml

from supervisor.core.program import CommandStep, LogMode, LogSettings, Program

from .conversions import folder_of, losses_in, programs_in

SV = "etc/service"


def program_of_script(script: str) -> dict[str, object]:
    programs: dict[str, dict[str, object]] = yaml.safe_load(folder_of({f"{SV}/web/run": script}).table)["programs"]
    return programs["web"]


@pytest.mark.parametrize(
    ("script", "program"),
    [
        ('#!/bin/bash\nexec nginx -g "daemon off;"\n', {"command": ["nginx", "-g", "daemon off;"]}),
        ("#!/bin/sh\nexec 2>&1\nexec web\n", {"command": ["web"], "log": {"redirect_stderr": True}}),
        ("exec web 2>&1\n", {"command": ["web"], "log": {"redirect_stderr": True}}),
        ("#!/bin/sh\n# why\nset -eu\ncd /srv\numask 027\nulimit -n 99\nexec web\n",
         {"command": ["web"], "working_dir": "/srv", "umask": "027", "ulimits": {"nofile": 99}}),
        ("#!/bin/sh\nexport A=1 B='x y'\nC=2 web\n",
         {"command": ["web"], "environment": {"A": "1", "B": "x y", "C": "2"}}),
        ("#!/bin/sh\nexport A=1 B='x y'\nexec env C=2 web\n",
         {"command": ["web"], "environment": {"A": "1", "B": "x y", "C": "2"}}),
        ("#!/bin/sh\nexec chpst -u app:web:ssl -n 5 -o 99 web\n",
         {"command": ["web"], "user": "app:web", "group_add": ["ssl"], "nice": 5, "ulimits": {"nofile": 99}}),
        ("#!/bin/sh\nUSER=app\nexec setuidgid $USER web\n", {"command": ["web"], "user": "app"}),
        ("#!/bin/sh\nexec web $ARGS --port \"${PORT:-80}\" '$x'\n",
         {"command": "web ${ARGS} --port '${PORT:-80}' '$$x'"}),
        ("#!/bin/sh\nexec web --port \"$PORT\"\n", {"command": ["web", "--port", "${PORT}"]}),
        ("#!/bin/sh\nexec \\\n  web \\\n  a\n", {"command": ["web", "a"]}),
        ("#!/bin/sh\nweb | sed x\n", {"command": ["/bin/sh", "/etc/service/web/run"]}),
        ("#!/bin/sh\nexec web $(hostname)\n", {"command": ["/bin/sh", "/etc/service/web/run"]}),
        ("#!/bin/sh\nif true; then\nexec web\nfi\n", {"command": ["/bin/sh", "/etc/service/web/run"]}),
        ("#!/usr/bin/env python3\nprint()\n", {"command": ["python3", "/etc/service/web/run"]}),
    ],
)  # fmt: skip
def test_a_script_of_one_command_becomes_that_command_and_any_other_is_run(
    script: str, program: dict[str, object]
) -> None:
    assert program_of_script(script) == program


def test_a_service_directory_has_its_check_its_log_and_its_own_way_to_stop() -> None:
    files = {
        f"{SV}/web/run": "#!/bin/sh\nexec chpst -e ./env web\n",
        f"{SV}/web/env/A": "1 $x\n",
        f"{SV}/web/log/run": "#!/bin/sh\nexec chpst -u log svlogd -tt /var/log/web\n",
        f"{SV}/web/check": "#!/bin/sh\ntrue\n",
        f"{SV}/web/control/t": "#!/bin/sh\ntrue\n",
        f"{SV}/web/supervise/pid": "1",
    }
    web = programs_in(files)["web"]
    assert (web.command, web.environment) == (("web",), (("A", "1 $x"),))
    assert web.log == LogSettings(LogMode.NONE, "/var/log/web/current", 1000000, 10)
    assert web.stop == (CommandStep(("/etc/service/web/control/t",), 10.0),)
    assert web.healthcheck is not None
    assert losses_in(files) == [f"{SV}/web/run:1: not needed under supinit: web supervise"]


def test_a_logger_to_syslog_and_folders_of_variables_elsewhere_are_named() -> None:
    files = {
        f"{SV}/web/run": "#!/bin/sh\nexec chpst -e /etc/env -/ /srv web\n",
        f"{SV}/web/log/run": "#!/bin/sh\nexec logger -t web\n",
        f"{SV}/web/control/h": "#!/bin/sh\n",
    }
    assert losses_in(files) == [
        f"{SV}/web/run:1: chpst -/ /srv has no counterpart",
        f"{SV}/web/run:1: the variables in the folder /etc/env are not read: write them to an env_file",
        f"{SV}/web/control/h:1: control/h has no counterpart",
        f"{SV}/web/log/run:1: output goes to the container's streams; the logger is not needed: web log/run",
    ]


def test_one_directory_is_one_program() -> None:
    assert programs_in({"run": "#!/bin/sh\nexec web\n"}) == {"root": Program("root", ("web",))}
