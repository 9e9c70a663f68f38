"""Records: frozen, slotted values that are compared by their fields.

They do what frozen dataclasses do, without the cost: importing `dataclasses` takes ten milliseconds before the first
child runs, and every class half a millisecond more. Type checkers treat records as dataclasses (PEP 681).
docs/decisions/0001-records-instead-of-dataclasses.md has the measurements.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Never, NoReturn, TypeVar, dataclass_transform

    R = TypeVar("R", bound="Record")
else:

    def dataclass_transform(**_):
        return lambda cls: cls


_set = object.__setattr__


@dataclass_transform(frozen_default=True)
class _RecordType(type):
    """Make slots, defaults and `__match_args__` of the annotations in a class body."""

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> _RecordType:
        fields = tuple(namespace.get("__annotations__", ()))
        defaults = {field: namespace.pop(field) for field in fields if field in namespace}
        namespace["__slots__"] = fields
        namespace["__match_args__"] = fields
        namespace["_defaults"] = defaults
        return super().__new__(mcs, name, bases, namespace)


class Record(metaclass=_RecordType):
    """The base class of every record. Records are not subclassed further: alternatives are unions."""

    def __init__(self, *args: Any, **fields: Any) -> None:
        names = self.__match_args__
        for name, value in zip(names, args, strict=False):
            _set(self, name, value)
        if fields or len(args) != len(names):
            self._complete(names, args, fields)

    def _complete(self, names: tuple[str, ...], args: tuple[Any, ...], fields: dict[str, Any]) -> None:
        """Set the fields that were not given by position."""
        defaults = self._defaults
        for name in names[len(args) :]:
            if name in fields:
                _set(self, name, fields.pop(name))
            elif name in defaults:
                _set(self, name, defaults[name])
            else:
                raise TypeError(f"{type(self).__name__} needs a value for {name}")
        if fields or len(args) > len(names):
            raise TypeError(f"{type(self).__name__} takes {', '.join(names) or 'no fields'}, not {args} {fields}")

    def __reduce__(self) -> tuple[type[Record], tuple[Any, ...]]:
        return type(self), tuple(getattr(self, name) for name in self.__match_args__)  # for pickle

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen; use replace()")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__match_args__)

    def __hash__(self) -> int:
        return hash((type(self), *(getattr(self, name) for name in self.__match_args__)))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__match_args__)
        return f"{type(self).__name__}({fields})"

    if TYPE_CHECKING:
        __match_args__: ClassVar[tuple[str, ...]]
        _defaults: ClassVar[dict[str, Any]]


def replace(record: R, /, **changes: Any) -> R:
    """Return a copy of `record` with the named fields changed. Raises TypeError for a field that it does not have."""
    copy = object.__new__(type(record))
    for name in record.__match_args__:
        _set(copy, name, changes.pop(name) if name in changes else getattr(record, name))
    if changes:
        raise TypeError(f"{type(record).__name__} takes {', '.join(copy.__match_args__)}, not {changes}")
    return copy


def assert_never(value: Never) -> NoReturn:
    """Tell the type checker that no alternative is left (`typing.assert_never`, without importing typing)."""
    raise AssertionError(f"unexpected {value!r}")


__all__ = ["Record", "assert_never", "replace"]
