"""docs/openapi.yaml says what the server does: its paths are the routes, and real answers fit its schemas."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from supervisor import control
from supervisor.control.router import ROUTES
from supervisor.core.plan import make_plan
from supervisor.core.program import Condition, Dependency, Program, Settings, Table
from supervisor.core.tree import Branch, Member, Owner, OwnerKind, Usage

from .dialogue import served
from .steered import SteeredContainer, oneshot, service

DOCUMENT = yaml.safe_load((Path(__file__).parents[2] / "docs" / "openapi.yaml").read_text())
METHODS = {"get", "post", "put", "delete", "patch"}
REGISTRY: Registry[Any] = Registry().with_contents([("openapi", DOCUMENT)], default_specification=DRAFT202012)


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in part:
        node: Any = DOCUMENT
        for key in part["$ref"].removeprefix("#/").split("/"):
            node = node[key]
        part = node
    return part


def schema_for(path: str, method: str, status: int) -> dict[str, Any]:
    responses = DOCUMENT["paths"][path][method.lower()]["responses"]
    response = resolved(responses.get(str(status), responses.get("default")))
    content = response["content"]
    schema = content.get("application/json", content.get("application/x-ndjson"))["schema"]
    assert isinstance(schema, dict)
    return schema


def absolute(schema: Any) -> Any:
    """Return the schema with its references into the document made absolute."""
    if isinstance(schema, dict):
        return {k: f"openapi{v}" if k == "$ref" else absolute(v) for k, v in schema.items()}
    return [absolute(item) for item in schema] if isinstance(schema, list) else schema


def problems(path: str, method: str, status: int, body: object) -> list[str]:
    validator = Draft202012Validator(absolute(schema_for(path, method, status)), registry=REGISTRY)
    return [error.message for error in validator.iter_errors(body)]


def busy() -> SteeredContainer:
    """One instance in each state that a container can be in without being asked to stop."""
    needs = (Dependency("migrate", Condition.COMPLETED),)
    container = SteeredContainer(
        service("web", checked=True, scale=2),
        service("db"),
        oneshot("done"),
        oneshot("migrate"),
        Program("worker", ("true",), depends_on=needs),
    )
    container.write("db", "hello\n").begin().probe("web", True).end("done", 0).say("db", "serving").end("db", 3).say(
        "migrate", "step 3"
    )
    member = Member(101, 1, "sleeping", ("web", "-x"), 0.25, 4096)
    container.usages = {("web", 1): Usage(0.25, 4096, 1)}
    container.branches = (
        Branch(Owner(OwnerKind.PROGRAM, ("web", 1)), (member,)),
        Branch(Owner(OwnerKind.SUPINIT), (member,)),
    )
    return container


def test_every_route_is_in_the_document_and_the_other_way_round() -> None:
    documented = {
        (method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in METHODS & methods.keys()
    }
    assert documented == {(route.method, route.path) for route in ROUTES}


def test_every_schema_is_one() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize(
    ("method", "path", "name", "body", "status"),
    [
        ("GET", "/v1/status", "", None, 200),
        ("GET", "/v1/version", "", None, 200),
        ("GET", "/v1/plan", "", None, 200),
        ("GET", "/v1/usage", "", None, 200),
        ("GET", "/v1/wait", "", None, 200),
        ("GET", "/v1/why", "", None, 200),
        ("GET", "/v1/programs/{name}", "db", None, 200),
        ("GET", "/v1/programs/{name}", "nobody", None, 404),
        ("POST", "/v1/programs/{name}/start", "all", {"wait": False}, 202),
        ("POST", "/v1/programs/{name}/start", "migrate", {"timeout": 0}, 504),
        ("POST", "/v1/programs/{name}/start", "web", {"timeout": "soon"}, 400),
        ("POST", "/v1/programs/{name}/stop", "all", None, 200),
        ("POST", "/v1/programs/{name}/restart", "done", {"timeout": "0s"}, 504),
        ("POST", "/v1/programs/{name}/signal", "web", {"signal": "HUP"}, 200),
        ("POST", "/v1/programs/{name}/signal", "done", {"signal": "HUP"}, 409),
        ("POST", "/v1/programs/{name}/reload", "web", None, 200),
        ("POST", "/v1/programs/{name}/reload", "done", None, 409),
        ("GET", "/v1/programs/{name}/context", "web", None, 200),
        ("GET", "/v1/programs/{name}/context", "all", None, 400),
        ("GET", "/v1/logs", "", None, 200),
        ("GET", "/v1/events", "", None, 200),
        ("GET", "/v1/tree", "", None, 200),
        ("POST", "/v1/update", "", {"dry_run": True}, 200),
        ("POST", "/v1/update", "", {"wait": False}, 202),
        ("POST", "/v1/update", "", {"timeout": 0}, 504),
        ("POST", "/v1/shutdown", "", None, 202),
        ("GET", "/livez", "", None, 200),
        ("GET", "/readyz", "", None, 503),
        ("GET", "/healthz", "", None, 503),
    ],
)
def test_a_real_answer_fits_its_schema(
    socket_path: str, method: str, path: str, name: str, body: object, status: int
) -> None:
    async def scenario() -> None:
        container = busy() if path != "/v1/wait" else SteeredContainer(service("web")).begin()
        async with served(container, socket_path) as control:
            container.new_plan = make_plan(Table(Settings(drain_delay=1.0), (service("db"), service("new"))))
            reply = await control.ask(method, path.format(name=name), body)
            assert reply.status == status
            for line in reply.text.splitlines():
                assert problems(path, method, status, json.loads(line)) == []

    asyncio.run(scenario())


def test_every_code_of_an_error_is_documented_and_the_other_way_round() -> None:
    source = "".join(path.read_text() for path in Path(control.__file__).parent.rglob("*.py"))
    codes = DOCUMENT["components"]["schemas"]["Error"]["properties"]["error"]["properties"]["code"]["enum"]
    assert set(re.findall(r'RequestError\(\s*[^,()]+,\s*"(\w+)"', source)) == set(codes)
