"""What starting, stopping and memory are to reach, beside the peers in the same run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from benchmarks.report import Goal, Table, at_least, at_most, quotient

Tables = Mapping[int, Table]
"""By how many programs there are."""
IMPORTS, PASS = 'python -I -c "import asyncio, yaml"', 'python -I -c "pass"'
BARE = 'python -I -S -c "pass"'
SUPINIT, COMPILED, REFERENCE, LOOP = "supinit", "supinit, compiled", "asyncio reference", "loop in C"


def goals(tables: Tables) -> tuple[Goal, ...]:
    return (*_first(tables), *_last(tables), *_stop(tables), *_memory(tables))


def _first(tables: Tables) -> Iterator[Goal]:
    for size, table in _of(tables, 1, 20):
        yield at_most(f"{size}: first child : imports alone", table.ratio(SUPINIT, "first", IMPORTS), 0.5)
        yield at_most(f"{size}: first child, compiled : {BARE}", table.ratio(COMPILED, "first", BARE), 1.8)
        for peer, limit in (("supervisord", 10), ("circus", 1), ("honcho", 1), ("pm2", 1)):
            goal = _ahead(f"{size}: first child, {peer} : supinit", table, peer, "first", limit)
            yield replace(goal, is_guarded=peer != "supervisord")  # it waits for a second


def _last(tables: Tables) -> Iterator[Goal]:
    for size, table in _of(tables, 100, 500):
        for peer in ("supervisord", "circus", "honcho", "s6", "runit", "pm2"):
            if table.median(peer, "last") is not None:
                yield _ahead(f"{size}: last child, {peer} : supinit", table, peer, "last", 1)
    if 500 in tables:
        slopes = (_slope(tables, row, "last") for row in (COMPILED, LOOP))
        yield at_most("a further program, compiled : one of a loop of posix_spawn in C", quotient(*slopes), 1.15)
        firsts = (tables[size].median(COMPILED, "first") for size in (500, 1))
        yield at_most("first child of 500 : of 1, compiled", quotient(*firsts), 1.3)


def _stop(tables: Tables) -> Iterator[Goal]:
    for size, table in _of(tables, 1, 100, 500):
        yield at_most(f"{size}: stop : asyncio reference", table.ratio(SUPINIT, "stop", REFERENCE), 1.5, guard=5)
        for peer, guard in (("s6", 0.2), ("supervisord", None)):
            yield replace(_ahead(f"{size}: stop, {peer} : supinit", table, peer, "stop", 1), guard=guard)


def _memory(tables: Tables) -> Iterator[Goal]:
    for _, table in _of(tables, 10):
        yield at_most("10: RSS, compiled : bare Python", table.ratio(COMPILED, "rss", PASS), 1.6)
    for size, table in tables.items():
        yield _ahead(f"{size}: RSS, supervisord : supinit", table, "supervisord", "rss", 1)
    if 500 in tables:
        growth = _slope(tables, COMPILED, "rss")
        yield at_most("RSS of a further program", growth, 4, "KiB")


def _of(tables: Tables, *sizes: int) -> Iterator[tuple[int, Table]]:
    return ((size, tables[size]) for size in sizes if size in tables)


def _slope(tables: Tables, row: str, key: str) -> float | None:
    """Return what each program from the 101st to the 500th adds."""
    few, many = tables[100].median(row, key), tables[500].median(row, key)
    return None if few is None or many is None else (many - few) / 400


def _ahead(text: str, table: Table, peer: str, key: str, limit: float) -> Goal:
    return at_least(text, table.ratio(peer, key, SUPINIT), limit)
