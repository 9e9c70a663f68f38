"""`once.store`: which URLs are stores, what is shown of them, and what is said of the others without quoting them."""

from __future__ import annotations

import importlib.abc
import sys
from importlib.machinery import ModuleSpec
from typing import Any

import pytest

from supervisor.core.once import Once, Store
from supervisor.core.program import SecretFile

from .documents import problems_of, program_of

SECRET = "hunter2"


@pytest.fixture(autouse=True)
def _installed() -> None:
    pytest.importorskip("redis", reason="pip install 'supinit[redis]'")
    pytest.importorskip("psycopg", reason="pip install 'supinit[postgresql]'")


def _once(keys: str, **environ: str) -> Once:
    once = program_of(f"type: oneshot, once: {{key: v1, {keys}}}", **environ).once
    assert once is not None
    return once


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://redis", "redis://redis:6379"),
        ("redis://:hunter2@redis.internal:7000/3", "redis://redis.internal:7000/3"),
        ("rediss://app:hunter2@[::1]/0?ssl_ca_certs=/ca.pem", "rediss://[::1]:6379/0"),
        ("postgresql://app:hunter2@db/app?sslmode=verify-full", "postgresql://db:5432/app"),
        ("postgres://db:6432/app", "postgres://db:6432/app"),
    ],
)
def test_only_the_address_of_a_store_is_shown(url: str, address: str) -> None:
    once = _once(f'store: "{url}"')
    assert once == Once("v1", store=Store(url, address))
    assert SECRET not in once.place


def test_a_password_comes_from_a_file_or_a_variable() -> None:
    url = "redis://redis:6379/0"
    assert _once(f"store: {{url: '{url}', password: {{file: /run/secrets/redis}}}}").store == Store(
        url, url, SecretFile("/run/secrets/redis")
    )
    assert _once(f"store: {{url: '{url}', password: '${{P}}'}}", P="p w").store == Store(url, url, "p w")
    assert _once("store: '${URL}'", URL="redis://:hunter2@redis").store == Store(
        "redis://:hunter2@redis", "redis://redis:6379"
    )


def test_a_lease_and_a_namespace() -> None:
    once = _once("store: 'redis://redis/0', lease: 1m, namespace: shop")
    assert (once.lease, once.namespace) == (60.0, "shop")


ALLOWED = "(allowed: redis://HOST:PORT/NUMBER, rediss://… with TLS, or postgresql://HOST:PORT/DATABASE)"


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ("store: 'mysql://u:hunter2@db/0'", f".store: is not the URL of a store {ALLOWED}"),
        ("store: 'redis:hunter2'", f".store: names no host {ALLOWED}"),
        ("store: 'redis://u:hunter2@db:port/0'", f".store: is not a valid URL {ALLOWED}"),
        ("store: ''", f".store: is not the URL of a store {ALLOWED}"),
        (
            "store: {url: 'redis://u:hunter2@db/0', password: hunter2}",
            ".store: has a password in its URL and in password: remove one of them",
        ),
        (
            "dir: /x, store: 'redis://:hunter2@db'",
            ".store: cannot be used together with dir (allowed: one of dir, store)",
        ),
        ("order: 1", ": one of dir, store is required"),
        ("dir: /x, lease: 30s", ".lease: cannot be used without store"),
        ("dir: /x, namespace: a", ".namespace: cannot be used without store"),
        (
            "store: 'redis://db', lease: 1s",
            ".lease: cannot be less than 2s: the store has to be asked several times in a lease",
        ),
    ],
)
def test_what_is_wrong_is_said_without_the_url(keys: str, sentence: str) -> None:
    (problem,) = problems_of(f"programs: {{web: {{command: x, type: oneshot, once: {{key: v1, {keys}}}}}}}")
    assert problem.partition("programs.web.once")[2] == sentence
    assert SECRET not in problem


class _Hides(importlib.abc.MetaPathFinder):
    """Finds modules as before, but for one package, which is not installed."""

    def __init__(self, hidden: str) -> None:
        self._hidden, self._finders = hidden, tuple(sys.meta_path)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        found = (finder.find_spec(name, path, target) for finder in self._finders if name != self._hidden)
        return next((spec for spec in found if spec is not None), None)


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [("rediss://db", "redis", "redis"), ("postgresql://db/app", "psycopg", "postgresql")],
)
def test_a_client_that_is_not_installed_is_named_with_its_extra(
    url: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_Hides(package)])
    (problem,) = problems_of(f"programs: {{web: {{command: x, type: oneshot, once: {{key: v1, store: '{url}'}}}}}}")
    scheme = url.partition(":")[0]
    assert problem.endswith(f".store: {scheme}:// needs the Python package {package}: pip install 'supinit[{extra}]'")
