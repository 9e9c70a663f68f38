"""What cap_add, cap_drop and no_new_privileges make of a process, as the kernel shows it."""

from __future__ import annotations

import os
from typing import Any

import pytest

from supervisor.config.privileges import obstacle_to_capabilities, own_privileges
from supervisor.core.capabilities import NAMES, as_set
from supervisor.core.program import Credentials
from supervisor.errors import SpawnError

from .nursery import NOBODY, Nursery, elsewhere
from .test_credentials import become, without

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has capabilities")

SOMEBODY = Credentials(NOBODY, NOBODY, (NOBODY,), name="nobody")
OWN = own_privileges().bounding


def sets_of(nursery: Nursery, **fields: Any) -> dict[str, int]:
    """Return the sets that a process has after exec."""
    lines = nursery.output("grep", "-E", "^(Cap|NoNewPrivs)", "/proc/self/status", **fields).splitlines()
    pairs = (line.split(":\t") for line in lines)
    return {name.removeprefix("Cap"): int(number, 16) for name, number in pairs}


def same(
    capabilities: int, *, inherited: int | None = None, bound: int | None = None, sealed: int = 0
) -> dict[str, int]:
    """Return the sets of a process that has these capabilities, and inherits and is bound by the same by default."""
    passed_on = capabilities if inherited is None else inherited
    return {
        "Inh": passed_on,
        "Prm": capabilities,
        "Eff": capabilities,
        "Bnd": capabilities if bound is None else bound,
        "Amb": passed_on,
        "NoNewPrivs": sealed,
    }


BIND = as_set(("NET_BIND_SERVICE",))
RAW = as_set(("NET_RAW",))
IDS = as_set(("SETUID", "SETGID"))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"cap_drop": ("NET_RAW",)}, same(OWN & ~RAW, inherited=0)),
        ({"cap_drop": ("ALL",)}, same(0)),
        ({"cap_drop": ("ALL",), "cap_add": ("NET_RAW",)}, same(RAW, inherited=0)),
        ({"cap_add": ("NET_RAW",)}, same(OWN, inherited=0)),
        ({"cap_add": ("ALL",), "cap_drop": ("NET_RAW",)}, same(OWN & ~RAW, inherited=0)),
        ({"no_new_privileges": True}, same(OWN, inherited=0, sealed=1)),
        ({"credentials": SOMEBODY}, same(0, bound=OWN)),
        ({"credentials": SOMEBODY, "cap_add": ("NET_BIND_SERVICE",)}, same(BIND, bound=OWN)),
        ({"credentials": SOMEBODY, "cap_add": ("NET_BIND_SERVICE",), "cap_drop": ("ALL",)}, same(BIND)),
        ({"credentials": SOMEBODY, "cap_add": ("ALL",), "cap_drop": ("NET_RAW",)}, same(OWN & ~RAW)),
        ({"credentials": SOMEBODY, "cap_drop": ("SETUID", "SETGID")}, same(0, bound=OWN & ~IDS)),
        (
            {"credentials": SOMEBODY, "cap_drop": ("ALL",), "no_new_privileges": True},
            same(0, sealed=1),
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) and "Inh" not in value else "",
)  # fmt: skip
def test_a_process_has_exactly_its_capabilities(
    nursery: Nursery, fields: dict[str, Any], expected: dict[str, int]
) -> None:
    assert sets_of(nursery, **fields) == expected


def test_what_needs_a_privilege_is_done_before_it_is_dropped(nursery: Nursery) -> None:
    said = nursery.output(
        "sh",
        "-c",
        "nice; id -u; id -G",
        nice=-3,
        cap_drop=("ALL",),
        credentials=Credentials(NOBODY, NOBODY, (NOBODY, 7)),
    )
    assert said.split() == ["-3", "65534", "65534", "7"]


def test_a_capability_that_supinit_lacks_is_named(nursery: Nursery) -> None:
    def add() -> list[str]:
        become(NOBODY, NOBODY)
        return [refused(nursery, cap_add=("NET_ADMIN",)), refused(nursery, cap_drop=("CHOWN",))]

    assert elsewhere(add) == [
        "cannot add capability NET_ADMIN: Operation not permitted (it needs CAP_NET_ADMIN)",
        "cannot drop capability CHOWN: Operation not permitted (it needs CAP_SETPCAP)",
    ]


def test_without_cap_setpcap_no_new_privileges_does_what_the_bounding_set_cannot() -> None:
    def drop() -> tuple[dict[str, int], dict[str, int]]:
        without("setpcap")()
        fields: dict[str, Any] = {"cap_drop": ("ALL",), "no_new_privileges": True}
        root = sets_of(Nursery(), **fields)
        become(NOBODY, NOBODY)
        return root, sets_of(Nursery(), **fields)

    assert elsewhere(drop) == (same(0, bound=OWN, sealed=1), same(0, bound=OWN, sealed=1))


def refused(nursery: Nursery, **fields: Any) -> str:
    with pytest.raises(SpawnError) as caught:
        nursery.start("true", **fields)
    return str(caught.value)


# ---- what is known before anything starts


@pytest.mark.parametrize(
    ("add", "drop", "is_sealed", "expected"),
    [
        (
            ("NET_ADMIN", "CHOWN"),
            (),
            False,
            (
                "cap_add",
                "cannot add CHOWN, NET_ADMIN: supinit does not have it itself (start the container with it, such as "
                "docker run --cap-add CHOWN, as root)",
            ),
        ),
        (("ALL",), (), False, None),
        (
            (),
            ("ALL",),
            False,
            (
                "cap_drop",
                "cannot drop CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH …: supinit has no CAP_SETPCAP to take it out of the "
                "bounding set (add no_new_privileges: true, with which no program can get it back)",
            ),
        ),
        ((), ("ALL",), True, None),
        ((), (), True, None),
    ],
    ids=["add", "add all", "drop", "drop, sealed", "sealed"],
)
def test_what_a_user_without_capabilities_cannot_give_is_predicted(
    add: tuple[str, ...], drop: tuple[str, ...], is_sealed: bool, expected: tuple[str, str] | None
) -> None:
    def ask() -> tuple[str, str] | None:
        become(NOBODY, NOBODY)
        return obstacle_to_capabilities(add, drop, None, own_privileges(), is_sealed)

    assert elsewhere(ask) == expected


def test_the_prediction_is_what_the_kernel_does(nursery: Nursery) -> None:
    """For every capability, as root and for another user: refused at the start exactly where a problem is reported."""
    own = own_privileges()
    for credentials in (None, SOMEBODY):
        predicted = {n for n in NAMES if obstacle_to_capabilities((n,), (), credentials, own, False)}
        found = set()
        for name in NAMES:
            try:
                assert nursery.end(nursery.start("true", credentials=credentials, cap_add=(name,))) == 0
            except SpawnError:
                found.add(name)
        assert predicted == found
