"""The screen of `supctl top`: a table of instances, a pane for logs and explanations, and keys to act.

Everything is asked of supinit beside the screen, so that the keys answer at once; figures come from psutil in this
process. A mirror tells of changes as they happen; the figures are read once a second.
"""

from __future__ import annotations

from collections import deque
from contextlib import aclosing
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import App
from textual.binding import Binding
from textual.widgets import DataTable, Footer, Input, RichLog, Static

from supervisor.cli.ctl.figures import Meter
from supervisor.client import AsyncClient, Client, ClientError
from supervisor.core.wording import printable, short_size, short_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from textual.app import ComposeResult

    from supervisor.cli.ctl.figures import Figures, Instance
    from supervisor.client.answers import Branch, Entry, Status

INTERVAL = 1.0
COLUMNS = ("NAME", "STATE", "HEALTH", "PID", "UPTIME", "CPU%", "MEMORY", "PROCS", "THREADS", "FDS", "I/O/s", "CONNS")
NARROW = frozenset({"HEALTH", "PID", "THREADS", "FDS", "I/O/s", "CONNS"})
"""The columns that a terminal of less than WIDE characters does not show."""
WIDE = 110
COLORS = {"RUNNING": "green", "EXITED": "green", "FATAL": "red", "BACKOFF": "red"}
LINES = 200
"""Lines that the pane keeps. Output that is too fast to draw is cut to this many."""
DRAWING = 0.2
"""Seconds between two updates of the screen."""


class Top(App[int]):
    """`names`: the programs to show; none means all."""

    CSS = """
    DataTable { height: 2fr; }
    RichLog { height: 1fr; border-top: solid $primary; }
    #head { height: 1; }
    Input { display: none; }
    Input.asking { display: block; }
    """
    BINDINGS: ClassVar = [
        Binding("q", "quit", "quit"),
        Binding("c", "sort('cpu')", "by CPU"),
        Binding("m", "sort('memory')", "by memory"),
        Binding("n", "sort('table')", "unsorted"),
        Binding("p", "processes", "processes"),
        Binding("l", "logs", "follow logs"),
        Binding("w", "why", "why"),
        Binding("s", "ask('start')", "start"),
        Binding("x", "ask('stop')", "stop"),
        Binding("r", "ask('restart')", "restart"),
        Binding("h", "ask('reload')", "reload"),
        Binding("k", "signal", "signal"),
        Binding("escape", "cancel", "cancel", show=False),
        Binding("y", "confirm", "yes", show=False),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, path: str, names: Sequence[str]) -> None:
        super().__init__(ansi_color=True)  # the terminal's own 16 colours
        self._client = Client(path)
        self._waiting = AsyncClient(path)
        self._lines: deque[str] = deque(maxlen=LINES)
        """Lines of output that are not drawn yet."""
        self._has_changed = False
        """Whether something has happened since the last look."""
        self._followed = ""
        """The instance whose output is followed."""
        self._names = tuple(names)
        self._meter = Meter()
        self._order = "table"
        self._open: set[Instance] = set()
        self._question: tuple[str, str] | None = None
        self._columns: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        yield Static("", id="head")
        yield DataTable(cursor_type="row", zebra_stripes=True)
        yield RichLog(max_lines=LINES, wrap=True)
        yield Input(placeholder="HUP, SIGUSR1 or 10; Escape cancels")
        yield Footer()

    def on_mount(self) -> None:
        self.query_one(DataTable).focus()
        self._look()
        self.set_interval(INTERVAL, self._look)
        self.set_interval(DRAWING, self._draw_news)
        self.run_worker(self._hear(), group="mirror")

    async def _hear(self) -> None:
        """Note whenever something has happened."""
        try:
            async with aclosing(self._waiting.mirror(patience=None)) as mirrors:
                async for _ in mirrors:
                    self._has_changed = True
        except ClientError as error:
            self._tell(str(error))

    # ---- what is shown

    def _look(self) -> None:
        self._has_changed = False
        self.run_worker(self._measure, thread=True, exclusive=True, group="look")

    def _measure(self) -> None:
        try:
            status, branches = self._client.status(*self._names), self._client.tree()
        except ClientError as error:
            self.call_from_thread(self._show_head, str(error))
            return
        self.call_from_thread(self._draw, status, branches, self._meter.measure(branches))

    def _show_head(self, text: str) -> None:
        self.query_one("#head", Static).update(Text(text))

    def _draw(self, status: Status, branches: Sequence[Branch], figures: Mapping[Instance, Figures]) -> None:
        entries = list(status["programs"])
        up = sum(entry["state"] in ("RUNNING", "EXITED") for entry in entries)
        ready = "ready" if status["ready"] else "not ready"
        self._show_head(f"supinit {status['version']}  {up} of {len(entries)} up, {ready}  sorted by {self._order}")
        if self._order != "table":
            entries.sort(key=lambda entry: self._weight(figures.get((entry["name"], entry["instance"]))), reverse=True)
        table = self.query_one(DataTable)
        row, is_wide = table.cursor_row, self.size.width >= WIDE
        columns = COLUMNS if is_wide else tuple(column for column in COLUMNS if column not in NARROW)
        table.clear(columns=columns != self._columns)
        if columns != self._columns:
            table.add_columns(*columns)
            self._columns = columns
        for entry in entries:
            instance = entry["name"], entry["instance"]
            cells = dict(zip(COLUMNS, _cells(entry, figures.get(instance)), strict=True))
            table.add_row(*(cells[column] for column in columns), key=f"{instance[0]}:{instance[1]}")
            if instance in self._open:
                for cells in _processes(branches, instance):
                    table.add_row(*(cells.get(column, "") for column in columns))
        table.move_cursor(row=min(row, max(0, table.row_count - 1)))

    def _weight(self, figures: Figures | None) -> float:
        if figures is None:
            return -1.0
        return figures.cpu_percent if self._order == "cpu" else figures.memory_bytes

    # ---- keys

    def _chosen(self) -> str | None:
        """Return the instance under the cursor, or that of the process under it."""
        table = self.query_one(DataTable)
        for number in range(min(table.cursor_row, table.row_count - 1), -1, -1):
            key = table.ordered_rows[number].key.value
            if key is not None:
                return str(key)
        return None

    def action_sort(self, order: str) -> None:
        self._order = order
        self._look()

    def action_processes(self) -> None:
        if (name := self._chosen()) is not None:
            program, _, number = name.rpartition(":")
            self._open ^= {(program, int(number))}
            self._look()

    def action_logs(self) -> None:
        """Follow the output of the chosen instance; stop if it is followed already."""
        name = self._chosen()
        if name is None or name == self._followed:
            self._stop_following()
            return
        self._followed = name
        self.query_one(RichLog).border_title = f"logs of {name}"
        self.run_worker(self._follow(name), exclusive=True, group="logs")

    async def _follow(self, name: str) -> None:
        try:
            async with aclosing(self._waiting.logs(name, last=50, follow=True)) as lines:
                async for line in lines:
                    self._lines.append(str(line.get("message", line.get("data"))))
        except ClientError as error:
            self._lines.append(str(error))

    def _draw_news(self) -> None:
        if self._has_changed:
            self._look()
        while self._lines:
            self._tell(self._lines.popleft())

    def _stop_following(self) -> None:
        self.workers.cancel_group(self, "logs")
        self._followed = ""
        self._lines.clear()
        self.query_one(RichLog).border_title = None

    def action_why(self) -> None:
        self._stop_following()
        if (name := self._chosen()) is not None:
            self._run(lambda: self._explain(name))

    def _explain(self, name: str) -> None:
        programs = self._client.why(name)["programs"]
        self.call_from_thread(self._tell, programs[0]["why"] if programs else f"{name} is up")
        for line in programs[0]["last_lines"] if programs else ():
            self.call_from_thread(self._tell, f"    {line}")

    def action_ask(self, action: str) -> None:
        if (name := self._chosen()) is not None:
            self._question = action, name
            self._tell(f"{action} {name}? y: yes, any other action: no")

    def action_confirm(self) -> None:
        if self._question is None or self.query_one(Input).has_class("asking"):
            return
        action, name = self._question
        self._question = None
        self._tell(f"{action} {name} ...")
        self._run(lambda: self._carry_out(action, name))

    def _carry_out(self, action: str, name: str) -> None:
        changes = {
            "start": self._client.start,
            "stop": self._client.stop,
            "restart": self._client.restart,
            "reload": self._client.reload,
        }
        changes[action](name)
        self.call_from_thread(self._tell, f"{action} {name}: done")

    def action_signal(self) -> None:
        """Ask for the signal to send to the chosen instance."""
        if (name := self._chosen()) is not None:
            self._question = "signal", name
            asked = self.query_one(Input)
            asked.border_title = f"signal for {name}"
            asked.add_class("asking")
            asked.focus()

    def on_input_submitted(self, submitted: Input.Submitted) -> None:
        question = self._question
        self.action_cancel()
        if question is not None and submitted.value.strip():
            self._run(lambda: self._signal(submitted.value.strip(), question[1]))

    def _signal(self, signal: str, name: str) -> None:
        self._client.signal(signal, name)
        self.call_from_thread(self._tell, f"sent {signal} to {name}")

    def action_cancel(self) -> None:
        self._question = None
        asked = self.query_one(Input)
        asked.remove_class("asking")
        asked.clear()
        self.query_one(DataTable).focus()

    def _run(self, action: Callable[[], None]) -> None:
        def run() -> None:
            try:
                action()
            except ClientError as error:
                self.call_from_thread(self._tell, str(error))

        self.run_worker(run, thread=True)

    def _tell(self, line: str) -> None:
        self.query_one(RichLog).write(Text(printable(line)))


def _cells(entry: Entry, figures: Figures | None) -> Iterator[Text | str]:
    yield f"{entry['name']}:{entry['instance']}" if entry["instance"] > 1 else entry["name"]
    yield Text(entry["state"], style=COLORS.get(entry["state"], "yellow"))
    yield Text(entry["health"], style="red" if entry["health"] == "unhealthy" else "")
    yield _text(entry["pid"])
    yield "-" if entry["uptime_seconds"] is None else short_time(entry["uptime_seconds"])
    yield "-" if figures is None else f"{figures.cpu_percent:.1f}"
    yield "-" if figures is None else short_size(figures.memory_bytes)
    yield "-" if figures is None else str(figures.processes)
    yield _text(None if figures is None else figures.threads)
    yield _text(None if figures is None else figures.descriptors)
    rate = None if figures is None else figures.io_bytes_per_second
    yield "-" if rate is None else short_size(int(rate))
    yield _text(None if figures is None else figures.connections)


def _processes(branches: Sequence[Branch], instance: Instance) -> Iterator[dict[str, str]]:
    """Yield a row for each process of an instance, by column."""
    for branch in branches:
        if branch["kind"] == "program" and (branch["program"], branch["instance"]) == instance:
            for process in branch["processes"]:
                command = printable(" ".join(process["command"]))
                yield {
                    "NAME": f"  {process['pid']} {command}"[:40],
                    "STATE": process["state"],
                    "PID": str(process["pid"]),
                    "MEMORY": short_size(process["memory_bytes"]),
                }


def _text(value: int | None) -> str:
    return "-" if value is None else str(value)
