"""The Linux capabilities by name, and what cap_add and cap_drop make of a set of them (capabilities(7)).

A set is a number with one bit for each capability, as in /proc/PID/status.
"""

from __future__ import annotations

ALL = "ALL"
NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)  # fmt: skip
"""In the kernel's order: the index is the number of the bit."""
EVERY = (1 << 64) - 1


def parse_capability(text: str) -> str | None:
    """Return the name without CAP_, in capitals; "ALL" for all of them. None: no capability has this name."""
    name = text.upper().removeprefix("CAP_")
    is_name = text in (text.upper(), text.lower()) and (name == ALL or name in NAMES)
    return name if is_name else None


def as_set(names: tuple[str, ...]) -> int:
    return EVERY if ALL in names else sum(1 << NAMES.index(name) for name in set(names))


def names_in(capabilities: int) -> tuple[str, ...]:
    """Return the names of a set, in the kernel's order. One that is newer than this list is named by its number."""
    numbers = (number for number in range(capabilities.bit_length()) if capabilities >> number & 1)
    return tuple(NAMES[number] if number < len(NAMES) else str(number) for number in numbers)


def added(add: tuple[str, ...], drop: tuple[str, ...]) -> int:
    """Return the set that cap_add adds. A name in one of the lists counts more than ALL in the other."""
    return as_set(add) & ~as_set(drop) if ALL in add else as_set(add)


def dropped(add: tuple[str, ...], drop: tuple[str, ...]) -> int:
    """Return the set that cap_drop takes away."""
    return as_set(drop) & ~as_set(add) if ALL in drop else as_set(drop)
