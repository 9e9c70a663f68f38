"""Modules that are loaded on first use are loaded although every other descriptor is in use."""

from __future__ import annotations

import importlib
import os
import resource
import sys

from supervisor.process.import_reserve import ImportReserve

from .nursery import elsewhere

MODULES = ("supervisor.core.lease_reports", "xml.etree.ElementTree", "_statistics")
"""One of the core, one that imports others, and a C extension."""


def exhaust() -> None:
    """Use every descriptor that the limit leaves."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    try:
        while True:
            os.open("/", os.O_PATH)
    except OSError:
        pass


def load(*names: str) -> list[bool]:
    """Import modules anew, and return which of them could be loaded."""
    for loaded in list(sys.modules):
        if loaded.startswith(("supervisor.core.lease", "xml", "pyexpat", "_statistics")):
            del sys.modules[loaded]
    importlib.invalidate_caches()
    outcomes = []
    for name in names:
        try:
            importlib.import_module(name)
        except OSError:
            outcomes.append(False)
        else:
            outcomes.append(True)
    return outcomes


def test_modules_are_loaded_and_the_reserve_is_taken_back() -> None:
    def act() -> tuple[list[bool], bool]:
        ImportReserve().install()
        exhaust()
        loaded = load(*MODULES)
        try:
            os.open("/", os.O_PATH)
        except OSError:
            return loaded, True
        return loaded, False

    assert elsewhere(act) == ([True, True, True], True)


def test_without_the_reserve_they_are_not() -> None:
    def act() -> list[bool]:
        exhaust()
        return load(*MODULES[:2])

    assert elsewhere(act) == [False, False]


def test_a_module_that_does_not_exist_is_still_not_found() -> None:
    def act() -> str:
        ImportReserve().install()
        try:
            importlib.import_module("supervisor.no_such_module")
        except ModuleNotFoundError as error:
            return str(error)
        return ""

    assert elsewhere(act) == "No module named 'supervisor.no_such_module'"
