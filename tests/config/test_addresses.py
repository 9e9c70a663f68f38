"""Addresses and URLs."""

from __future__ import annotations

import pytest

from supervisor.config.addresses import parse_address, parse_listen_address, parse_probe_url, parse_server


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("localhost:8000", ("localhost", 8000)),
        ("my-db.local:65535", ("my-db.local", 65535)),
        ("[::1]:80", ("::1", 80)),
        ("[fe80::1%eth0]:1", ("fe80::1%eth0", 1)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address
    assert parse_listen_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "80", "localhost", "localhost:", "a:0", "a:65536", "a:-1", "a:+1", "::1:80", "[::1]", "[]:80", "[x]:80",
     "[a:b]:1", "a b:80", "é:80", "a:٨", "a/b:80"],
)  # fmt: skip
def test_anything_else_is_no_address(text: str) -> None:
    assert parse_address(text) is None
    assert parse_listen_address(text) is None


def test_only_a_listener_may_leave_the_host_out() -> None:
    assert parse_listen_address(":9464") == ("", 9464)
    assert parse_listen_address(":0") is None
    assert parse_address(":9464") is None


@pytest.mark.parametrize("text", ["127.0.0.1:9000", "/run/php-fpm.sock"])
def test_a_server_listens_on_an_address_or_a_socket(text: str) -> None:
    assert parse_server(text) == text


@pytest.mark.parametrize("text", ["", "run/app.sock", "9000", "unix:/run/a"])
def test_anything_else_is_no_server(text: str) -> None:
    assert parse_server(text) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/healthz",
        "http://localhost",
        "http://localhost/?deep=1",
        "http://localhost?deep",
        "http://[::1]/",
        "http://[::1]:80/",
        "http+unix://%2Frun%2Fapp.sock/healthz",
        "http+unix://%2frun%2fapp.sock",
    ],
)
def test_a_health_check_asks_over_tcp_or_a_unix_socket(url: str) -> None:
    assert parse_probe_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["", "localhost", "http:/localhost", "ftp://localhost/", "http://", "http:///x", "http://a b/", "http://a/\n",
     "http://a:0/", "http://user@a/", "http://a/#x", "http+unix:///run/app.sock", "http+unix://%2F", "http://é/", "HTTP://a/"],
)  # fmt: skip
def test_anything_else_is_no_url_of_a_health_check(url: str) -> None:
    assert parse_probe_url(url) is None


def test_https_is_refused_with_the_reason() -> None:
    with pytest.raises(ValueError, match="https is not supported: health checks do not use TLS"):
        parse_probe_url("https://localhost/")
