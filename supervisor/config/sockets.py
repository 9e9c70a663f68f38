"""The sockets of a program: `sockets`, and `${sockets.NAME.fd}` in its command and its environment.

Only a table with `sockets` loads this module.
"""

from __future__ import annotations

from supervisor.config.kinds import MapOf, Value, or_variable
from supervisor.config.reading import quote, suggestion
from supervisor.config.scalars import GROUP, MODE, NAME_LETTERS, USER, integer, is_name, words
from supervisor.config.sections import Key, Section
from supervisor.config.tree import Mapping, Scalar, Sequence
from supervisor.core.protocol import MAX_SOCKET_PATH
from supervisor.core.quantities import parse_integer
from supervisor.core.sockets import FIRST, DescriptorText, ListenSocket, SocketType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Mapping as MappingOf
    from typing import Any

    from supervisor.config.kinds import Schema
    from supervisor.config.reading import Reading
    from supervisor.config.sections import SectionReading
    from supervisor.config.tree import Node
    from supervisor.core.interpolation import Variables
    from supervisor.core.program import Credentials

PREFIX, SUFFIX = "sockets.", ".fd"
ANY_4, ANY_6 = "0.0.0.0", "::"
MAX_BACKLOG = 2**31 - 1
"""listen(2) takes an int."""
UNIX_ONLY = ("mode", "user", "group")


def _listen(text: str) -> str | tuple[str, int] | None:
    """Read an address, or return None. Raises ValueError if there is a more helpful message than the allowed values."""
    if text.startswith("/"):
        return _path(text)
    if text.startswith("@"):
        raise ValueError("cannot be an abstract socket: write an absolute path")
    host, colon, port_text = text.rpartition(":")
    port = parse_integer(port_text) if port_text[:1].isdigit() else None
    if port is None or not 1 <= port <= 65535:
        return None
    if not colon or not host:
        raise ValueError(f"lacks the host: write 0.0.0.0:{port}, or [::]:{port} for IPv4 and IPv6")
    return _host(host), port


def _path(text: str) -> str:
    size = len(text.encode("utf-8", "surrogateescape"))
    if size > MAX_SOCKET_PATH:
        raise ValueError(f"is a path of {size} bytes, but the kernel takes no more than {MAX_SOCKET_PATH}")
    if text.endswith("/"):
        raise ValueError("cannot be a directory")
    return text


def _host(host: str) -> str:
    """Return an IP address in its canonical form."""
    from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton

    is_v6 = host.startswith("[") and host.endswith("]")
    family = AF_INET6 if is_v6 else AF_INET
    try:
        return inet_ntop(
            family, inet_pton(family, host[1:-1] if is_v6 else "127.0.0.1" if host == "localhost" else host)
        )
    except OSError:
        pass
    if is_v6 or ":" in host:
        raise ValueError(f"cannot listen on {quote(host)}: an IPv6 address is written as [::1], without a zone")
    raise ValueError(f"cannot listen on {quote(host)}: names are not looked up, write an IP address")


LISTEN = Value(
    _listen,
    "an IP address with a port, such as 0.0.0.0:8000 or [::]:8000, or an absolute path",
    or_variable({"type": "string", "pattern": "^/|^[^:]+:[0-9]+$|^\\[[0-9A-Fa-f:.]+\\]:[0-9]+$"}),
)
SOCKET_NAME = Value(
    lambda text: text if is_name(text, NAME_LETTERS - {"."}) else None,
    "letters, digits, underscores and dashes, starting with a letter or digit",
    {"pattern": "^[A-Za-z0-9][A-Za-z0-9_-]*$"},
)


class _Fitting:
    """`mode`, `user` and `group` require a path, `backlog` a stream socket."""

    def check(self, place: SectionReading) -> None:
        address = place.values.get("listen")
        for key in UNIX_ONLY:
            if key in place.given and isinstance(address, tuple):
                place.problem_with(key, "cannot be used with an IP address: only a path has an owner and a mode")
        if "backlog" in place.given and place.values.get("type") is SocketType.DATAGRAM:
            place.problem_with("backlog", "cannot be used with type: datagram, which has no connections")

    def json_schema(self) -> Schema:
        is_path: Schema = {"properties": {"listen": {"anyOf": [{"pattern": "^/"}, {"$ref": "#/$defs/variable"}]}}}
        is_stream: Schema = {"properties": {"type": {"not": {"const": SocketType.DATAGRAM.value}}}}
        return {
            "allOf": [
                *({"if": _given(key), "then": is_path} for key in UNIX_ONLY),
                {"if": _given("backlog"), "then": is_stream},
            ]
        }


def _given(key: str) -> Schema:
    return {"required": [key], "properties": {key: {"not": {"type": "null"}}}}


def _make(listen: str | tuple[str, int], user: Credentials | None = None, **given: Any) -> ListenSocket:
    fields = {key: given[key] for key in ("backlog", "mode") if key in given}
    uid = None if user is None else user.uid
    gid = given.get("group", None if user is None else user.gid)
    return ListenSocket("", listen, given.get("type", SocketType.STREAM), uid=uid, gid=gid, **fields)


SOCKET = Section(
    Key(
        "listen",
        LISTEN,
        "Address: IP:PORT, [IPv6]:PORT ([::] takes IPv4, too), or an absolute path for a Unix socket.",
        is_required=True,
    ),
    Key("type", words(SocketType), "stream: connections (TCP). datagram: single messages (UDP).", "stream"),
    Key(
        "backlog",
        integer(1, MAX_BACKLOG),
        "Connections that may wait in the kernel, at most net.core.somaxconn. A server that calls listen(2) itself"
        " changes it.",
        4096,
    ),
    Key("mode", MODE, "File mode of a Unix socket.", "0666"),
    Key("user", USER, "Owner of a Unix socket, and optionally its group. Default: the program's user."),
    Key("group", GROUP, "Group of a Unix socket. Default: the program's."),
    make=_make,
    rules=(_Fitting(),),
)


def _named(name: str, socket: ListenSocket) -> ListenSocket:
    from supervisor.core.record import replace

    return replace(socket, name=name)


SOCKETS = MapOf(SOCKET_NAME, SOCKET, "a mapping of names to sockets", _named)


class Descriptors:
    """The descriptors of one program while its keys are read. `path`: that of the program."""

    def __init__(self, path: str, names: Iterable[str], environ: MappingOf[str, str]) -> None:
        self._places = tuple(f"{path}.{key}" for key in ("command", "environment"))
        self._numbers = {name: str(number) for number, name in enumerate(names, FIRST)}
        self._environ = environ
        self._naming: set[int] = set()
        """The scalars that name a descriptor."""

    def variables_at(self, scalar: Scalar, path: str) -> Variables:
        """Return the variables for one value."""
        return _Variables(self, self._environ, scalar, path)

    def look_up(self, name: str, scalar: Scalar, path: str) -> str:
        """Return what `sockets.NAME.fd` stands for. Raises ValueError."""
        if not path.startswith(self._places):
            raise ValueError(
                f"${{{name}}} can be used only in command and environment: other processes do not have the descriptor"
            )
        socket = name.removeprefix(PREFIX).removesuffix(SUFFIX)
        if not name.endswith(SUFFIX) or socket not in self._numbers:
            known = ", ".join(f"${{{PREFIX}{other}{SUFFIX}}}" for other in self._numbers)
            raise ValueError(f"unknown socket in ${{{name}}}{suggestion(socket, self._numbers)} (allowed: {known})")
        self._naming.add(id(scalar))
        return self._numbers[socket]

    def mark(self, place: SectionReading) -> None:
        """Mark the variables of a program that name a descriptor."""
        node = place.given.get("environment")
        if node is None or "environment" not in place.values:
            return
        names = set(self._names_in(node))
        place.values["environment"] = tuple(
            (name, DescriptorText(value) if name in names else value) for name, value in place.values["environment"]
        )

    def _names_in(self, node: Node) -> Iterator[str]:
        if type(node) is Mapping:
            yield from (name for name, (_, value) in node.entries.items() if id(value) in self._naming)
        elif type(node) is Sequence:
            for item in node.items:
                if type(item) is Scalar and id(item) in self._naming:
                    yield item.text.partition("=")[0]


class _Variables:
    """Looks up the variables of the environment, and the descriptors of the program."""

    def __init__(self, descriptors: Descriptors, environ: MappingOf[str, str], scalar: Scalar, path: str) -> None:
        self._descriptors = descriptors
        self._environ = environ
        self._at = scalar, path

    def get(self, name: str, /) -> str | None:
        return self._descriptors.look_up(name, *self._at) if name.startswith(PREFIX) else self._environ.get(name)


def descriptors_of(node: Node, path: str, reading: Reading) -> Descriptors | None:
    """Return the descriptors of the program at this node, or None if it has no sockets."""
    entry = node.entries.get("sockets") if type(node) is Mapping else None
    if entry is None or type(entry[1]) is not Mapping:
        return None
    return Descriptors(path, entry[1].entries, reading.environ)


def check_sockets(places: MappingOf[str, SectionReading], reading: Reading) -> None:
    """Report sockets that exclude each other, or another key of their program."""
    bound: list[tuple[str, ListenSocket]] = []
    for place in places.values():
        sockets: tuple[ListenSocket, ...] = place.values.get("sockets", ())
        if not sockets:
            continue
        _check_notify(place, len(sockets), reading)
        cleared = place.values.get("clear_before_start", ())
        for socket in sockets:
            if socket.address in cleared:
                sentence = f"cannot remove {socket.listen}: it is the socket {socket.name}, which supinit keeps"
                reading.problem(place.given["clear_before_start"], f"{place.path}.clear_before_start", sentence)
            if not place.values.get("autostart", True) or place.values.get("profiles"):
                continue  # perhaps only one of them ever starts
            path = f"{place.path}.sockets.{socket.name}"
            other = next((other for other, first in bound if exclude_each_other(first, socket)), None)
            if other is not None:
                sentence = f"cannot listen on {socket.listen}: {other} takes that address"
                reading.problem(_node_of(place, socket.name), f"{path}.listen", sentence)
            bound.append((path, socket))


def exclude_each_other(one: ListenSocket, other: ListenSocket) -> bool:
    """Return whether the kernel refuses to bind both. [::] also takes IPv4."""
    if isinstance(one.address, str) or isinstance(other.address, str):
        return one.address == other.address
    if one.kind is not other.kind or one.address[1] != other.address[1]:
        return False
    hosts = {one.address[0], other.address[0]}
    return len(hosts) == 1 or ANY_6 in hosts or (ANY_4 in hosts and not any(":" in host for host in hosts))


def _check_notify(place: SectionReading, count: int, reading: Reading) -> None:
    ready = place.values.get("ready")
    if ready is not None and isinstance(ready.notify, int) and ready.notify < FIRST + count:
        sentence = f"descriptor {ready.notify} is that of a socket (allowed: {FIRST + count} or more)"
        reading.problem(place.given["ready"], f"{place.path}.ready.notify.fd", sentence)


def _node_of(place: SectionReading, name: str) -> Node:
    node = place.given["sockets"]
    return node.entries[name][1] if type(node) is Mapping else node
