"""Runs a command that dies with its parent: ``python leash.py PARENT_PID COMMAND ...``.

The kernel then kills the command when the process that started it is gone, however it went. On
Linux only, and the parent's *thread* counts: start nodes from a thread that lasts.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            return  # it was gone before the leash was on
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
