"""`sockets`: what is written, the record that comes of it, and `${sockets.NAME.fd}`."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from supervisor.cli.check import describe
from supervisor.config.lint import lint
from supervisor.config.load import expand, load
from supervisor.config.privileges import own_privileges
from supervisor.config.socket_lint import obstacles
from supervisor.core.plan import make_plan
from supervisor.core.program import Program
from supervisor.core.record import replace
from supervisor.core.sockets import DescriptorText, ListenSocket, SocketType

from .documents import problems_of, program_of, table_of

LONGEST = "/" + "x" * 106


def sockets_of(keys: str) -> tuple[ListenSocket, ...]:
    return program_of(f"sockets: {{http: {{{keys}}}}}").sockets


@pytest.mark.parametrize(
    ("keys", "socket"),
    [
        ("listen: '0.0.0.0:8000'", ListenSocket("http", ("0.0.0.0", 8000))),
        ("listen: 127.0.0.1:80, backlog: 1024", ListenSocket("http", ("127.0.0.1", 80), backlog=1024)),
        ("listen: 'localhost:80'", ListenSocket("http", ("127.0.0.1", 80))),
        ("listen: '[::]:8000'", ListenSocket("http", ("::", 8000))),
        ("listen: '[0:0:0:0:0:0:0:1]:8000'", ListenSocket("http", ("::1", 8000))),
        ("listen: '0.0.0.0:53', type: datagram", ListenSocket("http", ("0.0.0.0", 53), SocketType.DATAGRAM)),
        ("listen: /run/app.sock", ListenSocket("http", "/run/app.sock")),
        (f"listen: {LONGEST}", ListenSocket("http", LONGEST)),
        ("listen: /a, mode: '0660', user: '5', group: '7'", ListenSocket("http", "/a", mode=0o660, uid=5, gid=7)),
        ("listen: /a, user: '5:6'", ListenSocket("http", "/a", uid=5, gid=6)),
        ("listen: '${HOST:-127.0.0.1}:${PORT:-8000}'", ListenSocket("http", ("127.0.0.1", 8000))),
    ],
)
def test_a_socket_has_an_address_and_what_belongs_to_it(keys: str, socket: ListenSocket) -> None:
    assert sockets_of(keys) == (socket,)


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("listen: 8000", "lacks the host: write 0.0.0.0:8000, or [::]:8000 for IPv4 and IPv6"),
        ("listen: ':8000'", "lacks the host: write 0.0.0.0:8000, or [::]:8000 for IPv4 and IPv6"),
        ("listen: 'db:80'", "cannot listen on 'db': names are not looked up, write an IP address"),
        ("listen: '::1:80'", "cannot listen on '::1': an IPv6 address is written as [::1], without a zone"),
        ("listen: '[fe80::1%eth0]:80'", "an IPv6 address is written as [::1], without a zone"),
        ("listen: '0.0.0.0:0'", "cannot be '0.0.0.0:0' (allowed: an IP address with a port"),
        ("listen: '0.0.0.0:65536'", "cannot be '0.0.0.0:65536'"),
        ("listen: run/app.sock", "cannot be 'run/app.sock'"),
        ("listen: '@app'", "cannot be an abstract socket: write an absolute path"),
        ("listen: /run/", "cannot be a directory"),
        (f"listen: {LONGEST}x", "is a path of 108 bytes, but the kernel takes no more than 107"),
        ("backlog: 5", "required key 'listen' is missing"),
        ("listen: 0.0.0.0:80, backlog: 0", "cannot be '0'"),
        ("listen: 0.0.0.0:80, backlog: 2147483648", "cannot be '2147483648'"),
        ("listen: 0.0.0.0:80, mode: '0660'", "cannot be used with an IP address: only a path has an owner and a mode"),
        ("listen: 0.0.0.0:80, group: root", "cannot be used with an IP address"),
        ("listen: /a, type: datagram, backlog: 5", "cannot be used with type: datagram, which has no connections"),
        ("listen: /a, type: seqpacket", "cannot be 'seqpacket'"),
    ],
)
def test_a_socket_that_cannot_be_is_refused(keys: str, sentence: str) -> None:
    [problem] = problems_of(f"programs: {{web: {{command: web, sockets: {{http: {{{keys}}}}}}}}}")
    assert "programs.web.sockets.http" in problem
    assert sentence in problem


@pytest.mark.parametrize("name", ["a:b", "a.b", "-a", "a b"])
def test_the_name_of_a_socket_can_stand_in_listen_fdnames(name: str) -> None:
    assert len(problems_of(f"programs: {{web: {{command: web, sockets: {{'{name}': {{listen: /a}}}}}}}}")) == 1


TWO = "programs: {{a: {{command: a, sockets: {{s: {{{0}}}}}{2}}}, b: {{command: b, sockets: {{t: {{{1}}}}}}}}}"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("listen: 0.0.0.0:80", "listen: 0.0.0.0:80"),
        ("listen: 0.0.0.0:80", "listen: 127.0.0.1:80"),
        ("listen: '[::]:80'", "listen: 0.0.0.0:80"),
        ("listen: 127.0.0.1:80", "listen: '[::]:80'"),
        ("listen: /a", "listen: /a, type: datagram"),
    ],
)
def test_two_programs_cannot_have_one_address(one: str, other: str) -> None:
    address = table_of(TWO.format(other, "listen: 127.0.0.9:9", "")).programs[0].sockets[0].listen
    [problem] = problems_of(TWO.format(one, other, ""))
    assert f"programs.b.sockets.t.listen: cannot listen on {address}: programs.a.sockets.s takes" in problem


@pytest.mark.parametrize(
    ("one", "other", "more"),
    [
        ("listen: 0.0.0.0:80", "listen: 0.0.0.0:80, type: datagram", ""),
        ("listen: 0.0.0.0:80", "listen: '[::1]:80'", ""),
        ("listen: 127.0.0.1:80", "listen: 127.0.0.2:80", ""),
        ("listen: 0.0.0.0:80", "listen: 0.0.0.0:80", ", profiles: [dev]"),
        ("listen: 0.0.0.0:80", "listen: 0.0.0.0:80", ", autostart: false"),
    ],
)
def test_two_programs_may_have_addresses_that_do_not_meet(one: str, other: str, more: str) -> None:
    assert [len(program.sockets) for program in table_of(TWO.format(one, other, more)).programs] == [1, 1]


# ---- descriptors


def test_command_and_environment_may_name_descriptors() -> None:
    program = table_of("""
        programs:
          web:
            command: [uvicorn, --fd, "${sockets.http.fd}", "$${sockets.http.fd}"]
            environment: {A: "x${sockets.my-api.fd}", B: "${sockets.http.fd}:${HOST:-h}", C: "$${sockets.http.fd}"}
            sockets: {http: {listen: 0.0.0.0:80}, my-api: {listen: /a}}
        """).programs[0]
    assert program.command == ("uvicorn", "--fd", "3", "${sockets.http.fd}")
    assert program.environment == (
        ("A", DescriptorText("x4")),
        ("B", DescriptorText("3:h")),
        ("C", "${sockets.http.fd}"),
    )


def test_a_list_of_variables_may_name_descriptors() -> None:
    program = program_of("environment: ['A=${sockets.http.fd}', B=3], sockets: {http: {listen: /a}}")
    assert program.environment == (("A", DescriptorText("3")), ("B", "3"))


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("pre_start: [[x, '${sockets.http.fd}']]", "can be used only in command and environment"),
        ("healthcheck: {test: [CMD, x, '${sockets.http.fd}']}", "can be used only in command and environment"),
        ("working_dir: '/${sockets.http.fd}'", "can be used only in command and environment"),
        ("environment: {A: '${sockets.htp.fd}'}", "unknown socket in ${sockets.htp.fd}, did you mean http?"),
        ("environment: {A: '${sockets.http.port}'}", "unknown socket in ${sockets.http.port}"),
        ("environment: {A: '${sockets.http.fd:-3}'}", "unknown socket in ${sockets.http.fd:-3}"),
    ],
)
def test_a_descriptor_is_named_only_where_it_is(keys: str, sentence: str) -> None:
    document = f"programs: {{web: {{command: web, sockets: {{http: {{listen: /a}}}}, {keys}}}}}"
    [problem] = problems_of(document)
    assert sentence in problem


def test_a_program_without_sockets_cannot_name_a_descriptor() -> None:
    [problem] = problems_of("programs: {web: {command: [web, '${sockets.http.fd}']}}")
    assert "cannot replace ${sockets.http.fd}: there are no sockets here" in problem


def test_the_descriptor_of_a_socket_is_not_that_of_the_notification() -> None:
    keys = "sockets: {a: {listen: /a}, b: {listen: /b}}, ready: {notify: {fd: %d}}"
    [problem] = problems_of(f"programs: {{web: {{command: web, {keys % 4}}}}}")
    assert "descriptor 4 is that of a socket (allowed: 5 or more)" in problem
    assert program_of(keys % 5).ready.notify == 5


def test_the_file_of_a_socket_is_not_cleared() -> None:
    keys = "sockets: {http: {listen: /a}}, clear_before_start: [/b, /a]"
    [problem] = problems_of(f"programs: {{web: {{command: web, {keys}}}}}")
    assert "cannot remove /a: it is the socket http, which supinit keeps" in problem


# ---- presets


def environment_of(preset: str, more: str = "") -> tuple[tuple[str, object], ...]:
    sockets = "sockets: {http: {listen: '127.0.0.1:${PORT:-80}'}, local: {listen: /a}}"
    program: Program = program_of(f"preset: {preset}, {sockets}, {more}")
    return program.environment


def test_presets_pass_sockets_in_the_servers_own_variable() -> None:
    assert environment_of("nginx") == (("NGINX", DescriptorText("3:4:")),)
    assert environment_of("php-fpm") == (("FPM_SOCKETS", DescriptorText("127.0.0.1:80=3,/a=4")),)
    assert environment_of("gunicorn") == ()
    assert environment_of("nginx", "environment: {NGINX: '', B: x}") == (("NGINX", ""), ("B", "x"))
    assert program_of("preset: nginx").environment == ()


def test_an_expanded_preset_says_the_same(tmp_path: Path) -> None:
    text = "programs: {web: {preset: nginx, command: nginx, sockets: {http: {listen: /a}}}}"
    table_of(text)
    expanded = tmp_path / "expanded.yaml"
    expanded.write_text(expand("supinit.yaml", {}))
    assert yaml.safe_load(expanded.read_text())["programs"]["web"]["environment"] == {"NGINX": "${sockets.http.fd}:"}
    assert load(str(expanded), {}).programs == table_of(text).programs


# ---- warnings


BLIND = (
    "healthcheck.tcp always passes: supinit itself keeps the socket, so a connection says nothing about the server "
    "(use http, uwsgi, fastcgi or test)"
)
FORKING = (
    "nginx does not go into the background with sockets, so a start by type: forking never ends: "
    "remove type: forking, and use the command nginx -g 'daemon off;'"
)
UNUSED = "{} does not know LISTEN_FDS and would not use the sockets: add {}"


@pytest.mark.parametrize(
    ("keys", "warnings"),
    [
        ("[nginx, -g, daemon off;]", [UNUSED.format("nginx", "preset: nginx, which sets NGINX")]),
        ("[nginx, -g, daemon off;], preset: nginx", []),
        ("[nginx], preset: nginx, type: forking, pid_file: /run/nginx.pid", [FORKING]),
        ("[php-fpm8.2, -F]", [UNUSED.format("php-fpm", "preset: php-fpm, which sets FPM_SOCKETS")]),
        ("[uvicorn, app]", [UNUSED.format("uvicorn", "--fd ${sockets.NAME.fd}")]),
        ("[uvicorn, --fd, '${sockets.http.fd}', app]", []),
        ("[uvicorn, '--fd=${sockets.http.fd}', app]", []),
        ("[hypercorn, app]", [UNUSED.format("hypercorn", "--bind fd://${sockets.NAME.fd}")]),
        ("[hypercorn, --bind, 'fd://${sockets.http.fd}', app]", []),
        ("[gunicorn, --bind=0.0.0.0:80, app]", ["gunicorn takes the sockets from LISTEN_FDS: remove --bind"]),
        ("[gunicorn, app]", []),
        (
            "[uwsgi, --master, --need-app, --http-socket, ':80']",
            ["uwsgi takes the sockets from LISTEN_FDS: remove --http-socket"],
        ),
        ("web, healthcheck: {tcp: '127.0.0.1:8000'}", [BLIND]),
        ("web, healthcheck: {tcp: '127.0.0.1:8001'}", []),
        ("web, healthcheck: {http: {url: 'http://127.0.0.1:8000/'}}", []),
    ],
)
def test_a_server_that_would_not_use_its_sockets_is_warned_of(keys: str, warnings: list[str]) -> None:
    table = table_of(f"programs: {{web: {{command: {keys}, sockets: {{http: {{listen: 0.0.0.0:8000}}}}}}}}")
    assert list(lint(table.programs[0])) == warnings


def test_check_tells_what_cannot_be_bound_here(tmp_path: Path) -> None:
    table = table_of(f"""
        programs:
          web:
            command: "true"
            runtime_directory: [{tmp_path}/made]
            sockets:
              low: {{listen: "0.0.0.0:1"}}
              high: {{listen: "0.0.0.0:65535"}}
              made: {{listen: {tmp_path}/made/a}}
              there: {{listen: {tmp_path}/a}}
              missing: {{listen: {tmp_path}/missing/a}}
        """)
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as file:
        first = int(file.read())
    low = f"sockets.low.listen: supinit may not bind ports below {first} here: it runs without CAP_NET_BIND_SERVICE"
    folder = f"{tmp_path}/missing is not a directory on this file system"
    missing = f"sockets.missing.listen: {folder} (runtime_directory makes it)"
    nobody = replace(own_privileges(), permitted=0)
    root = replace(own_privileges(), permitted=1 << 10)
    assert list(obstacles(table.programs[0], nobody)) == ([low] if first > 1 else []) + [missing]
    assert list(obstacles(table.programs[0], root)) == [missing]


def test_the_plan_shows_sockets_with_their_descriptors() -> None:
    table = table_of("""
        programs:
          web: {command: web, sockets: {http: {listen: "[::]:80"}, api: {listen: /run/api.sock, type: datagram}}}
          db: {command: db}
        """)
    lines = list(describe(make_plan(table)))
    assert lines[lines.index("sockets:") :][:3] == [
        "sockets:",
        "  web  descriptor 3: http, [::]:80 (stream)",
        "  web  descriptor 4: api, /run/api.sock (datagram)",
    ]
    assert "sockets:" not in list(describe(make_plan(table_of("programs: {web: {command: web}}"))))
