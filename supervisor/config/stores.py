"""The stores of `once.store`: a URL, and the package that its database needs."""

from __future__ import annotations

from importlib.util import find_spec
from urllib.parse import SplitResult, urlsplit

from supervisor.core.once import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.core.program import SecretFile

_PORTS = {"redis": 6379, "rediss": 6379, "postgresql": 5432, "postgres": 5432}
_PACKAGES = {"redis": ("redis", "redis"), "rediss": ("redis", "redis")}
"""The package and the extra of a scheme."""
_POSTGRESQL = "psycopg", "postgresql"
ALLOWED = "redis://HOST:PORT/NUMBER, rediss://… with TLS, or postgresql://HOST:PORT/DATABASE"


def make_store(url: str, password: str | SecretFile | None) -> Store:
    """Return the store at `url`. Raises ValueError with the reason, which never quotes the URL: it may be secret."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"is not a valid URL (allowed: {ALLOWED})") from None
    if parts.scheme not in _PORTS:
        raise ValueError(f"is not the URL of a store (allowed: {ALLOWED})")
    if not parts.hostname:
        raise ValueError(f"names no host (allowed: {ALLOWED})")
    if password is not None and parts.password is not None:
        raise ValueError("has a password in its URL and in password: remove one of them")
    package, extra = _PACKAGES.get(parts.scheme, _POSTGRESQL)
    if find_spec(package) is None:
        raise ValueError(f"{parts.scheme}:// needs the Python package {package}: pip install 'supinit[{extra}]'")
    return Store(url, _address(parts, port), password)


def _address(parts: SplitResult, port: int | None) -> str:
    """Return a URL without its secrets."""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}:{port or _PORTS[parts.scheme]}{parts.path.rstrip('/')}"
