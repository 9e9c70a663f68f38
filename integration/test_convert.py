"""A converted supervisord.conf behaves under supinit as under supervisord, which runs here as well."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from integration.container import CHILDREN, SUPINIT, Container, Stream
from integration.nginx_uwsgi import Site
from integration.waiting import sleep_until

CONF = """\
[supervisord]
nodaemon = true
user = root
logfile = /dev/null
logfile_maxbytes = 0
pidfile = %(ENV_PLACE)s/supervisord.pid
environment = STAGE="test",GREETING="it's $5, 100%%%% ok" ; for all of them

[program:db]
command = %(ENV_PYTHON)s -u %(ENV_CHILDREN)s/witness.py --name %(program_name)s
priority = 1
stopsignal = INT
redirect_stderr = true
stdout_logfile = %(ENV_PLACE)s/story

[program:uwsgi]
command = uwsgi --ini %(ENV_SITE)s/uwsgi.ini
priority = 10
stopsignal = QUIT
stdout_logfile = /dev/stdout
stdout_logfile_maxbytes = 0
stderr_logfile = /dev/stderr
stderr_logfile_maxbytes = 0

[program:nginx]
command = nginx
    -c %(ENV_SITE)s/nginx.conf
    -e stderr
priority = 20
stopsignal = QUIT

[program:worker]
command = %(ENV_PYTHON)s -u %(ENV_CHILDREN)s/witness.py --name %(program_name)s.%(process_num)d
process_name = %(program_name)s_%(process_num)02d
numprocs = 2
priority = 30
stopwaitsecs = 20
redirect_stderr = true
stdout_logfile = %(ENV_PLACE)s/story

[program:crasher]
command = sh -c "echo crasher: run; test -e $PLACE/crashed && exec sleep 1000; touch $PLACE/crashed; exit 3"
startsecs = 0
stdout_logfile = %(ENV_PLACE)s/story

[program:task]
command = sh -c "echo task: run; exit 2"
startsecs = 0
exitcodes = 0,2
stdout_logfile = %(ENV_PLACE)s/story

[program:report]
command = sh -c "id; umask; pwd; env | sort; echo told"
startsecs = 0
autorestart = false
user = nobody
umask = 027
directory = /usr
environment = STAGE='other',LIST="a,b",NAME="%(program_name)s/%(group_name)s"
stdout_logfile = %(ENV_PLACE)s/report
"""
PRIORITIES = {"db": 1, "uwsgi": 10, "nginx": 20, "worker": 30, "crasher": 999, "task": 999, "report": 999}
OF_ITS_OWN = re.compile(r"SUPERVISOR_|SUPINIT_|(PLACE|HOME|USER|LOGNAME)=")
"""Variables that each supervisor sets in its own way: supinit those of the account, as a login does."""


class Supervisord:
    """The real one, with `CONF`."""

    def __init__(self, conf: Path, env: dict[str, str]) -> None:
        path = shutil.which("supervisord")
        if path is None:
            pytest.skip("supervisord is not installed (Debian's package supervisor, or PyPI's in an environment)")
        self._process = subprocess.Popen(
            [path, "-c", str(conf)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env
        )
        assert self._process.stdout is not None
        self.log = Stream(self._process.stdout)

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        code = self._process.wait(60)
        self.log.finish(10)
        return code

    def destroy(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(60)


class Seen:
    """What a run shows: the lines of all programs, without pids; the report; the order of the starts."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.started: list[str] = []
        self.code: int | None = None

    def _read(self, name: str) -> list[str]:
        path = self.place / name
        return path.read_text().splitlines() if path.exists() else []

    @property
    def story(self) -> list[str]:
        return [re.sub(r" \(pid \d+\)", "", line) for line in self._read("story")]

    @property
    def report(self) -> list[str]:
        """Who it runs as, its umask, its directory and its environment."""
        return [line for line in self._read("report") if not OF_ITS_OWN.match(line)]

    def is_up(self, port: int) -> bool:
        expected = ("db: ready", "worker.0: ready", "worker.1: ready", "task: run")
        is_told = all(line in self.story for line in expected) and self.story.count("crasher: run") == 2
        return is_told and self.report[-1:] == ["told"] and is_served(port)


def is_served(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read() == b"ok\n"
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")


@pytest.fixture
def scene(site: Site, tmp_path: Path) -> Callable[[str], tuple[Path, dict[str, str]]]:
    """Make a directory for a run, with its environment."""

    def make(name: str) -> tuple[Path, dict[str, str]]:
        place = tmp_path / name
        place.mkdir()
        (place / "supervisord.conf").write_text(CONF)
        own = {name: value for name, value in os.environ.items() if not name.startswith(("SUPINIT_", "PYTEST_"))}
        places = {"PLACE": str(place), "SITE": str(tmp_path / "site"), "CHILDREN": str(CHILDREN)}
        return place, own | places | {"PYTHON": sys.executable, "LC_ALL": "C.UTF-8"}

    return make


@pytest.fixture
def under_supervisord(scene: Callable[[str], tuple[Path, dict[str, str]]], site: Site) -> Iterator[Seen]:
    place, env = scene("supervisord")
    supervisord = Supervisord(place / "supervisord.conf", env)
    seen = Seen(place)
    try:
        sleep_until(lambda: seen.is_up(site.port), 60, "all is up under supervisord")
        supervisord.signal(signal.SIGTERM)
        seen.code = supervisord.end()
    finally:
        supervisord.destroy()
        print(supervisord.log.text, *seen.story, sep="\n")
    seen.started = re.findall(r"spawned: '([a-z]+)", supervisord.log.text)
    yield seen


@pytest.fixture
def under_supinit(namespaces: None, scene: Callable[[str], tuple[Path, dict[str, str]]], site: Site) -> Iterator[Seen]:
    place, env = scene("supinit")
    container = start_converted(place / "supervisord.conf", env)
    seen = Seen(place)
    try:
        sleep_until(lambda: seen.is_up(site.port), 60, "all is up under supinit")
        container.signal(signal.SIGTERM)
        seen.code = container.end(60)
    finally:
        container.destroy()
        print(container.output)
    seen.started = re.findall(r"program\.started program=([a-z]+)", container.err.text)
    yield seen


def start_converted(file: Path, env: Mapping[str, str]) -> Container:
    """Convert a file, and run the result as PID 1."""
    conversion = subprocess.run([SUPINIT, "convert", file], capture_output=True, text=True, check=True, env=env)
    print(conversion.stdout)
    table, run_dir = file.with_name("table.yaml"), file.with_name("run")
    table.write_text(conversion.stdout)
    return Container(table, run_dir, (), {**env, "SUPINIT_RUN_DIR": str(run_dir)}, pid1=True)


def assert_in_order(seen: Seen) -> None:
    """Lower priorities are started first, and stopped last."""
    assert seen.code == 0
    assert seen.story[-2:] == ["db: got SIGINT", "db: gone"]
    first = list(dict.fromkeys(seen.started))
    assert sorted(first) == sorted(PRIORITIES)
    assert [PRIORITIES[name] for name in first] == sorted(PRIORITIES.values())


def test_a_converted_table_serves_starts_by_priority_and_stops_in_reverse(under_supinit: Seen) -> None:
    assert_in_order(under_supinit)
    assert "GREETING=it's $5, 100% ok" in under_supinit.report
    assert [line for line in under_supinit.story if line.startswith("worker.1")] == [
        "worker.1: ready",
        "worker.1: got SIGTERM",
        "worker.1: gone",
    ]


def test_a_converted_table_does_what_supervisord_did(under_supervisord: Seen, under_supinit: Seen) -> None:
    """Who is restarted, who gets which signal, in which order they stop, and as which user each runs."""
    assert_in_order(under_supervisord)
    assert_in_order(under_supinit)
    assert under_supinit.report == under_supervisord.report
    assert sorted(under_supinit.story) == sorted(under_supervisord.story)


def test_every_option_of_supervisords_own_sample_is_known(tmp_path: Path) -> None:
    """With everything that is commented out. What is unknown is reported as an unknown key or section."""
    path = shutil.which("echo_supervisord_conf")
    if path is None:
        pytest.skip("supervisord is not installed (Debian's package supervisor, or PyPI's in an environment)")
    sample = subprocess.run([path], capture_output=True, text=True, check=True).stdout
    sample = re.sub(r"^;(?=\[|[a-z_]+ ?=)", "", sample, flags=re.MULTILINE)
    for example, real in (("chrism", "root"), ("=supervisord ", "=root "), ("progname1,progname2", "theprogramname")):
        assert example in sample
        sample = sample.replace(example, real)
    file, table = tmp_path / "supervisord.conf", tmp_path / "table.yaml"
    file.write_text(sample)
    conversion = subprocess.run([SUPINIT, "convert", file], capture_output=True, text=True, check=False)
    assert conversion.returncode == 0, conversion.stderr
    assert "of supervisord's" not in conversion.stderr
    table.write_text(conversion.stdout)
    check = subprocess.run([SUPINIT, "--check", "-c", table], capture_output=True, text=True, check=False)
    assert (check.returncode, check.stdout.splitlines()[0]) == (0, "1 program"), check.stderr


def test_a_converted_procfile_runs_its_release_first_and_stops_what_a_shell_runs(
    namespaces: None, tmp_path: Path
) -> None:
    witness = f"{sys.executable} -u {CHILDREN / 'witness.py'}"
    (tmp_path / "Procfile").write_text(
        f"release: echo release in $STAGE\n"
        f"web: STAGE=own {witness} --name web.$STAGE.$PORT\n"
        f"worker: true && {witness} --name worker; echo afterwards\n"
    )
    (tmp_path / ".env").write_text("STAGE=test\n")
    env = {name: value for name, value in os.environ.items() if not name.startswith("SUPINIT_")}
    container = start_converted(tmp_path / "Procfile", env | {"PORT": "8080"})
    try:
        container.expect("web.test.8080: ready")
        container.expect("worker: ready")
        container.signal(signal.SIGTERM)
        assert container.end() == 0
    finally:
        container.destroy()
    assert container.out.has("release | release in test")
    assert container.err.position("program.completed program=release") < container.err.position(
        "program.started program=web"
    )
    for line in ("web | web.test.8080: gone", "worker | worker: gone"):
        assert container.out.has(line), container.output


def write_tree(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_converted_s6_overlay_tree_starts_in_order_and_runs_its_down_files_last(
    namespaces: None, tmp_path: Path
) -> None:
    witness = f"{sys.executable} -u {CHILDREN / 'witness.py'}"
    rc = "etc/s6-overlay/s6-rc.d"
    tree = write_tree(
        tmp_path / "rootfs",
        {
            f"{rc}/prepare/type": "oneshot\n",
            f"{rc}/prepare/up": f"touch {tmp_path}/prepared\n",
            f"{rc}/prepare/down": f"mv {tmp_path}/prepared {tmp_path}/undone\n",
            f"{rc}/db/type": "longrun\n",
            f"{rc}/db/run": f"#!/command/execlineb -P\nwith-contenv\nimportas -D db N NAME\n{witness} --name $N\n",
            f"{rc}/db/dependencies.d/prepare": "",
            f"{rc}/web/type": "longrun\n",
            f"{rc}/web/run": f"#!/usr/bin/with-contenv bash\nexec {witness} --name web 2>&1\n",
            f"{rc}/web/dependencies.d/db": "",
            f"{rc}/user/contents.d/web": "",
        },
    )
    container = start_converted(tree, os.environ)
    try:
        container.expect("web: ready")
        container.expect("db: ready")
        assert (tmp_path / "prepared").exists()
        container.signal(signal.SIGTERM)
        assert container.end() == 0
    finally:
        container.destroy()
    assert (tmp_path / "undone").exists()
    assert container.err.position("program.completed program=prepare") < container.err.position(
        "program.started program=db"
    )
    assert container.out.position("web | web: gone") < container.out.position("db | db: gone")


def test_a_converted_compose_file_runs_its_services_as_programs(namespaces: None, tmp_path: Path) -> None:
    witness = f"{sys.executable} -u {CHILDREN / 'witness.py'}"
    file = tmp_path / "compose.yaml"
    file.write_text(
        "services:\n"
        "  web:\n"
        "    image: app\n"
        f"    command: {witness} --name web.${{STAGE:-none}}\n"
        "    depends_on: {migrate: {condition: service_completed_successfully}}\n"
        "    ports: ['80:80']\n"
        "  migrate: {image: app, command: [echo, migrated]}\n"
    )
    container = start_converted(file, {**os.environ, "STAGE": "test"})
    try:
        container.expect("web.test: ready")
        container.signal(signal.SIGTERM)
        assert container.end() == 0
    finally:
        container.destroy()
    assert container.out.has("migrate | migrated")
    assert container.out.has("web | web.test: gone")
