"""What is known of well-known servers: the flags that send them to the background or keep them in the foreground.

Sources: the manual page of each. A program in the background looks as if it had exited, and supinit kills what it has
left behind, so each of these needs a flag or must not have one.
"""

from __future__ import annotations

import itertools
import os

from supervisor.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Server(Record):
    """A server that goes to the background unless one of `stays` is given.

    A flag with one letter is also found among others: `-De` has `-D`.
    """

    stays: tuple[str, ...]
    files: tuple[str, ...] = ()
    """Configuration files that may say `setting`, which keeps it in the foreground, too."""
    setting: str = ""


BACKGROUND = {
    "cron": Server(("-f", "-n")),
    "crond": Server(("-f", "-n", "-d")),
    "atd": Server(("-f", "-d")),
    "sshd": Server(("-D", "-d", "-i")),
    "rsyslogd": Server(("-n", "-N", "-v")),
    "syslog-ng": Server(("-F", "--foreground")),
    "syslogd": Server(("-n", "-F", "-K")),
    "xinetd": Server(("-dontfork", "-d")),
    "inetd": Server(("-i", "-d", "-f")),
    "php-fpm": Server(
        ("-F", "--nodaemonize", "-t", "-v", "-i"),
        ("/usr/local/etc/php-fpm.d/zz-docker.conf", "/usr/local/etc/php-fpm.conf", "/etc/php-fpm.conf"),
        "daemonize = no",
    ),
    "httpd": Server(("-DFOREGROUND", "-X", "-DNO_DETACH", "-t", "-v")),
    "lighttpd": Server(("-D", "-t", "-v")),
    "varnishd": Server(("-F", "-C", "-V")),
    "squid": Server(("-N", "--foreground", "-z")),
    "named": Server(("-f", "-g")),
    "unbound": Server(("-d",)),
    "dnsmasq": Server(("-k", "--keep-in-foreground", "-d", "--no-daemon")),
    "dovecot": Server(("-F",)),
    "exim4": Server(("-bdf", "-bp", "-bV")),
    "supervisord": Server(("-n", "--nodaemon")),
    "ntpd": Server(("-n", "-d", "-q")),
    "chronyd": Server(("-n", "-d", "-q")),
    "rpcbind": Server(("-f", "-d")),
    "smbd": Server(("-F", "--foreground", "-i")),
    "nmbd": Server(("-F", "--foreground", "-i")),
    "clamd": Server(("-F", "--foreground")),
    "freshclam": Server(("-F", "--foreground", "--no-daemon")),
    "zabbix_agentd": Server(("-f", "--foreground", "-t", "-p")),
    "fail2ban-server": Server(("-f",)),
}
"""Servers that go to the background by default."""
BACKGROUND |= {"apache2": BACKGROUND["httpd"], "apache2ctl": BACKGROUND["httpd"], "apachectl": BACKGROUND["httpd"]}

DETACHING = {
    "redis-server": ("--daemonize yes",),
    "valkey-server": ("--daemonize yes",),
    "gunicorn": ("-D", "--daemon"),
    "haproxy": ("-D",),
    "celery": ("--detach", "-D"),
    "mongod": ("--fork",),
    "mongos": ("--fork",),
    "memcached": ("-d", "--daemon"),
    "uwsgi": ("--daemonize", "--daemonize2", "-d"),
    "mysqld": ("--daemonize", "-D"),
    "mariadbd": ("--daemonize",),
    "dbus-daemon": ("--fork",),
}
"""Servers that stay in the foreground unless one of these is given."""

LAUNCHERS = {
    ("postfix", "start"): "postfix start-fg",
    ("celery", "multi"): "celery worker",
    ("pm2", "start"): "pm2-runtime",
    ("pm2", "restart"): "pm2-runtime",
    ("pg_ctl", "start"): "postgres",
    ("pg_ctlcluster", "start"): "postgres",
    ("rabbitmq-server", "-detached"): "rabbitmq-server without -detached",
    ("supervisorctl", "start"): "the program itself",
    ("apachectl", "start"): "apachectl -DFOREGROUND",
    ("apache2ctl", "start"): "apache2ctl -DFOREGROUND",
    ("httpd", "start"): "httpd -DFOREGROUND",
}
"""Commands that start something in the background and exit, by their first word and one of the others."""
SERVICE_MANAGERS = ("service", "systemctl", "rc-service", "invoke-rc.d", "initctl")
STARTS = ("start", "restart", "reload-or-restart", "force-reload")

NO_SIGNALS = {
    "npm": "run node itself",
    "npx": "run the command itself",
    "yarn": "run node itself",
    "yarnpkg": "run node itself",
    "pnpm": "run node itself",
}
"""Commands that do not forward signals reliably, and what to do instead."""


def warnings_on(command: tuple[str, ...], is_oneshot: bool, read: Callable[[str], str]) -> Iterator[str]:
    """Yield a warning if the command leaves a daemon behind.

    `read` returns the text of a file, or an empty string if it cannot be read.
    """
    name, words = server_name(command[0]), command[1:]
    server = BACKGROUND.get(name)
    if server is not None and _stays(server, words, read):
        return
    if (foreground := _launched(command[0], name, words)) is not None:
        if is_oneshot:
            yield (
                f"{name} leaves a daemon behind, which supinit kills when the command has exited: "
                f"make {foreground} a program of its own"
            )
        else:
            yield f"{name} starts a daemon in the background and exits: run {foreground} in the foreground instead"
    elif server is not None:
        yield f"{name} goes to the background and then looks as if it had exited: add {server.stays[0]}"
    elif flag := next((flag for flag in DETACHING.get(name, ()) if _has(flag, words)), None):
        yield f"{flag} sends {name} to the background, where it looks as if it had exited: remove it"


def server_name(path: str) -> str:
    """Return the name of a server's executable, without a version: php-fpm8.2 is php-fpm."""
    name = os.path.basename(path)
    return next((prefix for prefix in ("php-fpm", "uwsgi") if name.startswith(prefix)), name)


def _launched(path: str, name: str, words: tuple[str, ...]) -> str | None:
    """Return what to run in the foreground instead of a command that starts something in the background."""
    for word in words:
        if (name, word) in LAUNCHERS:
            return LAUNCHERS[name, word] if "--no-daemon" not in words else None
    if name in SERVICE_MANAGERS and any(word in STARTS for word in words):
        targets = [word for word in words if not word.startswith("-") and word not in STARTS]
        return targets[0].removesuffix(".service") if targets else "the server"
    if path.startswith(("/etc/init.d/", "/etc/rc.d/")) and any(word in STARTS for word in words):
        return name
    return None


def _stays(server: Server, words: tuple[str, ...], read: Callable[[str], str]) -> bool:
    if any(_has(flag, words) or _has_letter(flag, words) for flag in server.stays):
        return True
    if not server.setting:
        return False
    named = [words[index + 1] for index, word in enumerate(words[:-1]) if word in ("-y", "--fpm-config")]
    return any(_says(read(file), server.setting) for file in (*named, *server.files))


def _says(text: str, setting: str) -> bool:
    wanted = "".join(setting.split())
    return any("".join(line.partition(";")[0].split()) == wanted for line in text.splitlines())


def _has(flag: str, words: tuple[str, ...]) -> bool:
    name, space, value = flag.partition(" ")
    if space:
        return (name, value) in itertools.pairwise(words) or f"{name}={value}" in words
    if flag.startswith("-D") and len(flag) > 2 and ("-D", flag[2:]) in itertools.pairwise(words):
        return True  # httpd -D FOREGROUND
    return any(word == flag or word.startswith(flag + "=") for word in words)


def _has_letter(flag: str, words: tuple[str, ...]) -> bool:
    """Whether a flag of one letter stands among others: -D in -De."""
    return len(flag) == 2 and any(word[:1] == "-" and word[1:].isalnum() and flag[1] in word[1:] for word in words)
