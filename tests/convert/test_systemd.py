"""systemd's units mean the same as a table."""

from __future__ import annotations

import pytest
import yaml

from supervisor.convert.systemd.service import CONTAINER
from supervisor.convert.systemd.spans import read_span
from supervisor.core.sockets import ListenSocket, SocketType

from .conversions import converted, folder_of, losses_in, losses_of, programs_in

FILE = "web.service"


def program_of(keys: str) -> dict[str, object]:
    programs: dict[str, dict[str, object]] = yaml.safe_load(converted(f"[Service]\n{keys}\n", FILE).table)["programs"]
    return programs["web"]


@pytest.mark.parametrize(
    ("keys", "program"),
    [
        ("ExecStart=/usr/bin/web -a 'b c'", {"command": ["/usr/bin/web", "-a", "b c"]}),
        ("ExecStart=-/usr/bin/web", {"command": ["/usr/bin/web"]}),
        ("ExecStart=@/usr/bin/web name -a", {"command": ["/usr/bin/web", "-a"]}),
        ("ExecStart=/usr/bin/web %n %t 100%%", {"command": ["/usr/bin/web", "web.service", "/run", "100%"]}),
        ("ExecStart=old\nExecStart=\nExecStart=web \\\n  a", {"command": ["web", "a"]}),
        ('Environment=A=1 "B=x y"\nExecStart=web ${A} $C',
         {"command": ["sh", "-c", 'exec web 1 "$${C}"'], "environment": {"A": "1", "B": "x y"}}),
        ("ExecStart=sh -c 'a $(b) $$ ${X:-1}'", {"command": ["sh", "-c", "a $$(b) $$ $${X:-1}"]}),
        ("ExecStart=sh -c 'a $(b) $$' ${C}x$$", {"command": ["sh", "-c", "exec sh -c 'a $$(b) $$' \"$${C}x\\$$\""]}),
        ("ExecStart=web\nExecStop=/bin/sh -c 'kill $(cat /x)'",
         {"command": ["web"], "stop": [{"command": "/bin/sh -c 'kill $$(cat /x)'", "wait": "90s"}]}),
        ("Type=notify\nTimeoutStartSec=1min 30s\nWatchdogSec=10\nExecStart=web",
         {"command": ["web"], "ready": {"notify": "systemd", "timeout": "90s"}, "watchdog": "10s"}),
        ("User=app\nGroup=www\nSupplementaryGroups=a b\nUMask=0027\nNice=5\nOOMScoreAdjust=-10\nExecStart=web",
         {"command": ["web"], "user": "app:www", "group_add": ["a", "b"], "umask": "027", "nice": 5,
          "oom_score_adj": -10}),
        ("User=app\nAmbientCapabilities=CAP_NET_BIND_SERVICE\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"
         "NoNewPrivileges=yes\nExecStart=web",
         {"command": ["web"], "user": "app", "cap_drop": ["ALL"], "cap_add": ["NET_BIND_SERVICE"],
          "no_new_privileges": True}),
        ("CapabilityBoundingSet=CAP_CHOWN\nCapabilityBoundingSet=CAP_KILL\nExecStart=web",
         {"command": ["web"], "cap_drop": ["ALL"], "cap_add": ["CHOWN", "KILL"]}),
        ("CapabilityBoundingSet=CAP_CHOWN\nCapabilityBoundingSet=\nExecStart=web",
         {"command": ["web"], "cap_drop": ["ALL"]}),
        ("User=app\nCapabilityBoundingSet=CAP_CHOWN\nCapabilityBoundingSet=~\nExecStart=web",
         {"command": ["web"], "user": "app"}),
        ("User=app\nCapabilityBoundingSet=~CAP_SYS_ADMIN CAP_NET_RAW\nNoNewPrivileges=no\nExecStart=web",
         {"command": ["web"], "user": "app", "cap_drop": ["NET_RAW", "SYS_ADMIN"]}),
        ("WorkingDirectory=-/srv\nEnvironmentFile=/etc/a\nExecStart=web",
         {"command": ["web"], "working_dir": "/srv", "env_file": ["/etc/a"]}),
        ("LimitNOFILE=64K\nLimitCORE=infinity\nLimitNPROC=1:2\nExecStart=web",
         {"command": ["web"], "ulimits": {"nofile": {"soft": 65536, "hard": 65536}, "core": {"soft": -1, "hard": -1},
                                          "nproc": {"soft": 1, "hard": 2}}}),
        ("Restart=on-failure\nRestartSec=500ms\nSuccessExitStatus=143 3\nExecStart=web",
         {"command": ["web"], "restart": "on-failure", "restart_delay": {"initial": "500ms"},
          "success_exit_codes": [0, 3, 143]}),
        ("KillSignal=SIGINT\nTimeoutStopSec=5\nExecStart=web",
         {"command": ["web"], "stop_signal": "SIGINT", "stop_grace_period": "5s"}),
        ("KillMode=control-group\nTimeoutStopSec=5\nExecStart=web",
         {"command": ["web"], "stop": [{"signal": "SIGTERM", "wait": "5s", "scope": "tree"}]}),
        ("ExecStop=/bin/kill -s QUIT $MAINPID\nExecReload=/bin/kill -USR1 ${MAINPID}\nExecStart=web",
         {"command": ["web"], "stop_signal": "SIGQUIT", "reload_signal": "SIGUSR1"}),
        ("ExecStop=/usr/bin/web stop\nExecReload=/usr/bin/web reload\nExecStart=web",
         {"command": ["web"], "stop": [{"command": "/usr/bin/web stop", "wait": "90s"}],
          "reload_command": "/usr/bin/web reload"}),
        ("StandardOutput=append:/var/log/x\nExecStart=web", {"command": ["web"],
                                                             "log": {"mode": "none", "file": "/var/log/x"}}),
        ("StandardOutput=null\nExecStart=web", {"command": ["web"], "log": {"mode": "none"}}),
    ],
)  # fmt: skip
def test_a_key_means_the_same(keys: str, program: dict[str, object]) -> None:
    assert program_of(keys) == {"restart": "no"} | program


def test_a_oneshot_runs_its_commands_in_order() -> None:
    assert program_of("Type=oneshot\nRemainAfterExit=yes\nExecStart=a\nExecStart=b 'c d'") == {
        "command": ["sh", "-c", "a && exec b 'c d'"],
        "type": "oneshot",
    }


UNITS = {
    "web.service": "[Unit]\nDescription=The web\nAfter=network.target db.service\nRequires=migrate.service\n"
    "Wants=mail.service\n[Service]\nExecStart=web\n[Install]\nWantedBy=multi-user.target\n",
    "db.service": "[Service]\nType=notify\nExecStart=db\n",
    "migrate.service": "[Unit]\nAfter=db\n[Service]\nType=oneshot\nExecStart=migrate\n",
    "proxy.service": "[Unit]\nBefore=web.service\n[Service]\nExecStart=proxy\n",
}


def test_after_and_requires_become_dependencies_on_what_is_there() -> None:
    conversion = folder_of(UNITS)
    programs = yaml.safe_load(conversion.table)["programs"]
    assert {name: program.get("depends_on") for name, program in programs.items()} == {
        "db": None,
        "migrate": {"db": {"condition": "healthy"}},
        "proxy": None,
        "web": {
            "db": {"condition": "healthy"},
            "proxy": {"condition": "started"},
            "migrate": {"condition": "completed"},
        },
    }
    assert "# The web\n" in conversion.table
    assert losses_in(UNITS) == ["web.service:1: web.service: mail.service is not in the table"]


def test_what_has_no_counterpart_is_named() -> None:
    text = (
        "[Unit]\nConditionPathExists=/x\n[Service]\nType=forking\nExecStart=web %u\nExecStopPost=rm /x\n"
        "StateDirectory=web\nPrivateTmp=yes\nRestart=on-abort\nTimeoutStopSec=soon\n"
    )
    assert losses_of(text, FILE)[-1] == f"8: {CONTAINER}: web.service PrivateTmp"
    assert {line.partition(":")[0] for line in losses_of(text, FILE)} >= {"1", "2", "5", "7", "8", "9", "10"}
    assert "5: web.service: ExecStart: %u has no counterpart: write its value" in losses_of(text, FILE)


def with_socket(keys: str, name: str = "web.socket") -> dict[str, str]:
    return {"web.service": "[Service]\nExecStart=web\n", name: f"[Socket]\n{keys}\n"}


@pytest.mark.parametrize(
    ("keys", "sockets"),
    [
        ("ListenStream=80", (ListenSocket("web", ("::", 80)),)),
        ("ListenStream=127.0.0.1:80\nBacklog=5", (ListenSocket("web", ("127.0.0.1", 80), backlog=5),)),
        ("ListenStream=[::1]:80\nFileDescriptorName=http", (ListenSocket("http", ("::1", 80)),)),
        ("ListenDatagram=53", (ListenSocket("web", ("::", 53), SocketType.DATAGRAM),)),
        (
            "ListenStream=/run/web.sock\nSocketMode=0660\nSocketUser=5\nSocketGroup=6",
            (ListenSocket("web", "/run/web.sock", mode=0o660, uid=5, gid=6),),
        ),
        ("ListenStream=80\nListenStream=/a", (ListenSocket("web", ("::", 80)), ListenSocket("web-2", "/a"))),
    ],
)
def test_a_socket_unit_beside_a_service_becomes_its_sockets(keys: str, sockets: tuple[ListenSocket, ...]) -> None:
    assert programs_in(with_socket(keys))["web"].sockets == sockets


def test_a_socket_unit_may_name_its_service() -> None:
    files = with_socket("ListenStream=80\nService=web.service", "http.socket")
    assert programs_in(files)["web"].sockets == (ListenSocket("http", ("::", 80)),)


@pytest.mark.parametrize(
    ("keys", "loss"),
    [
        ("ListenStream=80\nAccept=yes", "3: web.socket: Accept: supinit does not start a process for each connection"),
        ("ListenStream=@app", "2: web.socket: ListenStream=@app: cannot be an abstract socket: write an absolute path"),
        ("ListenStream=vsock:2:3", "2: web.socket: ListenStream=vsock:2:3: an IPv6 address is written as [::1]"),
        ("ListenStream=80\nListenFIFO=/a", "3: web.socket: ListenFIFO: supinit has no such setting of a socket"),
        ("ListenStream=80\nReusePort=yes", "3: web.socket: ReusePort: supinit has no such setting of a socket"),
    ],
)
def test_what_a_socket_unit_loses_is_named(keys: str, loss: str) -> None:
    assert any(found.startswith(f"web.socket:{loss.partition(':')[0]}:") for found in losses_in(with_socket(keys)))


@pytest.mark.parametrize(
    ("text", "duration"),
    [("5", "5s"), ("1min 30s", "90s"), ("500ms", "500ms"), ("2h", "7200s"), ("0", ""), ("1.5s", "1500ms")],
)
def test_a_time_span_becomes_a_duration(text: str, duration: str) -> None:
    assert read_span(text) == duration


def test_requires_without_after_is_an_order_unless_the_other_comes_after() -> None:
    files = {
        "a.service": "[Unit]\nRequires=b.service c.service\nBefore=b.service\n[Service]\nExecStart=a\n",
        "b.service": "[Service]\nExecStart=b\n",
        "c.service": "[Unit]\nAfter=d.service\n[Service]\nExecStart=c\n",
        "d.service": "[Unit]\nAfter=c.service\n[Service]\nExecStart=d\n",
    }
    programs = yaml.safe_load(folder_of(files).table)["programs"]
    assert {name: list(program.get("depends_on", {})) for name, program in programs.items()} == {
        "a": ["c"],
        "b": ["a"],
        "c": ["d"],
        "d": [],
    }
    assert losses_in(files) == ["d.service:1: d.service: After=c.service closes a cycle, and is left out"]
