"""Sets of capabilities, and what cap_add and cap_drop make of them."""

from __future__ import annotations

import pytest

from supervisor.core.capabilities import ALL, EVERY, NAMES, added, as_set, dropped, names_in, parse_capability

CHOWN, BIND = 1, 1 << 10


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("CHOWN", "CHOWN"),
        ("chown", "CHOWN"),
        ("CAP_NET_BIND_SERVICE", "NET_BIND_SERVICE"),
        ("cap_chown", "CHOWN"),
        ("all", "ALL"),
        ("ALL", "ALL"),
        ("Chown", None),
        ("FLY", None),
        ("", None),
    ],
)
def test_a_name_may_have_cap_before_it_and_is_in_capitals_or_in_small_letters(text: str, name: str | None) -> None:
    assert parse_capability(text) == name


def test_a_set_has_one_bit_for_each_name() -> None:
    assert as_set(()) == 0
    assert as_set(("CHOWN", "NET_BIND_SERVICE", "CHOWN")) == CHOWN | BIND
    assert as_set(("CHOWN", ALL)) == EVERY == 2**64 - 1
    assert as_set(("CHECKPOINT_RESTORE",)) == 1 << 40


def test_a_set_is_named_in_the_order_of_the_kernel() -> None:
    assert names_in(0) == ()
    assert names_in(BIND | CHOWN) == ("CHOWN", "NET_BIND_SERVICE")
    assert names_in(EVERY) == (*NAMES, *map(str, range(41, 64)))


@pytest.mark.parametrize(
    ("add", "drop", "added_set", "dropped_set"),
    [
        ((), (), 0, 0),
        (("CHOWN",), (ALL,), CHOWN, EVERY & ~CHOWN),
        ((ALL,), ("CHOWN",), EVERY & ~CHOWN, CHOWN),
        (("CHOWN",), ("NET_BIND_SERVICE",), CHOWN, BIND),
    ],
)
def test_a_name_counts_more_than_all(
    add: tuple[str, ...], drop: tuple[str, ...], added_set: int, dropped_set: int
) -> None:
    assert (added(add, drop), dropped(add, drop)) == (added_set, dropped_set)
