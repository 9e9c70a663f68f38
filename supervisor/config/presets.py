"""Keys that well-known servers need to be started, reloaded and stopped as their manuals say.

A preset is written into the table before the table is read, and `supinit --check --expand` shows the result. The
program's own keys take precedence; `environment` is merged.

Sources: nginx.org/en/docs/control.html; uwsgi-docs: Management, Hooks; php-fpm(8); docs.gunicorn.org: Signal Handling;
docs.celeryq.dev: Workers Guide; httpd.apache.org/docs/2.4/stopping.html; the HAProxy management guide, 4;
postgresql.org/docs/current/server-shutdown.html; redis.io/docs: Redis signal handling.
"""

from __future__ import annotations

from supervisor.config.tree import Mapping, Scalar, Sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.config.tree import Node

    Written = str | list["Written"] | dict[str, "Written"]


def _steps(*steps: tuple[str, str]) -> Written:
    return [{"signal": signal, "wait": wait} for signal, wait in steps]


PRESETS: dict[str, dict[str, Written]] = {
    # QUIT stops gracefully, TERM fast
    "nginx": {"stop": _steps(("SIGQUIT", "30s"), ("SIGTERM", "5s")), "reload_signal": "SIGHUP"},
    # TERM reloads by default; the hook makes it stop gracefully. QUIT kills at once. A master that is still starting
    # its workers may miss the first SIGTERM; a second one does no harm
    "uwsgi": {
        "environment": {"UWSGI_HOOK_MASTER_START": "unix_signal:15 gracefully_kill_them_all"},
        "stop": _steps(("SIGTERM", "1s"), ("SIGTERM", "29s"), ("SIGQUIT", "5s")),
        "reload_signal": "SIGHUP",
        "ready": {"fail_log": "no python application found|unable to load app"},
    },
    # QUIT stops gracefully, USR2 reloads gracefully
    "php-fpm": {"stop": _steps(("SIGQUIT", "30s"), ("SIGTERM", "5s")), "reload_signal": "SIGUSR2"},
    # TERM stops gracefully, QUIT fast
    "gunicorn": {"stop": _steps(("SIGTERM", "35s"), ("SIGQUIT", "5s")), "reload_signal": "SIGHUP"},
    # TERM to the main process only is the warm shutdown, QUIT the cold one
    "celery": {"stop": _steps(("SIGTERM", "60s"), ("SIGQUIT", "10s"))},
    # WINCH is graceful-stop, USR1 graceful; a stale PID file prevents a start. apache2ctl is a shell around the server,
    # which ignores WINCH, so the group gets it; a worker that does stops accepting as it would for its parent
    "apache": {
        "stop": [
            {"signal": "SIGWINCH", "wait": "30s", "scope": "group"},
            {"signal": "SIGTERM", "wait": "5s", "scope": "group"},
        ],
        "reload_signal": "SIGUSR1",
        "clear_before_start": ["/run/apache2/apache2.pid", "/usr/local/apache2/logs/httpd.pid"],
    },
    # USR1 is the soft stop, USR2 to the master process reloads
    "haproxy": {"stop": _steps(("SIGUSR1", "30s"), ("SIGTERM", "5s")), "reload_signal": "SIGUSR2"},
    # INT is the fast shutdown: it disconnects clients, loses nothing. TERM waits for clients, QUIT is immediate
    "postgres": {"stop": _steps(("SIGINT", "60s"), ("SIGQUIT", "10s")), "reload_signal": "SIGHUP"},
    # TERM saves the data set before the exit
    "redis": {"stop": _steps(("SIGTERM", "30s"))},
}


def apply_preset(node: Node) -> Node:
    """Return a program with its preset expanded. Return any other node, or one with an unknown preset, unchanged."""
    if type(node) is not Mapping or "preset" not in node.entries:
        return node
    key, chosen = node.entries["preset"]
    preset = PRESETS.get(chosen.text) if type(chosen) is Scalar else None
    if preset is None:
        return node
    keys = _as_written(preset, node)
    if "sockets" in node.entries and type(chosen) is Scalar:
        keys |= _pass_sockets(chosen.text, node.entries["sockets"][1])
    entries = {name: (_scalar(name, chosen), _node(value, chosen)) for name, value in keys.items()}
    own = node.entries
    if "environment" in own and "environment" in entries:
        own = own | {"environment": (own["environment"][0], _join(entries["environment"][1], own["environment"][1]))}
    return Mapping({"preset": (key, chosen), **entries, **own}, node.file, node.line, node.column)


def _as_written(preset: dict[str, Written], node: Mapping) -> dict[str, Written]:
    """Return the keys of a preset in the form the program uses: with a grace period of its own, the first signal."""
    keys = dict(preset)
    if "stop_signal" in node.entries or "stop_grace_period" in node.entries:
        match keys.pop("stop"):
            case [{"signal": signal, "wait": wait}, *_]:
                keys |= {"stop_signal": signal, "stop_grace_period": wait}
    if "reload_command" in node.entries:
        keys.pop("reload_signal", None)
    return keys


def _pass_sockets(server: str, sockets: Node) -> dict[str, Written]:
    """Return the variable that passes sockets to a server without support for sd_listen_fds(3).

    nginx takes over those of a binary that it replaces (NGINX), php-fpm those of its own reload (FPM_SOCKETS). Both
    compare the addresses with what their configuration says.
    """
    if type(sockets) is not Mapping:
        return {}
    if server == "nginx":
        return {"environment": {"NGINX": "".join(f"${{sockets.{name}.fd}}:" for name in sockets.entries)}}
    if server == "php-fpm":
        named = ((name, _listen_of(socket)) for name, (_, socket) in sockets.entries.items())
        return {"environment": {"FPM_SOCKETS": ",".join(f"{listen}=${{sockets.{name}.fd}}" for name, listen in named)}}
    return {}


def _listen_of(socket: Node) -> str:
    """Return the address as it is written, or an empty string where there is none."""
    listen = socket.entries.get("listen") if type(socket) is Mapping else None
    return listen[1].text if listen is not None and type(listen[1]) is Scalar else ""


def _join(preset: Node, own: Node) -> Node:
    """Merge the variables of both, where the program's own take precedence. A list stays a list."""
    if type(own) is Mapping and type(preset) is Mapping:
        return Mapping(preset.entries | own.entries, own.file, own.line, own.column)
    if type(own) is Sequence and type(preset) is Mapping:
        named = {item.text.partition("=")[0] for item in own.items if type(item) is Scalar}
        pairs = ((name, value) for name, (_, value) in preset.entries.items() if name not in named)
        added = [_scalar(f"{name}={value.text}", own) for name, value in pairs if type(value) is Scalar]
        return Sequence([*added, *own.items], own.file, own.line, own.column)
    return own


def _node(value: Written, at: Node) -> Node:
    """Return a value of a preset as a node at the position of `at`."""
    if isinstance(value, str):
        return _scalar(value, at)
    if isinstance(value, list):
        return Sequence([_node(item, at) for item in value], at.file, at.line, at.column)
    entries = {name: (_scalar(name, at), _node(item, at)) for name, item in value.items()}
    return Mapping(entries, at.file, at.line, at.column)


def _scalar(text: str, at: Node) -> Scalar:
    return Scalar(text, False, at.file, at.line, at.column)
