"""Which flag sends a server to the background, and which one keeps it in the foreground: one row a fact."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.config.lint import lint
from supervisor.core.program import Program, ProgramType, Restart, RestartWhen, ShutdownOn
from supervisor.core.record import replace


def warnings_of(command: str, kind: ProgramType = ProgramType.SERVICE) -> list[str]:
    return list(lint(Program("web", tuple(command.split()), kind=kind)))


@pytest.mark.parametrize(
    ("background", "flag", "foreground"),
    [
        ("cron", "-f", "cron -f -L 15"),
        ("/usr/sbin/crond", "-f", "crond -n -s"),
        ("crond -b", "-f", "crond -fl2"),
        ("atd", "-f", "atd -f"),
        ("/usr/sbin/sshd", "-D", "/usr/sbin/sshd -De"),
        ("sshd -e", "-D", "sshd -D -e"),
        ("rsyslogd", "-n", "rsyslogd -n -iNONE"),
        ("syslog-ng", "-F", "syslog-ng --foreground"),
        ("xinetd -stayalive", "-dontfork", "xinetd -dontfork"),
        ("php-fpm8.2 -y /nowhere", "-F", "php-fpm8.2 -y /nowhere --nodaemonize"),
        ("php-fpm -R", "-F", "php-fpm -RF"),
        ("apache2ctl", "-DFOREGROUND", "apache2ctl -DFOREGROUND"),
        ("httpd -k restart-not", "-DFOREGROUND", "httpd -k start -D FOREGROUND"),
        ("apache2 -e info", "-DFOREGROUND", "apache2 -X"),
        ("lighttpd -f /etc/l.conf", "-D", "lighttpd -D -f /etc/l.conf"),
        ("varnishd -a :80", "-F", "varnishd -F -a :80"),
        ("squid", "-N", "squid --foreground"),
        ("named -u bind", "-f", "named -g"),
        ("dnsmasq", "-k", "dnsmasq --keep-in-foreground"),
        ("dovecot", "-F", "dovecot -F"),
        ("supervisord -c /etc/s.conf", "-n", "supervisord -n -c /etc/s.conf"),
        ("smbd", "-F", "smbd --foreground --no-process-group"),
    ],
)
def test_a_server_that_goes_to_the_background_by_default_needs_a_flag(
    background: str, flag: str, foreground: str
) -> None:
    name = Path(background.split()[0]).name
    name = "php-fpm" if name.startswith("php-fpm") else name
    assert warnings_of(background) == [f"{name} goes to the background and then looks as if it had exited: add {flag}"]
    assert warnings_of(foreground) == []


@pytest.mark.parametrize(
    ("background", "flag", "foreground"),
    [
        ("redis-server --daemonize yes", "--daemonize yes", "redis-server --daemonize no"),
        ("redis-server --daemonize=yes", "--daemonize yes", "redis-server /etc/redis.conf"),
        ("gunicorn app:app -D", "-D", "gunicorn app:app"),
        ("gunicorn --daemon app:app", "--daemon", "gunicorn -b :80 app:app"),
        ("haproxy -D -f /etc/h.cfg", "-D", "haproxy -W -db -f /etc/h.cfg"),
        ("celery -A app worker --detach", "--detach", "celery -A app worker"),
        ("mongod --fork --logpath /l", "--fork", "mongod"),
        ("memcached -d -u memcache", "-d", "memcached -u memcache"),
        ("uwsgi --master --need-app --daemonize /l", "--daemonize", "uwsgi --master --need-app"),
        ("mysqld --daemonize", "--daemonize", "mysqld --user=mysql"),
    ],
)
def test_a_server_that_stays_in_the_foreground_must_not_be_told_to_leave_it(
    background: str, flag: str, foreground: str
) -> None:
    name = background.split()[0]
    sentence = f"{flag} sends {name} to the background, where it looks as if it had exited: remove it"
    assert warnings_of(background) == [sentence]
    assert warnings_of(foreground) == []


@pytest.mark.parametrize(
    ("command", "name", "foreground"),
    [
        ("service nginx start", "service", "nginx"),
        ("/usr/sbin/service postgresql restart", "service", "postgresql"),
        ("/etc/init.d/ssh start", "ssh", "ssh"),
        ("systemctl start redis.service", "systemctl", "redis"),
        ("systemctl --now restart cron", "systemctl", "cron"),
        ("rc-service sshd start", "rc-service", "sshd"),
        ("postfix start", "postfix", "postfix start-fg"),
        ("celery multi start w1 -A app", "celery", "celery worker"),
        ("pm2 start app.js", "pm2", "pm2-runtime"),
        ("apachectl start", "apachectl", "apachectl -DFOREGROUND"),
        ("pg_ctl -D /data start", "pg_ctl", "postgres"),
    ],
)
def test_a_command_that_only_starts_a_daemon_is_warned_of(command: str, name: str, foreground: str) -> None:
    sentence = f"{name} starts a daemon in the background and exits: run {foreground} in the foreground instead"
    assert warnings_of(command) == [sentence]
    sentence = (
        f"{name} leaves a daemon behind, which supinit kills when the command has exited: "
        f"make {foreground} a program of its own"
    )
    assert warnings_of(command, ProgramType.ONESHOT) == [sentence]


@pytest.mark.parametrize(
    "command",
    [
        "service nginx status",
        "systemctl daemon-reload",
        "postfix start-fg",
        "pm2-runtime app.js",
        "pm2 start app.js --no-daemon",
        "/etc/init.d/ssh status",
        "apachectl -k start -DFOREGROUND",
    ],
)
def test_what_stays_in_the_foreground_is_not_warned_of(command: str) -> None:
    assert warnings_of(command) == []


def test_a_daemon_that_a_shell_of_a_oneshot_starts_is_found() -> None:
    command = ("sh", "-c", "prepare && service cron start; echo done")
    warnings = list(lint(Program("boot", command, kind=ProgramType.ONESHOT)))
    assert warnings == [
        "service leaves a daemon behind, which supinit kills when the command has exited: "
        "make cron a program of its own"
    ]


def test_the_setting_in_a_configuration_file_keeps_php_fpm_in_the_foreground(tmp_path: Path) -> None:
    conf = tmp_path / "fpm.conf"
    conf.write_text("[global]\ndaemonize = no ; in a container\n")
    assert warnings_of(f"php-fpm -y {conf}") == []


@pytest.mark.parametrize("name", ["npm", "yarn", "npx", "pnpm"])
def test_a_runner_that_does_not_forward_signals_is_warned_of(name: str) -> None:
    (warning,) = warnings_of(f"{name} start")
    assert warning.startswith(f"{name} does not forward signals reliably: run ")
    assert warnings_of(f"{name} run migrate", ProgramType.ONESHOT) == []


@pytest.mark.parametrize(
    ("script", "warns"),
    [
        ("#!/bin/sh\nset -e\nnode app.js\n", True),
        ("#!/usr/bin/env bash\nnode app.js &\nwait\n", True),
        ("#!/bin/sh\nset -e\nexec node app.js\n", False),
        ('#!/bin/sh\nif true; then exec "$@"; fi\n', False),
        ("#!/bin/bash\ntrap 'kill $!' TERM\nnode app.js & wait\n", False),
        ("#!/bin/sh\n# exec is not here\nnode app.js\n", True),
        ("#!/usr/bin/python3\nimport app\n", False),
        ("\x7fELF", False),
    ],
)
@pytest.mark.parametrize("is_named", [False, True], ids=["executable", "sh SCRIPT"])
def test_a_script_without_exec_is_warned_of(tmp_path: Path, script: str, warns: bool, is_named: bool) -> None:
    path = tmp_path / "entry.sh"
    path.write_text(script)
    if is_named and not script.startswith(("#!/bin", "#!/usr/bin/env")):
        pytest.skip("not a shell script")
    warnings = warnings_of(f"sh -e {path}" if is_named else f"{path}")
    assert warnings == ([f"{path} does not forward signals: start its last command with exec"] if warns else [])


def test_shutdown_on_exit_with_restart_always_is_warned_of() -> None:
    program = Program("web", ("serve",))
    sentence = "shutdown_on: exit never takes effect after a success, because of restart: always; write restart: no"
    assert list(lint(replace(program, shutdown_on=ShutdownOn.EXIT))) == [sentence]
    never = Restart(RestartWhen.NEVER)
    assert list(lint(replace(program, shutdown_on=ShutdownOn.EXIT, restart=never))) == []
