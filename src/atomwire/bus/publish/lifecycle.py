"""What becomes of open buses when the process ends or forks."""

from __future__ import annotations

import atexit
import os
import sys
from typing import Protocol

from atomwire.bus.errors import DeliveryError
from atomwire.bus.log import LOGGER

__all__ = ["OPEN_BUSES", "close_at_exit_of_child"]


class _Bus(Protocol):
    def close_at_exit(self) -> None: ...

    def restart_in_child(self) -> None: ...


# Strong references: a bus that its owner forgot to close still has events to deliver.
OPEN_BUSES: set[_Bus] = set()


def _close_all() -> None:
    for bus in tuple(OPEN_BUSES):
        try:
            bus.close_at_exit()
        except DeliveryError as error:
            LOGGER.error("%s", error)
        except Exception:
            LOGGER.exception("an open bus could not be closed at exit")


def close_at_exit_of_child() -> None:
    """See to the end of a multiprocessing child, which runs no atexit functions."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.Finalize(None, _close_all, exitpriority=0)


def _after_fork() -> None:
    for bus in tuple(OPEN_BUSES):
        bus.restart_in_child()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
