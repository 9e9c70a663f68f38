"""What `--check` says about well-known servers, and what it holds its tongue about."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from py_compile import compile
from signal import SIGTERM

import pytest

from supervisor.config.lint import MAX_FILE, lint, uncompiled
from supervisor.core.program import Program, Scope, SignalStep

MASTER = "uWSGI without master cannot reload and leaves its workers behind: set master = true"
NEED_APP = "uWSGI starts even if its application cannot be loaded, and answers 500: set need-app = true"
SHELL = "sh does not forward signals: start the last command with exec, or run it without a shell"
NGINX = "nginx goes to the background and then looks as if it had exited: add -g 'daemon off;'"


@pytest.mark.parametrize(
    ("command", "sentences"),
    [
        (("nginx", "-c", "/nowhere/nginx.conf"), [NGINX]),
        (("/usr/sbin/nginx", "-g", "daemon off;"), []),
        (("uwsgi", "--http", ":80", "-M"), [NEED_APP]),
        (("uwsgi", "--http", ":80", "--master", "--need-app"), []),
        (("uwsgi", "--master=false", "--need-app=true"), [MASTER]),
        (("uwsgi", "--yaml", "/etc/app.yaml"), []),
        (("uwsgi", "--ini", "/nowhere/app.ini"), []),
        (("sh", "-c", "prepare && serve"), [SHELL]),
        (("sh", "-c", "prepare && exec serve"), []),
        (("sh", "-c", "trap 'exit 0' TERM; serve & wait"), []),
        (("sh", "serve.sh"), []),
        (("serve",), []),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_a_command_line_is_looked_at(command: tuple[str, ...], sentences: list[str]) -> None:
    assert list(lint(Program("web", command))) == sentences


@pytest.mark.parametrize(
    ("content", "sentences"),
    [("daemon  off;\n", []), ("# daemon off;\n", [NGINX]), ("events {}\n", [NGINX])],
    ids=["in the foreground", "commented out", "by default"],
)
def test_the_configuration_of_nginx_is_read(tmp_path: Path, content: str, sentences: list[str]) -> None:
    conf = tmp_path / "nginx.conf"
    conf.write_text(content)
    assert list(lint(Program("web", ("nginx", "-c", str(conf))))) == sentences


@pytest.mark.parametrize(
    ("content", "sentences"),
    [
        ("[uwsgi]\nmaster = true\nneed-app = 1\n", []),
        ("[uwsgi]\n# master = true\nneed-app = true\n", [MASTER]),
        ("[uwsgi]\nmaster = true\nneed-app = false\n", [NEED_APP]),
        ("[uwsgi]\nini = other.ini\n", []),
    ],
    ids=["both", "commented out", "switched off", "continues elsewhere"],
)
def test_the_ini_file_of_uwsgi_is_read(tmp_path: Path, content: str, sentences: list[str]) -> None:
    ini = tmp_path / "app.ini"
    ini.write_text(content)
    assert list(lint(Program("app", ("uwsgi", "--ini", str(ini))))) == sentences


@pytest.mark.parametrize(("scope", "count"), [(Scope.MAIN, 0), (Scope.GROUP, 1), (Scope.TREE, 1)])
def test_celery_is_not_to_be_signalled_as_a_group(scope: Scope, count: int) -> None:
    worker = Program("worker", ("celery", "-A", "app", "worker"), stop=(SignalStep(SIGTERM, 10.0, scope),))
    assert len(list(lint(worker))) == count


def test_packages_without_compiled_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An image of Python has none of its library's .pyc files."""
    for name in ("bare_package", "compiled_package"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    compile(str(tmp_path / "compiled_package" / "__init__.py"))
    monkeypatch.syspath_prepend(str(tmp_path))
    assert list(uncompiled(("compiled_package", "bare_package", "no_package", "sys"))) == ["bare_package"]


def test_a_binary_is_not_decoded(tmp_path: Path) -> None:
    """It would keep PID 1 busy for milliseconds for each program, and take megabytes."""
    binary = tmp_path / "serve"
    binary.write_bytes(b"\x7fELF\x02\x01\x01\x00".ljust(MAX_FILE, b"\xff"))
    tracemalloc.start()
    try:
        assert list(lint(Program("web", (str(binary),)))) == []
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * MAX_FILE
