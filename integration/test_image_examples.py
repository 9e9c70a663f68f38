"""The images of docs/examples without Python: the self-contained supinit, copied into images of other languages.

No image but Debian's can be had in CI, so a Debian with the same programs stands in for each of the others. With
$EXAMPLE_BASES=real, the images that the Dockerfiles name are used.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from integration.conftest import Launch
from integration.engine import Engine, await_health, exit_code, logs

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs/examples"
PREFIX = "supinit-examples-under-test"
IS_REAL = os.environ.get("EXAMPLE_BASES") == "real"
STAND_IN = """
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends nginx-light nodejs php-fpm
RUN ln -s /usr/sbin/php-fpm8.2 /usr/local/sbin/php-fpm && ! command -v python3
"""
WITHOUT_SHELL = f"""
FROM {PREFIX}-stand-in AS whole
RUN mkdir -p /image/nodejs/bin /image/usr/share /image/tmp && chmod 1777 /image/tmp
RUN cp -L /usr/bin/node /image/nodejs/bin && cp -rL /usr/share/nodejs /image/usr/share
RUN for file in $(ldd /usr/bin/node | grep -o '/[^ ]*'); do install -D "$file" "/image$file"; done
FROM scratch
COPY --from=whole /image /
"""
"""As distroless images are: Node, what it needs, a /tmp, and nothing else."""
ARBITRARY_USER = ("--user", "12345:0")
READ_ONLY = ("--read-only", "--tmpfs", "/run", "--tmpfs", "/tmp", "--cap-drop", "ALL")

pytestmark = pytest.mark.timeout(900)


def build_text(engine: Engine, name: str, text: str, folder: Path) -> str:
    """Build an image from the text of a Dockerfile."""
    (folder / "Dockerfile").write_text(text)
    engine("build", "-t", name, str(folder))
    return name


@pytest.fixture(scope="module")
def supinit(engine: Engine) -> str:
    """The image that has nothing but /opt/supinit."""
    name = f"{PREFIX}-supinit"
    engine("build", "-f", str(ROOT / "deploy/self-contained/Dockerfile"), "-t", name, str(ROOT))
    return name


@pytest.fixture(scope="module")
def stand_in(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    return "" if IS_REAL else build_text(engine, f"{PREFIX}-stand-in", STAND_IN, tmp_path_factory.mktemp("stand-in"))


@pytest.fixture(scope="module")
def bare(engine: Engine, stand_in: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    return "" if IS_REAL else build_text(engine, f"{PREFIX}-bare", WITHOUT_SHELL, tmp_path_factory.mktemp("bare"))


def build_example(engine: Engine, folder: str, file: str, supinit: str, base: str) -> str:
    """Build an example, whose Dockerfile drills it."""
    name = f"{PREFIX}-{folder}-{file.partition('.')[0].lower()}"
    bases = ("--build-arg", f"BASE={base}") if base else ()
    context = EXAMPLES / folder
    engine("build", "-t", name, "-f", str(context / file), "--build-arg", f"SUPINIT={supinit}", *bases, str(context))
    return name


def assert_it_runs(engine: Engine, launch: Launch, image: str, programs: list[str], *options: str) -> None:
    name = launch(image, *options)
    await_health(engine, name, 0)
    status = engine("exec", name, "/opt/supinit/bin/supctl", "--json", "status").stdout
    assert [(entry["name"], entry["state"], entry["health"]) for entry in json.loads(status)["programs"]] == [
        (program, "RUNNING", "healthy") for program in programs
    ]
    assert engine("exec", name, "python3", "-c", "pass", check=False).returncode != 0
    engine("stop", name)
    said = logs(engine, name)
    assert (exit_code(engine, name), "program.killed" in said, "container.ended code=0" in said) == (0, False, True)


def test_node(engine: Engine, launch: Launch, supinit: str, stand_in: str) -> None:
    assert_it_runs(
        engine,
        launch,
        build_example(engine, "node", "Dockerfile", supinit, stand_in),
        ["web"],
        *READ_ONLY,
        *ARBITRARY_USER,
    )


def test_nginx_and_php_fpm(engine: Engine, launch: Launch, supinit: str, stand_in: str) -> None:
    image = build_example(engine, "php-fpm", "Dockerfile", supinit, stand_in)
    assert_it_runs(engine, launch, image, ["php-fpm", "nginx"], *READ_ONLY, *ARBITRARY_USER)


def test_node_without_a_shell(engine: Engine, launch: Launch, supinit: str, bare: str) -> None:
    image = build_example(engine, "node", "distroless.Dockerfile", supinit, bare)
    assert_it_runs(engine, launch, image, ["web"], *READ_ONLY)
    assert engine("run", "--rm", "--entrypoint", "/bin/sh", image, "-c", "true", check=False).returncode != 0
