"""The files of deploy/ are valid for their engines, and their numbers fit the table that they run.

The validators are command lines of PyPI's packages, and systemd's own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.container import BIN, SUPINIT
from integration.servers.installed import need
from supervisor.config.load import load
from supervisor.core.plan import critical_path, make_plan
from supervisor.core.quantities import parse_duration

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
TABLE = ROOT / "docs/examples/nginx-uwsgi/supinit.yaml"
QUADLET = ("/usr/libexec/podman/quadlet", "/usr/lib/podman/quadlet")
QUADLET_KEYS = {
    *("Image", "PublishPort", "ReadOnly", "Tmpfs", "DropCapability", "NoNewPrivileges", "Notify", "PodmanArgs"),
    *("HealthCmd", "HealthInterval", "HealthTimeout", "HealthStartPeriod", "HealthOnFailure"),
}
"""Those of podman-systemd.unit(5) that the file uses."""
NSPAWN_KEYS = {
    "Exec": {
        *("Boot", "ProcessTwo", "Parameters", "User", "Environment"),
        *("KillSignal", "NotifyReady", "NoNewPrivileges"),
    },
    "Files": {"ReadOnly", "TemporaryFileSystem"},
    "Network": {"Private"},
}
"""Those of systemd.nspawn(5) that the file uses."""
MARGIN = 5.0
"""Seconds that a grace period is longer than the worst case, at least."""


def worst_case(drain: str) -> float:
    """Return how long a shutdown may take, as supinit --check prints it."""
    plan = make_plan(load(str(TABLE), {"GIT_HASH": "abc", "DRAIN_DELAY": drain}))
    return critical_path(plan)[1]


def told(engine: str, drain: str) -> Any:
    """Return what `supinit --check --engine` prints for the table."""
    command = [SUPINIT, "--check", "--engine", engine, "-c", str(TABLE)]
    environment = {**os.environ, "GIT_HASH": "abc", "DRAIN_DELAY": drain}
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return result.stdout if engine == "nomad" else yaml.safe_load(result.stdout)


def assert_within(told: Any, given: Any) -> None:
    """Whether everything that was told is in a file, too."""
    if isinstance(told, dict):
        for key, value in told.items():
            assert_within(value, given[key])
    elif isinstance(told, list) and told and isinstance(told[0], dict):
        for value in told:
            assert_within(value, next(item for item in given if item.get("name") == value.get("name")))
    else:
        assert told == given


def seconds(text: str) -> float:
    value = parse_duration(text)
    assert value is not None
    return value


def assert_fits(grace: float, drain: str) -> None:
    assert worst_case(drain) + MARGIN <= grace <= 3 * worst_case(drain)


def validate(tool: str, *arguments: object, package: str) -> None:
    command = [need(tool, f"pip install {package}"), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def yaml_of(name: str) -> list[Any]:
    """Return the documents of a file; CloudFormation's tags become their arguments."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda loader, tag, node: f"{tag} {node.value}")
    return list(yaml.load_all((DEPLOY / name).read_text(), Loader))


def units_of(name: str) -> dict[str, list[tuple[str, str]]]:
    """Return the sections of a unit file, whose keys may be repeated."""
    found: dict[str, list[tuple[str, str]]] = {}
    section = ""
    for line in (DEPLOY / name).read_text().splitlines():
        if match := re.fullmatch(r"\[(\w+)\]", line):
            section = match[1]
            found[section] = []
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[section].append((key, value))
    return found


def value_of(unit: dict[str, list[tuple[str, str]]], section: str, key: str) -> str:
    return [value for name, value in unit[section] if name == key][-1]


def test_compose() -> None:
    validate(
        "check-jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        DEPLOY / "compose.yaml",
        package="check-jsonschema",
    )
    (compose,) = yaml_of("compose.yaml")
    assert_fits(seconds(compose["services"]["app"]["stop_grace_period"]), "0s")
    assert_within(told("compose", "0s"), compose)


def test_kubernetes(tmp_path: Path) -> None:
    deployment, service, monitor = yaml_of("kubernetes.yaml")
    file = tmp_path / "without-custom-resources.yaml"
    file.write_text(yaml.safe_dump_all([deployment, service]))
    validate("kubernetes-validate", "--strict", file, package="kubernetes-validate")
    pod = deployment["spec"]["template"]["spec"]
    (app,) = pod["containers"]
    environment = {variable["name"]: variable["value"] for variable in app["env"]}
    ports = {port["name"] for port in app["ports"]}
    assert_within(told("kubernetes", environment["DRAIN_DELAY"])["spec"], pod)
    assert_fits(pod["terminationGracePeriodSeconds"], environment["DRAIN_DELAY"])
    ready = app["readinessProbe"]
    assert ready["httpGet"]["path"] == "/readyz"
    notices_after = ready["periodSeconds"] * ready["failureThreshold"] + ready["timeoutSeconds"]
    assert notices_after <= seconds(environment["DRAIN_DELAY"])
    assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} < ports
    assert monitor["spec"]["selector"] == deployment["spec"]["selector"]


def test_ecs() -> None:
    validate("cfn-lint", DEPLOY / "ecs.yaml", package="cfn-lint")
    (template,) = yaml_of("ecs.yaml")
    (app,) = template["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
    environment = {variable["Name"]: variable["Value"] for variable in app["Environment"]}
    assert_fits(app["StopTimeout"], environment["DRAIN_DELAY"])
    assert app["StopTimeout"] <= 120
    assert_within(told("ecs", environment["DRAIN_DELAY"])["ContainerDefinitions"][0], app)


def test_nomad() -> None:
    hcl2 = pytest.importorskip("hcl2", reason="pip install python-hcl2")
    text = (DEPLOY / "nomad.hcl").read_text()
    hcl2.loads(text)
    values = dict(re.findall(r'^ *(\w+) += "([^"]*)"', text, re.MULTILINE))
    assert_fits(seconds(values["kill_timeout"]), values["DRAIN_DELAY"])
    assert values["path"] == "/readyz"
    pairs = re.compile(r'^ *(\w+) += "([^"]*)"', re.MULTILINE)
    assert set(pairs.findall(told("nomad", values["DRAIN_DELAY"]))) <= set(pairs.findall(text))
    assert seconds(values["interval"]) + seconds(values["timeout"]) <= seconds(values["DRAIN_DELAY"])


def test_quadlet(tmp_path: Path) -> None:
    unit = units_of("quadlet/app.container")
    assert {key for key, _ in unit["Container"]} <= QUADLET_KEYS
    assert_fits(float(value_of(unit, "Container", "PodmanArgs").removeprefix("--stop-timeout=")), "0s")
    assert float(value_of(unit, "Service", "TimeoutStopSec")) > 20
    if (generator := next(filter(shutil.which, QUADLET), None)) is None:
        pytest.skip("podman's generator is not installed (podman 4.4 and newer have it); only the keys were checked")
    result = subprocess.run(
        [generator, "-dryrun"], capture_output=True, text=True, env={"QUADLET_UNIT_DIRS": str(DEPLOY / "quadlet")}
    )
    assert result.returncode == 0 and "ExecStart=" in result.stdout, result.stderr


def test_nspawn(tmp_path: Path) -> None:
    settings = units_of("nspawn/app.nspawn")
    assert {section: {key for key, _ in keys} for section, keys in settings.items()} == NSPAWN_KEYS
    drop_in = "nspawn/systemd-nspawn@app.service.d/supinit.conf"
    assert_fits(float(value_of(units_of(drop_in), "Service", "TimeoutStopSec")), "0s")
    unit = tmp_path / "app.service"
    unit.write_text((DEPLOY / drop_in).read_text().replace("ExecStart=systemd-nspawn", "ExecStart=/bin/true"))
    verify = [need("systemd-analyze", "apt-get install systemd"), "verify", str(unit)]
    result = subprocess.run(verify, capture_output=True, text=True, timeout=60, check=False)
    assert "app.service" not in result.stderr, result.stderr


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        ("action.yml", "vendor.github-actions"),
        ("github-workflow.yml", "vendor.github-workflows"),
        ("gitlab.yml", "vendor.gitlab-ci"),
    ],
)
def test_the_drill_in(name: str, schema: str) -> None:
    options = ("--data-transform", "gitlab-ci") if schema == "vendor.gitlab-ci" else ()
    validate("check-jsonschema", "--builtin-schema", schema, *options, DEPLOY / "ci" / name, package="check-jsonschema")


DRILLED = {"good": (["sleep", "99"], 0, "the drill has passed"), "bad": (["false"], 1, "- web failed: ")}
"""A program, the exit code of its drill, and what the report says."""


@pytest.mark.parametrize(("command", "code", "says"), DRILLED.values(), ids=DRILLED)
def test_the_steps_of_the_github_action(command: list[str], code: int, says: str, tmp_path: Path) -> None:
    """With a docker that runs the drill here; what it was asked for is checked as well."""
    docker = tmp_path / "docker"
    docker.write_text(
        f"#!/bin/sh\n[ \"$1 $2 $3 $4 $5\" = 'run --rm --env A=1 app' ] || exit 99\nshift 5\n"
        f'exec {SUPINIT} -c {drill_table(command, tmp_path)} "$@"\n'
    )
    docker.chmod(0o755)
    (action,) = yaml_of("ci/action.yml")
    (step,) = action["runs"]["steps"]
    variables = {
        "IMAGE": "app",
        "TIMEOUT": "20s",
        "OPTIONS": "--env A=1",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "page"),
    }
    assert step["env"].keys() < variables.keys()
    result = run_steps(["bash", "-eo", "pipefail"], step["run"], tmp_path, **variables)
    page = (tmp_path / "page").read_text()
    assert (result.returncode, says in result.stdout, says in page) == (code, True, True)
    assert (page.startswith("### supinit --drill\n\n```\n"), page.endswith("```\n")) == (True, True)


@pytest.mark.parametrize(("command", "code", "says"), DRILLED.values(), ids=DRILLED)
def test_the_script_of_the_gitlab_job(command: list[str], code: int, says: str, tmp_path: Path) -> None:
    (jobs,) = yaml_of("ci/gitlab.yml")
    table = drill_table(command, tmp_path)
    result = run_steps(["sh", "-e"], "\n".join(jobs["drill"]["script"]), tmp_path, SUPINIT_CONFIG=str(table))
    assert (result.returncode, says in result.stdout) == (code, True)
    assert says in (tmp_path / "drill.txt").read_text()


def drill_table(command: list[str], folder: Path) -> Path:
    table = folder / "table.yaml"
    program = {"command": command, "start_retries": 1}
    table.write_text(yaml.safe_dump({"supervisor": {"run_dir": str(folder / "run")}, "programs": {"web": program}}))
    return table


def run_steps(shell: list[str], script: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a CI runner does, with the commands in `folder` and this environment first on PATH."""
    environment = os.environ | variables | {"PATH": f"{folder}:{BIN}:{os.environ['PATH']}"}
    return subprocess.run(
        [*shell, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("drain", ["0s", "5s"])
def test_the_table_of_the_numbers_in_the_page_is_right(drain: str) -> None:
    page = (DEPLOY / "README.md").read_text()
    drains, worst_cases = (
        next(line for line in page.splitlines() if line.startswith(f"| {heading}")).split("|")[2:-1]
        for heading in ("`DRAIN_DELAY`", "worst case")
    )
    pairs = {d.strip(): w.strip() for d, w in zip(drains, worst_cases, strict=True)}
    assert pairs[drain] == f"{worst_case(drain):g}s"


def test_the_examples_for_ci_in_the_page_of_the_drill(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/drill.md").read_text(), re.DOTALL)
    for schema, text in zip(("vendor.github-workflows", "vendor.gitlab-ci"), blocks, strict=True):
        file = tmp_path / f"{schema}.yaml"
        file.write_text(f"on: push\n{text}" if "github" in schema else text)
        validate("check-jsonschema", "--builtin-schema", schema, file, package="check-jsonschema")


@pytest.mark.parametrize("form", sorted((ROOT / ".github/ISSUE_TEMPLATE").iterdir()), ids=lambda form: form.name)
def test_the_forms_for_issues(form: Path) -> None:
    validate("check-jsonschema", "--builtin-schema", "vendor.github-issue-forms", form, package="check-jsonschema")
