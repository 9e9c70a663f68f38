"""Convert runit's service directories: one, or a folder of them such as /etc/service."""

from __future__ import annotations

import os

from supervisor.convert.draft import IDLE, Draft
from supervisor.convert.findings import Location
from supervisor.convert.service_folder import convert_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from supervisor.convert.document import Block
    from supervisor.convert.findings import Findings

FAILURES = "A program that fails for good ends the container; runsv restarts it for ever (here: start_retries: null)."
_HOLDERS = ("etc/service", "etc/sv", "service", "sv")


def find_services(path: str) -> dict[str, str]:
    """Return service directories by name: PATH itself, those in it, or those in its etc/service or etc/sv."""
    if os.path.isfile(os.path.join(path, "run")):
        return {os.path.basename(os.path.abspath(path)): path}
    for holder in ("", *_HOLDERS):
        folder = os.path.join(path, holder)
        names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
        found = {
            name: os.path.join(folder, name) for name in names if os.path.isfile(os.path.join(folder, name, "run"))
        }
        if found:
            return found
    return {}


def convert_runit(folders: dict[str, str], findings: Findings) -> Block:
    """Return the table."""
    draft = Draft(findings)
    draft.document.note(FAILURES)
    for name, folder in folders.items():
        program = convert_folder(folder, draft)
        if program is None:
            continue
        place = Location(os.path.join(folder, "run"), 1)
        if os.path.exists(os.path.join(folder, "down")):
            program.entries[IDLE] = False
        draft.add(name, program, place)
    return draft.finish()
