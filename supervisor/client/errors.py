"""What a client raises. Catch `ClientError` for everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.errors import SupinitError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class ClientError(SupinitError):
    """Any failure of a request. The text is one sentence."""


class UnreachableError(ClientError):
    """There is no answer: no socket, nobody listens, no permission to connect, too slow, or closed before the end.

    `__cause__` is the OSError. Whether the request was carried out is unknown if the connection was open.
    """


class RefusedError(ClientError):
    """supinit answered that it cannot do this, or that it did not work.

    `code` is for programs and one of the list in docs/openapi.yaml (`no_such_program`, `timeout` …); `message` is for
    people. `status` is the HTTP status, 0 where a stream broke off (`code` is then `broken_off`). `details` has what
    the answer says besides, such as the `programs` that failed or the `problems` of a table; it may be empty.
    """

    def __init__(self, status: int, code: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details or {}
