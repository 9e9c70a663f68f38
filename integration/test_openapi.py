"""Requests that docs/openapi.yaml allows, and many that it does not, are answered as it says. schemathesis makes them.

What is left out, and why: `follow=1` has no end, so it is always 0; a wait has a limit, because "stopped" without a
name never comes. Every endpoint has a container of its own, so that shutdown, asked for once, takes no other with it.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from requests.adapters import HTTPAdapter
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from integration.conftest import Run

DOCUMENT = yaml.safe_load((Path(__file__).parents[1] / "docs" / "openapi.yaml").read_text())
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
CHECKED: list[Any] = [CHECKS.get_one(name) for name in ("content_type_conformance", "response_schema_conformance")]
OPERATIONS = [
    (path, method.upper()) for path, item in DOCUMENT["paths"].items() for method in item if method in ("get", "post")
]
NAMES = ["web", "web:2", "db", "done", "*", "w?b:[12]", "all", "db,done", "nobody", "web:3", "x*"]
EXAMPLES = 20
LIMIT = "20ms"


class UnixAdapter(HTTPAdapter):
    """Connects to a Unix socket, whatever the host."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        path = self._path

        class Connection(HTTPConnection):
            def connect(self) -> None:
                self.sock = socket.socket(socket.AF_UNIX)
                self.sock.settimeout(20)
                self.sock.connect(path)

        class Pool(HTTPConnectionPool):
            ConnectionCls = Connection

        return Pool("localhost")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize(("path", "method"), OPERATIONS, ids=[f"{method} {path}" for path, method in OPERATIONS])
def test_every_answer_is_as_the_document_says(run: Run, path: str, method: str, mode: GenerationMode) -> None:
    operation = SCHEMA[path][method]
    brief = {"stop_grace_period": "100ms", "min_uptime": 0, "restart_delay": {"initial": "10ms", "max": "10ms"}}
    container = run(
        {
            "web": {"command": ["sleep", "1000"], "scale": 2, "shutdown_on": "never", **brief},
            "db": {"command": ["sleep", "1000"], "shutdown_on": "never", **brief},
            "done": {"command": ["true"], "type": "oneshot", "shutdown_on": "never"},
        },
        settings={"log": {"level": "error"}},
    )
    container.await_socket()
    session = requests.Session()
    session.mount("http://", UnixAdapter(str(container.socket)))
    examples = 1 if path == "/v1/shutdown" else EXAMPLES

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), name=st.sampled_from(NAMES) | st.none())
    def answers(case: Case[Any], name: str | None) -> None:
        if name is not None and "{name}" in path:
            case.path_parameters["name"] = name
        if path == "/v1/wait" and "timeout" not in case.query:
            case.query["timeout"] = LIMIT
        if "follow" in case.query:
            case.query["follow"] = "0"
        response = case.call(base_url="http://localhost", session=session)
        assert response.status_code != 500
        case.validate_response(response, checks=CHECKED)

    try:
        answers()
    except Unsatisfiable:
        pytest.skip("nothing can be wrong about a request that takes nothing")
    assert "internal_error" not in container.err.text and "control.failed" not in container.err.text


def test_the_document_leaves_no_endpoint_out() -> None:
    """Otherwise schemathesis would find no errors."""
    assert len(OPERATIONS) == len(list(SCHEMA.get_all_operations()))
