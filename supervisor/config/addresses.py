"""Parse addresses: host and port, the path of a Unix socket, or the URL of a health check.

The functions return None for an invalid address, and raise ValueError where there is more to say about the reason.
"""

from __future__ import annotations

from supervisor.core.quantities import parse_integer


def parse_address(text: str) -> tuple[str, int] | None:
    """Split "127.0.0.1:80", "db:5432" or "[::1]:80" into host and port."""
    host, colon, port_text = text.rpartition(":")
    port = parse_integer(port_text) if port_text[:1].isdigit() else None
    if not colon or port is None or not 1 <= port <= 65535:
        return None
    if host.startswith("[") and host.endswith("]"):
        return (host[1:-1], port) if ":" in host and _is_ipv6(host[1:-1]) else None
    return (host, port) if _is_host(host) else None


def parse_listen_address(text: str) -> tuple[str, int] | None:
    """Parse an address to listen on. ":9464" means all interfaces and gives an empty host."""
    if text.startswith(":") and text.count(":") == 1:
        address = parse_address("localhost" + text)
        return ("", address[1]) if address else None
    return parse_address(text)


def parse_server(text: str) -> str | None:
    """Check the address of a server: host and port, or the absolute path of its Unix socket."""
    if text.startswith("/"):
        return text if "\0" not in text else None
    return text if parse_address(text) else None


def parse_probe_url(text: str) -> str | None:
    """Check the URL of an HTTP health check: http://host[:port]/path, or http+unix://%2Fpath%2Fof.sock/path."""
    scheme, separator, rest = text.partition("://")
    if scheme == "https":
        raise ValueError("https is not supported: health checks do not use TLS (allowed: http)")
    if not separator or not text.isascii() or not text.isprintable() or " " in text or "#" in text:
        return None
    authority = rest.replace("?", "/").partition("/")[0]
    if scheme == "http+unix":
        return text if authority.lower().startswith("%2f") and len(authority) > 3 else None
    if scheme != "http" or "@" in authority:
        return None
    has_port = not authority.endswith("]") and ":" in authority
    return text if parse_address(authority if has_port else authority + ":80") else None


def _is_host(text: str) -> bool:
    return bool(text) and text.isascii() and all(letter.isalnum() or letter in ".-_" for letter in text)


def _is_ipv6(text: str) -> bool:
    from _socket import AF_INET6, inet_pton

    try:
        inet_pton(AF_INET6, text.partition("%")[0])
    except OSError:
        return False
    return True
