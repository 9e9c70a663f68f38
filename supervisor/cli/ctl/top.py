"""top: a full-screen table of the programs that refreshes. Textual comes with the extra `supinit[top]`."""

from __future__ import annotations

import os
import sys

from supervisor.cli.ctl.call import FAILED, WRONG_USE, Call, complain, reach


def top(call: Call) -> int:
    """Show the table until q or Ctrl-C."""
    if call.as_json:
        return complain("top has no --json; supctl --json status has the figures", WRONG_USE)
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
        return complain("top needs a terminal (docker exec -it)", WRONG_USE)
    try:
        from supervisor.cli.ctl.top_screen import Top
    except ImportError as error:
        return complain(f"top needs {error.name}: install it with pip install 'supinit[top]'", FAILED)
    connection = reach(call)
    if isinstance(connection, int):
        return connection
    connection.close()
    screen = Top(call.path, call.words)
    screen.run()
    return screen.return_code or 0
