"""What supinit and its clients agree on beyond docs/openapi.yaml: where the socket is, and the headers of our own."""

from __future__ import annotations

DEFAULT_RUN_DIR = "/run/supinit"
SOCKET_NAME = "control.sock"
"""The control socket's name in run_dir."""
MAX_SOCKET_PATH = 107
"""Bytes of a Unix socket's path, without the terminating null byte (sockaddr_un, unix(7))."""
FINE = "Supinit-Fine"
"""The header of a status: yes if everything that it shows is up, else no. For clients that do not read JSON."""
BROKEN_OFF = "Supinit-Broken-Off"
"""The trailer that says why a stream ended early."""
COMPILED_SUFFIX = ".compiled"
"""What the name of a compiled table has after the table's own."""
