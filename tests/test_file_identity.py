from __future__ import annotations

from pathlib import Path

from supervisor.file_identity import identity_of


def test_a_link_to_a_file_is_another_file_and_a_missing_one_has_no_identity(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "same").hardlink_to(tmp_path / "file")
    file, link, same, missing = (identity_of(str(tmp_path / name)) for name in ("file", "link", "same", "missing"))
    assert file == same != link
    assert missing == (0, 0)
