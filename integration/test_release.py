"""What .ci/release makes: the same bytes from the same commit, complete, and with a bill of materials."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import supervisor
from integration.servers.installed import need

ROOT = Path(__file__).parent.parent
VERSION = supervisor.__version__
WHEEL, SDIST, BILL = f"supinit-{VERSION}-py3-none-any.whl", f"supinit-{VERSION}.tar.gz", f"supinit-{VERSION}.cdx.json"

pytestmark = pytest.mark.timeout(600)


def run(*command: str | Path, where: Path = ROOT, **variables: str) -> str:
    result = subprocess.run(
        command, cwd=where, env=os.environ | variables, capture_output=True, text=True, timeout=500, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def commit_time() -> str:
    git = need("git", "apt-get install git")
    trial = subprocess.run([git, "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    if trial.returncode != 0:
        pytest.skip("a release needs a commit, but this directory is not a git repository")
    return trial.stdout.strip()


@pytest.fixture(scope="module")
def release(commit_time: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("release") / "dist"
    run("bash", ROOT / ".ci/release", made)
    return made


def test_it_has_everything_with_checksums(release: Path) -> None:
    assert {path.name for path in release.iterdir()} == {WHEEL, SDIST, BILL, "SHA256SUMS"}
    lines = [line.split() for line in (release / "SHA256SUMS").read_text().splitlines()]
    sums = {name: checksum for checksum, name in lines}
    assert sums == {name: digest(release / name) for name in (WHEEL, SDIST, BILL)}


def test_another_build_of_the_commit_gives_the_same_bytes(release: Path, commit_time: str, tmp_path: Path) -> None:
    """Elsewhere, with other times, permissions, locale and hash seed."""
    source = tmp_path / "elsewhere"
    source.mkdir()
    run("bash", "-c", f"umask 077; git archive HEAD | tar -x -m --no-same-permissions -C {source}")
    run(
        *(sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path / "dist", source),
        SOURCE_DATE_EPOCH=commit_time,
        LC_ALL="C",
        PYTHONHASHSEED="7",
        TZ="Asia/Tokyo",
    )
    assert {name: digest(tmp_path / "dist" / name) for name in (WHEEL, SDIST)} == {
        name: digest(release / name) for name in (WHEEL, SDIST)
    }


def test_the_wheel_is_complete(release: Path) -> None:
    with zipfile.ZipFile(release / WHEEL) as wheel:
        names = set(wheel.namelist())
        metadata = Parser().parsestr(wheel.read(f"supinit-{VERSION}.dist-info/METADATA").decode())
    data = f"supinit-{VERSION}.data"
    assert {
        *("supervisor/py.typed", f"supinit-{VERSION}.dist-info/licenses/LICENSE"),
        *(f"{data}/scripts/{name}" for name in ("supinit", "supctl")),
        *(f"{data}/data/share/man/{name}" for name in ("man1/supinit.1", "man1/supctl.1", "man5/supinit.yaml.5")),
    } <= names
    assert {name.partition("/")[0] for name in names} == {"supervisor", data, f"supinit-{VERSION}.dist-info"}
    committed = run("git", "ls-tree", "-r", "--name-only", "HEAD", "supervisor").splitlines()
    assert {name for name in names if name.startswith("supervisor/")} == set(committed)
    assert (metadata["Version"], metadata["Requires-Python"]) == (VERSION, ">=3.11")


def test_the_sdist_has_the_tests_and_nothing_that_is_not_committed(release: Path) -> None:
    with tarfile.open(release / SDIST) as sdist:
        names = {member.name.partition("/")[2] for member in sdist.getmembers() if member.isfile()}
    committed = set(run("git", "ls-tree", "-r", "--name-only", "HEAD").splitlines())
    assert names == {*committed, "PKG-INFO"}


def test_the_bill_of_materials_names_every_dependency_with_its_version_and_licence(release: Path) -> None:
    bill = json.loads((release / BILL).read_text())
    assert (bill["metadata"]["component"]["name"], bill["metadata"]["component"]["type"]) == ("supinit", "application")
    components = {component["name"].lower(): component for component in bill["components"]}
    assert {"h11", "psutil", "pyyaml"} <= components.keys()
    assert not {"pip", "setuptools", "pytest"} & components.keys()
    for component in components.values():
        assert re.fullmatch(r"[\w.]+", component["version"]) and component["licenses"], component["name"]


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
