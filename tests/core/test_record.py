"""Records: frozen values that are compared by their fields."""

from __future__ import annotations

import pytest

from supervisor.core.record import Record, replace


class Point(Record):
    x: int
    y: int = 0


class Pair(Record):
    x: int
    y: int = 0


class Nothing(Record):
    """No fields at all."""


def test_fields_are_given_by_place_or_by_name_and_may_have_a_default() -> None:
    points = (Point(1), Point(1, 0), Point(x=1), Point(1, y=0), Point(y=0, x=1))
    assert [(point.x, point.y) for point in points] == [(1, 0)] * 5


def test_records_are_equal_by_their_fields() -> None:
    assert Point(1, 2) == Point(1, 2)
    assert Point(1, 2) != Point(1, 3)
    assert Nothing() == Nothing()


def test_records_of_different_classes_are_never_equal() -> None:
    a: object = Point(1, 2)
    b: object = Pair(1, 2)
    assert a != b
    assert a != (1, 2)


def test_equal_records_have_the_same_hash() -> None:
    assert {Point(1, 2), Point(1, 2), Point(2, 1)} == {Point(1, 2), Point(2, 1)}
    assert hash(Point(1, 2)) != hash(Pair(1, 2))
    assert len({hash(Point(1, y)) for y in range(100)}) > 90


def test_a_record_shows_its_fields() -> None:
    assert repr(Point(1)) == "Point(x=1, y=0)"
    assert repr(Nothing()) == "Nothing()"


def test_a_record_cannot_be_changed() -> None:
    point = Point(1)
    with pytest.raises(AttributeError, match="frozen"):
        point.x = 2  # type: ignore[misc]  # that is what is tested
    with pytest.raises(AttributeError, match="frozen"):
        del point.x
    with pytest.raises(AttributeError):
        point.z = 3
    assert point == Point(1)


def test_a_record_has_no_room_for_anything_else() -> None:
    assert not hasattr(Point(1), "__dict__")


def test_replace_gives_a_copy() -> None:
    point = Point(1, 2)
    assert (replace(point, y=3), point) == (Point(1, 3), Point(1, 2))


@pytest.mark.parametrize(
    ("args", "fields", "match"),
    [
        pytest.param((), {}, "needs a value for x", id="missing"),
        pytest.param((), {"y": 1}, "needs a value for x", id="missing beside another"),
        pytest.param((1,), {"z": 1}, "takes x, y", id="unknown"),
        pytest.param((1, 2, 3), {}, "takes x, y", id="too many"),
        pytest.param((1,), {"x": 1}, "takes x, y", id="twice"),
        pytest.param((1, 2), {"y": 2}, "takes x, y", id="one more than there are"),
    ],
)
def test_wrong_fields_are_refused(args: tuple[int, ...], fields: dict[str, int], match: str) -> None:
    with pytest.raises(TypeError, match=match):
        Point(*args, **fields)


def test_replace_refuses_an_unknown_field() -> None:
    with pytest.raises(TypeError, match="takes x, y"):
        replace(Point(1), z=1)


def test_a_record_is_matched_by_place_and_by_name() -> None:
    match Point(1, 2):
        case Point(1, y=y):
            assert y == 2
        case _:
            pytest.fail("not matched")


def test_a_record_without_defaults_has_none() -> None:
    class Place(Record):
        x: int
        y: int = 0

    assert Place(1) == Place(1, 0)
    assert not hasattr(Place(1), "__dict__")
    with pytest.raises(TypeError, match="needs a value for x"):
        Place(y=1)  # type: ignore[call-arg]  # that is what is tested
