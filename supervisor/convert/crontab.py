"""Convert a crontab: each job to a oneshot with a schedule.

Source: crontab(5) of Debian's cron and of cronie. A system crontab (/etc/crontab, /etc/cron.d) has the user in the
sixth field, a user's own crontab does not.
"""

from __future__ import annotations

import os
import re

from supervisor.convert.crontab_names import job_name
from supervisor.convert.document import Block
from supervisor.convert.draft import Draft
from supervisor.convert.findings import Location
from supervisor.convert.shell_commands import escaped, set_shell_command
from supervisor.convert.sources import read_text
from supervisor.core.record import Record
from supervisor.cron import EXTRA, NICKNAMES, parse_cron

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from supervisor.convert.findings import Findings

_NICKNAME = f"@reboot|{'|'.join(NICKNAMES)}"
_FIELD = r"[0-9*][0-9A-Za-z*,/~#-]*"
_FIELDS = rf"{_FIELD}[ \t]+{_FIELD}[ \t]+[0-9*L][0-9A-Za-z*,/~-]*(?:[ \t]+[0-9A-Za-z*][0-9A-Za-z*,/~#-]*){{2}}"
LINE = re.compile(rf"[ \t]*-?({_NICKNAME}|{_FIELDS})[ \t]+(\S.*)", re.IGNORECASE)
_SETTING = re.compile(r"""\s*["']?([A-Za-z_]\w*)["']?\s*=\s*(.*?)\s*$""")
_FILE = re.compile(r"[A-Za-z0-9_-]+$")
"""Names in /etc/cron.d that cron reads (run-parts(8))."""
_USER = re.compile(r"[a-z_][a-z0-9_-]*$")
_COMMAND = re.compile(r"[A-Za-z0-9_/.$\"'(\[{]")
_USERS = ("root", "www-data", "nobody", "app", "postgres", "mysql", "daemon", "mail", "nginx", "apache", "redis")
_IGNORED = {
    "MAILTO": "output goes to the container's log; docs/alerts.yaml has a rule for a run that failed",
    "MAILFROM": "no mail is sent",
    "CONTENT_TYPE": "no mail is sent",
    "CONTENT_TRANSFER_ENCODING": "no mail is sent",
    "RANDOM_DELAY": "a run starts at its time",
    "START_HOURS_RANGE": "this is anacron's",
}
NEEDS = f"A cron expression needs cronsim in the image: pip install '{EXTRA}'."
HOME = "Jobs start in supinit's working directory, under cron in the home directory of their user: set working_dir."
ZONE = "The times are in UTC. cron follows the local time of the machine: set timezone where that differs."
SEVERAL = "several commands in one shell: the signal goes to all of them"


class Job(Record):
    place: Location
    times: str
    rest: str
    settings: tuple[tuple[str, str], ...]
    """The environment settings above the line, in their order."""


def find_crontabs(path: str) -> list[str]:
    """Return the files of a folder like /etc/cron.d that cron would read."""
    if os.path.basename(os.path.normpath(path)) != "cron.d":
        return []
    files = (os.path.join(path, name) for name in sorted(os.listdir(path)) if _FILE.match(name))
    return [file for file in files if os.path.isfile(file)]


def convert_crontabs(paths: Iterable[str], findings: Findings) -> Block:
    """Return the table. It is not usable if `findings` contain a problem."""
    draft = Draft(findings)
    draft.document.notes[""] = [NEEDS, HOME, ZONE]
    for path in paths:
        text = read_text(path, findings)
        jobs = [] if text is None else list(_read_jobs(text, path, draft))
        has_users = _has_users(path, jobs)
        for job in jobs:
            _add(job, has_users, draft)
    return draft.finish()


def _read_jobs(text: str, path: str, draft: Draft) -> Iterator[Job]:
    settings: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        place = Location(path, number)
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if (match := LINE.fullmatch(line)) is not None:
            yield Job(place, " ".join(match[1].split()), match[2].strip(), tuple(settings.items()))
        elif (match := _SETTING.fullmatch(line)) is not None:
            name, value = match[1], _unquoted(match[2])
            if name in _IGNORED:
                draft.mention(place, f"{name} is left out: {_IGNORED[name]}")
            else:
                settings[name] = value
        else:
            draft.lose(place, f"cannot be read, and is left out: {line.strip()[:60]}")


def _unquoted(text: str) -> str:
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _has_users(path: str, jobs: list[Job]) -> bool:
    """Return whether the jobs name their users, by the path or because each has a user name in that field."""
    folder, name = os.path.split(os.path.abspath(path))
    if os.path.basename(folder) == "cron.d" or (name == "crontab" and folder == "/etc"):
        return True
    if os.path.basename(folder) == "crontabs":
        return False
    words = [job.rest.split() for job in jobs]
    return bool(jobs) and all(len(line) > 1 and _is_user(line[0]) and _COMMAND.match(line[1]) for line in words)


def _is_user(word: str) -> bool:
    if word in _USERS:
        return True
    import pwd

    try:
        return _USER.match(word) is not None and pwd.getpwnam(word) is not None
    except (KeyError, ValueError):
        return False


def _add(job: Job, has_users: bool, draft: Draft) -> None:
    settings = dict(job.settings)
    program, environment = Block(), Block()
    user, rest = "", job.rest
    if has_users:
        user, rest = (*rest.split(None, 1), "")[:2]
        if not rest:
            draft.lose(job.place, f"has no command after the user, and is left out: {job.rest[:60]}")
            return
    program.entries["type"] = "oneshot"
    shell, zone = settings.pop("SHELL", "sh"), settings.pop("CRON_TZ", "")
    try:
        _set_schedule(job, zone, program)
    except ValueError as error:
        draft.lose(job.place, f"{error}; the job is left out: {job.times} {job.rest[:60]}")
        return
    if user and user != "root":
        program.entries["user"] = user
    if "HOME" in settings:
        program.entries["working_dir"] = escaped(settings["HOME"])
    environment.entries.update((name, escaped(value)) for name, value in settings.items())
    _set_command(rest, shell, program, environment)
    if environment.entries:
        program.entries["environment"] = environment
    draft.add(job_name(rest), program, job.place)


def _set_schedule(job: Job, zone: str, program: Block) -> None:
    """Raises ValueError for times that supinit cannot read."""
    if job.times.lower() == "@reboot":
        program.note("@reboot: once, when the container starts")
        program.entries["shutdown_on"] = "never"
        return
    if "~" in job.times:
        raise ValueError("a random time (~) cannot be written")
    try:
        import cronsim  # noqa: F401
    except ImportError:
        pass  # supinit --check will tell
    else:
        parse_cron(job.times)
    program.entries["schedule"] = {"cron": job.times, **({"timezone": zone} if zone else {})}


def _set_command(command: str, shell: str, program: Block, environment: Block) -> None:
    """Set the command. The first unescaped % begins its input; further ones are line ends."""
    head, *data = re.split(r"(?<!\\)%", command)
    head = head.replace("\\%", "%")
    if data:
        lines = " ".join("'" + line.replace("\\%", "%").replace("'", "'\\''") + "'" for line in data)
        head = f"printf '%s\\n' {lines} | {{ {head.strip()}; }}"
    set_shell_command(head, program, environment, SEVERAL, shell)
