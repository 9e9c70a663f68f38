"""The kernel's counter of out-of-memory kills, and which death claims one."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.process.oom import CLAIM_LIMIT, OomKills, find_counter

V1 = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"
V2 = "low 0\nhigh 0\nmax 9\noom 9\noom_kill {}\noom_group_kill 0\n"


class Counter:
    """A cgroup's counter file and its reader."""

    def __init__(self, folder: Path, layout: str = V2) -> None:
        self.path = folder / "counter"
        self.layout = layout
        self.set(2)
        self.kills = OomKills(str(self.path))

    def set(self, count: int) -> None:
        self.path.write_text(self.layout.format(count))


@pytest.fixture
def counter(tmp_path: Path) -> Counter:
    return Counter(tmp_path)


@pytest.mark.parametrize("layout", [V1, V2], ids=["v1", "v2"])
def test_earlier_kills_are_counted_but_cannot_be_claimed(tmp_path: Path, layout: str) -> None:
    counter = Counter(tmp_path, layout)
    assert (counter.kills.look(0.0), counter.kills.claim(0.0)) == (2, False)


def test_each_rise_is_claimed_once(counter: Counter) -> None:
    counter.set(4)
    assert [counter.kills.claim(at) for at in (5.0, 5.1, 5.2)] == [True, True, False]


def test_an_unclaimed_kill_is_forgotten(counter: Counter) -> None:
    """A worker's death is seen by a scrape; a later SIGKILL has another cause."""
    counter.set(3)
    assert counter.kills.look(5.0) == 3
    assert not counter.kills.claim(5.1 + CLAIM_LIMIT)
    counter.set(4)
    assert counter.kills.claim(60.0)


def test_a_kill_by_supinit_is_not_an_out_of_memory_kill(counter: Counter) -> None:
    counter.set(3)
    counter.kills.disclaim(5.0)
    assert not counter.kills.claim(5.1)


@pytest.mark.parametrize("text", ["", "low 0\nhigh 0\n"], ids=["empty", "an old kernel"])
def test_nothing_is_claimed_without_a_counter_in_the_file(counter: Counter, text: str) -> None:
    counter.path.write_text(text)
    assert (counter.kills.look(0.0), counter.kills.claim(0.0)) == (None, False)


def test_nothing_is_claimed_without_a_file(counter: Counter) -> None:
    counter.path.unlink()
    assert (counter.kills.look(0.0), counter.kills.claim(0.0)) == (None, False)
    assert (OomKills(None).look(0.0), OomKills(None).claim(0.0)) == (None, False)


def _find(folder: Path, cgroup: str, mounts: str, *files: str) -> str | None:
    """Return what is found below `folder`, which contains every mount."""
    for file, text in (("cgroup", cgroup), ("mountinfo", mounts.replace("FOLDER", str(folder)))):
        (folder / file).write_text(text)
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(V2.format(0))
    found = find_counter(str(folder))
    return None if found is None else str(Path(found).relative_to(folder))


UNIFIED = "30 1 0:26 {} FOLDER rw,nosuid - cgroup2 cgroup rw\n"
MEMORY = "31 1 0:27 {} FOLDER/v1 rw shared:9 - cgroup cgroup rw,memory\n"
V2_FILE, V1_FILE = "memory.events", "v1/memory.oom_control"


@pytest.mark.parametrize(
    ("cgroup", "mounts", "file", "is_found"),
    [
        pytest.param("0::/", UNIFIED.format("/"), V2_FILE, True, id="in a container"),
        pytest.param("0::/app/a", UNIFIED.format("/"), f"app/a/{V2_FILE}", True, id="below the root"),
        pytest.param("0::/docker/a", UNIFIED.format("/docker/a"), V2_FILE, True, id="only its own is mounted"),
        pytest.param("0::/docker/a", UNIFIED.format("/docker"), f"a/{V2_FILE}", True, id="only its parent is mounted"),
        pytest.param("0::/docker/a", UNIFIED.format("/docker/b"), V2_FILE, False, id="only another one is mounted"),
        pytest.param("0::/docker/ab", UNIFIED.format("/docker/a"), V2_FILE, False, id="only a namesake is mounted"),
        pytest.param("0::/", UNIFIED.format("/"), "cgroup.procs", False, id="the root of the machine"),
        pytest.param("9:cpu:/\n4:memory:/a", MEMORY.format("/a"), V1_FILE, True, id="version 1"),
        pytest.param("4:hugetlb,memory:/\n0::/", UNIFIED.format("/") + MEMORY.format("/"), V1_FILE, True, id="both"),
        pytest.param("0::/", MEMORY.format("/"), V1_FILE, False, id="version 1 without its controller"),
        pytest.param("nonsense", "", V2_FILE, False, id="garbage"),
    ],
)
def test_the_counter_of_supinits_own_cgroup_is_found(
    tmp_path: Path, cgroup: str, mounts: str, file: str, is_found: bool
) -> None:
    (tmp_path / "cgroup").write_text(cgroup)
    (tmp_path / "mountinfo").write_text(mounts.replace("FOLDER", str(tmp_path)))
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(V1.format(7))
    assert find_counter(str(tmp_path)) == (str(tmp_path / file) if is_found else None)


def test_no_counter_is_found_without_proc(tmp_path: Path) -> None:
    assert find_counter(str(tmp_path)) is None
