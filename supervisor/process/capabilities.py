"""Giving a process its capabilities between fork and exec (capabilities(7)).

Rule 1: what is dropped leaves the bounding set, so that no setuid program and no file capability brings it back. With
        no_new_privileges nothing could, so that a process that may not change its bounding set (without CAP_SETPCAP)
        only gives up what it has.
Rule 2: what is added to a user other than root is in the ambient set, so that it survives exec. Root has all of its
        bounding set anyway.
Imported for programs with `cap_add`, `cap_drop` or `no_new_privileges` only: ctypes takes 3 ms.
"""

from __future__ import annotations

import ctypes
import errno
import os
from functools import partial

from supervisor.core.capabilities import NAMES, added, dropped, names_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Deed = tuple[str, Callable[[], object], str]
    """What is done, as an infinitive; the function; the privilege that it may need."""

PR_SET_KEEPCAPS, PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 8, 23, 24, 38, 47
PR_CAP_AMBIENT_RAISE = 2
_VERSION_3 = 0x20080522
_LIBC = ctypes.CDLL(None, use_errno=True)


def before_user(add: tuple[str, ...], drop: tuple[str, ...], no_new_privileges: bool) -> Iterator[Deed]:
    """Yield what is done while the process still has supinit's own privileges."""
    for name in names_in(_bounding_set() & dropped(add, drop)) if drop else ():
        number = _number(name)
        yield f"drop capability {name}", partial(_drop, number, no_new_privileges), "CAP_SETPCAP"
    if add:
        yield "keep its capabilities", partial(_prctl, PR_SET_KEEPCAPS, 1), ""


def after_user(add: tuple[str, ...], drop: tuple[str, ...], uid: int) -> Iterator[Deed]:
    """Yield what is done as the user of the program."""
    if not add and not drop:
        return
    wanted = added(add, drop)
    is_all = wanted.bit_length() == 64
    yield "set its capabilities", partial(_set, wanted, dropped(add, drop)), ""
    if uid == 0:
        for name in () if is_all else names_in(wanted & ~_bounding_set()):
            yield f"add capability {name}", _refuse, f"CAP_{name}"
        return
    for name in names_in(wanted & _permitted()[0] & _bounding_set() if is_all else wanted):
        yield f"add capability {name}", partial(_raise, _number(name)), f"CAP_{name}"


def forbid_new_privileges() -> None:
    """From now on no exec gives this process or its children more than it has (PR_SET_NO_NEW_PRIVS)."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1)


def _number(name: str) -> int:
    return int(name) if name.isdecimal() else NAMES.index(name)


def _drop(number: int, no_new_privileges: bool) -> None:
    try:
        _prctl(PR_CAPBSET_DROP, number)
    except PermissionError:
        if not no_new_privileges:
            raise


def _raise(number: int) -> None:
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number)


def _refuse() -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def _bounding_set() -> int:
    """The kernel answers EINVAL for the first number that is not a capability."""
    found = 0
    for number in range(64):
        answer = _LIBC.prctl(PR_CAPBSET_READ, number, 0, 0, 0)
        if answer < 0:
            break
        found |= answer << number
    return found


def _permitted() -> tuple[int, int, int]:
    """Return the permitted, inheritable and effective set of this process."""
    data = (ctypes.c_uint32 * 6)()
    _check(_LIBC.capget(_header(), data))
    effective, permitted, inheritable = (data[index] | data[index + 3] << 32 for index in range(3))
    return permitted, inheritable, effective


def _set(add: int, drop: int) -> None:
    """Reduce the sets of this process. The kernel takes out of the ambient set what leaves one of them."""
    permitted, inheritable, _ = _permitted()
    if os.geteuid() == 0:
        permitted &= ~drop
        inheritable &= permitted
    else:
        permitted &= (_ambient_set() & ~drop) | add
        inheritable = permitted
    words = [word for shift in (0, 32) for word in _low_words(shift, permitted, permitted, inheritable)]
    _check(_LIBC.capset(_header(), (ctypes.c_uint32 * 6)(*words)))


def _low_words(shift: int, *sets: int) -> tuple[int, ...]:
    return tuple(number >> shift & 0xFFFFFFFF for number in sets)


def _ambient_set() -> int:
    answers = ((number, _LIBC.prctl(PR_CAP_AMBIENT, 1, number, 0, 0)) for number in range(64))
    return sum(1 << number for number, answer in answers if answer == 1)


def _header() -> ctypes.Array[ctypes.c_uint32]:
    return (ctypes.c_uint32 * 2)(_VERSION_3, 0)


def _prctl(operation: int, first: int, second: int = 0) -> None:
    _check(_LIBC.prctl(operation, first, second, 0, 0))


def _check(answer: int) -> None:
    if answer != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
