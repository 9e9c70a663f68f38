"""Warnings about valid sockets that cannot be bound here or that the program would not use."""

from __future__ import annotations

import os

from supervisor.config.servers import server_name
from supervisor.core.healthcheck import TcpProbe, UnixProbe
from supervisor.core.program import ProgramType
from supervisor.core.sockets import DescriptorText

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from supervisor.config.privileges import Privileges
    from supervisor.core.healthcheck import Probe
    from supervisor.core.program import Program

CAP_NET_BIND_SERVICE = 10
FIRST_FREE_PORT = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
UNUSED = "{} does not know LISTEN_FDS and would not use the sockets"
OWN_VARIABLES = {"nginx": "NGINX", "php-fpm": "FPM_SOCKETS"}
"""The variable with the sockets, for servers that do not know LISTEN_FDS."""
NUMBERED = {"uvicorn": "--fd", "hypercorn": "--bind"}
"""The option that takes a descriptor, for servers that read neither variable."""
SHADOWED = {
    "gunicorn": ("-b", "--bind"),
    "uwsgi": ("-s", "--socket", "--uwsgi-socket", "--http", "--http-socket", "--http11-socket"),
}
"""Options that name an address, of servers that take their sockets from LISTEN_FDS."""


def lint_sockets(program: Program) -> Iterator[str]:
    """Yield warnings about a server that would not use its sockets, or that also listens on another address."""
    name = server_name(program.command[0])
    named = {variable for variable, _ in program.environment}
    if (variable := OWN_VARIABLES.get(name)) is not None and variable not in named:
        yield f"{UNUSED.format(name)}: add preset: {name}, which sets {variable}"
    if name == "nginx" and program.kind is ProgramType.FORKING:
        yield (
            "nginx does not go into the background with sockets, so a start by type: forking never ends: "
            "remove type: forking, and use the command nginx -g 'daemon off;'"
        )
    words = program.command[1:]
    if (option := NUMBERED.get(name)) is not None and not _names_descriptor(program):
        value = "fd://${sockets.NAME.fd}" if option == "--bind" else "${sockets.NAME.fd}"
        yield f"{UNUSED.format(name)}: add {option} {value}"
    for option in SHADOWED.get(name, ()):
        if any(word == option or word.startswith(f"{option}=") for word in words):
            yield f"{name} takes the sockets from LISTEN_FDS: remove {option}"
            break
    if program.healthcheck is not None and (key := _blind_probe(program.healthcheck.probe, program)):
        yield (
            f"healthcheck.{key} always passes: supinit itself keeps the socket, so a connection says nothing about the "
            "server (use http, uwsgi, fastcgi or test)"
        )


def _blind_probe(probe: Probe, program: Program) -> str:
    """Return the key of a probe that only connects to a socket that supinit keeps, or an empty string."""
    addresses = [socket.address for socket in program.sockets]
    if isinstance(probe, UnixProbe):
        return "unix" if probe.path in addresses else ""
    ports = [address[1] for address in addresses if not isinstance(address, str)]
    return "tcp" if isinstance(probe, TcpProbe) and probe.port in ports else ""


def _names_descriptor(program: Program) -> bool:
    """Whether a word of the command may be the number of a descriptor."""
    numbers = {str(number) for number in range(3, 3 + len(program.sockets))}
    words = (word.removeprefix("--fd=").removeprefix("fd://") for word in program.command)
    in_variable = any(isinstance(value, DescriptorText) for _, value in program.environment)
    return in_variable or not numbers.isdisjoint(words)


def obstacles(program: Program, own: Privileges) -> Iterator[str]:
    """Yield what prevents a bind here: a privileged port, or a directory that does not exist."""
    made = tuple(directory.path for directory in program.runtime_directory)
    for socket in program.sockets:
        if isinstance(socket.address, str):
            folder = os.path.dirname(socket.address)
            if not os.path.isdir(folder) and folder.rstrip("/") not in {path.rstrip("/") for path in made}:
                yield (
                    f"sockets.{socket.name}.listen: {folder} is not a directory on this file system "
                    "(runtime_directory makes it)"
                )
        elif socket.address[1] < _first_free_port() and not own.permitted >> CAP_NET_BIND_SERVICE & 1:
            yield (
                f"sockets.{socket.name}.listen: supinit may not bind ports below {_first_free_port()} here: it runs "
                "without CAP_NET_BIND_SERVICE"
            )


def _first_free_port() -> int:
    try:
        with open(FIRST_FREE_PORT, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 1024
