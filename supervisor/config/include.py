"""`include`: the other tables that belong to this one."""

from __future__ import annotations

from supervisor.config.kinds import ByShape, ListOf, Made
from supervisor.config.scalars import TEXT
from supervisor.config.sections import Key, Section

_PATH = Made(TEXT, lambda path: (path,))
_ITEM = Section(
    Key(
        "path",
        ByShape(scalar=_PATH, sequence=ListOf(TEXT, may_be_empty=False)),
        "A path or glob pattern, or a list of them.",
        is_required=True,
    ),
    make=lambda path: path,
    foreign="INCLUDE_KEYS",
)
INCLUDE = ListOf(ByShape(scalar=_PATH, mapping=_ITEM))
"""Each item is read into a tuple of patterns."""
