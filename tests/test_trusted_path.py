"""A path leads where root has made it lead, and nowhere else, though another user may change its directories."""

from __future__ import annotations

import gzip
import os
import stat
from pathlib import Path

import pytest

from supervisor.core.program import LogSettings
from supervisor.logs.files import RotatedFile
from supervisor.trusted_path import find_place, open_folder

from .process.nursery import NOBODY, open_descriptors

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A directory of another user, in one of root's."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    return folder


def plant(link: Path, target: Path) -> None:
    """Make a link as the other user."""
    link.symlink_to(target)
    os.chown(link, NOBODY, NOBODY, follow_symlinks=False)


def reached(path: Path) -> tuple[int, str]:
    """Return the inode of the directory that a path ends in, and its name there."""
    place = find_place(str(path))
    try:
        return os.fstat(place.folder).st_ino, place.name
    finally:
        place.close()


def end(folder: Path, name: str) -> tuple[int, str]:
    return folder.stat().st_ino, name


def test_the_end_of_a_path_is_where_its_links_lead(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "to-b").symlink_to("a/b")
    (tmp_path / "a" / "b" / "file").symlink_to(f"{tmp_path}/to-b/../other")
    before = open_descriptors()
    assert reached(tmp_path / "to-b" / "file") == end(tmp_path / "a", "other")
    assert reached(tmp_path / "a" / "new") == end(tmp_path / "a", "new")
    assert open_descriptors() == before


@pytest.mark.parametrize(
    ("path", "error"),
    [("loop", "Too many levels of symbolic links"), ("missing/file", "No such file or directory"),
     ("file/x", "Not a directory")],
)  # fmt: skip
def test_what_is_in_the_way_is_said(tmp_path: Path, path: str, error: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").touch()
    before = open_descriptors()
    with pytest.raises(OSError) as caught:
        find_place(str(tmp_path / path))
    assert caught.value.strerror == error
    assert open_descriptors() == before


def test_descriptors_of_a_process_are_reached_as_before() -> None:
    read_end, write_end = os.pipe()
    place = find_place(f"/proc/self/fd/{write_end}")
    assert place.is_magic
    descriptor = place.open(os.O_WRONLY)
    os.write(descriptor, b"through")
    assert os.read(read_end, 10) == b"through"
    for number in (descriptor, read_end, write_end):
        os.close(number)
    place.close()


def test_a_directory_is_made_with_those_above_it(tmp_path: Path) -> None:
    os.close(open_folder(str(tmp_path / "a" / "b"), make=True))
    assert (tmp_path / "a" / "b").is_dir()
    os.close(open_folder("/"))


@needs_root
@pytest.mark.parametrize("path", ["link", "folder/file"])
def test_a_link_of_another_user_is_refused_and_named(theirs: Path, tmp_path: Path, path: str) -> None:
    (tmp_path / "secret").mkdir()
    plant(theirs / "link", tmp_path / "secret" / "file")
    plant(theirs / "folder", tmp_path / "secret")
    with pytest.raises(PermissionError) as caught:
        find_place(str(theirs / path))
    assert caught.value.strerror == (
        f"{path.partition('/')[0]} is a link that uid {NOBODY} has made; only links of root and of supinit's own user "
        "are followed"
    )


@needs_root
def test_a_log_file_that_was_replaced_by_a_link_is_not_followed(theirs: Path, tmp_path: Path) -> None:
    precious = tmp_path / "shadow"
    precious.write_text("root:x\n")
    log = RotatedFile(str(theirs / "log"), LogSettings(), 0o644)
    assert log.write((b"one\n",)) == (b"", None)
    (theirs / "log").unlink()
    plant(theirs / "log", precious)
    lost, reason = log.write((b"two\n",))
    assert (lost, reason) == (
        b"two\n",
        f"log is a link that uid {NOBODY} has made; only links of root and of supinit's own user are followed",
    )
    assert precious.read_text() == "root:x\n"
    (theirs / "log").unlink()
    assert log.write((b"three\n",)) == (b"", None)
    assert (theirs / "log").read_text() == "three\n"


@needs_root
def test_a_log_file_that_is_a_second_name_of_another_file_is_refused(theirs: Path, tmp_path: Path) -> None:
    precious = tmp_path / "shadow"
    precious.write_text("root:x\n")
    os.link(precious, theirs / "log")
    lost, reason = RotatedFile(str(theirs / "log"), LogSettings(), 0o644).write((b"two\n",))
    assert (lost, reason) == (b"two\n", "it has a second name (hard link), and its directory is another user's")
    assert precious.read_text() == "root:x\n"


@needs_root
def test_a_rotation_writes_through_no_link_that_was_planted(theirs: Path, tmp_path: Path) -> None:
    precious = tmp_path / "shadow"
    precious.write_text("root:x\n")
    plant(theirs / "log.1.gz.part", precious)
    plant(theirs / "log.1.gz", precious)
    log = RotatedFile(str(theirs / "log"), LogSettings(max_size=8, keep=2, compress=True), 0o644)
    assert log.write((b"1234567\n",)) == (b"", None)
    assert log.write((b"abcdefg\n",)) == (b"", None)
    assert precious.read_text() == "root:x\n"
    assert gzip.decompress((theirs / "log.1.gz").read_bytes()) == b"1234567\n"
    assert stat.S_IMODE((theirs / "log.1.gz").stat().st_mode) == 0o644
