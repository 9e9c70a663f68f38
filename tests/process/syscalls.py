"""A seccomp filter that refuses one system call, as the profile of an older container engine does (seccomp(2))."""

from __future__ import annotations

import ctypes
import platform
import struct

CLONE3 = 435
"""The same number on every architecture (clone(2))."""
EXECVE = {"x86_64": 59, "aarch64": 221}.get(platform.machine(), 0)
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000


def refuse(number: int, error: int) -> None:
    """Make a system call fail with `error` in this process and its children, for good."""
    program = [
        (LOAD, 0, 0, 0),  # the number of the system call
        (JUMP_IF_EQUAL, 0, 1, number),
        (RETURN, 0, 0, ERRNO | error),
        (RETURN, 0, 0, ALLOW),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    assert platform.architecture()[0] == "64bit"
    header = ctypes.create_string_buffer(struct.pack("=HxxxxxxQ", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(header), 0, 0) == 0, ctypes.get_errno()
