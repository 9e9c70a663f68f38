"""Recognize well-known servers and shells by their commands. A preset is suggested, never set."""

from __future__ import annotations

import os

from supervisor.config.lint import SHELLS
from supervisor.config.presets import PRESETS

_OTHER_NAMES = {
    "httpd": "apache", "apache2": "apache", "apache2ctl": "apache", "apachectl": "apache", "postmaster": "postgres",
    "redis-server": "redis",
}  # fmt: skip


def suggest_preset(words: list[str]) -> str:
    """Return the name of the preset for a command; empty where there is none."""
    name = os.path.basename(words[0]) if words else ""
    if name.startswith("python") and words[1:2] == ["-m"]:
        name = words[2] if len(words) > 2 else ""
    name = next((prefix for prefix in ("php-fpm", "uwsgi") if name.startswith(prefix)), name)
    name = _OTHER_NAMES.get(name, name)
    return name if name in PRESETS else ""


def is_held_by_shell(words: list[str]) -> bool:
    """Whether a shell stays as the parent of its command, and ends at once on a signal to its group."""
    if os.path.basename(words[0]) not in SHELLS or "-c" not in words[:-1]:
        return False
    script = words[words.index("-c") + 1]
    return "exec " not in script and "trap " not in script


def suggestion(preset: str) -> str:
    return f"write preset: {preset} instead of stop_signal and stop: it knows the graceful stop and the reload"
