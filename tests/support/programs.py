"""Programs of their own, for what must not happen in a process of tests: forks, ends, hangs."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from tests.support.bus import PATIENCE

_ROOT = Path(__file__).parents[2]
# Longer than any of them takes.
_HANG_SECONDS = 40.0


def run(code: str, *arguments: str, python: str = sys.executable, exit_code: int = 0) -> str:
    """Run a program; return what it wrote, to stderr and stdout."""
    return run_command([python, "-c", textwrap.dedent(code), *arguments], exit_code)


def run_command(command: list[str], exit_code: int = 0) -> str:
    """Run a command of Python in the root of the tree."""
    program = subprocess.Popen(
        command,
        cwd=_ROOT,
        env=os.environ | {"PYTHONFAULTHANDLER": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = program.communicate(timeout=_HANG_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(program.pid, signal.SIGABRT)  # it and its children say where they are
        output, _ = program.communicate()
    assert program.returncode == exit_code, output
    return output


def in_child(function) -> int:
    """Run a function in a forked child; return its exit code, 0 when it returned."""
    child = os.fork()
    if child == 0:
        code = 1
        signal.alarm(int(PATIENCE))  # ends a child that hangs
        try:
            function()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
