"""The pages in docs/ say what the code does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from supervisor.boot import INTERNAL_ERROR
from supervisor.cli import supctl
from supervisor.cli.ctl import call
from supervisor.cli.supinit import EXIT_CONFIG, EXIT_USAGE, USAGE
from supervisor.config.load import load
from supervisor.config.reference import reference
from supervisor.core.plan import make_plan
from supervisor.process.executable import PERMANENT

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:\s]*)(?:#([^)]*))?\)")
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")]
)
YAML = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TABLES = [
    pytest.param(page, table, id=f"{page}, {number}")
    for page in PAGES
    for number, table in enumerate(YAML.findall((ROOT / page).read_text()), 1)
    if re.search(r"^programs:", table, re.MULTILINE)
]
USER = re.compile(r"\buser: [^,}\s]+")
START_TIMEOUT = 75
NOUNS = ("container", "program", "signal", "marker", "control", "internal", "log", "socket")


def test_the_configuration_page_is_made_from_the_table_of_keys() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == reference(), (
        "python -m supervisor.config.reference > docs/configuration.md"
    )


def test_the_events_page_lists_exactly_the_events_that_are_logged() -> None:
    rows = [cells[0].strip("`") for cells in _table("docs/events.md", "event")]
    assert sorted(rows) == sorted(_events_in_the_code())


def test_the_supctl_page_has_every_command_with_its_options() -> None:
    """In the words of --help, in its order."""
    listed = [cells[0].strip("`") for cells in _table("docs/supctl.md", "command")]
    assert listed == [name + command.usage for name, command in supctl.COMMANDS.items()]


def test_the_supinit_page_has_every_call_and_option() -> None:
    """In the words of --help."""
    assert f"```text\n{USAGE}```" in (ROOT / "docs/supinit.md").read_text()


def test_the_front_page_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_the_supctl_page_has_every_exit_code() -> None:
    """As --help has them, and as the code has them, by name."""
    listed = [int(cells[0]) for cells in _table("docs/supctl.md", "code") if cells[0].isdecimal()]
    helped = [int(number) for number in re.findall(r"\b\d+(?= [a-z])", supctl.MANUAL.partition("Exit codes:")[2])]
    assert listed == helped
    codes = (call.FAILED, call.WRONG_USE, call.NOT_FINE, call.NO_SUCH_PROGRAM, call.UNREACHABLE, call.NOT_PERMITTED)
    assert listed == [0, *codes]


def test_the_exit_codes_page_has_every_code() -> None:
    listed = [cells[0] for cells in _table("docs/exit-codes.md", "code")]
    missing = ", ".join(map(str, sorted(set(PERMANENT.values()))))
    codes = [0, 1, "N, 128+S", EXIT_USAGE, INTERNAL_ERROR, START_TIMEOUT, EXIT_CONFIG, missing]
    assert listed == [str(code) for code in codes]


def test_every_key_has_the_release_that_brought_it() -> None:
    rows = _table("docs/configuration.md", "key")
    assert len(rows) > 100
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", cells[3]) for cells in rows)


@pytest.mark.parametrize("page", PAGES)
def test_no_table_is_torn(page: str) -> None:
    """Every block of rows has its headings: a blank line between rows makes text of the rest."""
    for block in re.split(r"\n\s*\n", (ROOT / page).read_text()):
        lines = block.splitlines()
        if any(line.startswith("| ") for line in lines):
            assert any(line.startswith("| ---") for line in lines), block


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    text = FENCE.sub("", (ROOT / page).read_text())
    for target, anchor in LINK.findall(text):
        file = (ROOT / page).parent / target if target else ROOT / page
        assert file.exists(), target
        assert not anchor or anchor in _anchors(file), f"{target}#{anchor}"


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    """`mkdocs build --strict` in .ci/run says so, too, and more; this one needs no MkDocs."""
    named = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text()))
    pages = {page.removeprefix("docs/") for page in PAGES if page.startswith("docs/")}
    assert {page for page in pages if not page.startswith("decisions/")} <= named


def test_every_decision_has_a_number_of_its_own() -> None:
    names = [path.name for path in (ROOT / "docs/decisions").glob("*.md")]
    titles = [(ROOT / "docs/decisions" / name).read_text().partition(" ")[2].partition(".")[0] for name in names]
    assert [name[:4] for name in names] == [f"{title:0>4}" for title in titles]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_every_file_that_the_page_names_is_there(page: str) -> None:
    """From the root of the repository, or of supervisor/; a second one on a line also from the folder of the first."""
    for line in (ROOT / page).read_text().splitlines():
        folders = [ROOT, ROOT / "supervisor"]
        for name in re.findall(r"`([\w./-]+(?:\.py|\.md|\.yaml|/))`", line):
            if "NNNN" not in name:
                found = next((folder / name for folder in folders if (folder / name).exists()), None)
                assert found is not None, f"{name} in: {line}"
                folders.append(found if found.is_dir() else found.parent)


@pytest.mark.parametrize(("page", "table"), TABLES)
def test_every_table_in_the_pages_is_valid(page: str, table: str, tmp_path: Path) -> None:
    """As supinit --check has it: with the variables that it requires, and every user that it names."""
    if "cron:" in table:
        pytest.importorskip("cronsim")  # an extra, which need not be installed
    file = tmp_path / "supinit.yaml"
    file.write_text(USER.sub("user: root", table))
    required = next(iter(re.findall(r"required_environment: \[(.*)\]", table)), "")
    make_plan(load(str(file), {name.strip(): "x" for name in required.split(",")}))


def _table(page: str, heading: str) -> list[list[str]]:
    """Return the rows of all tables of a page whose first heading is `heading`."""
    rows, is_meant = list[list[str]](), False
    previous = ""
    for line in (ROOT / page).read_text().splitlines():
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if line.startswith("| ---"):
            is_meant = previous.startswith(f"| {heading} |")
        elif not line.startswith("|"):
            is_meant = False
        elif is_meant:
            rows.append(cells)
        previous = line
    return rows


def _anchors(page: Path) -> set[str]:
    """Return what the headings of a page are called in links, as MkDocs and GitHub have it."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in plain}


def _events_in_the_code() -> set[str]:
    """Every string constant that looks like an event: a noun of ours, a dot and a verb."""
    events = set()
    for path in (ROOT / "supervisor").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                noun, dot, verb = node.value.partition(".")
                if dot and noun in NOUNS and verb.replace("_", "").isalpha() and verb != "sock":
                    events.add(node.value)
    return events
