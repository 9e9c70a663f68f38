"""asyncio is loaded without what only its unused parts need, and lacks nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import supervisor
from supervisor.asyncio_parts import STAND_INS

ROOT = str(Path(supervisor.__file__).parent.parent)
LOAD = f"""
import sys
before = set(sys.modules)
sys.path.insert(0, {ROOT!r})
from supervisor.asyncio_parts import load_asyncio
load_asyncio()
"""


def run(script: str) -> str:
    """Run a script in an interpreter of its own, once asyncio is loaded there, and return its output."""
    command = [sys.executable, "-I", "-S", "-c", LOAD + script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_no_module_with_a_stand_in_is_loaded_with_asyncio() -> None:
    """Where a release of Python needs one of them after all, asyncio works, and this test says what it costs."""
    names = (*STAND_INS, "ssl", "re", "contextlib", "ast", "dis", "dataclasses")
    assert run(f"import asyncio; print(*[name for name in {names!r} if name in sys.modules.keys() - before])") == ""


def test_a_loop_runs_tasks_timeouts_threads_and_servers_without_them() -> None:
    """What supinit does all the time."""
    script = """
import asyncio, os
async def answer(reader, writer):
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()
async def main():
    try:
        async with asyncio.timeout(0.001):
            await asyncio.Event().wait()
    except TimeoutError:
        print("timeout")
    done, _ = await asyncio.wait([asyncio.create_task(asyncio.sleep(0, "task"))], return_when=asyncio.FIRST_COMPLETED)
    print(done.pop().result(), *await asyncio.gather(asyncio.sleep(0, "a"), asyncio.shield(asyncio.sleep(0, "b"))))
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"line\\n")
    print(await asyncio.wait_for(reader.readline(), 60))
    writer.close()
    server.close()
loop = asyncio.SelectorEventLoop()
loop.run_until_complete(main())
print(*[name for name in ("inspect", "logging", "traceback", "typing") if name in sys.modules])
loop.close()
"""
    assert run(script).split("\n") == ["timeout", "task a b", "b'line\\n'"]


@pytest.mark.parametrize(
    ("script", "output"),
    [
        ("print(loop.run_until_complete(loop.run_in_executor(None, int, '7')))", "7"),
        ("print(loop.run_until_complete(asyncio.to_thread(int, '7')))", "7"),
        ("loop.call_exception_handler({'message': 'a fault'}); print(sys.modules['logging'].lastResort.level)", "30"),
        ("loop.set_debug(True); print(loop.run_until_complete(asyncio.sleep(0, 'slow')))", "slow"),
        ("print(asyncio.iscoroutinefunction(asyncio.sleep))", "True"),
        ("print(len(loop.create_task(asyncio.sleep(0)).get_stack()))", "1"),
        (
            "print(loop.run_until_complete(loop.subprocess_exec(asyncio.SubprocessProtocol, '/bin/true'))[1] is None)",
            "False",
        ),
        (
            "try: loop.run_until_complete(asyncio.open_connection('127.0.0.1', 1, happy_eyeballs_delay=1))\n"
            "except OSError: print('refused')",
            "refused",
        ),
    ],
    ids=["executor", "thread", "logger", "debug", "inspect", "stack", "subprocess", "eyeballs"],
)
def test_what_is_loaded_late_works(script: str, output: str) -> None:
    """None of it is used in an ordinary hour; all of it may be, by asyncio itself or by an error's report."""
    end = "\nloop.set_debug(False)\nimport os; sys.stdout.flush(); os._exit(0)"
    assert run(f"import asyncio\nloop = asyncio.SelectorEventLoop()\n{script}{end}") == output


@pytest.mark.parametrize("name", [*STAND_INS, "ssl"])
def test_everybody_else_imports_the_module_itself(name: str) -> None:
    script = (
        f"import importlib; module = importlib.import_module({name!r}); print(module.__spec__.name, module.__file__)"
    )
    found, file = run(script).split()
    assert found == name
    assert Path(file).stem in (name.rpartition(".")[2], "__init__")


def test_a_module_that_is_read_unexpectedly_is_loaded_once_and_the_others_are_not() -> None:
    """As in another release of Python."""
    forget = "from supervisor import asyncio_parts\nasyncio_parts.STAND_INS['typing'].clear()\n"
    unready = LOAD.replace("load_asyncio()\n", f"{forget}load_asyncio()\n")
    script = "import asyncio, typing; print(asyncio.timeouts.final is typing.final, 'inspect' in sys.modules)"
    command = [sys.executable, "-I", "-S", "-c", unready + script]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "True False"


def test_modules_that_are_loaded_already_are_used_as_they_are() -> None:
    script = "import asyncio; print(asyncio.log.logger is logging.getLogger('asyncio'))"
    command = [sys.executable, "-I", "-S", "-c", f"import logging\n{LOAD}{script}"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "True"
