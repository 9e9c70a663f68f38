"""Limits of the kernel that more than one layer has to keep."""

from __future__ import annotations

MAX_SOCKET_PATH = 107
"""Bytes of a Unix socket's path, without the terminating null byte (sockaddr_un, unix(7))."""
